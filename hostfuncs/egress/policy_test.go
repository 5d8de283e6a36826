package egress

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func rules(t testing.TB, texts ...string) []Rule {
	t.Helper()
	var list []Rule
	for _, s := range texts {
		r, err := ParseRule(s)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, r)
	}
	return list
}

func addresses(t testing.TB, texts ...string) []Address {
	t.Helper()
	var list []Address
	for _, s := range texts {
		a, err := ParseAddress(s)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, a)
	}
	return list
}

// anywhere is what a connector requests that leaves all to the operator.
var anywhere = []string{"http://*", "https://*"}

func newPolicy(t testing.TB, requested []string, entries ...Entry) *Policy {
	t.Helper()
	p, err := NewPolicy(entries, rules(t, requested...))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustURL(t testing.TB, s string) *URL {
	t.Helper()
	u, err := ParseURL(s)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return &u
}

func TestPolicy_Match(t *testing.T) {
	p := newPolicy(t, []string{"https://*.example.com", "https://example.com/v1", "http://*", "https://*:8443"},
		Entry{Rules: rules(t, "https://*.example.com")},
		Entry{Rules: rules(t, "https://db.example.com", "http://db.example.com:9000"), Addresses: addresses(t, "private")},
		Entry{Rules: rules(t, "https://example.com"), Addresses: addresses(t, "10.1.0.0/16", "public", "public")},
		Entry{Rules: rules(t, "http://example.com/open"), Addresses: addresses(t, "public")},
		Entry{Rules: rules(t, "http://example.com/open/inner"), Addresses: addresses(t, "loopback")},
		Entry{Rules: rules(t, "https://*:8443"), Addresses: addresses(t, "fd00::/8")},
	)
	for _, tt := range []struct{ url, allowance, grant string }{
		{url: "https://a.example.com", allowance: "public"},
		{url: "https://db.example.com", allowance: "private,public"},
		{url: "http://db.example.com:9000", allowance: "private"},
		{url: "https://example.com/v1/x", allowance: "10.1.0.0/16,public"},
		{url: "http://example.com/open/x", allowance: "public"},
		{url: "http://example.com/open/inner/x", allowance: "loopback,public"},
		{url: "https://b.example.com:8443", allowance: "fd00::/8"},
		{url: "https://example.com/v2", grant: "https://example.com"},
		{url: "https://example.com/v1/../v2?token=secret", grant: "https://example.com"},
		{url: "http://example.com/closed", grant: "http://example.com"},
		{url: "http://example.com/open/%2e%2e/x", grant: "http://example.com"},
		{url: "http://db.example.com:9001", grant: "http://db.example.com:9001"},
		{url: "https://other.example", grant: "https://other.example"},
		{url: "http://[::1]:99/", grant: "http://[::1]:99"},
	} {
		u := mustURL(t, tt.url)
		for range 2 { // the second may come from the cache
			a, err := p.Match(u, "GET")
			if tt.grant == "" {
				if err != nil || a.String() != tt.allowance {
					t.Errorf("%s: %v, %v", tt.url, a, err)
				}
				continue
			}
			var d *Denial
			if !errors.As(err, &d) || d.Grant != tt.grant || d.Class != ClassNone || !strings.Contains(err.Error(), tt.grant) {
				t.Errorf("%s: expected the grant %s, was %v", tt.url, tt.grant, err)
			} else if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "/v") {
				t.Errorf("%s: the error shows the path or query: %v", tt.url, err)
			}
		}
	}
}

func TestPolicy_SameUnionIsSamePointer(t *testing.T) {
	p := newPolicy(t, anywhere,
		Entry{Rules: rules(t, "http://a.example", "http://both.example"), Addresses: addresses(t, "public")},
		Entry{Rules: rules(t, "http://both.example", "http://c.example"), Addresses: addresses(t, "private", "public")},
	)
	a, _ := p.Match(mustURL(t, "http://a.example"), "GET")
	both, _ := p.Match(mustURL(t, "http://both.example"), "GET")
	c, _ := p.Match(mustURL(t, "http://c.example"), "GET")
	if both != c || a == c {
		t.Errorf("%p %p %p", a, both, c)
	}
}

func TestPolicy_NotRequested(t *testing.T) {
	granted := Entry{Rules: rules(t, "https://*")}
	for _, requested := range [][]string{nil, {"https://api.example"}, {"https://other.example/path"}} {
		_, err := newPolicy(t, requested, granted).Match(mustURL(t, "https://other.example/"), "GET")
		var d *Denial
		if !errors.As(err, &d) || !d.NotRequested || !strings.Contains(err.Error(), "manifest") {
			t.Errorf("%v: %v", requested, err)
		}
	}
	if _, err := newPolicy(t, anywhere).Match(mustURL(t, "https://other.example/"), "GET"); err == nil {
		t.Error("an empty grant allows")
	}
}

func TestPolicy_CacheIsBounded(t *testing.T) {
	p := newPolicy(t, anywhere, Entry{Rules: rules(t, "http://*")})
	for i := range 2*maxOrigins + 7 {
		if _, err := p.Match(mustURL(t, fmt.Sprintf("http://h%d.example", i)), "GET"); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(p.origins); n > maxOrigins {
		t.Errorf("%d origins are kept", n)
	}
}

func TestPolicy_Digest(t *testing.T) {
	a := newPolicy(t, []string{"http://a.example", "http://b.example"},
		Entry{Rules: rules(t, "http://a.example", "http://b.example"), Addresses: addresses(t, "private", "public")})
	same := newPolicy(t, []string{"http://b.example:80", "http://A.example", "http://a.example"},
		Entry{Rules: rules(t, "http://b.example"), Addresses: addresses(t, "public", "private")},
		Entry{Rules: rules(t, "http://a.example"), Addresses: addresses(t, "private", "public")})
	if a.Digest() != same.Digest() || len(a.Digest()) != 64 {
		t.Errorf("%s %s", a.Digest(), same.Digest())
	}
	for name, other := range map[string]*Policy{
		"addresses": newPolicy(t, []string{"http://a.example", "http://b.example"},
			Entry{Rules: rules(t, "http://a.example", "http://b.example"), Addresses: addresses(t, "private")}),
		"requested": newPolicy(t, []string{"http://a.example"},
			Entry{Rules: rules(t, "http://a.example", "http://b.example"), Addresses: addresses(t, "private", "public")}),
		"rules": newPolicy(t, []string{"http://a.example", "http://b.example"},
			Entry{Rules: rules(t, "http://a.example"), Addresses: addresses(t, "private", "public")}),
	} {
		if other.Digest() == a.Digest() {
			t.Errorf("%s do not count", name)
		}
	}
}

func TestNewPolicy_Errors(t *testing.T) {
	var entries []Entry
	for i := range maxSets + 1 {
		entries = append(entries, Entry{Rules: rules(t, "http://a.example"), Addresses: addresses(t, fmt.Sprintf("10.0.%d.0/24", i))})
	}
	if _, err := NewPolicy(entries[:maxSets], nil); err != nil {
		t.Error(err)
	}
	if _, err := NewPolicy(entries, nil); err == nil || !strings.Contains(err.Error(), "merge entries") {
		t.Error(err)
	}
}

func TestParseAddress_Errors(t *testing.T) {
	for _, tt := range []struct{ address, expectedErr string }{
		{"", errAddressSyntax.Error()},
		{"internet", errAddressSyntax.Error()},
		{"Public", errAddressSyntax.Error()},
		{"10.0.0.0/33", errAddressSyntax.Error()},
		{"10.0.0.5/8", "bits are set after the prefix: write 10.0.0.0/8"},
		{"fe80::1%eth0", errAddressSyntax.Error()},
		{"127.1", errAddressSyntax.Error()},
		{"0.0.0.0", errAddressNever.Error()},
		{"::", errAddressNever.Error()},
		{"224.0.0.1", errAddressNever.Error()},
		{"ff02::1/128", errAddressNever.Error()},
		{"255.255.255.255", errAddressNever.Error()},
		{"::ffff:10.0.0.1", errAddressMapped.Error()},
		{"::ffff:10.0.0.0/104", errAddressMapped.Error()},
	} {
		if _, err := ParseAddress(tt.address); err == nil || !strings.HasSuffix(err.Error(), tt.expectedErr) {
			t.Errorf("%q: expected %s, was %v", tt.address, tt.expectedErr, err)
		}
	}
	for _, s := range []string{"public", "private", "loopback", "10.0.0.0/8", "0.0.0.0/0", "::/0", "169.254.169.254", "fd00:ec2::254", "64:ff9b::/96"} {
		if a, err := ParseAddress(s); err != nil || a.String() != s {
			t.Errorf("%s: %v, %v", s, a, err)
		}
	}
}
