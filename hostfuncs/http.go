package hostfuncs

import (
	"context"
	"strconv"
	"time"

	"sluice/hostfuncs/egress"
	"sluice/internal/rawjson"
)

// The bounds of one request's time, in the native ABI. The margin leaves a guest time to say that the service was too
// slow, instead of being ended with its call.
const (
	DefaultHTTPTimeout = 30 * time.Second
	deadlineMargin     = time.Second
)

// MaxRequestHead bounds the head of a request that a guest wants sent, in bytes.
const MaxRequestHead = 1 << 20

// SendHTTP sends the request that head describes, with body, and returns the response's head, as the native ABI
// writes it, and its body. A request that got no response is not an Errno: its head says what happened. The error is
// the context's, once it has ended.
func (c *Call) SendHTTP(ctx context.Context, head, body []byte) (respHead, respBody []byte, errno Errno, err error) {
	if c.Describing {
		return nil, nil, NotAvailable, nil
	}
	if len(head) > MaxRequestHead {
		return nil, nil, TooLarge, nil
	}
	r := egress.Request{Body: body, Timeout: DefaultHTTPTimeout}
	if !parseRequestHead(head, &r) {
		return nil, nil, Invalid, nil
	}
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		r.Timeout = min(r.Timeout, max(left-deadlineMargin, left/2))
	}
	resp, failure := c.HTTP.Do(ctx, &r)
	if failure != nil {
		if err := ctx.Err(); err != nil {
			return nil, nil, OK, err
		}
		return appendFailure(nil, failure), nil, OK, nil
	}
	return appendResponseHead(make([]byte, 0, 64*(len(resp.Headers)+1)), resp), resp.Body, OK, nil
}

// parseRequestHead fills r with what a guest wrote; false where it is not a head at all: no JSON, a member that does not
// exist, or no method or URL. Whether what they say can be sent is for the client to say.
func parseRequestHead(head []byte, r *egress.Request) bool {
	ok, hasMethod, hasURL := true, false, false
	err := rawjson.Members(head, headDepth, func(key, value []byte) error {
		switch string(key) {
		case "method":
			r.Method, ok = stringOf(value, ok)
			hasMethod = true
		case "url":
			r.URL, ok = stringOf(value, ok)
			hasURL = true
		case "headers":
			r.Headers, ok = pairs(value, ok)
		case "timeout_ms":
			ms, err := strconv.ParseUint(string(value), 10, 31)
			ok = ok && err == nil && ms > 0
			r.Timeout = time.Duration(ms) * time.Millisecond
		default:
			ok = false
		}
		return nil
	})
	return err == nil && ok && hasMethod && hasURL
}

const headDepth = 4

func stringOf(value []byte, ok bool) (string, bool) {
	if rawjson.KindOf(value) != rawjson.String {
		return "", false
	}
	return string(rawjson.Unquote(value)), ok
}

// pairs reads [["name", "value"], …].
func pairs(list []byte, ok bool) ([][2]string, bool) {
	var out [][2]string
	err := rawjson.Elements(list, headDepth, func(pair []byte) error {
		var p [2]string
		n := 0
		if err := rawjson.Elements(pair, headDepth, func(value []byte) error {
			if n < 2 {
				p[n], ok = stringOf(value, ok)
			}
			n++
			return nil
		}); err != nil {
			return err
		}
		ok = ok && n == 2
		out = append(out, p)
		return nil
	})
	return out, ok && err == nil
}

func appendResponseHead(dst []byte, r *egress.Response) []byte {
	dst = append(dst, `{"status":`...)
	dst = strconv.AppendInt(dst, int64(r.Status), 10)
	dst = append(dst, `,"headers":[`...)
	for i, h := range r.Headers {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '[')
		dst = rawjson.AppendString(dst, h[0])
		dst = append(dst, ',')
		dst = rawjson.AppendString(dst, h[1])
		dst = append(dst, ']')
	}
	return append(dst, "]}"...)
}

func appendFailure(dst []byte, e *egress.Error) []byte {
	dst = append(dst, `{"error":{"code":`...)
	dst = rawjson.AppendString(dst, string(e.Code))
	dst = append(dst, `,"message":`...)
	dst = rawjson.AppendString(dst, e.Message)
	if e.Field != "" {
		dst = append(dst, `,"field":`...)
		dst = rawjson.AppendString(dst, e.Field)
	}
	return append(dst, "}}"...)
}

// Denied is a Doer for a connector to which no HTTP is granted. It is the sentence that says what is missing.
type Denied string

// Do implements Doer.
func (d Denied) Do(context.Context, *egress.Request) (*egress.Response, *egress.Error) {
	return nil, &egress.Error{Code: egress.CodeEgressDenied, Message: string(d)}
}

var _ Doer = Denied("")
