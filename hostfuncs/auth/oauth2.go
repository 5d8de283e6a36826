package auth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"sluice/hostfuncs/egress"
	"sluice/hostfuncs/secret"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"golang.org/x/sync/singleflight"
)

// tokenTimeout bounds one request for a token.
const tokenTimeout = 10 * time.Second

// tokens are those of one entry: all calls of a connector share one, until it ends or the service refuses it.
type tokens struct {
	entry  *Entry
	client *Client
	flight singleflight.Group

	mu      sync.Mutex // protects what follows
	current *oauth2.Token
	// given are the last tokens, newest first. One that was refused in one place can be good in another.
	given []string
	// renewals are the pauses between tokens that are replaced before their end, refusals those after the token service has
	// refused the client, with refusal.
	renewals, refusals pause
	refusal            *refusal
}

// refusal is what a token service has answered to a secret that is known by its digest.
type refusal struct {
	failure *egress.Error
	secret  [sha256.Size]byte
}

// maxGiven is how many tokens are kept from guests: the present one, and those before it that may not have ended.
const maxGiven = 4

// do sends a request with a token. A service that does not take it has the next request ask for another.
func (t *tokens) do(ctx context.Context, r *egress.Request, used func(string)) (*egress.Response, *egress.Error) {
	deadline := time.Now().Add(r.Timeout)
	token, failure := t.token(ctx, r.Timeout)
	if failure != nil {
		return nil, failure
	}
	used(token.AccessToken)
	request := with(r, "Authorization", token.Type()+" "+token.AccessToken)
	request.Timeout = max(time.Until(deadline), 1) // 0 is the default
	response, failure := t.client.send(ctx, request)
	if failure == nil && response.Status == http.StatusUnauthorized {
		t.forget(token)
	}
	return response, failure
}

func (t *tokens) valid() *oauth2.Token {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current.Valid() {
		return t.current
	}
	return nil
}

func (t *tokens) known() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.given)
}

// forget has another token fetched, but not each time that a guest asks for what no token allows.
func (t *tokens) forget(token *oauth2.Token) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := t.client.now(); t.current == token && t.renewals.left(now) == 0 {
		t.current = nil
		t.renewals.begin(now)
	}
}

// token returns the token that all share. Whoever finds none has one fetched; others wait for the same, each no longer than
// its request may take.
func (t *tokens) token(ctx context.Context, timeout time.Duration) (*oauth2.Token, *egress.Error) {
	if token := t.valid(); token != nil {
		return token, nil
	}
	fetched := t.flight.DoChan("", func() (any, error) {
		if token := t.valid(); token != nil {
			return token, nil
		}
		// It is for all that wait, and so not of the call that was first.
		fetching, cancel := context.WithTimeout(context.WithoutCancel(ctx), tokenTimeout)
		defer cancel()
		return t.fetch(fetching)
	})
	waiting, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	select {
	case result := <-fetched:
		if failure, ok := errors.AsType[*egress.Error](result.Err); ok {
			own := *failure // others wait for the same
			return nil, &own
		}
		return result.Val.(*oauth2.Token), nil
	case <-waiting.Done():
		return nil, &egress.Error{Code: egress.CodeTimeout, Message: "the token service did not answer in time"}
	}
}

// fetch asks for a token. The error is an *egress.Error.
func (t *tokens) fetch(ctx context.Context) (*oauth2.Token, error) {
	e := t.entry
	u, err := egress.ParseURL(e.TokenURL)
	if err != nil {
		return nil, refused("the token service's URL can't be used: " + err.Error())
	}
	value, style, failure := t.secret(u.Origin())
	if failure != nil {
		return nil, failure
	}
	digest := sha256.Sum256([]byte(value))
	if failure := t.refused(digest); failure != nil {
		return nil, failure
	}
	config := clientcredentials.Config{ClientID: e.User, ClientSecret: value, TokenURL: e.TokenURL, Scopes: e.Scopes, AuthStyle: style}
	client := &http.Client{
		Transport: roundTripper{t.client.config.Tokens},
		// The client's secret is for the token service, not for whom it names.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	token, err := config.Token(context.WithValue(ctx, oauth2.HTTPClient, client))
	if err != nil {
		return nil, t.refuse(digest, t.failure(&u, style, err), err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.current, t.refusal, t.refusals = token, nil, pause{}
	t.given = append([]string{token.AccessToken}, t.given[:min(len(t.given), maxGiven-1)]...)
	return token, nil
}

// refused is the failure of a secret that the token service has refused just now, nil where it may be asked. Asking again
// each time that a guest wants something sent could have it lock the client out.
func (t *tokens) refused(digest [sha256.Size]byte) *egress.Error {
	t.mu.Lock()
	defer t.mu.Unlock()
	left := t.refusals.left(t.client.now())
	if t.refusal == nil || t.refusal.secret != digest || left == 0 {
		return nil
	}
	failure := *t.refusal.failure
	failure.RetryAfter = left
	failure.Message += fmt.Sprintf("; it is not asked again for %d s", (left+time.Second-1)/time.Second)
	return &failure
}

// refuse notes the failure where the token service answered with it to the secret, and returns it with how long to wait.
func (t *tokens) refuse(digest [sha256.Size]byte, failure *egress.Error, err error) *egress.Error {
	answered, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok || answered.Response == nil || answered.Response.StatusCode >= 500 {
		return failure
	}
	t.mu.Lock()
	if t.refusal == nil || t.refusal.secret != digest {
		t.refusals = pause{}
	}
	t.refusal = &refusal{failure, digest}
	t.refusals.begin(t.client.now())
	t.mu.Unlock()
	return t.refused(digest)
}

// secret is the client's, and how it is sent: in a header or in the body, where it may stand in one of them only, else in
// the body where the service does not take it in a header.
func (t *tokens) secret(origin string) (string, oauth2.AuthStyle, *egress.Error) {
	inHeader, failure := t.client.config.Secret(t.entry.Secret, origin, secret.Header)
	inBody, failureInBody := t.client.config.Secret(t.entry.Secret, origin, secret.Body)
	switch {
	case failure == nil && failureInBody == nil:
		return inHeader, oauth2.AuthStyleAutoDetect, nil
	case failure == nil:
		return inHeader, oauth2.AuthStyleInHeader, nil
	case failureInBody == nil:
		return inBody, oauth2.AuthStyleInParams, nil
	}
	return "", 0, failure
}

// failure says why there is no token. Nothing of the service's answer is quoted, which may repeat the secret.
func (t *tokens) failure(u *egress.URL, style oauth2.AuthStyle, err error) *egress.Error {
	if answered, ok := errors.AsType[*oauth2.RetrieveError](err); ok && answered.Response != nil {
		status := answered.Response.StatusCode
		message := fmt.Sprintf("the token service %s answered %d to the client %q", u.Host(), status, t.entry.User)
		if status >= 500 || status == http.StatusTooManyRequests {
			return unavailable(message)
		}
		if status >= 300 && status < 400 || status == http.StatusNotFound || status == http.StatusMethodNotAllowed {
			return refused(message + ": see to token_url, of which redirects are not followed")
		}
		if message += ": see to its id, secret and scopes"; style == oauth2.AuthStyleInHeader {
			message += fmt.Sprintf("; where the service wants the secret in the body, add body to the places of secrets.%s", t.entry.Secret)
		}
		return refused(message)
	}
	if failure, ok := errors.AsType[*egress.Error](err); ok {
		if failure.Code == egress.CodeEgressDenied {
			return failure
		}
		return unavailable(fmt.Sprintf("the token service %s can't be reached: %s", u.Host(), failure.Message))
	}
	return unavailable(fmt.Sprintf("the token service %s answered with no token", u.Host()))
}

// pause is one between requests that are better not repeated at once. Each is longer than the one before, unless that is
// long ago.
type pause struct {
	length time.Duration
	until  time.Time
}

// The bounds of a pause.
const (
	shortestPause = 5 * time.Second
	longestPause  = time.Minute
)

func (p *pause) begin(now time.Time) {
	if now.Sub(p.until) > longestPause {
		p.length = 0
	}
	p.length = min(max(2*p.length, shortestPause), longestPause)
	p.until = now.Add(p.length)
}

// left is how much of it is left.
func (p *pause) left(now time.Time) time.Duration { return max(p.until.Sub(now), 0) }

// roundTripper lets the library's client go out through egress.
type roundTripper struct{ doer Doer }

// maxTokenRequest bounds the body of a request for a token, in bytes.
const maxTokenRequest = 64 << 10

func (t roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	out := egress.Request{Method: r.Method, URL: r.URL.String(), Timeout: tokenTimeout, Confined: true}
	for name, values := range r.Header {
		for _, value := range values {
			out.Headers = append(out.Headers, [2]string{name, value})
		}
	}
	if r.Body != nil {
		body, err := io.ReadAll(io.LimitReader(r.Body, maxTokenRequest))
		if err = errors.Join(err, r.Body.Close()); err != nil {
			return nil, err
		}
		out.Body = body
	}
	in, failure := t.doer.Do(r.Context(), &out)
	if failure != nil {
		return nil, failure
	}
	header := make(http.Header, len(in.Headers))
	for _, h := range in.Headers {
		header.Add(h[0], h[1])
	}
	return &http.Response{
		StatusCode: in.Status, Status: http.StatusText(in.Status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(bytes.NewReader(in.Body)), ContentLength: int64(len(in.Body)), Request: r,
	}, nil
}
