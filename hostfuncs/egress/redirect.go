package egress

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

// MaxRedirects bounds [Config.Redirects].
const MaxRedirects = 5

// safelisted are the headers that may follow a request to another origin. A list of those that must not could not name
// the headers in which services expect their keys.
//
// See https://fetch.spec.whatwg.org/#cors-safelisted-request-header
var safelisted = map[string]bool{
	"Accept": true, "Accept-Language": true, "Content-Language": true, "Content-Type": true, "User-Agent": true,
}

// describing are the headers that say what a body is, and go with it.
var describing = []string{"Content-Type", "Content-Language", "Content-Encoding", "Content-Location"}

// follow sends the request, and after each redirect the one that it asks for. Each is authorised like the first.
func (e *exchange) follow(ctx context.Context, body []byte) (*Response, *Error) {
	most := min(e.client.config.Redirects, MaxRedirects)
	var locations []string
	failed := func(failure *Error) (*Response, *Error) {
		failure.Locations = locations
		return nil, failure
	}
	for hops := 0; ; hops++ {
		response, failure := e.try(ctx, body)
		if failure != nil {
			if hops > 0 && failure.Code == CodeEgressDenied {
				failure.Message += "; a redirect led the request there"
			}
			return failed(failure)
		}
		location, ok := redirection(response)
		if !ok {
			if hops > 0 {
				response.Redirected = e.url.Origin()
			}
			return response, nil
		}
		locations = append(locations, location)
		if hops == most {
			return failed(&Error{Code: CodeRedirect, Message: fmt.Sprintf("%s redirects further, and %d redirects are followed at most", e.url.host, most)})
		}
		next, failure := e.redirected(response.Status, location)
		if failure != nil {
			return failed(failure)
		}
		if !resends(response.Status) {
			body = nil
		}
		if next.url.Origin() != e.url.Origin() {
			switch {
			case e.confined && len(body) > 0:
				return failed(&Error{Code: CodeRedirect, Message: fmt.Sprintf("%s redirects to %s, and a request that holds a secret is not sent to another origin with its body", e.url.host, next.url.Origin())})
			case e.keeper != nil && e.keeper.GivesAway(location):
				return failed(&Error{Code: CodeRedirect, Message: e.url.host + " repeats in a redirect to another origin a secret that it was sent, which is not taken there"})
			}
		}
		next.body.data = body
		e = next
	}
}

// redirection returns where the response sends the client, and false where it does not. A redirect without a Location is
// a response to be handed out.
func redirection(r *Response) (string, bool) {
	switch r.Status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return "", false
	}
	for _, h := range r.Headers {
		if h[0] == "location" {
			return h[1], true
		}
	}
	return "", false
}

// redirected is the request that a redirect asks for, without its body.
func (e *exchange) redirected(status int, location string) (*exchange, *Error) {
	next := e.again(nil)
	origin := e.url.Scheme() + "://" + e.url.authority
	base, err := url.Parse(origin + e.url.target)
	if err != nil { // a path may hold what is no percent-encoding
		base, err = url.Parse(origin)
	}
	var target *url.URL
	if err == nil {
		target, err = base.Parse(location)
	}
	if err == nil {
		next.url, err = ParseURL(target.String())
	}
	if err != nil {
		// It is the peer's text, and may hold what it was sent: neither it nor an error that quotes it is repeated.
		return nil, &Error{Code: CodeRedirect, Message: e.url.host + " redirects to what is no valid http or https URL"}
	}
	if !resends(status) && e.method != http.MethodHead {
		next.method = http.MethodGet
	}
	next.header = e.redirectedHeader(next, resends(status))
	return next, nil
}

// resends reports whether method and body stay. After the other redirects clients send GET, whatever was sent before.
//
// See https://www.rfc-editor.org/rfc/rfc9110#section-15.4
func resends(status int) bool {
	return status == http.StatusTemporaryRedirect || status == http.StatusPermanentRedirect
}

func (e *exchange) redirectedHeader(next *exchange, withBody bool) http.Header {
	crossing := next.url.Origin() != e.url.Origin()
	header := make(http.Header, len(e.header))
	for name, values := range e.header {
		if !crossing || safelisted[name] && !e.confined {
			header[name] = values
		}
	}
	if !withBody {
		for _, name := range describing {
			delete(header, name)
		}
	}
	// Which encodings are decoded is this client's to say.
	if _, set := header["Accept-Encoding"]; !set {
		header["Accept-Encoding"] = defaultEncodings
	}
	if _, set := header["User-Agent"]; !set {
		header["User-Agent"] = e.client.userAgent
	}
	return header
}
