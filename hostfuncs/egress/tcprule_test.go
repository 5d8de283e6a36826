package egress

import (
	"crypto/x509"
	"errors"
	"strings"
	"testing"
)

func TestParseTCPRule(t *testing.T) {
	tests := []struct{ rule, want, expectedErr string }{
		{"db.example.com:5432", "db.example.com:5432", ""},
		{"DB.Example.COM.:5432", "db.example.com:5432", ""},
		{"*.example.com:25", "*.example.com:25", ""},
		{"*:587", "*:587", ""},
		{"10.1.2.3:22", "10.1.2.3:22", ""},
		{"[::1]:5432", "[::1]:5432", ""},
		{"[2001:DB8::1]:1", "[2001:db8::1]:1", ""},
		{"bücher.example:25", "xn--bcher-kva.example:25", ""},
		{"a:65535", "a:65535", ""},
		{"DB.example.com:*", "db.example.com:*", ""},
		{"*:*", "*:*", ""},
		{"[::1]:*", "[::1]:*", ""},
		{"", "", "ends with a colon and the port"},
		{"db.example.com", "", "ends with a colon and the port"},
		{"db.example.com:", "", "ends with a colon and the port"},
		{"db.example.com:**", "", "ends with a colon and the port"},
		{"tcp://db.example.com:*", "", "without a scheme"},
		{"a:1:*", "", "letters, digits"},
		{"db.example.com:0", "", "ends with a colon and the port"},
		{"db.example.com:05432", "", "ends with a colon and the port"},
		{"db.example.com:65536", "", "ends with a colon and the port"},
		{"db.example.com:smtp", "", "ends with a colon and the port"},
		{"db.example.com:1-2", "", "ends with a colon and the port"},
		{":5432", "", "the host is missing"},
		{"::1:5432", "", ""},
		{"tcp://db.example.com:5432", "", "without a scheme"},
		{"db.example.com:5432/x", "", "without a scheme"},
		{"*.*:25", "", `"*.name"`},
		{"a*:25", "", `"*.name"`},
		{"*.10.1.2.3:25", "", `"*.name"`},
		{"0x7f.1:80", "", "four decimal numbers"},
		{"127.1:80", "", "four decimal numbers"},
		{"[fe80::1%eth0]:80", "", "without a zone"},
		{"a b:80", "", "letters, digits"},
		{"user:hunter2@db:5432", "", ""},
		{strings.Repeat("a", 64) + ":1", "", "labels"},
		{strings.Repeat("a.", 1<<14) + ":1", "", "labels"},
	}
	for _, tc := range tests {
		r, err := ParseTCPRule(tc.rule)
		if tc.want == "" {
			if err == nil || !strings.Contains(err.Error(), tc.expectedErr) || strings.Contains(err.Error(), "hunter2") || len(err.Error()) > 500 {
				t.Errorf("%.50q: got %v, %v; want %q", tc.rule, r, err, tc.expectedErr)
			}
			continue
		}
		if err != nil || r.String() != tc.want {
			t.Errorf("%q: got %q, %v", tc.rule, r, err)
		}
		if again, err := ParseTCPRule(r.String()); err != nil || again != r {
			t.Errorf("%q: %q is read as %q, %v", tc.rule, r, again, err)
		}
	}
	if s := (TCPRule{}).String(); s != "" {
		t.Errorf("the rule of nothing is %q", s)
	}
}

func tcpRules(t testing.TB, texts ...string) []TCPRule {
	t.Helper()
	var out []TCPRule
	for _, s := range texts {
		r, err := ParseTCPRule(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

func TestTCPPolicy_Match(t *testing.T) {
	own := x509.NewCertPool()
	p := NewTCPPolicy([]TCPEntry{
		{Rules: tcpRules(t, "db.example.com:5432", "*.example.com:25")},
		{Rules: tcpRules(t, "db.example.com:5432"), Addresses: addresses(t, "private"), RootCAs: own},
		{Rules: tcpRules(t, "*:587", "10.1.2.3:*", "[::1]:22"), Addresses: addresses(t, "loopback")},
	}, tcpRules(t, "db.example.com:5432", "*:25", "*:22", "mail.example.org:587"))
	tests := []struct{ address, want, expectedErr string }{
		{"db.example.com:5432", "private,public", ""},
		{"DB.example.com.:5432", "private,public", ""},
		{"mx.example.com:25", "public", ""},
		{"a.b.example.com:25", "public", ""},
		{"mail.example.org:587", "loopback", ""},
		{"10.1.2.3:22", "loopback", ""},
		{"[0:0::1]:22", "loopback", ""},
		{"example.com:25", "", `example.com is not granted: add the rule "example.com:25" to the tcp`},
		{"xexample.com:25", "", "is not granted"},
		{"db.example.com:5433", "", `add the rule "db.example.com:5433" to the tcp of the connector's grant`},
		{"db.example.com.evil.example:5432", "", "is not granted"},
		{"mail.example.com:587", "", `does not ask for mail.example.com: add "mail.example.com:587" to the hosts of its tcp capability`},
		{"[::2]:22", "", `add the rule "[::2]:22"`},
	}
	for _, tc := range tests {
		a, err := ParseTCPAddress(tc.address)
		if err != nil {
			t.Fatal(err)
		}
		allowance, roots, err := p.Match(&a)
		if tc.want == "" {
			var d *Denial
			if !errors.As(err, &d) || !strings.Contains(err.Error(), tc.expectedErr) || d.Port != a.Port() || d.Host != a.Host() || d.Grant != a.String() {
				t.Errorf("%s: got %v, want %q", tc.address, err, tc.expectedErr)
			}
			continue
		}
		if err != nil || allowance.String() != tc.want || (roots == own) != (a.Port() == 5432) {
			t.Errorf("%s: got %v, %v, %v", tc.address, allowance, roots, err)
		}
	}
}

// FuzzParseTCPRule looks for rules that are spelt in two ways, and for rules that let something through that they do not
// name.
func FuzzParseTCPRule(f *testing.F) {
	for _, s := range []string{"db.example.com:5432", "*.example.com:25", "*:587", "[::1]:22", "10.1.2.3:1", "bücher.example:25", "[::ffff:1.2.3.4]:9"} {
		f.Add(s, "mx.example.com:25")
	}
	f.Fuzz(func(t *testing.T, rule, address string) {
		a, addressErr := ParseTCPAddress(address)
		if addressErr == nil {
			if again, err := ParseTCPAddress(a.String()); err != nil || again != a {
				t.Fatalf("%q is %q, which is %+v, %v", address, a.String(), again, err)
			}
		}
		r, err := ParseTCPRule(rule)
		if err != nil {
			return
		}
		again, err := ParseTCPRule(r.String())
		if err != nil || again != r {
			t.Fatalf("%q is %q, which is %+v, %v", rule, r, again, err)
		}
		if addressErr != nil || !r.matches(&a) || r.port == 0 {
			return
		}
		text := r.String()
		suffix, wild := strings.CutPrefix(text, "*")
		if wild && !strings.HasSuffix(a.String(), suffix) || !wild && a.String() != text {
			t.Fatalf("%q lets %q through", text, a.String())
		}
	})
}
