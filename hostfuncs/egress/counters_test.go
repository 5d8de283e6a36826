package egress

import (
	"context"
	"maps"
	"net/http/httptest"
	"sync"
	"testing"
)

func TestCounters_Fail(t *testing.T) {
	var c Counters
	for _, e := range []*Error{
		{Code: CodeDNS}, {Code: CodeDNS}, {Code: CodeCircuitOpen}, {Code: CodeEnded},
		{Code: CodeEgressDenied},
		{Code: CodeEgressDenied, Denial: &Denial{Host: "a.example", Grant: "https://a.example"}},
		{Code: CodeEgressDenied, Denial: &Denial{Host: "b.example", Grant: "https://b.example"}},
		{Code: CodeEgressDenied, Denial: &Denial{Host: "a.example", NotRequested: true}},
		{Code: CodeEgressDenied, Denial: &Denial{Host: "a.example", Method: "POST"}},
		{Code: CodeEgressDenied, Denial: &Denial{Host: "a.example", Class: ClassMetadata}},
	} {
		c.Fail("http", e)
	}
	c.Fail("tcp", &Error{Code: CodeDNS})
	want := map[Failure]uint64{
		{"http", CodeDNS, ""}: 2, {"http", CodeCircuitOpen, ""}: 1, {"tcp", CodeDNS, ""}: 1,
		{"http", CodeEgressDenied, "capability"}: 1, {"http", CodeEgressDenied, "rule"}: 2, {"http", CodeEgressDenied, "manifest"}: 1,
		{"http", CodeEgressDenied, "method"}: 1, {"http", CodeEgressDenied, "metadata"}: 1,
	}
	if got := c.Failures(); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestCounters_Hammer(t *testing.T) {
	var c Counters
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 500 {
				c.Fail("http", &Error{Code: CodeDNS})
				c.Failures()
			}
		})
	}
	all.Wait()
	if n := c.Failures()[Failure{Capability: "http", Code: CodeDNS}]; n != 4000 {
		t.Errorf("%d are counted", n)
	}
}

// TestCounters_Connections: one is counted while it is open, however it ends, and one whose TLS failed never was.
func TestCounters_Connections(t *testing.T) {
	tls := httptest.NewTLSServer(nil) // whose authority nobody trusts
	defer tls.Close()
	address := tls.Listener.Addr().String()
	var counters Counters
	d := newDialer(t, func(c *DialerConfig, _ *TCPEntry) { c.Counters = &counters }, address)
	want := func(opened uint64, open int64) {
		t.Helper()
		if a, b := counters.Connections.Load(), counters.ConnectionsOpen.Load(); a != opened || b != open {
			t.Errorf("%d were opened and %d are open, want %d and %d", a, b, opened, open)
		}
	}
	first, second, third := dial(t, d, DialRequest{Address: address}), dial(t, d, DialRequest{Address: address}), dial(t, d, DialRequest{Address: address})
	want(3, 3)
	expectNone(t, d, DialRequest{Address: address, TLS: true}, CodeTLS, "")
	want(3, 3)
	first.Close(context.Background())
	first.Abort()
	second.Abort()
	second.Close(context.Background())
	want(3, 1)
	if err := third.StartTLS(context.Background(), patience); err == nil || err.Code != CodeTLS {
		t.Errorf("got %v", err)
	}
	want(3, 0)
}
