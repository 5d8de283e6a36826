package runtime

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"sluice/hostfuncs/auth"
	"sluice/hostfuncs/egress"
	"sluice/hostfuncs/secret"
	"sluice/internal/guests"
	"sluice/runtime/sandbox/wasmtest"
)

func observing(c *Config) { c.Observe = true }

// Whatever the connector asks for is let through and recorded, at addresses that a class can open.
func TestObserved(t *testing.T) {
	s, other := service(t), service(t)
	store := open(t, t.TempDir())
	h := start(t, store, observing)
	h.install(guests.Module(t, "http"))
	for range 3 {
		if got := h.get(s.URL + "/customers/4711?key=hunter2"); got != 200 {
			t.Errorf("observed: %d", got)
		}
	}
	for _, url := range []string{"http://169.254.169.254/", "http://[fd00:ec2::254]/", "http://168.63.129.16/", "http://100.64.0.1/", "http://[fe80::1]/", "http://0.0.0.0/"} {
		if got := h.get(url); got != 403 {
			t.Errorf("%s: got %d, want it refused", url, got)
		}
	}
	want := []Observed{{Capability: "http", Origin: s.URL, Method: "GET", Address: "loopback", NoRule: true, NoAddress: true, Count: 3}}
	h.wantObserved("http", want...)
	h.stop()

	// It was kept, and no more than was seen.
	e, err := store.Get(t.Context(), "http")
	if err != nil || strings.Contains(string(e.Observed), "customers") || strings.Contains(string(e.Observed), "hunter2") {
		t.Errorf("kept %s, %v", e.Observed, err)
	}
	h = start(t, store, nil)
	h.wantObserved("http", want...)
	if got := h.get(s.URL); got != 403 {
		t.Errorf("enforced: %d", got)
	}
	h.wantObserved("http", want...)
	observed, _, err := h.Observed("http")
	if err != nil {
		t.Fatal(err)
	}
	smallest := SmallestGrant(Grant{}, observed)
	if !reflect.DeepEqual(smallest, Grant{HTTP: []string{"GET " + s.URL}, Addresses: []string{"loopback"}}) {
		t.Errorf("got %+v", smallest)
	}
	// Under it all that was observed is allowed, and nothing else; the recording begins anew.
	h.setGrant("http", &smallest)
	h.wantObserved("http")
	if a, b := h.get(s.URL), h.get(other.URL); a != 200 || b != 403 {
		t.Errorf("granted: %d, another: %d", a, b)
	}
	h.stop()
	h = start(t, store, observing)
	if a, b := h.get(s.URL), h.get(other.URL); a != 200 || b != 200 {
		t.Errorf("observed again: %d, another: %d", a, b)
	}
	h.wantObserved("http", Observed{Capability: "http", Origin: other.URL, Method: "GET", Address: "loopback", NoRule: true, Count: 1})
	if h.observations.Load() != 1 {
		t.Errorf("%d are counted", h.observations.Load())
	}
	if err := h.Remove(context.Background(), "http"); err != nil || h.observations.Load() != 0 {
		t.Errorf("%d are counted after the removal, %v", h.observations.Load(), err)
	}
	if _, _, err := h.Observed("http"); err == nil {
		t.Error("something is observed of what is not there")
	}
}

// What the manifest does not ask for is refused in observe mode too.
func TestObserved_NotRequested(t *testing.T) {
	h := start(t, open(t, t.TempDir()), observing)
	m := wasmtest.Native(`{"name":"quiet","version":"1.0.0","commands":[{"name":"Say"}]}`)
	h.install(m.Bytes())
	c := h.current.Load().connectors["quiet"]
	if _, failure := c.http.Do(t.Context(), &egress.Request{Method: "GET", URL: service(t).URL}); failure == nil || failure.Code != egress.CodeEgressDenied {
		t.Errorf("got %v", failure)
	}
	asks := wasmtest.Native(`{"name":"asks","version":"1.0.0","capabilities":[{"name":"http","reason":"x","hosts":["https://a.example"]}],"commands":[{"name":"Say"}]}`)
	h.install(asks.Bytes())
	c = h.current.Load().connectors["asks"]
	_, failure := c.http.Do(t.Context(), &egress.Request{Method: "GET", URL: service(t).URL})
	if failure == nil || failure.Denial == nil || !failure.Denial.NotRequested {
		t.Errorf("got %v", failure)
	}
	if list, _, err := h.Observed("asks"); err != nil || len(list) != 0 {
		t.Errorf("got %+v, %v", list, err)
	}
}

// What is recorded is bounded, and what is beyond is counted.
func TestObservations_Bounds(t *testing.T) {
	var all atomic.Int64
	make1 := func() *observations {
		return &observations{all: &all, seen: make(map[egress.Observation]*Observed)}
	}
	var many []*observations
	total := 0
	for range maxObservedAll/maxObserved + 1 {
		o := make1()
		many = append(many, o)
		for i := range maxObserved + 10 {
			o.record(egress.Observation{Origin: fmt.Sprintf("https://%d.example", i), Method: "GET", Address: "public"})
		}
		o.record(egress.Observation{Origin: "https://0.example", Method: "GET", Address: "public"})
		list, beyond := o.list()
		total += len(list)
		if len(list) > maxObserved || len(list)+int(beyond) < maxObserved+10 {
			t.Errorf("%d are recorded, %d are not", len(list), beyond)
		}
	}
	if total != maxObservedAll || all.Load() != maxObservedAll {
		t.Errorf("%d are recorded in all, %d counted", total, all.Load())
	}
	for _, o := range many {
		o.end()
		o.end()
		o.record(egress.Observation{Origin: "https://late.example"})
	}
	if all.Load() != 0 {
		t.Errorf("%d are left", all.Load())
	}
}

func TestSmallestGrant(t *testing.T) {
	for _, tc := range []struct {
		name     string
		grant    Grant
		observed []Observed
		want     Grant
	}{
		{"nothing", Grant{Memory: 1}, nil, Grant{Memory: 1}},
		{"public", Grant{}, []Observed{{Capability: "http", Origin: "https://a", Method: "GET", Address: "public", NoRule: true}}, Grant{HTTP: []string{"GET https://a"}}},
		{"private only", Grant{}, []Observed{{Capability: "http", Origin: "https://a", Method: "GET", Address: "private", NoRule: true, NoAddress: true}}, Grant{HTTP: []string{"GET https://a"}, Addresses: []string{"private"}}},
		{"both", Grant{}, []Observed{
			{Capability: "http", Origin: "https://a", Method: "GET", Address: "private", NoRule: true, NoAddress: true}, {Capability: "http", Origin: "https://b", Method: "GET", Address: "public", NoRule: true},
			{Capability: "http", Origin: "https://b", Method: "POST", Address: "public", NoRule: true},
		}, Grant{HTTP: []string{"GET https://a", "GET,POST https://b"}, Addresses: []string{"private", "public"}}},
		{"an address for a rule that is there", Grant{HTTP: []string{"https://a"}}, []Observed{{Capability: "http", Origin: "https://a", Address: "private", NoAddress: true}},
			Grant{HTTP: []string{"https://a"}, Addresses: []string{"public", "private"}}},
		{"another method of a rule that is there", Grant{HTTP: []string{"GET https://a"}}, []Observed{{Capability: "http", Origin: "https://a", Method: "POST", Address: "public", NoRule: true}},
			Grant{HTTP: []string{"GET https://a", "POST https://a"}}},
		{"connections too", Grant{HTTP: []string{"https://a"}}, []Observed{
			{Capability: "tcp", Origin: "db.example:5432", Address: "private", NoRule: true, NoAddress: true}, {Capability: "http", Origin: "https://b", Method: "GET", Address: "public", NoRule: true},
		}, Grant{HTTP: []string{"https://a", "GET https://b"}, TCP: []string{"db.example:5432"}, Addresses: []string{"public", "private"}}},
		{"connections alone", Grant{}, []Observed{{Capability: "tcp", Origin: "[fd12::5]:25", Address: "private", NoRule: true, NoAddress: true}},
			Grant{TCP: []string{"[fd12::5]:25"}, Addresses: []string{"private"}}},
		{"an address for a rule of connections that is there", Grant{TCP: []string{"*:25"}}, []Observed{{Capability: "tcp", Origin: "a.example:25", Address: "loopback", NoAddress: true}},
			Grant{TCP: []string{"*:25"}, Addresses: []string{"public", "loopback"}}},
		{"a connection to a public address", Grant{TCP: []string{"*:25"}}, []Observed{{Capability: "tcp", Origin: "a.example:26", Address: "public", NoRule: true}},
			Grant{TCP: []string{"*:25", "a.example:26"}}},
		{"behind a proxy", Grant{}, []Observed{{Capability: "http", Origin: "https://a", Method: "GET", NoRule: true}}, Grant{HTTP: []string{"GET https://a"}}},
		{"a rule within a network that is open", Grant{HTTP: []string{"https://a"}, Addresses: []string{"10.0.0.0/8"}},
			[]Observed{{Capability: "http", Origin: "https://b", Method: "PUT", Address: "private", NoRule: true}}, Grant{HTTP: []string{"https://a", "PUT https://b"}, Addresses: []string{"10.0.0.0/8"}}},
	} {
		before := fmt.Sprint(tc.grant)
		if got := SmallestGrant(tc.grant, tc.observed); !reflect.DeepEqual(got, tc.want) || fmt.Sprint(tc.grant) != before {
			t.Errorf("%s: got %+v, want %+v", tc.name, got, tc.want)
		}
	}
}

// What observe mode alone lets through has no secret in it: neither the host's credential nor one of the connector's goes to
// where the grant does not let it, by its rules or by its addresses.
func TestObserved_Secrets(t *testing.T) {
	const value = "c4n4ry-of-the-key"
	t.Setenv("OBSERVED_KEY", value)
	var sent atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(fmt.Sprint(r.Header, r.URL), value) {
			sent.Add(1)
		}
		fmt.Fprint(w, "ok")
	}))
	defer s.Close()
	for _, tc := range []struct {
		name  string
		grant Grant
		says  string // "" where it is granted
	}{
		{"no rule", Grant{Addresses: []string{"loopback"}}, "is not granted: add the rule"},
		{"another rule", Grant{HTTP: []string{s.URL + "/other"}, Addresses: []string{"loopback"}}, "is not granted: add the rule"},
		{"another method", Grant{HTTP: []string{"POST " + s.URL}, Addresses: []string{"loopback"}}, "add GET to the methods"},
		{"no address", Grant{HTTP: []string{s.URL}}, "add \"loopback\""},
		{"granted", Grant{HTTP: []string{s.URL}, Addresses: []string{"loopback"}}, ""},
	} {
		for how, call := range map[string]struct{ command, params string }{
			"auth":      {"misbehave/Fetch", fmt.Sprintf(`{"url":%q}`, s.URL+"/in")},
			"reference": {"misbehave/Secret", secretCall{Name: "canary", URL: s.URL, Headers: []string{"X", "@"}}.params()},
		} {
			t.Run(tc.name+" by "+how, func(t *testing.T) {
				in, err := egress.ParseRule(s.URL + "/in")
				if err != nil {
					t.Fatal(err)
				}
				grant := tc.grant
				grant.Auth = []auth.Entry{{Rule: in, Kind: auth.Bearer, Secret: "canary"}}
				grant.Secrets = []secret.Grant{{Name: "canary"}}
				h := start(t, open(t, t.TempDir()), func(c *Config) {
					c.Observe = true
					c.Grants = map[string]Grant{"misbehave": grant}
					c.Secrets = map[string]secret.Definition{"canary": {From: "env:OBSERVED_KEY", Origins: []string{s.URL}}}
				})
				h.install(guests.Module(t, "misbehave"))
				sent.Store(0)
				a, err := h.execute(t.Context(), call.command, call.params)
				if err != nil {
					t.Fatal(err)
				}
				if tc.says == "" {
					if a.Error != nil || sent.Load() != 1 {
						t.Errorf("got %+v, sent %d times", a.Error, sent.Load())
					}
				} else if a.Error == nil || a.Error.Code != "egress_denied" || !strings.Contains(a.Error.Message, tc.says) || sent.Load() != 0 {
					t.Errorf("got %+v, sent %d times", a.Error, sent.Load())
				}
				// All else is observed.
				a, err = h.execute(t.Context(), "misbehave/Fetch", fmt.Sprintf(`{"url":%q}`, s.URL+"/out"))
				if err != nil || a.Error != nil {
					t.Errorf("without a secret: %+v, %v", a, err)
				}
			})
		}
	}
}
