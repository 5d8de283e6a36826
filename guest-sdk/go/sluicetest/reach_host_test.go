//go:build !wasip1

package sluicetest

import (
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"

	"sluice/hostfuncs/egress"
)

// What is in these lists is read by the host and by the kit, each rule against each target: they must agree.
var (
	httpRules = []string{
		"https://api.example.com", "https://API.Example.com.", "https://api.example.com/", "https://api.example.com:443", "https://api.example.com:80",
		"http://api.example.com:8080/v1", "http://api.example.com/v1/", "https://*.example.com", "https://*.EXAMPLE.com:8443/a/b", "HTTP://*", "https://*/v1",
		"https://*:443", "http://[::1]:9000", "http://[0:0::1]", "http://127.0.0.1:9000", "http://127.0.0.1", "https://bücher.example", "https://my_service.example",
		"https://h.example/api", "https://h.example/api/", "https://h.example/a%41", "https://h.example/a%2541", "https://0x7f.example", "https://x.y.z/%25",
		// None of these is a rule.
		"", "*", "example.com", "ftp://example.com", "*://example.com", "http://", "http:///x", "http://*.", "http://*.*", "http://*.*.example.com", "http://a.*.example.com",
		"http://a*.example.com", "http://*example.com", "http://**", "http://*.127.0.0.1", "http://*.0.0.1", "http://*.[::1]", "http://127.1", "http://user:pw@example.com",
		"http://example.com/?q", "http://example.com#f", "http://example.com:*", "http://example.com:0", "http://example.com:080", "http://example.com:99999", "http://example.com:",
		"http://example.com/a/../b", "http://example.com/./b", "http://example.com/..;x/b", "http://example.com/a%2e%2e/b", "http://example.com/a%2Fb", "http://example.com/a%252Fb",
		"http://example.com/a%25252e", "http://example.com/%", "http://example.com/%2", "http://example.com/%zz", "http://example.com/%25%zz", "http://example.com/a\\b",
		"http://example.com/a b", "http://example.com/ü", "http://exa mple.com", "http://-a.example", "http://a-.example", "http://a..example", "http://[::1", "http://[::1%eth0]",
		"http://[127.0.0.1]", "http://::1", "http://0x7f000001", "http://0177.0.0.1", "http://127.0.0.1.", "http://" + strings.Repeat("a", 64) + ".example", "http://\xff.example",
	}
	urls = []string{
		"https://api.example.com", "https://api.example.com:443/x?y", "https://API.EXAMPLE.COM./", "https://api.example.com/../x", "http://api.example.com", "https://api.example.com:444",
		"http://api.example.com:8080/v1", "http://api.example.com:8080/v1/x#f", "http://api.example.com:8080/v10", "http://api.example.com/v1", "http://api.example.com/v1/",
		"https://a.example.com", "https://a.b.example.com/x", "https://example.com", "https://aexample.com", "https://a.example.com:8443/a/b/c", "https://a.example.com.evil.example",
		"https://.example.com", "http://a.example:8080/x", "http://127.0.0.1:1", "http://127.0.0.1:9000/", "http://127.0.0.1/", "http://[::1]:9000/", "http://[0:0:0:0:0:0:0:1]/",
		"http://[::ffff:127.0.0.1]/", "http://localhost/", "https://bücher.example/", "https://BÜCHER.example/", "https://my_service.example/", "https://x.y.z/%25", "https://x.y.z/%2525",
		"https://h.example/api", "https://h.example/api/", "https://h.example/api?x=/../", "https://h.example/apix", "https://h.example/API", "https://h.example//api", "https://h.example/%61pi",
		"https://h.example/api/..", "https://h.example/api/../x", "https://h.example/api/%2e%2e/x", "https://h.example/api/..;/x", "https://h.example/api/%252e", "https://h.example/api/a\\..",
		"https://h.example/api/..%3b/x", "https://h.example/api/..%20/x", "https://h.example/api/x%0d%0ay", "https://h.example/api/%c0%ae%c0%ae/x", "https://h.example/api/...", "https://h.example/api/%C3%BC",
		"https://h.example/api/a;b=c/d", "https://h.example/api/%25u002e", "https://h.example/api/%2525252541", "https://h.example/api/50%25", "https://h.example/api/x..y", "https://h.example/api/%5c",
		"https://h.example/api/%zz", "https://h.example/aA", "https://h.example/a%41", "https://h.example/a%2541/x", "https://h.example/v1", "https://h.example/v1/%25", "https://0x7f.example:443",
		// None of these is a URL that is sent.
		"", "/relative", "//example.com/", "ftp://example.com/", "http:/example.com", " http://example.com", "http://", "http://?x", "http://:80/", "http://user@example.com/",
		"http://example.com\\@127.0.0.1/", "http://exa mple.com/", "http://exa\tmple.com/", "http://example.com/a b", "http://example.com/ü", "http://*.example.com/", "http://a..example/",
		"http://example.com:/", "http://example.com:0/", "http://example.com:080/", "http://example.com:65536/", "http://example.com:+80/", "http://[::1]x/", "http://[fe80::1%25eth0]/",
		"http://127.1/", "http://2130706433/", "http://0x7f.1/", "http://127.0.0.01/", "http://127.0.0.1./", "http://example.0x/", "http://\xff.example/",
	}
	tcpRules = []string{
		"db.example.com:5432", "DB.example.com.:5432", "*.example.com:25", "*:587", "*:*", "*.example.com:*", "[::1]:5432", "[0::1]:*", "127.0.0.1:5432", "db_1:1",
		"db.example.com", "db.example.com:", "db.example.com:0", "db.example.com:05432", "db.example.com:65536", "https://db.example.com:5432", "tcp://db:*", "db/x:1", "*.*:1", "a.*.b:1",
		"*.127.0.0.1:1", "127.1:5432", "::1:5432", "[::1]", "", ":5432", "a b:1", "u@h:1",
	}
	addresses = []string{
		"db.example.com:5432", "db.example.com.:5432", "DB.EXAMPLE.COM:5432", "db.example.com:5433", "mail.example.com:25", "example.com:25", "mail.example.org:587", "[::1]:5432",
		"[0:0::1]:5432", "127.0.0.1:5432", "db_1:1",
		"db.example.com", "db.example.com:", "db.example.com:0", "db.example.com:smtp", "*:25", "127.1:5432", "::1:5432", "tcp://db:1", "", ":5432", "[::1%eth0]:1", "a b:1",
	}
)

func TestHTTPRules_AsTheHost(t *testing.T) {
	anywhere := []egress.Rule{mustRule(t, "http://*"), mustRule(t, "https://*")}
	for _, text := range httpRules {
		want, wantErr := egress.ParseRule(text)
		rule, err := httpRule(text)
		if (err == nil) != (wantErr == nil) {
			t.Errorf("rule %q: got %v, the host %v", text, err, wantErr)
		}
		if err != nil || wantErr != nil {
			continue
		}
		policy, err := egress.NewPolicy([]egress.Entry{{Rules: anywhere}}, []egress.Rule{want})
		if err != nil {
			t.Fatal(err)
		}
		for _, url := range urls {
			u, wantErr := egress.ParseURL(url)
			to, err := requestTarget(url)
			if (err == nil) != (wantErr == nil) {
				t.Errorf("URL %q: got %v, the host %v", url, err, wantErr)
			}
			if err != nil || wantErr != nil {
				continue
			}
			_, denied := policy.Match(&u, "GET")
			if got := to.reaches([]target{rule}); got != (denied == nil) {
				t.Errorf("%q under %q: got %t, the host %v", url, text, got, denied)
			}
			if d, ok := errors.AsType[*egress.Denial](denied); ok && isASCII(url) && (d.Grant != to.String() || d.Host != to.host) {
				t.Errorf("%q: the rule to add is %s of %s, the host says %s of %s", url, to, to.host, d.Grant, d.Host)
			}
		}
	}
}

func TestHeaders_AsTheHost(t *testing.T) {
	anywhere := []egress.Entry{{Rules: []egress.Rule{mustRule(t, "http://*"), mustRule(t, "https://*")}}}
	for _, requested := range [][]string{{"https://a.example"}, {"https://a.example/v1"}, {"https://a.example/v1", "https://*.example"}, {"https://a.example/v1", "http://*"}, {"https://*"}} {
		var rules []egress.Rule
		var ours []target
		for _, text := range requested {
			rule, err := httpRule(text)
			if err != nil {
				t.Fatal(err)
			}
			rules, ours = append(rules, mustRule(t, text)), append(ours, rule)
		}
		policy, err := egress.NewPolicy(anywhere, rules)
		if err != nil {
			t.Fatal(err)
		}
		u, err := egress.ParseURL("https://a.example/v1/x")
		if err != nil {
			t.Fatal(err)
		}
		to, err := requestTarget("https://a.example/v1/x")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"Accept", "X-Original-URL", "x-rewrite-url", "X_Http-Method_Override", "X-HTTP-Method", "X-Method-Override", "X-Amz-Copy-Source", "x-ms-rename-source",
			"X-Amz-Copy-Source-If-Match", "X-Copy-From", "X-Original"} {
			_, denied := policy.Permit(&u, "GET", http.Header{http.CanonicalHeaderKey(name): {"/admin"}})
			if got := to.steers(ours, [][2]string{{"a", "b"}, {name, "/admin"}}); (got != "") != (denied != nil) {
				t.Errorf("%s under %q: got %q, the host %v", name, requested, got, denied)
			}
		}
	}
}

func TestTCPRules_AsTheHost(t *testing.T) {
	anywhere := egress.TCPEntry{}
	rule, err := egress.ParseTCPRule("*:*")
	if err != nil {
		t.Fatal(err)
	}
	anywhere.Rules = []egress.TCPRule{rule}
	for _, text := range tcpRules {
		want, wantErr := egress.ParseTCPRule(text)
		rule, err := tcpRule(text)
		if (err == nil) != (wantErr == nil) {
			t.Errorf("rule %q: got %v, the host %v", text, err, wantErr)
		}
		if err != nil || wantErr != nil {
			continue
		}
		policy := egress.NewTCPPolicy([]egress.TCPEntry{anywhere}, []egress.TCPRule{want})
		for _, address := range addresses {
			a, wantErr := egress.ParseTCPAddress(address)
			to, err := connectionTarget(address)
			if (err == nil) != (wantErr == nil) {
				t.Errorf("address %q: got %v, the host %v", address, err, wantErr)
			}
			if err != nil || wantErr != nil {
				continue
			}
			_, _, denied := policy.Match(&a)
			if got := to.reaches([]target{rule}); got != (denied == nil) {
				t.Errorf("%q under %q: got %t, the host %v", address, text, got, denied)
			}
			if d, ok := errors.AsType[*egress.Denial](denied); ok && d.Grant != to.String() {
				t.Errorf("%q: the rule to add is %s, the host says %s", address, to, d.Grant)
			}
		}
	}
}

// FuzzRules_AsTheHost looks for texts that the kit and the host read differently.
func FuzzRules_AsTheHost(f *testing.F) {
	for i, rule := range httpRules {
		f.Add(rule, urls[i%len(urls)])
	}
	for i, rule := range tcpRules {
		f.Add(rule, addresses[i%len(addresses)])
	}
	f.Fuzz(func(t *testing.T, rule, to string) {
		if !isASCII(rule) || !isASCII(to) {
			return
		}
		wantRule, wantErr := egress.ParseRule(rule)
		gotRule, err := httpRule(rule)
		wantURL, wantURLErr := egress.ParseURL(to)
		gotURL, urlErr := requestTarget(to)
		if (err == nil) != (wantErr == nil) || (urlErr == nil) != (wantURLErr == nil) {
			t.Fatalf("%q, %q: got %v, %v; the host %v, %v", rule, to, err, urlErr, wantErr, wantURLErr)
		}
		if strings.Contains(rule+to, "%") && !isASCII(decodedAll(rule+to)) {
			return
		}
		if err == nil && urlErr == nil && gotURL.reaches([]target{gotRule}) != wantRule.Matches(&wantURL) {
			t.Fatalf("%q under %q: the host says %t", to, rule, wantRule.Matches(&wantURL))
		}
		_, wantErr = egress.ParseTCPRule(rule)
		_, err = tcpRule(rule)
		_, wantAddressErr := egress.ParseTCPAddress(to)
		_, addressErr := connectionTarget(to)
		if (err == nil) != (wantErr == nil) || (addressErr == nil) != (wantAddressErr == nil) {
			t.Fatalf("%q, %q: got %v, %v; the host %v, %v", rule, to, err, addressErr, wantErr, wantAddressErr)
		}
	})
}

// decodedAll decodes as often as it changes anything.
func decodedAll(s string) string {
	for {
		next := escape.ReplaceAllStringFunc(s, func(code string) string { c, _ := hex.DecodeString(code[1:]); return string(c) })
		if next == s {
			return s
		}
		s = next
	}
}

func isASCII(s string) bool { return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 }) }

func mustRule(t *testing.T, text string) egress.Rule {
	t.Helper()
	rule, err := egress.ParseRule(text)
	if err != nil {
		t.Fatal(err)
	}
	return rule
}
