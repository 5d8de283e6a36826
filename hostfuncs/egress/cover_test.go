package egress

import "testing"

func TestRule_Intersect(t *testing.T) {
	for _, tc := range []struct{ a, b, want string }{ // want "": nothing
		{"https://a.example", "https://a.example", "https://a.example"},
		{"https://a.example", "http://a.example", ""},
		{"https://a.example", "https://b.example", ""},
		{"https://*", "https://a.example:8443/v1", "https://a.example:8443/v1"},
		{"https://*:8443", "https://a.example:8443", "https://a.example:8443"},
		{"https://*:8443", "https://a.example", ""},
		{"https://*", "https://*:8443", "https://*:8443"},
		{"https://*", "https://*.example.com", "https://*.example.com"},
		{"https://*:8443", "https://*.example.com", ""},
		{"https://*.example.com", "https://a.b.example.com", "https://a.b.example.com"},
		{"https://*.example.com", "https://example.com", ""},
		{"https://*.example.com", "https://badexample.com", ""},
		{"https://*.example.com", "https://*.b.example.com", "https://*.b.example.com"},
		{"https://*.a.example.com", "https://*.b.example.com", ""},
		{"https://a.example/v1", "https://a.example/v1/x", "https://a.example/v1/x"},
		{"https://a.example/v1", "https://a.example/v10", ""},
		{"https://a.example/v1/", "https://a.example/v1", "https://a.example/v1/"},
		{"https://*.example.com/v1", "https://a.example.com", "https://a.example.com/v1"},
		{"http://[fd12::5]:8080", "http://*", "http://[fd12::5]:8080"},
		{"http://10.1.2.3", "http://*.2.3", ""},
		{"GET,HEAD https://*", "https://a.example", "GET,HEAD https://a.example"},
		{"GET,HEAD https://*", "POST,GET https://a.example", "GET https://a.example"},
		{"GET https://a.example", "POST https://a.example", ""},
	} {
		a, errA := ParseGrantRule(tc.a)
		b, errB := ParseGrantRule(tc.b)
		if errA != nil || errB != nil {
			if tc.want != "" {
				t.Errorf("%s, %s: %v, %v", tc.a, tc.b, errA, errB)
			}
			continue
		}
		for range 2 {
			both, ok := a.Intersect(b)
			if ok != (tc.want != "") || ok && both.String() != tc.want {
				t.Errorf("%s and %s: got %s, %t; want %s", a, b, both, ok, tc.want)
			}
			if a.Covers(b) != (ok && both == b) {
				t.Errorf("%s covers %s: %t", a, b, a.Covers(b))
			}
			a, b = b, a
		}
	}
	if (Rule{}).Covers(Rule{}) {
		t.Error("the zero rule covers something")
	}
}

// What Intersect says is what matching does.
func TestRule_Intersect_Matches(t *testing.T) {
	rules := []string{"https://*", "http://*", "https://*:8443", "https://*.example.com", "https://a.example.com", "https://*.a.example.com:8443",
		"https://a.example.com/v1", "https://a.example.com/v1/", "https://*/v1/x", "https://*.example.com/v1/x", "https://10.1.2.3/v1"}
	urls := []string{"https://a.example.com", "https://a.example.com:8443/v1", "https://a.example.com/v1", "https://a.example.com/v1/", "https://a.example.com/v1/x",
		"https://b.a.example.com:8443/", "https://example.com", "http://a.example.com/v1", "https://10.1.2.3/v1/x", "https://a.example.com/v10"}
	for _, s := range rules {
		for _, o := range rules {
			a, b := mustRule(t, s), mustRule(t, o)
			both, ok := a.Intersect(b)
			for _, text := range urls {
				u, err := ParseURL(text)
				if err != nil {
					t.Fatal(err)
				}
				matches := func(r Rule) bool { return r.matchesOrigin(&u) && r.matchesPath(u.path, plainPath(u.path)) }
				if want := matches(a) && matches(b); (ok && matches(both)) != want {
					t.Errorf("%s and %s: %s, %t; %s matches both: %t", a, b, both, ok, text, want)
				}
			}
		}
	}
}

func mustRule(t testing.TB, s string) Rule {
	t.Helper()
	r, err := ParseRule(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRule_Permits(t *testing.T) {
	g := NewGuard()
	for _, tc := range []struct{ rule, address, needs string }{
		{"https://a.example", "", ""},
		{"http://8.8.8.8", "", ""},
		{"http://10.1.2.3", "", "private"},
		{"http://10.1.2.3", "private", ""},
		{"http://10.1.2.3", "10.1.2.3", ""},
		{"http://[::1]:8080", "private", "loopback"},
		{"http://127.0.0.1", "", "loopback"},
		{"http://169.254.169.254", "private", "169.254.169.254"},
		{"http://*", "", ""},
	} {
		var addresses []Address
		if tc.address != "" {
			a, err := ParseAddress(tc.address)
			if err != nil {
				t.Fatal(err)
			}
			addresses = append(addresses, a)
		}
		if needs, ok := mustRule(t, tc.rule).Permits(g, addresses); needs != tc.needs || ok != (tc.needs == "") {
			t.Errorf("%s with %q: got %q, %t", tc.rule, tc.address, needs, ok)
		}
	}
}

func TestTCPRule_Intersect(t *testing.T) {
	for _, tc := range []struct{ a, b, want string }{
		{"db.example.com:5432", "db.example.com:5432", "db.example.com:5432"},
		{"db.example.com:5432", "db.example.com:5433", ""},
		{"*:25", "mail.example.com:25", "mail.example.com:25"},
		{"*.example.com:25", "mail.example.com:25", "mail.example.com:25"},
		{"*.example.com:25", "example.com:25", ""},
		{"[fd12::5]:25", "*:25", "[fd12::5]:25"},
	} {
		a, errA := ParseTCPRule(tc.a)
		b, errB := ParseTCPRule(tc.b)
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		for range 2 {
			if both, ok := a.Intersect(b); ok != (tc.want != "") || ok && both.String() != tc.want {
				t.Errorf("%s and %s: got %s, %t; want %q", a, b, both, ok, tc.want)
			}
			a, b = b, a
		}
	}
	private, err := ParseTCPRule("10.1.2.3:25")
	if err != nil {
		t.Fatal(err)
	}
	if needs, ok := private.Permits(NewGuard(), nil); ok || needs != "private" {
		t.Errorf("got %q, %t", needs, ok)
	}
}
