package hostfuncs

import (
	"context"
	"errors"
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

// MaxRequestHeaders bounds its headers: they can be two bytes each, and cost the host a hundred.
const MaxRequestHeaders = 1000

// ParseHTTP reads the head of a request that a guest wants sent. Nothing of head, which is the guest's memory, is kept.
func (c *Call) ParseHTTP(head []byte) (*egress.Request, Errno) {
	if c.Describing {
		return nil, NotAvailable
	}
	if len(head) > MaxRequestHead {
		return nil, TooLarge
	}
	r := &egress.Request{Timeout: DefaultHTTPTimeout}
	if !parseRequestHead(head, r) {
		return nil, Invalid
	}
	return r, OK
}

// SendHTTP sends a request that ParseHTTP returned, and waits for the response, or for why there is none. The error is the
// context's, once it has ended.
func (c *Call) SendHTTP(ctx context.Context, r *egress.Request) (*egress.Response, *egress.Error, error) {
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		r.Timeout = min(r.Timeout, max(left-deadlineMargin, left/2))
	}
	c.masker, r.Keeper, r.Cost = nil, &c.Secrets, &c.opened
	if c.Secrets.Refers() {
		// What is not allowed is not worth searching.
		if failure := c.HTTP.Authorise(r); failure != nil {
			return nil, failure, nil
		}
	}
	if failure := c.Secrets.Put(r); failure != nil {
		return nil, c.failed(capabilityHTTP, failure), nil
	}
	response, failure := c.HTTP.Do(ctx, r)
	if failure == nil {
		c.masker = c.Secrets.Masker(response.Redirected)
		return response, nil, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	c.Secrets.Note(failure) // the host's own
	c.masker = c.Secrets.MessageMasker()
	return nil, c.failed(capabilityHTTP, failure), nil
}

// MaskHTTP takes out of what SendHTTP returned what the guest must not see of secrets. It computes, and calls look as
// [secret.Masker.Response] does.
func (c *Call) MaskHTTP(response *egress.Response, failure *egress.Error, look func(n int)) (*egress.Response, *egress.Error) {
	c.masker.Response(response, look)
	if failure != nil && c.masker != nil {
		// A message may name a host that a service has made of what it was sent.
		masked := *failure
		masked.Message = c.masker.Message(failure.Message, failure.Locations, look)
		failure = &masked
	}
	return response, failure
}

// ResponseHead is what a guest is told of a response, or of why there is none, as the native ABI writes it.
func ResponseHead(r *egress.Response, failure *egress.Error) []byte {
	if failure != nil {
		return appendFailure(nil, failure)
	}
	return appendResponseHead(make([]byte, 0, 64*(len(r.Headers)+1)), r)
}

// parseRequestHead fills r with what a guest wrote; false where it is not a head at all: no JSON, a member that does not
// exist, or no method or URL. Whether what they say can be sent is for the client to say.
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
	case "stream":
		p.r.Stream = string(value) == "true"
		p.ok = p.ok && (p.r.Stream || string(value) == "false")
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
		if len(out) == MaxRequestHeaders {
			return errTooManyHeaders
		}
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

var errTooManyHeaders = errors.New("too many headers")

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
	if e.RetryAfter > 0 {
		dst = append(dst, `,"retry_after_ms":`...)
		dst = strconv.AppendInt(dst, e.RetryAfter.Milliseconds(), 10)
	}
	return append(dst, "}}"...)
}

// Denied is a Doer for a connector to which no HTTP is granted. It is the sentence that says what is missing.
type Denied string

// Authorise implements Doer.
func (d Denied) Authorise(*egress.Request) *egress.Error {
	return &egress.Error{Code: egress.CodeEgressDenied, Message: string(d)}
}

// Do implements Doer.
func (d Denied) Do(_ context.Context, r *egress.Request) (*egress.Response, *egress.Error) {
	return nil, d.Authorise(r)
}

var _ Doer = Denied("")
