package auth

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/hostfuncs/egress"
	"sluice/hostfuncs/secret"
)

// tokenService gives tokens out, and counts how often it was asked.
type tokenService struct {
	*httptest.Server
	asked  atomic.Int64
	answer atomic.Value // func(http.ResponseWriter, *http.Request)
}

func newTokenService(t testing.TB) *tokenService {
	s := &tokenService{}
	s.answer.Store(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if user != "me" || password != "s3cr3t%2F%2B+value" || r.FormValue("grant_type") != "client_credentials" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"bearer","expires_in":3600,"scope":%q}`, s.asked.Load(), r.FormValue("scope"))
	})
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		s.answer.Load().(func(http.ResponseWriter, *http.Request))(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func oauthClient(t testing.TB, service *httptest.Server, tokens *tokenService) *Client {
	e := Entry{Rule: rule(t, service.URL), Kind: OAuth2, Secret: "key", User: "me", TokenURL: tokens.URL + "/token", Scopes: []string{"a", "b"}}
	if err := e.Check(); err != nil {
		t.Fatal(err)
	}
	set := secrets(t, nil, tokens.URL, service.URL)
	return NewClient(Config{
		Entries: []Entry{e}, Secret: set.ValueFor, Bound: set.Bound, Next: egressTo(t, service.URL), Tokens: egressTo(t, tokens.URL),
	})
}

// A thousand calls, many at once, share one token.
func TestOAuth2_Shared(t *testing.T) {
	service, tokens := newService(t), newTokenService(t)
	c := oauthClient(t, service.Server, tokens)
	var all sync.WaitGroup
	var failed atomic.Int64
	for range 20 {
		all.Go(func() {
			for range 50 {
				if _, failure := c.Do(t.Context(), &egress.Request{Method: "GET", URL: service.URL}, unmasked); failure != nil {
					failed.Add(1)
				}
			}
		})
	}
	all.Wait()
	for _, head := range service.seen() {
		if head.header.Get("Authorization") != "Bearer token-1" {
			failed.Add(1)
		}
	}
	if tokens.asked.Load() != 1 || failed.Load() != 0 {
		t.Errorf("%d tokens were fetched, %d calls failed", tokens.asked.Load(), failed.Load())
	}
}

// A token that has ended, or that the service refuses, is replaced.
func TestOAuth2_Replaced(t *testing.T) {
	tokens := newTokenService(t)
	service := newService(t)
	var refuse atomic.Bool
	answer := service.Config.Handler
	service.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refuse.Load() {
			w.WriteHeader(http.StatusUnauthorized)
		}
		answer.ServeHTTP(w, r)
	})
	c := oauthClient(t, service.Server, tokens)
	want := func(status int, credential string) {
		t.Helper()
		response, failure := c.Do(t.Context(), &egress.Request{Method: "GET", URL: service.URL}, unmasked)
		if failure != nil || response.Status != status {
			t.Errorf("got %+v, %v", response, failure)
		}
		if got := service.seen()[0].header.Get("Authorization"); got != credential {
			t.Errorf("the service saw %q, want %q", got, credential)
		}
	}
	want(200, "Bearer token-1")
	want(200, "Bearer token-1")
	refuse.Store(true)
	want(401, "Bearer token-1")
	refuse.Store(false)
	want(200, "Bearer token-2")
	c.tokens[0].mu.Lock()
	c.tokens[0].current.Expiry = time.Now().Add(-time.Second)
	c.tokens[0].mu.Unlock()
	want(200, "Bearer token-3")
}

func TestOAuth2_Errors(t *testing.T) {
	service := newService(t)
	for _, tc := range []struct {
		name   string
		answer func(http.ResponseWriter, *http.Request)
		code   egress.Code
		says   string
		kept   bool
	}{
		{"refused", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"error":"invalid_client","error_description":"%s is wrong"}`, secretValue)
		}, egress.CodeAuthRefused, `answered 400 to the client "me"`, true},
		{"broken", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, egress.CodeAuthUnavailable, "answered 502", false},
		{"too many", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) }, egress.CodeAuthUnavailable, "answered 429", true},
		{"nonsense", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, secretValue) }, egress.CodeAuthUnavailable, "answered with no token", false},
		{"no token", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{}`)
		}, egress.CodeAuthUnavailable, "answered with no token", false},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusTemporaryRedirect)
		}, egress.CodeAuthRefused, "answered 307", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tokens := newTokenService(t)
			tokens.answer.Store(tc.answer)
			c := oauthClient(t, service.Server, tokens)
			_, failure := c.Do(t.Context(), &egress.Request{Method: "GET", URL: service.URL}, unmasked)
			if failure == nil || failure.Code != tc.code || !strings.Contains(failure.Message, tc.says) || strings.Contains(failure.Message, "s3cr3t") {
				t.Errorf("got %v", failure)
			}
			before := tokens.asked.Load()
			kept := failure.RetryAfter > 0
			if _, again := c.Do(t.Context(), &egress.Request{Method: "GET", URL: service.URL}, unmasked); again == nil || again.Code != tc.code || (tokens.asked.Load() == before) != kept {
				t.Errorf("kept: %t; %v", kept, again)
			}
			if kept != tc.kept {
				t.Errorf("kept: %t", kept)
			}
		})
	}
}

// A call that waits for a token ends with its own deadline.
func TestOAuth2_Slow(t *testing.T) {
	service, tokens := newService(t), newTokenService(t)
	release := make(chan struct{})
	give := tokens.answer.Load().(func(http.ResponseWriter, *http.Request))
	tokens.answer.Store(func(w http.ResponseWriter, r *http.Request) { <-release; give(w, r) })
	c := oauthClient(t, service.Server, tokens)
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, failure := c.Do(short, &egress.Request{Method: "GET", URL: service.URL}, unmasked); failure == nil || failure.Code != egress.CodeTimeout {
		t.Errorf("got %v", failure)
	}
	close(release)
	if _, failure := c.Do(t.Context(), &egress.Request{Method: "GET", URL: service.URL}, unmasked); failure != nil || tokens.asked.Load() != 1 {
		t.Errorf("got %v after %d questions: what the first waited for is everybody's", failure, tokens.asked.Load())
	}
}

// clock is what a client's pauses go by in a test.
type clock struct{ passed atomic.Int64 }

func (k *clock) now() time.Time       { return time.Unix(1e9, k.passed.Load()) }
func (k *clock) pass(d time.Duration) { k.passed.Add(int64(d)) }

// A token service that refuses the client is not asked each time, and asked anew by and by, or at once with another secret.
func TestOAuth2_Refused(t *testing.T) {
	service, tokens := newService(t), newTokenService(t)
	give := tokens.answer.Load()
	no := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }
	tokens.answer.Store(no)
	c := oauthClient(t, service.Server, tokens)
	value := secretValue
	c.config.Secret = func(_, _ string, place secret.Place) (string, *egress.Error) {
		if place != secret.Header {
			return "", &egress.Error{Code: egress.CodeSecretDenied}
		}
		return value, nil
	}
	var clock clock
	c.now = clock.now
	ask := func(asked int64, wait time.Duration) {
		t.Helper()
		_, failure := c.Do(t.Context(), &egress.Request{Method: "GET", URL: service.URL}, unmasked)
		if got := tokens.asked.Swap(0); got != asked {
			t.Errorf("the token service was asked %d times, want %d", got, asked)
		}
		if wait == 0 {
			if failure != nil {
				t.Errorf("got %v", failure)
			}
			return
		}
		says := fmt.Sprintf("it is not asked again for %d s", wait/time.Second)
		if failure == nil || failure.Code != egress.CodeAuthRefused || failure.RetryAfter != wait || !strings.Contains(failure.Message, says) {
			t.Errorf("got %+v, want one that says %s", failure, says)
		}
	}
	ask(1, 5*time.Second)
	clock.pass(2 * time.Second)
	ask(0, 3*time.Second)
	for _, pause := range []time.Duration{10, 20, 40, 60, 60} {
		clock.pass(time.Minute)
		ask(1, pause*time.Second)
	}
	value = "another"
	ask(1, 5*time.Second)
	value = secretValue
	tokens.answer.Store(give)
	ask(1, 0)
	tokens.answer.Store(no)
	c.tokens[0].current = nil
	ask(1, 5*time.Second)
	clock.pass(2 * time.Minute)
	ask(1, 5*time.Second)
}

// A guest that asks for what no token allows does not have one fetched each time.
func TestOAuth2_Renewed(t *testing.T) {
	tokens := newTokenService(t)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	t.Cleanup(service.Close)
	c := oauthClient(t, service, tokens)
	var clock clock
	c.now = clock.now
	for n, fetched := range []int64{1, 2, 2, 3, 3, 3, 3, 4, 4} {
		if response, failure := c.Do(t.Context(), &egress.Request{Method: "GET", URL: service.URL}, unmasked); failure != nil || response.Status != http.StatusUnauthorized {
			t.Fatalf("got %+v, %v", response, failure)
		}
		if got := tokens.asked.Load(); got != fetched {
			t.Errorf("request %d: %d tokens were fetched, want %d", n+1, got, fetched)
		}
		clock.pass(3 * time.Second)
	}
}

// The time of a request is that of its token too.
func TestOAuth2_Timeout(t *testing.T) {
	service, tokens := newService(t), newTokenService(t)
	release := make(chan struct{})
	give := tokens.answer.Load().(func(http.ResponseWriter, *http.Request))
	tokens.answer.Store(func(w http.ResponseWriter, r *http.Request) { <-release; give(w, r) })
	c := oauthClient(t, service.Server, tokens)
	if _, failure := c.Do(t.Context(), &egress.Request{Method: "GET", URL: service.URL, Timeout: time.Millisecond}, unmasked); failure == nil || failure.Code != egress.CodeTimeout {
		t.Errorf("got %v", failure)
	}
	close(release)
	var left time.Duration
	c.config.Next = doer(func(r *egress.Request) (*egress.Response, *egress.Error) {
		left = r.Timeout
		return &egress.Response{Status: 200}, nil
	})
	if _, failure := c.Do(t.Context(), &egress.Request{Method: "GET", URL: service.URL, Timeout: time.Hour}, unmasked); failure != nil || left <= 0 || left >= time.Hour {
		t.Errorf("got %v, and %v were left", failure, left)
	}
}

type doer func(*egress.Request) (*egress.Response, *egress.Error)

func (d doer) Authorise(*egress.Request) *egress.Error { return nil }

func (d doer) Do(_ context.Context, r *egress.Request) (*egress.Response, *egress.Error) { return d(r) }

// Tokens are known for as long as one may be good, toward the origins that they can have come to.
func TestClient_Tokens(t *testing.T) {
	service, tokens := newService(t), newTokenService(t)
	c := oauthClient(t, service.Server, tokens)
	var clock clock
	c.now = clock.now
	if got := c.Tokens(""); len(got) != 0 {
		t.Errorf("before any was given: %q", got)
	}
	for n := 1; n <= maxGiven+1; n++ {
		var used []string
		if _, failure := c.Do(t.Context(), &egress.Request{Method: "GET", URL: service.URL}, func(v string) { used = append(used, v) }); failure != nil {
			t.Fatal(failure)
		}
		if want := []string{fmt.Sprintf("token-%d", n)}; !slices.Equal(used, want) {
			t.Errorf("used %q, want %q", used, want)
		}
		c.tokens[0].forget(c.tokens[0].valid()) // as where the service refuses it
		clock.pass(longestPause)
	}
	want := []string{"token-5", "token-4", "token-3", "token-2"}
	for origin, want := range map[string][]string{"": want, service.URL: want, tokens.URL: want, "https://other.example": nil} {
		if got := c.Tokens(origin); !slices.Equal(got, want) {
			t.Errorf("toward %q: %q, want %q", origin, got, want)
		}
	}
}

// A token service that redirects does not take the client's secret along, neither as the client sends it nor as egress does.
func TestOAuth2_Redirected(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, body := range []bool{false, true} {
			thief := newService(t)
			service, tokens := newService(t), newTokenService(t)
			tokens.answer.Store(func(w http.ResponseWriter, r *http.Request) {
				if _, _, basic := r.BasicAuth(); basic && body { // the library tries again with the secret in the body
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				http.Redirect(w, r, thief.URL+"/token", status)
			})
			c := oauthClient(t, service.Server, tokens)
			c.config.Tokens = egressTo(t, tokens.URL, thief.URL) // so that only who sends can keep it from there
			_, failure := c.Do(t.Context(), &egress.Request{Method: "GET", URL: service.URL}, unmasked)
			if failure == nil || failure.Code != egress.CodeAuthRefused || strings.Contains(failure.Message, thief.URL) {
				t.Errorf("%d: got %v", status, failure)
			}
			if heads := append(thief.seen(), service.seen()...); len(heads) != 0 {
				t.Errorf("%d: sent on %+v", status, heads)
			}
		}
	}
}

// The client's secret stands where the secret's places let it, and the token, which is none of them, in its header.
func TestOAuth2_Places(t *testing.T) {
	for _, tc := range []struct {
		name   string
		places []secret.Place
		inBody bool // the service takes it there only
		code   egress.Code
		says   string
	}{
		{"in a header", []secret.Place{secret.Header}, false, "", ""},
		{"in the body", []secret.Place{secret.Body}, true, "", ""},
		{"in either", []secret.Place{secret.Header, secret.Body}, true, "", ""},
		{"in either, header first", []secret.Place{secret.Header, secret.Body}, false, "", ""},
		{"not in the body", []secret.Place{secret.Header}, true, egress.CodeAuthRefused, "add body to the places of secrets.key"},
		{"not in a header", []secret.Place{secret.Body}, false, egress.CodeAuthRefused, "answered 401"},
		{"in neither", []secret.Place{secret.Query}, false, egress.CodeSecretDenied, "may not stand in a header"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			service, tokens := newService(t), newTokenService(t)
			var misplaced atomic.Bool
			tokens.answer.Store(func(w http.ResponseWriter, r *http.Request) {
				_, inHeader, _ := r.BasicAuth()
				inBody := r.PostFormValue("client_secret")
				misplaced.Store(misplaced.Load() || inHeader != "" && !slices.Contains(tc.places, secret.Header) || inBody != "" && !slices.Contains(tc.places, secret.Body))
				if taken := map[bool]string{false: inHeader, true: url.QueryEscape(inBody)}[tc.inBody]; taken != url.QueryEscape(secretValue) {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				w.Header().Set("Content-Type", "application/json")
				fmt.Fprint(w, `{"access_token":"t0k3n","token_type":"bearer"}`)
			})
			c := oauthClient(t, service.Server, tokens)
			c.config.Secret = secrets(t, tc.places, tokens.URL, service.URL).ValueFor
			_, failure := c.Do(t.Context(), &egress.Request{Method: "GET", URL: service.URL}, unmasked)
			if tc.code == "" && (failure != nil || service.seen()[0].header.Get("Authorization") != "Bearer t0k3n") {
				t.Errorf("got %v", failure)
			}
			if tc.code != "" && (failure == nil || failure.Code != tc.code || !strings.Contains(failure.Message, tc.says) || len(service.seen()) != 0) {
				t.Errorf("got %v", failure)
			}
			if misplaced.Load() {
				t.Error("the secret stood where it may not")
			}
		})
	}
}
