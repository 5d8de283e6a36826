package egress

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"sluice/hostfuncs/egress/worktest"
)

// recorder is a service that keeps what it was asked, and answers as serve says.
type recorder struct {
	*httptest.Server
	mu   sync.Mutex
	seen []seen
}

type seen struct {
	method, path, body string
	header             http.Header
}

func newRecorder(t testing.TB, serve http.HandlerFunc) *recorder {
	t.Helper()
	s := &recorder{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.seen = append(s.seen, seen{r.Method, r.URL.RequestURI(), string(body), r.Header.Clone()})
		s.mu.Unlock()
		serve(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *recorder) requests() []seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

// redirecting sends /<status>/<rest> to where.
func redirecting(status int, where string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/start") {
			w.Header().Set("Location", where)
			w.WriteHeader(status)
			return
		}
		fmt.Fprint(w, "arrived")
	}
}

func TestClient_Redirects(t *testing.T) {
	for _, tt := range []struct {
		method     string
		status     int
		wantMethod string
		wantBody   bool
	}{
		{"GET", 301, "GET", false}, {"GET", 302, "GET", false}, {"GET", 303, "GET", false}, {"GET", 307, "GET", true}, {"GET", 308, "GET", true},
		{"HEAD", 301, "HEAD", false}, {"HEAD", 303, "HEAD", false}, {"HEAD", 308, "HEAD", true},
		{"POST", 301, "GET", false}, {"POST", 302, "GET", false}, {"POST", 303, "GET", false}, {"POST", 307, "POST", true}, {"POST", 308, "POST", true},
		{"PUT", 302, "GET", false}, {"PUT", 307, "PUT", true}, {"DELETE", 303, "GET", false}, {"DELETE", 308, "DELETE", true},
	} {
		name := fmt.Sprintf("%s %d", tt.method, tt.status)
		s := newRecorder(t, redirecting(tt.status, "../end?a=%20b#fragment"))
		c := newClient(t, func(c *Config) { c.Redirects = 5 })
		r, err := c.Do(context.Background(), &Request{
			Method: tt.method, URL: s.URL + "/start/here", Body: []byte("body"),
			Headers: [][2]string{{"content-type", "text/plain"}, {"authorization", "Bearer key"}},
		})
		if err != nil || r.Status != 200 {
			t.Fatalf("%s: %v %v", name, r, err)
		}
		got := s.requests()[1]
		body := ""
		if tt.wantBody {
			body = "body"
		}
		if got.method != tt.wantMethod || got.path != "/end?a=%20b" || got.body != body {
			t.Errorf("%s: %+v", name, got)
		}
		if has := got.header.Get("Content-Type") != ""; has != tt.wantBody {
			t.Errorf("%s: content type %q", name, got.header.Get("Content-Type"))
		}
		if got.header.Get("Authorization") != "Bearer key" {
			t.Errorf("%s: the credential was dropped within the origin", name)
		}
	}
}

// TestClient_Redirects_Headers: what follows to another origin is the safelist, and on the way back what was dropped
// stays dropped.
func TestClient_Redirects_Headers(t *testing.T) {
	var first *recorder
	second := newRecorder(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", first.URL+"/back")
		w.WriteHeader(307)
	})
	first = newRecorder(t, redirecting(307, second.URL+"/there"))
	c := newClient(t, func(c *Config) { c.Redirects = 5 })
	_, err := c.Do(context.Background(), &Request{Method: "POST", URL: first.URL + "/start", Body: []byte("b"), Headers: [][2]string{
		{"accept", "text/plain"}, {"accept-language", "de"}, {"content-language", "en"}, {"content-type", "text/plain"}, {"user-agent", "u"},
		{"authorization", "canary"}, {"cookie", "canary"}, {"x-api-key", "canary"}, {"api-key", "canary"}, {"x-amz-security-token", "canary"},
		{"referer", "canary"}, {"origin", "canary"}, {"accept-encoding", "identity"}, {"www-authenticate", "canary"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"Accept", "Accept-Encoding", "Accept-Language", "Content-Language", "Content-Length", "Content-Type", "User-Agent"}
	for i, got := range []seen{second.requests()[0], first.requests()[1]} {
		if names := slices.Sorted(maps.Keys(got.header)); !slices.Equal(names, want) || got.header.Get("User-Agent") != "u" {
			t.Errorf("hop %d: %v", i+1, got.header)
		}
	}
	if got := first.requests()[0].header.Get("X-Api-Key"); got != "canary" {
		t.Errorf("the first request lacks its own header: %q", got)
	}
}

func TestClient_Redirects_End(t *testing.T) {
	for _, tt := range []struct {
		name, location string
		status         int
		redirects      int
		code           Code // "" for the redirect itself
		requests       int
	}{
		{"not granted", "/end", 302, 0, "", 1},
		{"no location", "", 302, 5, "", 1},
		{"multiple choices", "/end", 300, 5, "", 1},
		{"not modified", "/end", 304, 5, "", 1},
		{"use a proxy", "/end", 305, 5, "", 1},
		{"loop", "/start", 302, 5, CodeRedirect, 6},
		{"loop, two granted", "/start", 308, 2, CodeRedirect, 3},
		{"loop, more granted than there may be", "/start", 307, 99, CodeRedirect, 6},
		{"file", "file:///etc/passwd", 302, 5, CodeRedirect, 1},
		{"gopher", "gopher://127.0.0.1/", 302, 5, CodeRedirect, 1},
		{"javascript", "javascript:alert(1)", 302, 5, CodeRedirect, 1},
		{"user information", "http://canary:pw@127.0.0.1/", 302, 5, CodeRedirect, 1},
		{"odd address", "http://0x7f.1/", 302, 5, CodeRedirect, 1},
		{"no host", "http:///x", 302, 5, CodeRedirect, 1},
		{"broken", "http://[::1", 302, 5, CodeRedirect, 1},
		{"other host", "http://elsewhere.example/x", 302, 5, CodeEgressDenied, 1},
		{"other scheme", "https://127.0.0.1/x", 302, 5, CodeEgressDenied, 1},
		{"metadata", "http://169.254.169.254/latest", 302, 5, CodeEgressDenied, 1},
		{"IPv6", "http://[::1]/", 302, 5, CodeEgressDenied, 1},
		{"IPv4 in IPv6", "http://[::ffff:10.0.0.1]/", 302, 5, CodeEgressDenied, 1},
		{"outside the path", "/private/x", 307, 5, CodeEgressDenied, 1},
		{"by dots", "/start/..%2fprivate", 307, 5, CodeEgressDenied, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newRecorder(t, func(w http.ResponseWriter, _ *http.Request) {
				if tt.location != "" {
					w.Header().Set("Location", tt.location)
				}
				w.WriteHeader(tt.status)
			})
			c := newClient(t, func(c *Config) {
				c.Redirects = tt.redirects
				c.Policy = newPolicy(t, anywhere,
					Entry{Rules: rules(t, s.URL+"/start", s.URL+"/end"), Addresses: addresses(t, "loopback")},
					Entry{Rules: rules(t, "http://169.254.169.254", "http://[::ffff:10.0.0.1]")})
			})
			request := &Request{Method: "GET", URL: s.URL + "/start"}
			if tt.code == "" {
				r, err := c.Do(context.Background(), request)
				if err != nil || r.Status != tt.status {
					t.Errorf("%v %v", r, err)
				}
			} else if err := expectCode(t, c, request, tt.code); strings.Contains(err.Message, "canary") || strings.Contains(err.Message, "passwd") {
				t.Errorf("the message repeats the peer's text: %s", err.Message)
			} else if want := slices.Repeat([]string{tt.location}, tt.requests); !slices.Equal(err.Locations, want) {
				t.Errorf("it was led by %q, want %q", err.Locations, want)
			}
			if n := len(s.requests()); n != tt.requests {
				t.Errorf("%d requests, want %d", n, tt.requests)
			}
		})
	}
}

// TestClient_Redirects_Method: each hop is authorised with the method that it has.
func TestClient_Redirects_Method(t *testing.T) {
	s := newRecorder(t, redirecting(303, "/end"))
	rule, err := ParseGrantRule("POST " + s.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, func(c *Config) {
		c.Redirects = 1
		c.Policy = newPolicy(t, anywhere, Entry{Rules: []Rule{rule}, Addresses: addresses(t, "loopback")})
	})
	failure := expectCode(t, c, &Request{Method: "POST", URL: s.URL + "/start"}, CodeEgressDenied)
	if want := "add GET to the methods of the rule"; !strings.Contains(failure.Message, want) || len(s.requests()) != 1 {
		t.Error(failure)
	}
}

// TestClient_Redirects_Confined: nothing of a request that holds a secret goes to another origin, in whatever part it is.
func TestClient_Redirects_Confined(t *testing.T) {
	for _, tt := range []struct {
		method string
		status int
		body   string
		code   Code
	}{
		{"GET", 302, "", ""}, {"GET", 307, "", ""}, {"POST", 303, "canary", ""}, {"POST", 307, "canary", CodeRedirect}, {"PUT", 308, "canary", CodeRedirect},
	} {
		other := newRecorder(t, failing(0, 0))
		first := newRecorder(t, redirecting(tt.status, other.URL+"/there"))
		c := newClient(t, func(c *Config) { c.Redirects = 5 })
		request := &Request{Method: tt.method, URL: first.URL + "/start?key=canary", Body: []byte(tt.body), Confined: true, Headers: [][2]string{
			{"authorization", "canary"}, {"user-agent", "canary"}, {"accept", "canary"}, {"content-type", "canary/x"}, {"accept-language", "canary"}, {"content-language", "canary"},
		}}
		if tt.code != "" {
			expectCode(t, c, request, tt.code)
		} else if r, err := c.Do(context.Background(), request); err != nil || r.Status != 200 {
			t.Errorf("%s %d: %v %v", tt.method, tt.status, r, err)
		}
		got := fmt.Sprint(other.requests())
		if strings.Contains(got, "canary") || (tt.code == "") != (len(other.requests()) == 1) {
			t.Errorf("%s %d: %s", tt.method, tt.status, got)
		}
		within := newRecorder(t, redirecting(tt.status, "/end"))
		request.URL = within.URL + "/start"
		if r, err := c.Do(context.Background(), request); err != nil || r.Status != 200 || within.requests()[1].header.Get("Authorization") != "canary" {
			t.Errorf("%s %d within the origin: %v %v", tt.method, tt.status, r, err)
		}
	}
}

// keeper is what a test does not want to see at another origin.
type keeper string

func (k keeper) GivesAway(location string, look func(n int)) bool {
	look(len(location))
	return strings.Contains(location, string(k))
}

// TestClient_Redirects_Keeper: a redirect that repeats what is for its origin alone is followed within it only.
func TestClient_Redirects_Keeper(t *testing.T) {
	other := newRecorder(t, failing(0, 0))
	first := newRecorder(t, redirecting(302, other.URL+"/there?leak=canary"))
	c := newClient(t, func(c *Config) { c.Redirects = 5 })
	var w worktest.Worker
	failure := expectCode(t, c, &Request{Method: "GET", URL: first.URL + "/start", Keeper: keeper("canary"), Worker: &w}, CodeRedirect)
	if strings.Contains(failure.Message, "canary") || len(other.requests()) != 0 {
		t.Errorf("got %v, and %v", failure, other.requests())
	}
	if w.Total != len(other.URL+"/there?leak=canary") {
		t.Errorf("looking at the redirect counts as %d ns of the caller's", w.Total)
	}
	if r, err := c.Do(context.Background(), &Request{Method: "GET", URL: first.URL + "/start", Keeper: keeper("bird")}); err != nil || r.Status != 200 {
		t.Errorf("what is no secret: %v %v", r, err)
	}
	within := newRecorder(t, redirecting(302, "/end?key=canary"))
	if r, err := c.Do(context.Background(), &Request{Method: "GET", URL: within.URL + "/start", Keeper: keeper("canary")}); err != nil || r.Status != 200 {
		t.Errorf("within the origin: %v %v", r, err)
	}
}
