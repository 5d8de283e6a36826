package sluicetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"sluice/guest-sdk/go/abi"
)

// RoundTripFunc is a function as an [http.RoundTripper]. An error of type [*HTTPError] reaches the command as it is,
// any other as the code connect.
type RoundTripFunc func(*http.Request) (*http.Response, error)

// RoundTrip calls f.
func (f RoundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Handler returns a transport that lets handler answer all requests, whatever their host.
func Handler(handler http.Handler) http.RoundTripper {
	return RoundTripFunc(func(r *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w.Result(), nil
	})
}

// HTTPError is why no response came, by the codes of the ABI: dns, connect, timeout, tls and others.
type HTTPError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	// Field names what is wrong with an invalid_request: method, url, headers or body.
	Field string `json:"field,omitempty"`
}

// Error returns the code and the message.
func (e *HTTPError) Error() string { return e.Code + ": " + e.Message }

type requestHead struct {
	Method    string      `json:"method"`
	URL       string      `json:"url"`
	Headers   [][2]string `json:"headers"`
	TimeoutMS int64       `json:"timeout_ms"`
	Stream    bool        `json:"stream"`
}

type responseHead struct {
	Status  int         `json:"status,omitempty"`
	Headers [][2]string `json:"headers,omitempty"`
	Error   *HTTPError  `json:"error,omitempty"`
}

func (h *host) HTTPSend(head, body []byte) int32 {
	if !h.executing {
		return int32(abi.NotAvailable)
	}
	var q requestHead
	d := json.NewDecoder(bytes.NewReader(head))
	d.DisallowUnknownFields()
	if d.Decode(&q) != nil || q.Method == "" || q.URL == "" {
		return int32(abi.Invalid)
	}
	handle := h.next
	h.next += 2
	h.open[handle] = nil
	received, cancel, err := h.exchange(q, body)
	var whole []byte
	if err == nil && q.Stream {
		h.streams[handle+1] = newStream(handle, received, cancel)
	} else if err == nil {
		whole, err = readBody(received, cancel)
	}
	if err != nil || !q.Stream {
		h.open[handle+1] = whole
	}
	if err != nil {
		h.tellFailure(handle, err)
		return int32(handle)
	}
	told := headOf(received)
	text, err := json.Marshal(told)
	if err != nil {
		h.t.Fatalf("a response's head cannot be encoded: %v", err)
	}
	h.open[handle], h.heads[handle] = text, told
	return int32(handle)
}

// tellFailure has the head of a response, if it is open, say why there is none, or no more of one.
func (h *host) tellFailure(handle uint32, err error) {
	if _, ok := h.open[handle]; ok {
		h.tell(handle, err)
		h.heads[handle] = responseHead{}
	}
}

func (h *host) HTTPStatus(handle uint32) int32 {
	head, code := behind(h, h.heads, handle)
	if code != 0 {
		return int32(code)
	}
	return int32(head.Status)
}

func (h *host) HTTPHeader(handle uint32, name string, p []byte) int32 {
	head, code := behind(h, h.heads, handle)
	if code != 0 {
		return int32(code)
	}
	for _, pair := range head.Headers {
		if strings.EqualFold(pair[0], name) {
			copy(p, pair[1])
			return int32(len(pair[1]))
		}
	}
	return int32(abi.Absent)
}

// exchange sends the request. The response's body is read until cancel is called.
func (h *host) exchange(q requestHead, body []byte) (response *http.Response, cancel context.CancelFunc, err error) {
	body, err = h.putSecrets(&q, body)
	if err != nil {
		return nil, nil, err
	}
	to, err := q.check()
	if err != nil {
		return nil, nil, err
	}
	if q.Stream && len(h.streams) >= maxStreams {
		return nil, nil, &HTTPError{Code: "overloaded", Message: "The call may have no more streamed responses open."}
	}
	if denied := notAsked("http", h.mayHTTP, to); denied != nil {
		return nil, nil, denied
	}
	if name := to.steers(h.mayHTTP, q.Headers); name != "" {
		return nil, nil, &HTTPError{Code: "egress_denied", Message: fmt.Sprintf(
			"With the header %s the service could take the request past the path of the rules: leave it out, or ask for %q, without a path, in the manifest.", name, to)}
	}
	if h.call.HTTP == nil {
		return nil, nil, &HTTPError{Code: "egress_denied", Message: "The test allows no requests: Call.HTTP is nil."}
	}
	timeout := min(h.end.Sub(h.now)-time.Second, 30*time.Second)
	if q.TimeoutMS > 0 {
		timeout = min(timeout, time.Duration(q.TimeoutMS)*time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(h.t.Context(), timeout)
	defer func() {
		if err != nil {
			cancel()
		}
	}()
	r, err := http.NewRequestWithContext(ctx, q.Method, q.URL, bytes.NewReader(body))
	if err != nil {
		return nil, nil, &HTTPError{Code: "invalid_request", Message: "The request cannot be built.", Field: "url"}
	}
	for _, pair := range q.Headers {
		r.Header.Add(pair[0], pair[1])
	}
	response, err = h.call.HTTP.RoundTrip(r)
	return response, cancel, err
}

func readBody(w *http.Response, cancel context.CancelFunc) ([]byte, error) {
	defer cancel()
	defer w.Body.Close()
	all, err := io.ReadAll(w.Body)
	if err != nil {
		return nil, bodyError(err)
	}
	return all, nil
}

// bodyError is why a body did not come to its end.
func bodyError(err error) error {
	if _, ok := errors.AsType[*HTTPError](err); ok {
		return err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &HTTPError{Code: "timeout", Message: "The response did not come within the time."}
	}
	return &HTTPError{Code: "incomplete", Message: "The connection ended within the body."}
}

// headOf is what the command is told of a response.
func headOf(w *http.Response) responseHead {
	out := responseHead{Status: w.StatusCode, Headers: [][2]string{}}
	for _, name := range slices.Sorted(maps.Keys(w.Header)) {
		for _, value := range w.Header[name] {
			out.Headers = append(out.Headers, [2]string{strings.ToLower(name), textOf(value)})
		}
	}
	return out
}

// textOf is a header's value as the host has it: bytes that are no UTF-8 are read as ISO 8859-1.
func textOf(value string) string {
	if utf8.ValidString(value) {
		return value
	}
	text := make([]rune, len(value))
	for i := range len(value) {
		text[i] = rune(value[i])
	}
	return string(text)
}

// notAsked is why a manifest with these rules of a capability does not reach a target, or nil.
func notAsked(capability string, rules []target, to target) *HTTPError {
	switch {
	case len(rules) == 0:
		return &HTTPError{Code: "egress_denied", Message: "The manifest does not ask for the capability " + capability + "."}
	case !to.reaches(rules):
		return &HTTPError{Code: "egress_denied", Message: fmt.Sprintf(
			"The connector's manifest does not ask for %s: add %q to the hosts of its %s capability.", to.host, to, capability)}
	}
	return nil
}

// check refuses what the host would not send, and says where the rest goes.
func (q *requestHead) check() (target, error) {
	invalid := func(field, message string) (target, error) {
		return target{}, &HTTPError{Code: "invalid_request", Message: message, Field: field}
	}
	if !slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}, q.Method) {
		return invalid("method", "The method is none that a connector may send.")
	}
	to, err := requestTarget(q.URL)
	if err != nil {
		return invalid("url", "The URL can't be sent: "+err.Error()+".")
	}
	for _, pair := range q.Headers {
		name := strings.ToLower(pair[0])
		switch name {
		case "", "host", "content-length", "transfer-encoding", "connection", "upgrade", "keep-alive", "te", "trailer":
			return invalid("headers", "A header is not the connector's to send.")
		}
		if strings.HasPrefix(name, "proxy-") || strings.ContainsFunc(pair[0]+pair[1], func(r rune) bool { return r < ' ' && r != '\t' }) {
			return invalid("headers", "A header is not the connector's to send.")
		}
	}
	return to, nil
}
