package egress

import (
	"net/netip"
	"strings"
	"testing"
)

func TestAllocations(t *testing.T) {
	policy := newPolicy(t, anywhere, Entry{Rules: rules(t, "https://api.example.com", "https://*.example.org")})
	g, _, _ := testGuard("203.0.114.77")
	a := newAllowance(addresses(t, "public", "private", "64:ff9b::/96"))
	const text = "https://api.example.com/v1/items?q=1"
	u := mustURL(t, text)
	for _, tt := range []struct {
		name string
		run  func()
	}{
		{"policy, cached host", func() {
			if _, err := policy.Match(u, "GET"); err != nil {
				t.Error(err)
			}
		}},
		{"guard, IPv4", func() { _ = g.Check(a, netip.AddrFrom4([4]byte{8, 8, 8, 8})) }},
		{"guard, private", func() { _ = g.Check(a, netip.AddrFrom4([4]byte{10, 8, 8, 8})) }},
		{"guard, IPv6", func() { _ = g.Check(a, netip.AddrFrom16([16]byte{0x2a, 0, 15: 1})) }},
		{"guard, NAT64", func() { _ = g.Check(a, netip.AddrFrom16([16]byte{0, 0x64, 0xff, 0x9b, 12: 8, 13: 8, 14: 8, 15: 8})) }},
		{"URL", func() {
			if _, err := ParseURL(text); err != nil {
				t.Error(err)
			}
		}},
	} {
		tt.run()
		if n := testing.AllocsPerRun(1000, tt.run); n != 0 {
			t.Errorf("%s: %v allocations", tt.name, n)
		}
	}
}

// TestClient_Allocations: a request with everything that is checked allocates no more than one of a plain http.Client.
// Both figures hold what the service in the test allocates.
func TestClient_Allocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes pools forget")
	}
	server := newRawServer(t, answering(benchmarkAnswer+strings.Repeat("x", 300), true))
	client, plain := newClient(t, nil), newPlain(t)
	count := func(get func() error) float64 {
		return testing.AllocsPerRun(300, func() {
			if err := get(); err != nil {
				t.Error(err)
			}
		})
	}
	theirs := count(func() error { return getPlainly(plain, server.url) })
	ours := count(func() error { return getByClient(client, server.url) })
	if ours > theirs {
		t.Errorf("%v allocations, %v by a plain http.Client", ours, theirs)
	}
}
