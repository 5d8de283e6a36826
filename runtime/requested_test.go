package runtime

import (
	"reflect"
	"strings"
	"testing"

	"sluice/hostfuncs/secret"
	"sluice/runtime/manifest"
)

func TestRequestedUnder(t *testing.T) {
	for _, tc := range []struct {
		name  string
		asks  string
		grant Grant
		want  Requested
	}{
		{"nothing granted", "https://a.example", Grant{}, Requested{State: GrantedNot, Add: `"https://a.example" in http`}},
		{"the rule", "https://a.example", Grant{HTTP: []string{"https://a.example"}}, Requested{State: GrantedFully}},
		{"a wider rule", "https://a.example/v1", Grant{HTTP: []string{"https://*"}}, Requested{State: GrantedFully}},
		{"a part", "https://*", Grant{HTTP: []string{"https://a.example/v1", "http://*"}},
			Requested{State: GrantedPartly, Granted: []string{"https://a.example/v1"}, Add: `"https://*" in http`}},
		{"another scheme", "https://a.example", Grant{HTTP: []string{"http://a.example"}}, Requested{State: GrantedNot, Add: `"https://a.example" in http`}},
		{"another spelling", "HTTPS://A.example:443/", Grant{HTTP: []string{"https://a.example"}}, Requested{State: GrantedFully}},
		{"an address that is not open", "http://10.1.2.3", Grant{HTTP: []string{"http://*"}}, Requested{State: GrantedNot, Add: `"private" in addresses`}},
		{"an address that is open", "http://10.1.2.3", Grant{HTTP: []string{"http://*"}, Addresses: []string{"10.1.0.0/16"}}, Requested{State: GrantedFully}},
		{"an address without a rule", "http://10.1.2.3", Grant{HTTP: []string{"https://*"}},
			Requested{State: GrantedNot, Add: `"http://10.1.2.3" in http and "private" in addresses`}},
	} {
		m := &manifest.Manifest{Capabilities: []manifest.Capability{{Name: "http", Reason: "to see", Hosts: []string{tc.asks}}}}
		got := RequestedUnder(m, tc.grant)
		if len(got) != 1 {
			t.Fatalf("%s: got %+v", tc.name, got)
		}
		got[0].Capability, got[0].Reason, got[0].Item = "", "", ""
		if !reflect.DeepEqual(got[0], tc.want) {
			t.Errorf("%s: got %+v, want %+v", tc.name, got[0], tc.want)
		}
	}
	all := &manifest.Manifest{Capabilities: []manifest.Capability{
		{Name: "tcp", Reason: "x", Hosts: []string{"db.example.com:5432", "*.example.com:25", "10.1.2.3:25"}},
		{Name: "secret", Reason: "x", Secrets: []string{"token", "other"}},
		{Name: "cache", Reason: "x"},
	}}
	for _, tc := range []struct {
		grant Grant
		want  string
	}{
		{Grant{}, `missing "db.example.com:5432" in tcp|missing "*.example.com:25" in tcp|missing "10.1.2.3:25" in tcp and "private" in addresses|` +
			`missing "token" in secrets|missing "other" in secrets|missing a size in cache`},
		{Grant{TCP: []string{"*:5432", "mail.example.com:25", "10.1.2.3:25"}, Secrets: []secret.Grant{{Name: "token"}}, Cache: 1 << 20},
			`granted |partly "*.example.com:25" in tcp|missing "private" in addresses|granted |missing "other" in secrets|granted `},
	} {
		var got []string
		for _, q := range RequestedUnder(all, tc.grant) {
			got = append(got, string(q.State)+" "+q.Add)
		}
		if strings.Join(got, "|") != tc.want {
			t.Errorf("got  %s\nwant %s", strings.Join(got, "|"), tc.want)
		}
	}
	uses := RequestedUnder(all, Grant{Secrets: []secret.Grant{{Name: "token", Sign: true}, {Name: "other", Clear: true, Sign: true}}})[3:5]
	if want := [][]string{{"signing with it"}, {"reading it in the clear", "signing with it"}}; !reflect.DeepEqual([][]string{uses[0].Granted, uses[1].Granted}, want) {
		t.Errorf("got %+v", uses)
	}
	unknown := RequestedUnder(&manifest.Manifest{Capabilities: []manifest.Capability{{Name: "telepathy", Reason: "to know"}}}, Grant{HTTP: []string{"https://*"}})
	if len(unknown) != 1 || unknown[0].State != GrantedNot {
		t.Errorf("got %+v", unknown)
	}
}

// A line is a line, whatever the reason holds.
func TestMissing(t *testing.T) {
	lines := Missing([]Requested{
		{Capability: "http", Item: "https://a.example", State: GrantedFully},
		{Capability: "http", Item: "https://b.example", State: GrantedNot, Add: `"https://b.example" in http`, Reason: "First.\n\nSecond."},
		{Capability: "cache", State: GrantedNot, Reason: "to remember"},
	})
	want := []string{
		`http https://b.example is not granted; the grant lacks "https://b.example" in http. Reason given: First. Second.`,
		"cache is not granted. Reason given: to remember",
	}
	if !reflect.DeepEqual(lines, want) {
		t.Errorf("got %s", strings.Join(lines, "\n"))
	}
}

func TestUnneeded(t *testing.T) {
	m := &manifest.Manifest{Capabilities: []manifest.Capability{
		{Name: "http", Reason: "x", Hosts: []string{"https://*.example.com", "https://a.example/v1"}},
		{Name: "tcp", Reason: "x", Hosts: []string{"db.example.com:5432"}},
		{Name: "secret", Reason: "x", Secrets: []string{"token"}},
	}}
	g := Grant{
		HTTP: []string{"https://api.example.com", "https://*", "GET https://a.example", "https://a.example/v2", "GET http://api.example.com"},
		TCP:  []string{"*:5432", "*:25"}, Secrets: []secret.Grant{{Name: "token"}, {Name: "other", Clear: true}}, Cache: 1024,
	}
	want := []string{"https://a.example/v2 in http", "GET http://api.example.com in http", "*:25 in tcp", "other in secrets", "cache"}
	if got := Unneeded(g, RequestedUnder(m, g)); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	m.Capabilities = append(m.Capabilities, manifest.Capability{Name: "cache", Reason: "x"})
	if got := Unneeded(Grant{Cache: 1024}, RequestedUnder(m, g)); got != nil {
		t.Errorf("got %q", got)
	}
}
