// Package auth proves to services who is asking, on behalf of connectors that hold no credential: as the operator says
// for a rule, it adds to the requests under it what the service wants to see. It comes last before a request goes out, so
// that nothing is signed that is changed afterwards.
package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"sluice/hostfuncs/egress"
	"sluice/hostfuncs/secret"
)

// Kind is how a service is told who is asking.
type Kind string

// The kinds.
const (
	Basic  Kind = "basic"  // user name and password, RFC 7617
	Bearer Kind = "bearer" // a token, RFC 6750
	Header Kind = "header" // a key in a header of that name
	Query  Kind = "query"  // a key in a parameter of that name
	OAuth2 Kind = "oauth2" // a token that client credentials are traded for, RFC 6749, section 4.4
	SigV4  Kind = "sigv4"  // AWS Signature Version 4
)

// Kinds are all of them.
var Kinds = []Kind{Basic, Bearer, Header, Query, OAuth2, SigV4}

// Entry says how requests under a rule are authenticated.
type Entry struct {
	Rule egress.Rule
	Kind Kind
	// Secret is the name of the password, token, key or client secret.
	Secret string
	// User is the user name of Basic, the client id of OAuth2, and the access key id of SigV4.
	User string
	// Name is that of the header or of the query's parameter.
	Name string
	// TokenURL and Scopes are OAuth2's.
	TokenURL string
	Scopes   []string
	// Region and Service are SigV4's.
	Region, Service string
}

// Check says what is missing in an entry, or does not belong there, as a sentence that begins with the member.
func (e *Entry) Check() error {
	wants := map[string][]Kind{"user": {Basic, OAuth2, SigV4}, "name": {Header, Query}, "token_url": {OAuth2}, "region": {SigV4}, "service": {SigV4}}
	given := map[string]string{"user": e.User, "name": e.Name, "token_url": e.TokenURL, "region": e.Region, "service": e.Service}
	switch {
	case !slices.Contains(Kinds, e.Kind):
		return fmt.Errorf("kind must be one of %v", Kinds)
	case e.Secret == "":
		return errors.New("secret is missing: the name of the secret that is put in")
	case len(e.Scopes) > 0 && e.Kind != OAuth2:
		return fmt.Errorf("scopes does not belong to the kind %q", e.Kind)
	}
	for _, member := range []string{"user", "name", "token_url", "region", "service"} {
		switch wanted := slices.Contains(wants[member], e.Kind); {
		case wanted && given[member] == "":
			return fmt.Errorf("%s is missing: the kind %q needs it", member, e.Kind)
		case !wanted && given[member] != "":
			return fmt.Errorf("%s does not belong to the kind %q", member, e.Kind)
		}
	}
	switch e.Kind {
	case OAuth2:
		if _, err := egress.ParseURL(e.TokenURL); err != nil {
			return fmt.Errorf("token_url: %w", err)
		}
	case Header:
		if err := egress.CheckHeader(e.Name); err != nil {
			return fmt.Errorf("name can't be that: %w", err)
		}
		if strings.EqualFold(e.Name, "Accept-Encoding") {
			return errors.New("name can't be that: the header Accept-Encoding is left to the host where responses are masked")
		}
	case Basic:
		if strings.ContainsFunc(e.User, func(r rune) bool { return r == ':' || unicode.IsControl(r) }) {
			return errors.New("user holds a colon or a control character, which the kind \"basic\" can't send")
		}
	}
	return nil
}

// Doer sends requests. *egress.Client is one.
type Doer interface {
	// Authorise says why a request can't be sent, as far as its method and its URL tell; nil where it may be.
	Authorise(r *egress.Request) *egress.Error
	Do(ctx context.Context, r *egress.Request) (*egress.Response, *egress.Error)
}

// Config is what a [Client] is made of.
type Config struct {
	// Entries are tried in order: the first whose rule covers a request says how it is authenticated.
	Entries []Entry
	// Secret returns the value of a secret that is to go to an origin, in a place, or why it may not.
	Secret func(name, origin string, place secret.Place) (string, *egress.Error)
	// Bound returns why a secret may not be sent to an origin, nil where it may. Only there go the tokens that it is traded
	// for: who gets one can do what its owner may.
	Bound func(name, origin string) *egress.Error
	// Redirects is how many redirects are followed for one request, up to [egress.MaxRedirects]: here, so that each hop has
	// the credential that is for it.
	Redirects int
	// Next sends what has been authenticated, and follows no redirect. Tokens sends the requests for tokens. Both hold the
	// rules of the operator.
	Next, Tokens Doer
}

// Client adds what is needed and passes requests on. Its methods may be called at once.
type Client struct {
	config Config
	tokens []*tokens // by entry; nil unless OAuth2
	now    func() time.Time
}

// NewClient returns a client. It opens nothing; whoever made Next and Tokens closes them.
func NewClient(c Config) *Client {
	client := &Client{config: c, tokens: make([]*tokens, len(c.Entries)), now: time.Now}
	for i := range c.Entries {
		if e := &c.Entries[i]; e.Kind == OAuth2 {
			client.tokens[i] = &tokens{entry: e, client: client}
		}
	}
	return client
}

// Do authenticates a request where an entry's rule covers it, and sends it. What the guest has put into the place of the
// credential is replaced. Before it leaves, used is told the credential, which whoever hands the response to a guest masks.
// After a redirect within the origin the entries say anew which credential the request has, if any; to another origin it goes
// without.
//
// # Errors
//
// Those of Next and of Secret; auth_refused where there is no credential to be had, and trying again is pointless, and auth_unavailable
// where the token service does not answer.
func (c *Client) Do(ctx context.Context, r *egress.Request, used func(credential string)) (*egress.Response, *egress.Error) {
	inQuery := "" // the parameter that the request had before it was redirected
	return egress.Follow(ctx, r, c.config.Redirects, func(ctx context.Context, r *egress.Request) (*egress.Response, *egress.Error) {
		if inQuery != "" { // services like to repeat the query
			r.URL = withoutQuery(r.URL, inQuery)
		}
		at := c.entryFor(r)
		if at < 0 {
			inQuery = ""
			return c.config.Next.Do(ctx, r)
		}
		inQuery = c.config.Entries[at].parameter()
		r.Confined = true
		return c.authenticate(ctx, at, r, used)
	})
}

// entryFor is the index of the entry whose rule covers a request, -1 where there is none.
func (c *Client) entryFor(r *egress.Request) int {
	u, err := r.ParseURL()
	if err != nil || r.Astray {
		return -1 // Next says what is wrong with it
	}
	return slices.IndexFunc(c.config.Entries, func(e Entry) bool { return e.Rule.Matches(&u) })
}

// parameter is that of the query that the entry sets, "" where it sets none.
func (e *Entry) parameter() string {
	if e.Kind != Query {
		return ""
	}
	return e.Name
}

// authenticate sends one request with the credential of an entry.
func (c *Client) authenticate(ctx context.Context, at int, r *egress.Request, used func(credential string)) (*egress.Response, *egress.Error) {
	e := &c.config.Entries[at]
	u, err := r.ParseURL()
	if err != nil {
		return nil, refused("the URL can't be authenticated: " + err.Error())
	}
	if name := e.Rule.Steered(r.Headers); name != "" {
		return nil, refused(fmt.Sprintf("with the header %.64q the service could take the request past the rule by which it is authenticated: leave it out", name))
	}
	if failure := c.config.Next.Authorise(r); failure != nil {
		return nil, failure // before a token is fetched, or a body hashed
	}
	place := secret.Header
	switch e.Kind {
	case Query:
		place = secret.Query
	case OAuth2:
		if failure := c.config.Bound(e.Secret, u.Origin()); failure != nil {
			return nil, failure
		}
		return c.tokens[at].do(ctx, r, used)
	}
	value, failure := c.config.Secret(e.Secret, u.Origin(), place)
	if failure != nil {
		return nil, failure
	}
	signed, failure := c.sign(ctx, e, r, value)
	if failure != nil {
		return nil, failure
	}
	used(value)
	return c.send(ctx, signed)
}

// send sends a request that is the client's own and has a credential in it.
func (c *Client) send(ctx context.Context, r *egress.Request) (*egress.Response, *egress.Error) {
	// An encoding that only the guest reads would hide what the service repeats.
	r.Headers = slices.DeleteFunc(slices.Clone(r.Headers), func(h [2]string) bool { return strings.EqualFold(h[0], "Accept-Encoding") })
	return c.config.Next.Do(ctx, r)
}

// For returns what sends the requests of one call, and tells used of the credentials in them.
func (c *Client) For(used func(credential string)) Doer { return caller{c, used} }

type caller struct {
	client *Client
	used   func(credential string)
}

// Authorise implements Doer.
func (c caller) Authorise(r *egress.Request) *egress.Error { return c.client.config.Next.Authorise(r) }

// Do implements Doer.
func (c caller) Do(ctx context.Context, r *egress.Request) (*egress.Response, *egress.Error) {
	return c.client.Do(ctx, r, c.used)
}

// Tokens are those that services gave for a secret, of the ones bound to an origin, or of all for "". What has been sent to
// an origin may come back from it, in any call's response.
func (c *Client) Tokens(origin string) []string {
	var values []string
	for _, t := range c.tokens {
		if t != nil && (origin == "" || c.config.Bound(t.entry.Secret, origin) == nil) {
			values = append(values, t.known()...)
		}
	}
	return values
}

func (c *Client) sign(ctx context.Context, e *Entry, r *egress.Request, value string) (*egress.Request, *egress.Error) {
	switch e.Kind {
	case Basic:
		return with(r, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(e.User+":"+value))), nil
	case Bearer:
		return with(r, "Authorization", "Bearer "+value), nil
	case Header:
		return with(r, e.Name, value), nil
	case Query:
		return withQuery(r, e.Name, value), nil
	}
	return signV4(ctx, e, r, value, c.now())
}

// with returns a copy of a request that has the header in place of what it had under that name.
func with(r *egress.Request, name, value string) *egress.Request {
	out := *r
	out.Headers = make([][2]string, 0, len(r.Headers)+1)
	for _, h := range r.Headers {
		if strings.EqualFold(h[0], name) {
			out.Added.Headers -= len(h[0]) + len(h[1])
			continue
		}
		out.Headers = append(out.Headers, h)
	}
	out.Headers = append(out.Headers, [2]string{name, value})
	out.Added.Headers += len(name) + len(value)
	return &out
}

// withQuery returns a copy of a request whose query has the parameter, at its end, in place of what it had under that name.
// The rest of it stays as it was written.
func withQuery(r *egress.Request, name, value string) *egress.Request {
	out := *r
	address, _, _ := strings.Cut(withoutQuery(r.URL, name), "#")
	join := "?"
	if strings.Contains(address, "?") {
		join = "&"
	}
	out.URL = address + join + url.QueryEscape(name) + "=" + url.QueryEscape(value)
	out.Added.URL += len(out.URL) - len(r.URL)
	return &out
}

// withoutQuery returns a URL without the parameters of that name. The rest of it stays as it was written.
func withoutQuery(text, name string) string {
	text, fragment, _ := strings.Cut(text, "#")
	address, query, _ := strings.Cut(text, "?")
	var kept []string
	for part := range strings.SplitSeq(query, "&") {
		key, _, _ := strings.Cut(part, "=")
		if plain, err := url.QueryUnescape(key); part != "" && (err != nil || plain != name) {
			kept = append(kept, part)
		}
	}
	if len(kept) > 0 {
		address += "?" + strings.Join(kept, "&")
	}
	if fragment != "" {
		address += "#" + fragment
	}
	return address
}

func refused(why string) *egress.Error {
	return &egress.Error{Code: egress.CodeAuthRefused, Message: why}
}

func unavailable(why string) *egress.Error {
	return &egress.Error{Code: egress.CodeAuthUnavailable, Message: why}
}
