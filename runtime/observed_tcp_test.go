package runtime

import (
	"context"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"sluice/internal/guests"
)

// openConnections returns what became of so many connections that the connector dialer was told to open.
func (h *harness) openConnections(address string, count int) string {
	h.t.Helper()
	params, err := json.Marshal(map[string]any{"address": address, "count": count, "how": ""})
	if err != nil {
		h.t.Fatal(err)
	}
	a, err := h.execute(context.Background(), "dialer/Leave", string(params))
	switch {
	case err != nil:
		h.t.Fatal(err)
	case a.Error != nil:
		return a.Error.Code
	}
	return string(a.Body)
}

// wantObserved checks what was observed, but for when.
func (h *harness) wantObserved(name string, want ...Observed) []Observed {
	h.t.Helper()
	got, beyond, err := h.Observed(name)
	for i := range got {
		if time.Since(got[i].Last) > time.Minute {
			h.t.Errorf("last is %s", got[i].Last)
		}
		got[i].Last = time.Time{}
	}
	if err != nil || beyond != 0 || len(got) != len(want) || len(want) > 0 && !reflect.DeepEqual(got, want) {
		h.t.Errorf("got %+v, %d, %v; want %+v", got, beyond, err, want)
	}
	return got
}

// Connections are let through and recorded as requests are, and the smallest grant has rules for both.
func TestObserved_TCP(t *testing.T) {
	peer, other, s := newPeer(t).address, newPeer(t).address, service(t)
	store := open(t, t.TempDir())
	h := start(t, store, observing)
	h.install(guests.Module(t, "dialer"))
	if got := h.openConnections(peer, 3); got != `"left"` {
		t.Errorf("observed: %s", got)
	}
	for _, address := range []string{"169.254.169.254:80", "[fd00:ec2::254]:80", "168.63.129.16:80", "100.64.0.1:22", "[fe80::1]:25", "0.0.0.0:25"} {
		if got := h.openConnections(address, 1); got != "egress_denied" {
			t.Errorf("%s: got %s, want it refused", address, got)
		}
	}
	h.wantBody("dialer/Both", `{"address":"`+peer+`","url":"`+s.URL+`"}`, "200")
	want := []Observed{
		{Capability: "http", Origin: s.URL, Method: "GET", Address: "loopback", NoRule: true, NoAddress: true, Count: 1},
		{Capability: "tcp", Origin: peer, Address: "loopback", NoRule: true, NoAddress: true, Count: 4},
	}
	h.wantObserved("dialer", want...)
	h.stop()

	h = start(t, store, nil)
	if got := h.openConnections(peer, 1); got != "egress_denied" {
		t.Errorf("enforced: %s", got)
	}
	smallest := SmallestGrant(Grant{}, h.wantObserved("dialer", want...))
	if !reflect.DeepEqual(smallest, Grant{HTTP: []string{"GET " + s.URL}, TCP: []string{peer}, Addresses: []string{"loopback"}}) {
		t.Errorf("got %+v", smallest)
	}
	h.setGrant("dialer", &smallest)
	if a, b := h.openConnections(peer, 1), h.openConnections(other, 1); a != `"left"` || b != "egress_denied" {
		t.Errorf("granted: %s, another: %s", a, b)
	}
	h.wantBody("dialer/Both", `{"address":"`+peer+`","url":"`+s.URL+`"}`, "200")
	h.stop()
	h = start(t, store, observing)
	if a, b := h.openConnections(peer, 1), h.openConnections(other, 1); a != `"left"` || b != `"left"` {
		t.Errorf("observed again: %s, another: %s", a, b)
	}
	h.wantObserved("dialer", Observed{Capability: "tcp", Origin: other, Address: "loopback", NoRule: true, Count: 1})
}

// TLS on connections that are only observed trusts whom the grant says, as it will once they are granted.
func TestObserved_TCPAuthorities(t *testing.T) {
	m := &mailbox{}
	address, authorities := mailServer(t, m, true)
	h := start(t, open(t, t.TempDir()), func(c *Config) {
		c.Observe = true
		c.Grants = map[string]Grant{"dialer": {TCPAuthorities: authorities}}
	})
	h.install(guests.Module(t, "dialer"))
	params, err := json.Marshal(map[string]any{"address": address, "implicit": true, "user": mailUser, "password": mailPassword,
		"from": "a@sluice.example", "to": "b@mail.example", "text": "Subject: hello"})
	if err != nil {
		t.Fatal(err)
	}
	h.wantBody("dialer/Send", string(params), `"sent"`)
	h.wantObserved("dialer", Observed{Capability: "tcp", Origin: address, Address: "loopback", NoRule: true, NoAddress: true, Count: 1})
}
