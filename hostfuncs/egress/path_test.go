package egress

import (
	"context"
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"
	"unicode"
)

func TestPlainPath(t *testing.T) {
	for name, paths := range map[string][]string{
		"as written": {"", "/", "/v1", "/v1/", "/v1//x", "/v1/.x/x./..x/x..", "/v1/a;b=c/d", "/v1/~x-y_z!$&'()*+,=:@"},
		"encoded":    {"/v1/a%20b", "/v1/50%25", "/v1/%25x", "/v1/C%23/why%3f", "/v1/a%3bb", "/v1/%C3%BC/%e4%b8%ad", "/v1/%c2%bd", "/v1/a%2520b", "/v1/100%25under"},
	} {
		for _, path := range paths {
			if !plainPath(path) {
				t.Errorf("%s: %s is not plain", name, path)
			}
		}
	}
	for name, paths := range map[string][]string{
		"dot segments":         {"/v1/..", "/v1/../x", "/v1/.", "/v1/./x", "/../v1", "/v1/...", "/v1/.../x"},
		"parameters":           {"/v1/..;/admin", "/v1/..;x=1/admin", "/v1/.;/x", "/v1/..%3b/admin", "/v1/..%3B/admin", "/v1/..%253b/admin", "/v1/.%3b/x", "/v1/..%3bx=%2520/admin"},
		"a query or fragment":  {"/v1/..%23/admin", "/v1/..%3f/admin", "/v1/..%253Fx/admin"},
		"blanks":               {"/v1/..%20/admin", "/v1/%20../admin", "/v1/.%20./admin", "/v1/..%2520/admin", "/v1/..%c2%a0/admin", "/v1/..%e2%80%8b/admin", "/v1/..%ef%bb%bf/x", "/v1/..%c2%ad/x"},
		"control characters":   {"/v1/..%09/admin", "/v1/..%0d/admin", "/v1/.%0a./admin", "/v1/x%00", "/v1/x%0d%0aHost:%20y", "/v1/x%250a", "/v1/%7f", "/v1/%c2%85"},
		"encoded dots":         {"/v1/%2e%2e/admin", "/v1/%2E./admin", "/v1/.%2e/admin", "/v1/x%2ey", "/v1/%252e%252e/x", "/v1/%25252e/admin"},
		"encoded separators":   {"/v1%2fx", "/v1/%2F..", "/v1/x%252f..", "/v1/x%5c..", "/v1/x%255C..", "/v1/..\\admin", "/v1\\..\\admin"},
		"overlong UTF-8":       {"/v1/%c0%ae%c0%ae/admin", "/v1/%c0%ae%c0%ae%c0%afadmin", "/v1/%e0%80%ae./admin", "/v1/%25c0%25ae/x", "/v1/%ff", "/v1/%e9"},
		"full-width":           {"/v1/%ef%bc%8e%ef%bc%8e/admin", "/v1/x%ef%bc%8fy", "/v1/x%ef%bc%bc..", "/v1/..%ef%bc%9b/x", "/v1/%ef%bc%852e%ef%bc%852e/x", "/v1/%e2%80%a4./admin", "/v1/%e2%80%a5/admin", "/v1/..%e2%88%95admin", "/v1/..%e2%81%84admin"},
		"%u":                   {"/v1/%u002e%u002e/admin", "/v1/%25u002e%25u002e/admin", "/v1/%25%25u2215x", "/v1/x%25U002Fy"},
		"broken":               {"/v1/%", "/v1/%2", "/v1/%zz", "/v1/a b", "/v1/ü", "/v1/\x7f"},
		"encoded for too long": {"/v1/%252525252e", "/v1/%2525252541"},
	} {
		for _, path := range paths {
			if plainPath(path) {
				t.Errorf("%s: %s is plain", name, path)
			}
		}
	}
}

// FuzzPlainPath: a path that a prefix covers stays below it for readers that decode and cut off as servers do.
func FuzzPlainPath(f *testing.F) {
	for _, s := range []string{"/v1/..%3b/admin", "/v1/%c0%ae%c0%ae/x", "/v1/.%0a./x", "/v1/%252e%252e/x", "/v1/x%25c3%25bc", "/v1/a;b/c%20d", "/v1/%ef%bc%8e./x", "/v1/..%23", "/v1//x"} {
		f.Add(s)
	}
	cuts := []func(string) string{
		func(s string) string { return s },
		func(s string) string { s, _, _ = strings.Cut(s, ";"); return s },
		func(s string) string { s, _, _ = strings.Cut(s, "?"); return s },
		func(s string) string { s, _, _ = strings.Cut(s, "#"); return s },
		func(s string) string { s, _, _ = strings.Cut(s, "\x00"); return s },
		func(s string) string { return strings.TrimFunc(s, func(r rune) bool { return r <= ' ' }) },
		func(s string) string {
			return strings.Map(func(r rune) rune {
				if unicode.IsControl(r) {
					return -1
				}
				return r
			}, s)
		},
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !strings.HasPrefix(s, "/v1/") || !plainPath(s) {
			return
		}
		read := s
		for range 6 {
			for _, cut := range cuts {
				var segments []string
				for segment := range strings.SplitSeq(strings.ReplaceAll(read, "\\", "/"), "/") {
					segments = append(segments, cut(segment))
				}
				if got := path.Clean(strings.Join(segments, "/")); got != "/v1" && !strings.HasPrefix(got, "/v1/") {
					t.Fatalf("%q is plain, and read as %q", s, got)
				}
			}
			next, err := url.PathUnescape(read)
			if err != nil {
				return
			}
			read = next
		}
	})
}

func TestPolicy_Permit(t *testing.T) {
	rule := func(s string) Rule {
		r, err := ParseGrantRule(s)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	const origin = "https://a.example"
	path, get, wide := rule(origin+"/v1"), rule("GET "+origin), rule(origin)
	for _, tt := range []struct {
		name               string
		granted, requested []Rule
		refused            bool
	}{
		{"a path", []Rule{path}, rules(t, anywhere...), true},
		{"methods", []Rule{get}, rules(t, anywhere...), true},
		{"a path that is requested", []Rule{wide}, []Rule{path}, true},
		{"neither", []Rule{wide}, rules(t, anywhere...), false},
		{"one of each", []Rule{path, wide}, []Rule{path, wide}, false},
		{"wide for another origin", []Rule{path, rule("https://b.example")}, rules(t, anywhere...), true},
	} {
		p, err := NewPolicy([]Entry{{Rules: tt.granted}}, tt.requested)
		if err != nil {
			t.Fatal(err)
		}
		u := mustURL(t, origin+"/v1/x")
		for _, name := range []string{"X-Original-URL", "x-rewrite-url", "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X_Original_URL", "x_http-method_override",
			"x-amz-copy-source", "x-amz-rename-source", "x-goog-copy-source", "x-ms-copy-source", "X-Copy-From"} {
			_, err := p.Permit(u, "GET", http.Header{http.CanonicalHeaderKey(name): {"/admin"}})
			if tt.refused != (err != nil) || err != nil && !strings.Contains(err.Error(), "with the header "+http.CanonicalHeaderKey(name)) {
				t.Errorf("%s: %s: %v", tt.name, name, err)
			}
		}
		if _, err := p.Permit(u, "GET", http.Header{"X-Original": {"/admin"}, "Accept": {"x"}, "X-Amz-Copy-Source-If-Match": {"x"}}); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestRule_Steered(t *testing.T) {
	headers := [][2]string{{"accept", "x"}, {"x-Original-url", "/admin"}}
	for text, want := range map[string]string{"https://a.example": "", "https://a.example/": "", "https://a.example/v1": "x-Original-url"} {
		r := rules(t, text)[0]
		if got := r.Steered(headers); got != want || r.Steered(headers[:1]) != "" {
			t.Errorf("%s: %q", text, got)
		}
	}
}

// TestClient_Steered: nothing is sent of a request that a service could take past a rule's path or methods, and the message
// says which header it is.
func TestClient_Steered(t *testing.T) {
	s := newRecorder(t, failing(0, 0))
	c := newClient(t, func(c *Config) {
		c.Policy = newPolicy(t, anywhere, Entry{Rules: rules(t, s.URL+"/v1"), Addresses: addresses(t, "loopback")})
	})
	for _, tt := range []struct {
		path, header, says string
	}{
		{"/v1/x", "x-original-url", "with the header X-Original-Url"},
		{"/v1/..%3b/admin", "accept", "servers could read its path as leaving it"},
		{"/v2", "accept", "is not granted"},
	} {
		failure := expectCode(t, c, &Request{Method: "GET", URL: s.URL + tt.path, Headers: [][2]string{{tt.header, "/admin"}}}, CodeEgressDenied)
		if !strings.Contains(failure.Message, tt.says) || strings.Contains(failure.Message, "admin") {
			t.Errorf("%s: %v", tt.path, failure)
		}
	}
	if _, err := c.Do(context.Background(), &Request{Method: "GET", URL: s.URL + "/v1/x"}); err != nil || len(s.requests()) != 1 {
		t.Errorf("%v, %d requests", err, len(s.requests()))
	}
}
