package egress

import (
	"strings"
	"testing"
)

func TestParseRule(t *testing.T) {
	for _, tt := range []struct{ rule, expected string }{
		{"https://api.example.com", "https://api.example.com"},
		{"https://API.Example.com.", "https://api.example.com"},
		{"https://api.example.com/", "https://api.example.com"},
		{"https://api.example.com:443", "https://api.example.com"},
		{"https://api.example.com:80", "https://api.example.com:80"},
		{"http://api.example.com:8080/v1", "http://api.example.com:8080/v1"},
		{"http://api.example.com/v1/", "http://api.example.com/v1/"},
		{"https://*.example.com", "https://*.example.com"},
		{"https://*.EXAMPLE.com:8443/a/b", "https://*.example.com:8443/a/b"},
		{"https://*.bücher.example", "https://*.xn--bcher-kva.example"},
		{"http://*", "http://*"},
		{"https://*/v1", "https://*/v1"},
		{"https://*:443", "https://*:443"},
		{"http://[::1]:9000", "http://[::1]:9000"},
		{"http://[0:0::1]", "http://[::1]"},
		{"http://127.0.0.1:9000", "http://127.0.0.1:9000"},
	} {
		r, err := ParseRule(tt.rule)
		if err != nil {
			t.Errorf("%s: %v", tt.rule, err)
			continue
		}
		if r.String() != tt.expected {
			t.Errorf("%s: expected %s, was %s", tt.rule, tt.expected, r)
		}
		if again, err := ParseRule(r.String()); err != nil || again != r {
			t.Errorf("%s does not read back: %v, %v", r, again, err)
		}
	}
}

func TestParseRule_Errors(t *testing.T) {
	for _, tt := range []struct {
		rule        string
		expectedErr error
	}{
		{"", errRuleScheme},
		{"*", errRuleScheme},
		{"example.com", errRuleScheme},
		{"ftp://example.com", errRuleScheme},
		{"*://example.com", errRuleScheme},
		{"http://", errHostEmpty},
		{"http://*.", errHostEmpty},
		{"http://*.*", errRuleStar},
		{"http://*.*.example.com", errRuleStar},
		{"http://a.*.example.com", errRuleStar},
		{"http://a*.example.com", errRuleStar},
		{"http://*example.com", errRuleStar},
		{"http://**", errRuleStar},
		{"http://*.127.0.0.1", errRuleStar},
		{"http://*.0.0.1", errHostIPv4},
		{"http://*.[::1]", errRuleStar},
		{"http://127.1", errHostIPv4},
		{"http://user:pw@example.com", errRuleUser},
		{"http://example.com/?q", errRuleQuery},
		{"http://example.com#f", errRuleQuery},
		{"http://example.com:*", errURLPort},
		{"http://example.com:0", errURLPort},
		{"http://example.com/a/../b", errRulePath},
		{"http://example.com/./b", errRulePath},
		{"http://example.com/a%2e%2e/b", errRulePath},
		{"http://example.com/a%2Fb", errRulePath},
		{"http://example.com/a\\b", errRulePath},
		{"http://example.com/a b", errRulePath},
		{"http://example.com/ü", errRulePath},
		{"http://example.com/%zz", errRulePath},
		{"http://exa mple.com", errHostByte},
	} {
		_, err := ParseRule(tt.rule)
		if err == nil || !strings.HasSuffix(err.Error(), tt.expectedErr.Error()) {
			t.Errorf("%q: expected %v, was %v", tt.rule, tt.expectedErr, err)
		}
		if err != nil && strings.Contains(err.Error(), "user:pw") {
			t.Errorf("%q: the error repeats a credential: %v", tt.rule, err)
		}
	}
}

func TestRule_Match(t *testing.T) {
	for _, tt := range []struct {
		rule  string
		yes   []string
		never []string
	}{
		{"https://api.example.com",
			[]string{"https://api.example.com", "https://api.example.com:443/x?y", "https://API.EXAMPLE.COM./", "https://api.example.com/../x"},
			[]string{"http://api.example.com", "https://api.example.com:444", "https://example.com", "https://x.api.example.com",
				"https://api.example.com.evil.example", "https://xapi.example.com", "http://api.example.com:443"}},
		{"https://*.example.com",
			[]string{"https://a.example.com", "https://a.b.example.com/x"},
			[]string{"https://example.com", "https://aexample.com", "https://a.example.com:8443", "https://a.example.com.evil.example", "http://a.example.com"}},
		{"http://*",
			[]string{"http://a.example", "http://a.example:8080/x", "http://127.0.0.1:1", "http://[::1]:99"},
			[]string{"https://a.example"}},
		{"http://*:8080",
			[]string{"http://a.example:8080"},
			[]string{"http://a.example"}},
		{"http://[::1]:80", []string{"http://[0:0:0:0:0:0:0:1]/"}, []string{"http://[::2]/", "http://127.0.0.1/"}},
		{"http://127.0.0.1", []string{"http://127.0.0.1/"}, []string{"http://[::ffff:127.0.0.1]/", "http://localhost/"}},
		{"https://bücher.example", []string{"https://xn--bcher-kva.example/", "https://BÜCHER.example/"}, []string{"https://bucher.example/"}},
		{"https://h.example/api",
			[]string{"https://h.example/api", "https://h.example/api/", "https://h.example/api/x", "https://h.example/api?x=/../",
				"https://h.example/api/x%20y", "https://h.example/api/50%25", "https://h.example/api/%25x", "https://h.example/api//x", "https://h.example/api#/.."},
			[]string{"https://h.example/", "https://h.example/apix", "https://h.example/API", "https://h.example//api", "https://h.example/%61pi",
				"https://h.example/api/../admin", "https://h.example/api/..", "https://h.example/api/.", "https://h.example/api/./x",
				"https://h.example/api/%2e%2e/admin", "https://h.example/api/%2E./admin", "https://h.example/api/.%2e/admin",
				"https://h.example/api/%252e%252e/admin", "https://h.example/api/%25252e/admin", "https://h.example/api%2fx", "https://h.example/api/%2F..", "https://h.example/api/x%5c..",
				"https://h.example/api/..\\admin", "https://h.example/api\\..\\admin", "https://h.example/api/..;/admin", "https://h.example/api/..;x=1/admin", "https://h.example/api/.;/x",
				"https://h.example/api/%", "https://h.example/api/%2", "https://h.example/api/%zz", "https://h.example/api/%00", "https://h.example/api/x%2ey", "https://h.example/api/..%3b/admin"}},
		{"https://h.example/api/", []string{"https://h.example/api/", "https://h.example/api/x"}, []string{"https://h.example/api", "https://h.example/apix"}},
	} {
		r, err := ParseRule(tt.rule)
		if err != nil {
			t.Fatal(err)
		}
		check := func(urls []string, expected bool) {
			for _, s := range urls {
				u, err := ParseURL(s)
				if err != nil {
					t.Errorf("%s: %v", s, err)
					continue
				}
				if got := r.matchesOrigin(&u) && r.matchesPath(u.path, plainPath(u.path)); got != expected {
					t.Errorf("rule %s, URL %s: expected %v", tt.rule, s, expected)
				}
			}
		}
		check(tt.yes, true)
		check(tt.never, false)
	}
	if u, _ := ParseURL("http://a.example"); (&Rule{}).matchesOrigin(&u) {
		t.Error("the zero rule matches")
	}
}
