package egress

import (
	"strings"
	"testing"
)

func grantRules(t testing.TB, texts ...string) []Rule {
	t.Helper()
	var list []Rule
	for _, s := range texts {
		r, err := ParseGrantRule(s)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, r)
	}
	return list
}

func TestParseGrantRule(t *testing.T) {
	for text, want := range map[string]string{
		"https://api.example.com":                 "https://api.example.com",
		"GET https://API.example.com:443/v1":      "GET https://api.example.com/v1",
		"POST,GET,GET http://*":                   "GET,POST http://*",
		"OPTIONS,DELETE,PATCH,PUT,HEAD https://*": "HEAD,PUT,PATCH,DELETE,OPTIONS https://*",
	} {
		r, err := ParseGrantRule(text)
		if err != nil || r.String() != want {
			t.Errorf("%s: %s %v", text, r, err)
			continue
		}
		if again, err := ParseGrantRule(r.String()); err != nil || again != r {
			t.Errorf("%s: read again it is %s, %v", text, again, err)
		}
	}
	for _, text := range []string{
		"get https://a.example", "TRACE https://a.example", "CONNECT https://a.example", ",GET https://a.example", "GET, https://a.example",
		"GET  https://a.example", " https://a.example", "GET ", "GET POST https://a.example", "GET ftp://a.example", "GET\thttps://a.example",
	} {
		if r, err := ParseGrantRule(text); err == nil {
			t.Errorf("%q is read as %s", text, r)
		}
	}
	if _, err := ParseRule("GET https://a.example"); err == nil {
		t.Error("a manifest's rule takes methods")
	}
}

func TestPolicy_Methods(t *testing.T) {
	p := newPolicy(t, anywhere,
		Entry{Rules: grantRules(t, "GET,HEAD https://api.example.com", "https://api.example.com/form", "POST https://*.example.org")},
		Entry{Rules: grantRules(t, "DELETE https://api.example.com/old"), Addresses: addresses(t, "private")})
	for _, tt := range []struct {
		method, url string
		missing     string // the rule that the denial names, "" where it is allowed
		ofMethod    bool
	}{
		{"GET", "https://api.example.com/", "", false},
		{"HEAD", "https://api.example.com/x", "", false},
		{"POST", "https://api.example.com/form", "", false},
		{"DELETE", "https://api.example.com/old/1", "", false},
		{"POST", "https://api.example.com/", "https://api.example.com", true},
		{"DELETE", "https://api.example.com/new", "https://api.example.com", true},
		{"OPTIONS", "https://api.example.com/old", "https://api.example.com/old", true},
		{"POST", "https://a.example.org/", "", false},
		{"GET", "https://a.example.org/", "https://*.example.org", true},
		{"GET", "https://example.org/", "https://example.org", false},
		{"GET", "http://api.example.com/", "http://api.example.com", false},
	} {
		for range 2 { // the second time from the cache, where it is cached
			_, err := p.Match(mustURL(t, tt.url), tt.method)
			if (err == nil) != (tt.missing == "") {
				t.Errorf("%s %s: %v", tt.method, tt.url, err)
				continue
			}
			if err == nil {
				continue
			}
			d := err.(*Denial)
			if d.Grant != tt.missing || (d.Method == tt.method) != tt.ofMethod {
				t.Errorf("%s %s: %+v", tt.method, tt.url, d)
			}
			if tt.ofMethod && !strings.Contains(d.Error(), `add `+tt.method+` to the methods of the rule "`+tt.missing+`"`) {
				t.Errorf("%s %s: %s", tt.method, tt.url, d)
			}
		}
	}
	// What is not requested is said first: methods would not help.
	_, err := newPolicy(t, nil, Entry{Rules: grantRules(t, "GET https://a.example")}).Match(mustURL(t, "https://a.example"), "POST")
	if d := err.(*Denial); d.Method != "" {
		t.Errorf("%+v", d)
	}
	bare := newPolicy(t, anywhere, Entry{Rules: grantRules(t, "https://a.example")})
	if bare.Digest() == newPolicy(t, anywhere, Entry{Rules: grantRules(t, "GET https://a.example")}).Digest() {
		t.Error("methods are not part of the digest")
	}
}
