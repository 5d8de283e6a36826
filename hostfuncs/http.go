package hostfuncs

import (
	"context"
	"net/http"
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
// exist, or no method or URL. Whether what they say can be sent is for the client to say. Nothing of head, which is the
// guest's memory, is kept.
func parseRequestHead(head []byte, r *egress.Request) bool {
	p := requestHead{r: r, raw: head, ok: true}
	err := rawjson.Members(head, headDepth, p.member)
	return err == nil && p.ok && p.hasMethod && p.hasURL
}

const headDepth = 4

// requestHead is a request's head while it is read.
type requestHead struct {
	r   *egress.Request
	raw []byte // the head in the guest's memory
	// text is a copy of raw, made for the first string. Strings without escapes are parts of it.
	text              string
	ok                bool // nothing wrong was found
	hasMethod, hasURL bool
}

func (p *requestHead) member(key, value []byte) error {
	switch string(key) {
	case "method":
		p.r.Method, p.hasMethod = p.method(value), true
	case "url":
		p.r.URL, p.hasURL = p.stringOf(value), true
	case "headers":
		p.r.Headers = p.pairs(value)
	case "timeout_ms":
		ms, err := strconv.ParseUint(string(value), 10, 31)
		p.ok = p.ok && err == nil && ms > 0
		p.r.Timeout = time.Duration(ms) * time.Millisecond
	default:
		p.ok = false
	}
	return nil
}

// method is stringOf without its copy for what most requests are.
func (p *requestHead) method(value []byte) string {
	switch string(value) {
	case `"GET"`:
		return http.MethodGet
	case `"POST"`:
		return http.MethodPost
	}
	return p.stringOf(value)
}

// sharedHead is how large a head may be for its strings to be parts of one copy, in bytes: whoever keeps one of them
// keeps all of it.
const sharedHead = 4 << 10

func (p *requestHead) stringOf(value []byte) string {
	if rawjson.KindOf(value) != rawjson.String {
		p.ok = false
		return ""
	}
	inner := rawjson.Unquote(value)
	if len(p.raw) > sharedHead || len(inner) != len(value)-len(`""`) { // without its escapes it is a copy already
		return string(inner)
	}
	if p.text == "" {
		p.text = string(p.raw)
	}
	start := cap(p.raw) - cap(inner) // both end with the memory that they are slices of
	return p.text[start : start+len(inner)]
}

// pairs reads [["name", "value"], …].
func (p *requestHead) pairs(list []byte) [][2]string {
	var out [][2]string
	if err := rawjson.Elements(list, headDepth, func(pair []byte) error {
		var h [2]string
		n := 0
		if err := rawjson.Elements(pair, headDepth, func(value []byte) error {
			if n < len(h) {
				h[n] = p.stringOf(value)
			}
			n++
			return nil
		}); err != nil {
			return err
		}
		p.ok = p.ok && n == len(h)
		if out == nil {
			out = make([][2]string, 0, usualHeaders)
		}
		out = append(out, h)
		return nil
	}); err != nil {
		p.ok = false
	}
	return out
}

// usualHeaders is for how many headers room is made at first.
const usualHeaders = 8

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
