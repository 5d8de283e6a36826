package egress

import (
	"context"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"time"
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

// Follow sends a request by send, and after each redirect the one that it asks for, up to so many times, all within the
// request's time. send is given a copy of its own, authorises each like the first, and adds what is for that one alone, such
// as a credential; it may set Confined in what it was given.
//
// # Errors
//
// Those of send, and [CodeRedirect].
func Follow(ctx context.Context, r *Request, most int, send func(context.Context, *Request) (*Response, *Error)) (*Response, *Error) {
	most = min(most, MaxRedirects)
	hop := *r
	deadline := time.Now().Add(r.timeout())
	var locations []string
	failed := func(failure *Error) (*Response, *Error) {
		failure.Locations = locations
		return nil, failure
	}
	for hops := 0; ; hops++ {
		hop.Timeout = max(time.Until(deadline), 1) // 0 is the default
		response, failure := send(ctx, &hop)
		if failure != nil {
			if hops > 0 && failure.Code == CodeEgressDenied {
				failure.Message += "; a redirect led the request there"
			}
			return failed(failure)
		}
		u, err := hop.ParseURL()
		if err != nil {
			return nil, invalid(FieldURL, err.Error())
		}
		if hops > 0 {
			response.Redirected = u.Origin()
		}
		location, ok := redirection(response)
		if !ok || most <= 0 {
			if response.Stream != nil {
				response.Stream.locations = locations
			}
			return response, nil
		}
		response.giveUp()
		locations = append(locations, location)
		if hops == most {
			return failed(&Error{Code: CodeRedirect, Message: fmt.Sprintf("%s redirects further, and %d redirects are followed at most", u.host, most)})
		}
		response.drop()
		if failure := hop.redirect(&u, response.Status, location); failure != nil {
			return failed(failure)
		}
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

// redirect makes the request, which went to u, the one that a redirect asks for.
func (r *Request) redirect(u *URL, status int, location string) *Error {
	next, target, err := u.resolve(location)
	if err != nil {
		// It is the peer's text, and may hold what it was sent: neither it nor an error that quotes it is repeated.
		return &Error{Code: CodeRedirect, Message: u.host + " redirects to what is no valid http or https URL"}
	}
	if !resends(status) {
		r.Body = nil
		if r.Method != http.MethodHead {
			r.Method = http.MethodGet
		}
	}
	crossing := next.Origin() != u.Origin()
	switch {
	case !crossing:
	case r.Confined && len(r.Body) > 0:
		return &Error{Code: CodeRedirect, Message: fmt.Sprintf("%s redirects to %s, and a request that holds a secret is not sent to another origin with its body", u.host, next.Origin())}
	case r.givesAway(location):
		return &Error{Code: CodeRedirect, Message: u.host + " repeats in a redirect to another origin a secret that it was sent, which is not taken there"}
	}
	r.Headers = slices.DeleteFunc(slices.Clone(r.Headers), func(h [2]string) bool {
		name := textproto.CanonicalMIMEHeaderKey(h[0])
		return crossing && (r.Confined || !safelisted[name]) || !resends(status) && slices.Contains(describing, name)
	})
	r.URL, r.Added.URL, r.Astray = target, 0, r.Astray || crossing
	return nil
}

// givesAway asks the keeper, for whom it can be much to look for.
func (r *Request) givesAway(location string) (found bool) {
	if r.Keeper != nil {
		r.Work(worthwhile, func(look func(n int)) { found = r.Keeper.GivesAway(location, look) })
	}
	return found
}

// resolve returns the target of a redirect that u has answered with.
func (u *URL) resolve(location string) (next URL, text string, err error) {
	origin := u.Scheme() + "://" + u.authority
	base, err := url.Parse(origin + u.target)
	if err != nil { // a path may hold what is no percent-encoding
		base, err = url.Parse(origin)
	}
	if err != nil {
		return URL{}, "", err
	}
	target, err := base.Parse(location)
	if err != nil {
		return URL{}, "", err
	}
	text = target.String()
	next, err = ParseURL(text)
	return next, text, err
}

// resends reports whether method and body stay. After the other redirects clients send GET, whatever was sent before.
//
// See https://www.rfc-editor.org/rfc/rfc9110#section-15.4
func resends(status int) bool {
	return status == http.StatusTemporaryRedirect || status == http.StatusPermanentRedirect
}
