package auth

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/hostfuncs/egress"
	"sluice/hostfuncs/egress/egresstest"
	"sluice/hostfuncs/egress/worktest"
	"sluice/hostfuncs/secret"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secretValue = "s3cr3t/+ value"

// egressTo is a client that reaches what a server of the test listens on, and anything that is asked for there.
func egressTo(t testing.TB, origins ...string) *egress.Client {
	t.Helper()
	return egresstest.Client(t, nil, origins...)
}

// service answers with the head of the request that came, and keeps it.
type service struct {
	*httptest.Server
	mu    sync.Mutex // protects what follows
	heads []head
}

type head struct {
	url    string
	header http.Header
}

func newService(t testing.TB) *service {
	s := &service{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.heads = append(s.heads, head{r.URL.String(), r.Header})
		s.mu.Unlock()
		w.Header().Set("X-Seen", r.Header.Get("Authorization"))
		fmt.Fprintln(w, r.URL, r.Header)
	}))
	t.Cleanup(s.Close)
	return s
}

// seen are the heads that have come since it was last asked.
func (s *service) seen() []head {
	s.mu.Lock()
	defer s.mu.Unlock()
	heads := s.heads
	s.heads = nil
	return heads
}

// secrets are one secret, key, that is bound to these origins and places; no place is all.
func secrets(t testing.TB, places []secret.Place, origins ...string) *secret.Set {
	t.Helper()
	if len(places) == 0 {
		places = []secret.Place{secret.Header, secret.Query, secret.Body}
	}
	set, err := secret.NewSet(secret.Config{
		Definitions: map[string]secret.Definition{"key": {From: "env:KEY", Origins: origins, Places: places}},
		LookupEnv:   func(string) (string, bool) { return secretValue, true },
	})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// unmasked is for tests that look at no response.
func unmasked(string) {}

func rule(t testing.TB, s string) egress.Rule {
	t.Helper()
	r, err := egress.ParseRule(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestClient_Do(t *testing.T) {
	service := newService(t)
	entry := func(e Entry) Entry {
		e.Rule, e.Secret = rule(t, service.URL+"/in"), "key"
		if err := e.Check(); err != nil {
			t.Fatal(err)
		}
		return e
	}
	for _, tc := range []struct {
		name    string
		entry   Entry
		path    string
		headers [][2]string
		header  string // name and value that the service must see
		url     string
	}{
		{"basic", entry(Entry{Kind: Basic, User: "ü"}), "/in", nil, "Authorization: Basic w7w6czNjcjN0Lysgdm" + "FsdWU=", "/in"},
		{"bearer", entry(Entry{Kind: Bearer}), "/in/more", nil, "Authorization: Bearer " + secretValue, "/in/more"},
		{"instead of the guest's", entry(Entry{Kind: Bearer}), "/in", [][2]string{{"authorization", "Bearer guess"}, {"X-A", "1"}},
			"Authorization: Bearer " + secretValue, "/in"},
		{"header", entry(Entry{Kind: Header, Name: "X-Api-Key"}), "/in", [][2]string{{"x-api-key", "guess"}}, "X-Api-Key: " + secretValue, "/in"},
		{"query", entry(Entry{Kind: Query, Name: "key"}), "/in", nil, "", "/in?key=s3cr3t%2F%2B+value"},
		{"query with more", entry(Entry{Kind: Query, Name: "k y"}), "/in?a=%20&k%20y=guess&b#f", nil, "", "/in?a=%20&b&k+y=s3cr3t%2F%2B+value"},
		{"elsewhere", entry(Entry{Kind: Bearer}), "/out", nil, "Authorization: ", "/out"},
		{"elsewhere by a trick", entry(Entry{Kind: Bearer}), "/in/../out", nil, "Authorization: ", "/in/../out"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			next := egressTo(t, service.URL)
			c := NewClient(Config{Entries: []Entry{tc.entry}, Secret: secrets(t, nil, service.URL).ValueFor, Next: next, Tokens: next})
			request := &egress.Request{Method: "GET", URL: service.URL + tc.path, Headers: tc.headers}
			var used []string
			response, failure := c.For(func(credential string) { used = append(used, credential) }).Do(t.Context(), request)
			if failure != nil {
				t.Fatal(failure)
			}
			secret.NewMasker(used).Response(response, nil)
			got := service.seen()[0]
			name, value, _ := strings.Cut(tc.header, ": ")
			if name != "" && (got.header.Get(name) != value || len(got.header.Values(name)) > 1) || got.url != tc.url {
				t.Errorf("the service saw %+v", got)
			}
			for _, spelling := range []string{secretValue, url.QueryEscape(secretValue), base64.StdEncoding.EncodeToString([]byte("ü:" + secretValue))} {
				if told := fmt.Sprint(response.Headers) + string(response.Body); strings.Contains(told, spelling) {
					t.Errorf("the guest was told %s", told)
				}
			}
			if len(request.Headers) != len(tc.headers) || request.URL != service.URL+tc.path {
				t.Errorf("the guest's request was changed: %+v", request)
			}
		})
	}
}

func TestClient_Do_Errors(t *testing.T) {
	service := newService(t)
	next := egressTo(t, service.URL)
	c := NewClient(Config{
		Entries: []Entry{{Rule: rule(t, service.URL), Kind: Bearer, Secret: "key"}},
		Secret:  secrets(t, nil).ValueFor, Next: next, Tokens: next,
	})
	_, failure := c.Do(t.Context(), &egress.Request{Method: "GET", URL: service.URL}, unmasked)
	if failure == nil || failure.Code != egress.CodeSecretDenied || !strings.Contains(failure.Message, "not bound") {
		t.Errorf("got %v", failure)
	}
	_, failure = c.Do(t.Context(), &egress.Request{Method: "GET", URL: "nowhere"}, unmasked)
	if failure == nil || failure.Code != egress.CodeInvalidRequest {
		t.Errorf("got %v", failure)
	}
}

// A redirect leads a request to where another credential is for it, or none: under the same rule it keeps its own, under
// another one it has that one's, and to another origin it goes with nothing, also on its way back.
func TestClient_Do_Redirected(t *testing.T) {
	other, service := newService(t), newService(t)
	service.Config.Handler = redirectingTo(service.Config.Handler)
	other.Config.Handler = redirectingTo(other.Config.Handler)
	entry := func(path string, e Entry) Entry {
		e.Rule, e.Secret = rule(t, service.URL+path), "key"
		return e
	}
	entries := []Entry{
		entry("/a", Entry{Kind: Bearer}),
		entry("/b", Entry{Kind: Header, Name: "X-Key"}),
		entry("/q", Entry{Kind: Query, Name: "key"}),
		entry("/s3", Entry{Kind: SigV4, User: "AK", Region: "r", Service: "s3"}),
		{Rule: rule(t, other.URL+"/c"), Kind: Bearer, Secret: "key"},
	}
	for _, tc := range []struct {
		name, from, to string
		elsewhere      bool     // the last hop is at the other service
		has            []string // of the last hop
	}{
		{"within the rule", "/a/1", "/a/2", false, []string{"Authorization:Bearer " + secretValue, "X-Own:1"}},
		{"out of the rule", "/a/1", "/out", false, []string{"X-Own:1"}},
		{"under another rule", "/a/1", "/b/1", false, []string{"X-Key:" + secretValue, "X-Own:1"}},
		{"into a rule", "/out", "/a/1", false, []string{"Authorization:Bearer " + secretValue, "X-Own:1"}},
		{"in the query", "/q/1", "/q/2", false, []string{"X-Own:1", "/q/2?key=s3cr3t%2F%2B+value"}},
		{"in the query, repeated", "/q/1", "/out?a=1&key=s3cr3t%2F%2B+value&b=2", false, []string{"X-Own:1", "/out?a=1&b=2"}},
		{"signed", "/s3/1", "/s3/2", false, []string{"Authorization:AWS4", "X-Own:1"}},
		{"signed, out of the rule", "/s3/1", "/out", false, []string{"X-Own:1"}},
		{"to another origin", "/a/1", other.URL + "/c", true, nil},
		{"to another origin and back", "/a/1", other.URL + "/to?" + url.QueryEscape(service.URL+"/a/2"), false, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			next := egressTo(t, service.URL, other.URL)
			c := NewClient(Config{
				Entries: entries, Secret: secrets(t, nil, service.URL, other.URL).ValueFor, Redirects: 3, Next: next, Tokens: next,
			})
			service.seen()
			other.seen()
			start := service.URL + tc.from + "?to=" + url.QueryEscape(tc.to)
			response, failure := c.Do(t.Context(), &egress.Request{Method: "GET", URL: start, Headers: [][2]string{{"x-own", "1"}}}, unmasked)
			if failure != nil || response.Status != 200 {
				t.Fatalf("%+v, %v", response, failure)
			}
			heads := service.seen()
			if tc.elsewhere {
				heads = other.seen()
			}
			last := heads[len(heads)-1]
			got := ""
			for _, name := range []string{"Authorization", "X-Key", "X-Amz-Date", "X-Amz-Content-Sha256", "X-Own"} {
				if value := last.header.Get(name); value != "" {
					got += name + ":" + value + "\n"
				}
			}
			got += last.url
			for _, want := range tc.has {
				if !strings.Contains(got, want) {
					t.Errorf("the last hop lacks %s:\n%s", want, got)
				}
			}
			credential := strings.Contains(fmt.Sprint(tc.has), "s3cr3t") || strings.Contains(fmt.Sprint(tc.has), "AWS4")
			if !credential && (strings.Contains(got, "s3cr3t") || strings.Contains(got, "Authorization") || strings.Contains(got, "X-Amz")) {
				t.Errorf("the last hop has a credential:\n%s", got)
			}
			if (len(tc.has) == 0) != (last.header.Get("X-Own") == "") {
				t.Errorf("the guest's header: %v", last.header)
			}
		})
	}
}

// redirectingTo sends requests to what their query says.
func redirectingTo(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to := r.URL.Query().Get("to")
		if r.URL.Path == "/to" {
			to, _ = url.QueryUnescape(r.URL.RawQuery)
		}
		if to != "" {
			http.Redirect(w, r, to, http.StatusFound)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// What a request has under way of a credential goes to no other origin, neither its headers nor its body.
func TestClient_Do_Redirected_Body(t *testing.T) {
	other, service := newService(t), newService(t)
	service.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	next := egressTo(t, service.URL, other.URL)
	c := NewClient(Config{
		Entries: []Entry{{Rule: rule(t, service.URL), Kind: Bearer, Secret: "key"}},
		Secret:  secrets(t, nil, service.URL).ValueFor, Redirects: 1, Next: next, Tokens: next,
	})
	_, failure := c.Do(t.Context(), &egress.Request{Method: "POST", URL: service.URL, Body: []byte("x")}, unmasked)
	if failure == nil || failure.Code != egress.CodeRedirect || len(other.seen()) != 0 {
		t.Errorf("got %v", failure)
	}
}

// A service could take a request for one of another path, that has the credential of this one.
func TestClient_Do_Steered(t *testing.T) {
	service := newService(t)
	next := egressTo(t, service.URL)
	for path, code := range map[string]egress.Code{"": "", "/tenant-a": egress.CodeAuthRefused} {
		c := NewClient(Config{
			Entries: []Entry{{Rule: rule(t, service.URL+path), Kind: Bearer, Secret: "key"}},
			Secret:  secrets(t, nil, service.URL).ValueFor, Next: next, Tokens: next,
		})
		for _, name := range []string{"x-original-url", "x-amz-copy-source"} {
			_, failure := c.Do(t.Context(), &egress.Request{Method: "GET", URL: service.URL + path + "/x", Headers: [][2]string{{name, "/tenant-b"}}}, unmasked)
			if code == "" && failure != nil || code != "" && (failure == nil || failure.Code != code || !strings.Contains(failure.Message, name)) {
				t.Errorf("under %q: %v", path, failure)
			}
			if sent := len(service.seen()); (sent == 1) != (code == "") {
				t.Errorf("under %q: %d requests were sent", path, sent)
			}
		}
	}
}

// What a guest may send beside a credential says nothing of how long that is.
func TestClient_Do_Length(t *testing.T) {
	service := newService(t)
	next := egressTo(t, service.URL)
	for _, e := range []Entry{{Kind: Bearer}, {Kind: Query, Name: "key"}} {
		e.Rule, e.Secret = rule(t, service.URL), "key"
		for _, value := range []string{"s", strings.Repeat("/", 20_000)} {
			c := NewClient(Config{
				Entries: []Entry{e}, Secret: func(string, string, secret.Place) (string, *egress.Error) { return value, nil }, Next: next, Tokens: next,
			})
			for more, code := range map[int]egress.Code{0: "", 1: egress.CodeInvalidRequest} {
				url := service.URL + "/?" + strings.Repeat("a", 16<<10-len(service.URL)-2)
				request := &egress.Request{Method: "GET", URL: url + strings.Repeat("a", more)}
				if e.Kind == Bearer { // which replaces the guest's
					request.URL = url
					request.Headers = [][2]string{{"authorization", strings.Repeat("a", 64<<10-len("authorization")+more)}}
				}
				_, failure := c.Do(t.Context(), request, unmasked)
				if code == "" && failure != nil || code != "" && (failure == nil || failure.Code != code) {
					t.Errorf("%s: %d bytes too many, a value of %d: %v", e.Kind, more, len(value), failure)
				}
			}
		}
	}
}

func TestEntry_Check(t *testing.T) {
	for want, e := range map[string]Entry{
		"kind must be one of":                           {Secret: "s"},
		"secret is missing":                             {Kind: Bearer},
		`user is missing: the kind "basic"`:             {Kind: Basic, Secret: "s"},
		`user does not belong to the kind "bearer"`:     {Kind: Bearer, Secret: "s", User: "u"},
		`name is missing: the kind "header"`:            {Kind: Header, Secret: "s"},
		`name does not belong to the kind "basic"`:      {Kind: Basic, Secret: "s", User: "u", Name: "n"},
		`token_url is missing: the kind "oauth2"`:       {Kind: OAuth2, Secret: "s", User: "u"},
		"token_url: the URL must be absolute":           {Kind: OAuth2, Secret: "s", User: "u", TokenURL: "x"},
		`region is missing: the kind "sigv4"`:           {Kind: SigV4, Secret: "s", User: "u", Service: "s3"},
		`service is missing: the kind "sigv4"`:          {Kind: SigV4, Secret: "s", User: "u", Region: "r"},
		`scopes does not belong to the kind "bearer"`:   {Kind: Bearer, Secret: "s", Scopes: []string{"a"}},
		`region does not belong to the kind "header"`:   {Kind: Header, Secret: "s", Name: "n", Region: "r"},
		`token_url does not belong to the kind "query"`: {Kind: Query, Secret: "s", Name: "n", TokenURL: "https://x"},
		"name can't be that: the header hOST is set":    {Kind: Header, Secret: "s", Name: "hOST"},
		"name can't be that: the header Content-Length": {Kind: Header, Secret: "s", Name: "Content-Length"},
		"name can't be that: the header Proxy-Auth":     {Kind: Header, Secret: "s", Name: "Proxy-Authorization"},
		"name can't be that: a header name holds":       {Kind: Header, Secret: "s", Name: "X-Key: a"},
		"name can't be that: a header name has up to":   {Kind: Header, Secret: "s", Name: strings.Repeat("x", 257)},
		"name can't be that: the header Accept-Enc":     {Kind: Header, Secret: "s", Name: "accept-encoding"},
		"user holds a colon":                            {Kind: Basic, Secret: "s", User: "a:b"},
	} {
		if err := e.Check(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// A signature is the one of AWS's own example.
func TestSignV4(t *testing.T) {
	now := time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)
	e := &Entry{Kind: SigV4, User: "AKIDEXAMPLE", Region: "us-east-1", Service: "iam"}
	const secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	r := &egress.Request{
		Method: "GET", URL: "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08",
		Headers: [][2]string{
			{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}, {"Accept", "*/*"},
			{"Authorization", "guess"}, {"X-Amz-Date", "guess"},
		},
	}
	signed, failure := signV4(t.Context(), e, r, secret, now)
	if failure != nil {
		t.Fatal(failure)
	}
	got := make(map[string]string)
	for _, h := range signed.Headers {
		got[strings.ToLower(h[0])] += h[1]
	}
	const want = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, SignedHeaders=content-type;host;x-amz-date, " +
		"Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
	if got["authorization"] != want || got["x-amz-date"] != "20150830T123600Z" || got["accept"] != "*/*" || signed.URL != r.URL {
		t.Errorf("got %v", got)
	}

	e.Service = "s3"
	r = &egress.Request{Method: "PUT", URL: "https://b.s3.amazonaws.com/a%20b", Body: []byte("x")}
	if signed, failure = signV4(t.Context(), e, r, secret, now); failure != nil {
		t.Fatal(failure)
	}
	if text := fmt.Sprint(signed.Headers); !strings.Contains(text, "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881") {
		t.Errorf("the body's digest is not in %s", text)
	}
}

// Of the headers that AWS goes by, a guest's are signed, or do not go out.
func TestSignV4_Headers(t *testing.T) {
	for _, service := range []string{"s3", "sqs"} {
		e := &Entry{Kind: SigV4, User: "AK", Region: "r", Service: service}
		r := &egress.Request{Method: "GET", URL: "https://x.amazonaws.com/q", Headers: [][2]string{
			{"X-Amz-Security-Token", "of the guest"}, {"x-amz-content-sha256", "UNSIGNED-PAYLOAD"}, {"X-AMZ-DATE", "of the guest"}, {"authorization", "of the guest"},
			{"X-Amz-Target", "List"}, {"x-amz-meta-a", "1"}, {"x-amz-meta-a", "2"}, {"X-Own", "1"},
		}}
		signed, failure := signV4(t.Context(), e, r, "secret", time.Now())
		if failure != nil {
			t.Fatal(failure)
		}
		text := fmt.Sprint(signed.Headers)
		if strings.Contains(text, "of the guest") || strings.Contains(text, "UNSIGNED") || !strings.Contains(text, "X-Own") || len(r.Headers) != 8 {
			t.Errorf("%s: %s", service, text)
		}
		_, list, _ := strings.Cut(text, "SignedHeaders=")
		list, _, _ = strings.Cut(list, ",")
		for _, h := range signed.Headers {
			name := strings.ToLower(h[0])
			if strings.HasPrefix(name, amzPrefix) && !slices.Contains(strings.Split(list, ";"), name) {
				t.Errorf("%s: %s goes out unsigned: %s", service, name, list)
			}
		}
	}
}

// A credential stands only in a place that its secret is bound to, and nothing is sent otherwise.
func TestClient_Do_Places(t *testing.T) {
	service := newService(t)
	next := egressTo(t, service.URL)
	for _, e := range []Entry{
		{Kind: Basic, User: "u"}, {Kind: Bearer}, {Kind: Header, Name: "X-Key"}, {Kind: SigV4, User: "AK", Region: "r", Service: "s"}, {Kind: Query, Name: "key"},
	} {
		e.Rule, e.Secret = rule(t, service.URL), "key"
		needs, other := secret.Header, secret.Query
		if e.Kind == Query {
			needs, other = other, needs
		}
		for place, allowed := range map[secret.Place]bool{needs: true, other: false, secret.Body: false} {
			c := NewClient(Config{Entries: []Entry{e}, Secret: secrets(t, []secret.Place{place}, service.URL).ValueFor, Next: next, Tokens: next})
			_, failure := c.Do(t.Context(), &egress.Request{Method: "GET", URL: service.URL}, unmasked)
			if sent := len(service.seen()) == 1; sent != allowed || allowed != (failure == nil) {
				t.Errorf("%s with the place %s: %t, %v", e.Kind, place, sent, failure)
			}
			if failure != nil && (failure.Code != egress.CodeSecretDenied || !strings.Contains(failure.Message, "may not stand in a "+string(needs))) {
				t.Errorf("%s with the place %s: %v", e.Kind, place, failure)
			}
		}
	}
}

// For a request that is not granted nobody looks a secret up, fetches a token or hashes a body.
func TestClient_Do_NotGranted(t *testing.T) {
	service, tokens := newService(t), newTokenService(t)
	for _, e := range []Entry{{Kind: Bearer}, {Kind: SigV4, User: "AK", Region: "r", Service: "s"}, {Kind: OAuth2, User: "me", TokenURL: tokens.URL + "/token"}} {
		e.Rule, e.Secret = rule(t, service.URL), "key"
		set := secrets(t, nil, service.URL, tokens.URL)
		looked := 0
		c := NewClient(Config{
			Entries: []Entry{e}, Bound: set.Bound, Next: egressTo(t, service.URL+"/granted"), Tokens: egressTo(t, tokens.URL),
			Secret: func(name, origin string, place secret.Place) (string, *egress.Error) {
				looked++
				return set.ValueFor(name, origin, place)
			},
		})
		r := &egress.Request{Method: "PUT", URL: service.URL + "/other", Body: make([]byte, 1<<20)}
		if _, failure := c.Do(t.Context(), r, unmasked); failure == nil || failure.Code != egress.CodeEgressDenied {
			t.Errorf("%s: got %v", e.Kind, failure)
		}
		if looked != 0 || tokens.asked.Load() != 0 || len(service.seen()) != 0 {
			t.Errorf("%s: %d secrets were looked up, %d tokens fetched", e.Kind, looked, tokens.asked.Load())
		}
	}
}

// A large body is hashed as the caller's work, in pieces, and no further than it wants.
func TestSignV4_Large(t *testing.T) {
	e := &Entry{Kind: SigV4, Secret: "key", User: "AK", Region: "r", Service: "s3"}
	body := make([]byte, 1<<20)
	now := time.Now()
	sign := func(w egress.Worker) string {
		t.Helper()
		r, failure := signV4(t.Context(), e, &egress.Request{Method: "PUT", URL: "https://s3.example/b/k", Body: body, Worker: w}, "x", now)
		if failure != nil {
			t.Fatal(failure)
		}
		slices.SortFunc(r.Headers, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
		return fmt.Sprint(r.Headers)
	}
	var w worktest.Worker
	if sign(&w) != sign(nil) || w.Total != secret.HashedPerByte*len(body) || w.Most > 300_000 {
		t.Errorf("hashing %d bytes took %d ns, %d at once", len(body), w.Total, w.Most)
	}
	if !worktest.GivesUp(func(w *worktest.Worker) { sign(w) }) {
		t.Error("it can't be ended")
	}
}
