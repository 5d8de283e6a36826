package sluice

import (
	"fmt"
	"io"

	"sluice/guest-sdk/go/abi"
	"sluice/internal/rawjson"
)

// Response is the answer to a [Request]. Its status is whatever the service said: 404 is no error. It stays with the
// host until it is read.
type Response struct {
	Status int
	Body   *Body
}

// Header returns the first value of a header, or "". It alone is read.
func (r *Response) Header(name string) string { return r.Body.head.first(name) }

// Headers returns all headers, names in lower case.
func (r *Response) Headers() Header { return r.Body.head.all() }

// JSON decodes the body into value, with numbers of unknown type as json.Number, and closes it.
func (r *Response) JSON(value any) error {
	body, err := r.Body.Bytes()
	if err != nil {
		return err
	}
	if err := decodeJSON(body, value); err != nil {
		return Errorf("invalid_response", 400, "The service's answer is not the JSON that was expected: %w.", err)
	}
	return nil
}

// Body is the body of a [Response], whole and waiting at the host, from which it is read piece by piece; or, where the
// request said Stream, one that is read as it comes. Bodies that are not closed are so when the call ends.
type Body struct {
	host   abi.Host
	handle uint32
	head   responseHead
	size   int64 // -1 where it is not known
	offset int64
	closed bool
	ended  error // why nothing more of a streamed body comes
}

func newResponse(host abi.Host, head uint32, streams bool) (*Response, error) {
	body := &Body{host: host, handle: head + 1, head: responseHead{host: host, handle: head, stays: streams}}
	status := host.HTTPStatus(head)
	if status < 0 {
		fail("the host refused to tell a status: " + abi.Code(status).String())
	}
	if status == 0 {
		body.Close()
		return nil, body.head.failure()
	}
	body.size = host.Size(body.handle)
	if body.size < 0 {
		body.size = -1
	}
	return &Response{Status: int(status), Body: body}, nil
}

// Size returns the number of bytes in the whole body, -1 where a streamed one does not say.
func (b *Body) Size() int64 { return b.size }

// IsJSON reports whether the whole body is one JSON value that an answer may have as its body, as [ValidJSON] does. The
// host looks, so that the body is not read. Of a body that is closed, or streamed, nothing is known.
func (b *Body) IsJSON() bool { return !b.closed && b.host.IsJSON(b.handle) > 0 }

// Read implements [io.Reader]. A streamed body is waited for; where it does not come to its end, the error is an [*Error]
// with the code timeout, incomplete, protocol, decode or response_too_large. Headers that are wanted then have to be asked
// for before.
func (b *Body) Read(p []byte) (int, error) {
	switch {
	case b.closed:
		return 0, io.ErrClosedPipe
	case b.ended != nil:
		return 0, b.ended
	case !b.head.stays && b.offset >= b.size:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	}
	n := b.host.Read(b.handle, b.offset, p)
	switch {
	case n > 0:
		b.offset += int64(n)
		return int(n), nil
	case !b.head.stays:
		return 0, io.ErrUnexpectedEOF
	case n == 0:
		b.ended = io.EOF
	case abi.Code(n) == abi.Closed:
		b.ended = b.failure()
	default:
		fail("the host refused to read on: " + abi.Code(n).String())
	}
	return 0, b.ended
}

// failure is why a streamed body did not come to its end, as its head says now. What was read of that stays.
func (b *Body) failure() error {
	now := responseHead{host: b.host, handle: b.head.handle, stays: true}
	return now.failure()
}

// Bytes returns what has not been read yet, and closes the body.
func (b *Body) Bytes() ([]byte, error) {
	if b.size < 0 {
		p, err := io.ReadAll(b)
		if err != nil {
			return nil, err
		}
		return p, b.Close()
	}
	p := make([]byte, max(b.size-b.offset, 0))
	_, err := io.ReadFull(b, p)
	if err != nil {
		return nil, err
	}
	return p, b.Close()
}

// Close gives the body back to the host. The headers stay readable. A second Close does nothing.
func (b *Body) Close() error {
	if !b.closed {
		b.closed = true
		b.head.read()
		if b.head.stays {
			b.host.Close(b.head.handle)
		}
		b.host.Close(b.handle)
	}
	return nil
}

// responseHead is the head of a response: with the host until all of it is wanted, or the body is closed. A call that
// closes its bodies can so make as many requests as it has time for.
type responseHead struct {
	host   abi.Host
	handle uint32
	stays  bool   // with the host until the body is closed, since it will say how a streamed one ended
	text   []byte // nil while it is with the host
	header Header // nil until it was asked for
}

func (h *responseHead) read() []byte {
	if h.text == nil {
		h.text = readAll(h.host, h.handle)
		if !h.stays {
			h.host.Close(h.handle)
		}
	}
	return h.text
}

// usualValue is how long most headers' values are at most, in bytes.
const usualValue = 64

func (h *responseHead) first(name string) string {
	if h.text != nil {
		return h.all().Get(name)
	}
	p := make([]byte, usualValue)
	for {
		n := h.host.HTTPHeader(h.handle, name, p)
		switch code := abi.Code(n); {
		case code == abi.Absent:
			return ""
		case n < 0:
			fail("the host refused to tell a header: " + code.String())
		case int(n) <= len(p):
			return lent(p[:n])
		}
		p = make([]byte, n)
	}
}

func (h *responseHead) all() Header {
	if h.header == nil {
		h.each(func(key, value []byte) (err error) {
			if string(key) == "headers" {
				h.header, err = headerOfPairs(value)
			}
			return err
		})
	}
	return h.header
}

// failure is why no response came.
func (h *responseHead) failure() error {
	var failure *Error
	h.each(func(key, value []byte) (err error) {
		if string(key) == "error" {
			failure, err = failureOf(value)
		}
		return err
	})
	if failure == nil {
		fail("the host does not say why no response came")
	}
	return failure
}

func (h *responseHead) each(visit func(key, value []byte) error) {
	if rawjson.Members(h.read(), rawjson.MaxDepth, visit) != nil {
		fail("the host's response head cannot be read")
	}
}

// failureOf reads why there is no response; nil from null.
func failureOf(object []byte) (*Error, error) {
	if rawjson.KindOf(object) == rawjson.Null {
		return nil, nil
	}
	e, field := &Error{}, ""
	err := rawjson.Members(object, rawjson.MaxDepth, func(key, value []byte) error {
		switch string(key) {
		case "code":
			e.Code = scalar(value)
		case "message":
			e.Message = scalar(value)
		case "field":
			field = scalar(value)
		}
		return nil
	})
	if field != "" {
		e.Message = fmt.Sprintf("%s (%s)", e.Message, field)
	}
	e.Status = statusOf(e.Code)
	return e, err
}

// statusOf returns the http_status of a failure to get a response: below 500 where trying again is pointless.
func statusOf(code string) int {
	switch code {
	case "invalid_request":
		return 400
	case "egress_denied", "secret_denied", "auth_refused":
		return 403
	case "response_too_large":
		return 413
	case "redirect":
		return 422
	case "overloaded", "circuit_open", "secret_unavailable", "auth_unavailable":
		return 503
	case "connect_timeout", "timeout":
		return 504
	}
	return 500
}
