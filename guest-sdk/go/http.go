package sluice

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"sluice/guest-sdk/go/abi"
	"sluice/internal/rawjson"
)

// Header is a list of names and values in order. Names are compared without regard to case. As a parameter it takes an
// object of strings or a list of pairs of strings.
type Header [][2]string

// UnmarshalJSON takes an object or a list of pairs. Null is an empty list.
func (h *Header) UnmarshalJSON(text []byte) (err error) {
	text = bytes.Clone(text)
	switch rawjson.KindOf(text) {
	case rawjson.Null:
		*h = nil
	case rawjson.Object:
		*h, err = headerOfObject(text)
	default:
		*h, err = headerOfPairs(text)
	}
	return err
}

// Add appends a header.
func (h *Header) Add(name, value string) { *h = append(*h, [2]string{name, value}) }

// Get returns the first value of name, or "".
func (h Header) Get(name string) string {
	for _, pair := range h {
		if strings.EqualFold(pair[0], name) {
			return pair[1]
		}
	}
	return ""
}

// Values returns all values of name.
func (h Header) Values(name string) []string {
	var all []string
	for _, pair := range h {
		if strings.EqualFold(pair[0], name) {
			all = append(all, pair[1])
		}
	}
	return all
}

func (h Header) has(name string) bool {
	return slices.ContainsFunc(h, func(pair [2]string) bool { return strings.EqualFold(pair[0], name) })
}

// Request is an HTTP request.
type Request struct {
	// Method is GET unless set.
	Method string
	// URL is absolute, with the scheme http or https, and without user information. It is sent as it is written.
	URL string
	// Header does not hold what belongs to the connection: Host, Content-Length, Transfer-Encoding and their like.
	Header Header
	// Body is sent unless it is empty.
	Body []byte
	// Timeout ends the exchange, the reading of the response's body included. Default 30 seconds; the host ends it at
	// the latest a second before the call's deadline.
	Timeout time.Duration
}

// Response is the answer to a [Request]. Its status is whatever the service said: 404 is no error.
type Response struct {
	Status int
	// Header has names in lower case.
	Header Header
	Body   *Body
}

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

// Body is the body of a [Response], whole and waiting at the host, from which it is read piece by piece. Bodies that
// are not closed are so when the call ends.
type Body struct {
	host   abi.Host
	handle uint32
	size   int64
	offset int64
	closed bool
}

// Size returns the number of bytes in the whole body.
func (b *Body) Size() int64 { return b.size }

// Read implements [io.Reader].
func (b *Body) Read(p []byte) (int, error) {
	switch {
	case b.closed:
		return 0, io.ErrClosedPipe
	case b.offset >= b.size:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	}
	n := b.host.Read(b.handle, b.offset, p)
	if n <= 0 {
		return 0, io.ErrUnexpectedEOF
	}
	b.offset += int64(n)
	return int(n), nil
}

// Bytes returns what has not been read yet, and closes the body.
func (b *Body) Bytes() ([]byte, error) {
	p := make([]byte, max(b.size-b.offset, 0))
	_, err := io.ReadFull(b, p)
	if err != nil {
		return nil, err
	}
	return p, b.Close()
}

// Close gives the body back to the host. A second Close does nothing.
func (b *Body) Close() error {
	if !b.closed {
		b.closed = true
		b.host.Close(b.handle)
	}
	return nil
}

// HTTP sends a request and waits for the response. Redirects are not followed, cookies not kept. The connector needs
// the capability [HTTP], and a grant of the operator for where the request goes.
//
// # Errors
//
// An error is always an [*Error] that a command may return as it is. Its code is one of these, its status tells a
// workflow engine whether to try again:
//
//	400  invalid_request
//	403  egress_denied
//	413  request_too_large, response_too_large
//	500  dns, connect, tls, closed, incomplete, protocol, decode
//	503  overloaded
//	504  connect_timeout, timeout
func (c *Call) HTTP(r Request) (*Response, error) {
	if r.Timeout < 0 {
		return nil, &Error{Code: "timeout", Status: 504, Message: "The time for the request was over before it was sent."}
	}
	h := c.host.HTTPSend(r.appendHead(make([]byte, 0, usualHead)), r.Body)
	switch code := abi.Code(h); {
	case code == abi.TooLarge:
		return nil, &Error{Code: "request_too_large", Status: 413,
			Message: "The request is larger than the connector may send. Send less, or have the limit raised."}
	case code == abi.Invalid:
		return nil, &Error{Code: "invalid_request", Status: 400, Message: "The request is nothing that can be sent."}
	case h < 0:
		fail("the host refused http_send: " + code.String())
	}
	head := uint32(h)
	text := readAll(c.host, head)
	c.host.Close(head)
	response := &Response{Body: &Body{host: c.host, handle: head + 1}}
	if err := response.setHead(text); err != nil {
		response.Body.Close()
		return nil, err
	}
	response.Body.size = max(c.host.Size(head+1), 0)
	return response, nil
}

// usualHead is how much room there is for a head at first, in bytes.
const usualHead = 256

// appendHead appends the head of r, as the ABI describes it, to dst.
func (r *Request) appendHead(dst []byte) []byte {
	method := r.Method
	if method == "" {
		method = "GET"
	}
	dst = append(dst, `{"method":`...)
	dst = rawjson.AppendString(dst, method)
	dst = append(dst, `,"url":`...)
	dst = rawjson.AppendString(dst, r.URL)
	dst = append(dst, `,"headers":[`...)
	for i, pair := range r.Header {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '[')
		dst = rawjson.AppendString(dst, pair[0])
		dst = append(dst, ',')
		dst = rawjson.AppendString(dst, pair[1])
		dst = append(dst, ']')
	}
	dst = append(dst, ']')
	if r.Timeout > 0 {
		dst = append(dst, `,"timeout_ms":`...)
		dst = strconv.AppendInt(dst, milliseconds(r.Timeout), 10)
	}
	return append(dst, '}')
}

// setHead takes over the head of a response, or returns the error that stands in it.
func (r *Response) setHead(text []byte) error {
	var failure *Error
	err := rawjson.Members(text, rawjson.MaxDepth, func(key, value []byte) (err error) {
		switch string(key) {
		case "status":
			r.Status, err = strconv.Atoi(string(value))
		case "headers":
			r.Header, err = headerOfPairs(value)
		case "error":
			failure, err = failureOf(value)
		}
		return err
	})
	if err != nil {
		fail("the host's response head cannot be read")
	}
	if failure != nil {
		return failure
	}
	return nil
}

// usualHeaders is how many headers there is room for at first. Most services send fewer.
const usualHeaders = 16

var errNoHeader = errors.New("a header is no pair of strings")

// headerOfPairs reads a list of pairs. The header aliases it.
func headerOfPairs(list []byte) (Header, error) {
	h := make(Header, 0, usualHeaders)
	err := rawjson.Elements(list, rawjson.MaxDepth, func(element []byte) error {
		var pair [2]string
		n := 0
		err := rawjson.Elements(element, rawjson.MaxDepth, func(part []byte) error {
			if n == len(pair) || rawjson.KindOf(part) != rawjson.String {
				return errNoHeader
			}
			pair[n] = lent(rawjson.Unquote(part))
			n++
			return nil
		})
		if err == nil && n < len(pair) {
			err = errNoHeader
		}
		h = append(h, pair)
		return err
	})
	return h, err
}

// headerOfObject reads an object of strings. The header aliases it.
func headerOfObject(object []byte) (Header, error) {
	h := make(Header, 0, usualHeaders)
	err := rawjson.Members(object, rawjson.MaxDepth, func(name, value []byte) error {
		if rawjson.KindOf(value) != rawjson.String {
			return errNoHeader
		}
		h = append(h, [2]string{lent(name), lent(rawjson.Unquote(value))})
		return nil
	})
	return h, err
}

// lent returns b as a string that aliases it: nobody writes to b any more.
func lent(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

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
	case "egress_denied":
		return 403
	case "response_too_large":
		return 413
	case "overloaded":
		return 503
	case "connect_timeout", "timeout":
		return 504
	}
	return 500
}
