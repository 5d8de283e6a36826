package abi

import (
	"context"
	"testing"

	"sluice/hostfuncs"
	"sluice/hostfuncs/egress"
)

// What opening connections takes is the guest's, and what goes by one that is there takes nothing of it.
func TestNative_Opened(t *testing.T) {
	const units = 1_000_000
	opening := true
	client := answering(func(_ context.Context, r *egress.Request) (*egress.Response, *egress.Error) {
		if opening {
			r.Cost.Add(units)
		}
		return &egress.Response{Status: 200}, nil
	})
	g := newGuest(t, &Call{Host: &hostfuncs.Call{HTTP: client}, OutputLimit: 1 << 20})
	for range 2 {
		for _, tc := range []struct {
			opening     bool
			least, most uint64
		}{{true, units, 2 * units}, {false, 0, units / 10}} {
			opening = tc.opening
			before := g.in.Fuel()
			g.send()
			if spent := uint64(g.in.Fuel() - before); spent < tc.least || spent > tc.most {
				t.Errorf("opening %t: a request took %d units", tc.opening, spent)
			}
		}
	}
}

// A connection of the guest's own is paid for where there is one, or might have been.
func TestNative_Opened_TCP(t *testing.T) {
	p := newPeer(t, echo)
	c := dialing(t, egress.NewSockets(10), p.addr)
	g := newGuest(t, c)
	handle := int32(firstConnection - 1)
	for address, least := range map[string]uint64{p.addr: 50_000, "10.0.0.1:1": 0} {
		before := g.in.Fuel()
		g.dial(handle, address)
		if spent := uint64(g.in.Fuel() - before); spent < least || spent > least+50_000 {
			t.Errorf("%s: %d units", address, spent)
		}
		handle += 2
	}
	c.closeConnections()
}
