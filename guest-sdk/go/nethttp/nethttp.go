// Package nethttp lets code that is written for net/http run in a connector: client libraries of services, mostly. It
// is a package of its own because net/http makes a module three times as large; [sluice.Call.HTTP] does without.
package nethttp

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	sluice "sluice/guest-sdk/go"
)

// Client returns a client whose requests go out through c. It follows redirects as net/http does, each of which the
// operator must have granted.
func Client(c *sluice.Call) *http.Client { return &http.Client{Transport: Transport(c)} }

// Transport returns a transport whose requests go out through c, and which is of use as long as c is. Bodies of responses are
// read as they come: as ever, they have to be closed.
//
// # Errors
//
// They are those of [sluice.Call.HTTP], and of [sluice.Body.Read] while the body is read: errors.As finds a *sluice.Error in what a client returns, and a command may
// return that as it is.
func Transport(c *sluice.Call) http.RoundTripper { return transport{c} }

type transport struct{ call *sluice.Call }

// RoundTrip implements [http.RoundTripper]. A deadline of the request's context is kept; a cancellation that comes
// while the response is awaited is not seen, because nothing else runs in the guest meanwhile.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	out, err := t.request(r)
	if err != nil {
		return nil, err
	}
	in, err := t.call.HTTP(out)
	if err != nil {
		return nil, err
	}
	headers := in.Headers()
	header := make(http.Header, len(headers))
	for _, pair := range headers {
		header.Add(pair[0], pair[1])
	}
	return &http.Response{
		Status:     strconv.Itoa(in.Status) + " " + http.StatusText(in.Status),
		StatusCode: in.Status,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: in.Body, ContentLength: in.Body.Size(), Request: r,
	}, nil
}

// request closes the body of r in any case.
func (t transport) request(r *http.Request) (sluice.Request, error) {
	out := sluice.Request{Method: r.Method, Stream: true}
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			return out, err
		}
		out.Body = body
	}
	if err := r.Context().Err(); err != nil {
		return out, err
	}
	if r.URL == nil {
		return out, errors.New("nethttp: the request has no URL")
	}
	if r.Host != "" && !strings.EqualFold(r.Host, r.URL.Host) {
		return out, errors.New("nethttp: the request's Host is not that of its URL, which a connector cannot send")
	}
	u := *r.URL
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	out.URL = u.String()
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		switch name {
		case "Host", "Content-Length", "Transfer-Encoding", "Trailer": // net/http writes none of these from here either
		default:
			for _, value := range r.Header[name] {
				out.Header.Add(name, value)
			}
		}
	}
	if deadline, ok := r.Context().Deadline(); ok {
		if out.Timeout = time.Until(deadline); out.Timeout <= 0 {
			return out, context.DeadlineExceeded
		}
	}
	return out, nil
}
