package abi

import (
	"context"
	"testing"

	"sluice/hostfuncs"
	"sluice/hostfuncs/egress"
	"sluice/runtime/sandbox/memory"
)

// A response takes of the budget while it comes, and keeps what it is.
func TestNative_Coming(t *testing.T) {
	const body, room = 4 * uncharged, 16 * uncharged
	budget := memory.NewBudget(room)
	var asked func(m egress.Memory)
	var answer []byte
	c := &Call{Budget: budget, OutputLimit: 1 << 20, Host: &hostfuncs.Call{
		HTTP: answering(func(_ context.Context, r *egress.Request) (*egress.Response, *egress.Error) {
			if asked(r.Memory); answer == nil {
				return nil, &egress.Error{Code: egress.CodeTimeout, Message: "m"}
			}
			return &egress.Response{Status: 200, Body: answer}, nil
		}),
	}}
	g := newGuest(t, c)
	used := func(what string, least int) {
		t.Helper()
		if n := int(budget.Used()); n < least || n > least+1<<10 { // heads
			t.Errorf("%s: %d bytes are used, want %d", what, n, least)
		}
	}
	answer, asked = make([]byte, body), func(m egress.Memory) {
		for range 2 * body / uncharged {
			if !m.Take(uncharged) {
				t.Error("there is room")
			}
		}
		used("while it comes", 2*body-uncharged)
		m.Give(body)
		used("when it has come", body-uncharged)
	}
	g.send()
	used("a body that is kept", body-uncharged)

	answer, asked = nil, func(m egress.Memory) {
		if !m.Take(body) {
			t.Error("there is room")
		}
		used("the second, while it comes", 2*body-uncharged)
	}
	g.send()
	used("one that did not come", body-uncharged)
	if c.Starved() {
		t.Error("the call was starved")
	}

	asked = func(m egress.Memory) {
		for m.Take(body) {
		}
	}
	ptr, n := g.put(64, getHead)
	g.want(tooLarge, "http_send", ptr, n, 0, 0)
	used("one for which there is no room", body-uncharged)
	if !c.Starved() {
		t.Error("the call was not starved")
	}
	c.Release()
	if n := budget.Used(); n != 0 {
		t.Errorf("%d bytes are used in the end", n)
	}
}
