package sluice

import (
	"bytes"
	"errors"
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
	// Stream has HTTP return as soon as the response's head has come: its body is read as it comes, and is not in the
	// host's memory. It is for what is large, up to 64 MiB unless the operator says otherwise, or comes little by little. A
	// command can have 16 such bodies open.
	Stream bool
}

// HTTP sends a request and waits for the response. Redirects are not followed and nothing is tried again, but where the
// operator's grant says so; cookies are not kept. The connector needs
// the capability [HTTP], and a grant of the operator for where the request goes.
//
// # Errors
//
// An error is always an [*Error] that a command may return as it is. Its code is one of these, its status tells a
// workflow engine whether to try again:
//
//	400  invalid_request
//	403  egress_denied, secret_denied, auth_refused
//	413  request_too_large, response_too_large
//	422  redirect
//	500  dns, connect, tls, closed, incomplete, protocol, decode
//	503  overloaded, circuit_open, secret_unavailable, auth_unavailable
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
	return newResponse(c.host, uint32(h), r.Stream)
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
	if r.Stream {
		dst = append(dst, `,"stream":true`...)
	}
	return append(dst, '}')
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
