package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/runtime/catalog"
	"sluice/runtime/envelope"
	"sluice/runtime/sandbox/wasmtest"
)

// numbered makes grants that can be told apart: the n-th allows one of two services, and is told by its deadline.
type numbered struct{ urls [2]string }

// asks is a guest whose command asks both services three times each, and answers with a digit for each request: 1 where a
// status of 200 came, 0 where none did. Versions differ in a custom section.
func (g numbered) asks(version int) []byte {
	const send, status, digits = 4, 5, 2 * wasmtest.NativeFree
	manifest := `{"name":"asks","version":"1.0.0","commands":[{"name":"Both"}],"capabilities":[{"name":"http","reason":"tests","hosts":["http://*"]}]}`
	code := wasmtest.Code(wasmtest.I32(digits+1), wasmtest.I32(1), wasmtest.Call(wasmtest.HostWrite), wasmtest.Drop)
	for i := range 6 {
		head := askHead(g.urls[i%2])
		code = append(code, wasmtest.Code(wasmtest.I32(digits), // and the status beyond it
			wasmtest.I32(wasmtest.NativeFree+i%2<<10), wasmtest.I32(len(head)), wasmtest.I32(0), wasmtest.I32(0), wasmtest.Call(send),
			wasmtest.Call(status), wasmtest.I32Add, wasmtest.I32(1), wasmtest.Call(wasmtest.HostWrite), wasmtest.Drop)...)
	}
	code = append(code, wasmtest.Answer(digits+1, 1)...)
	m := wasmtest.Native(manifest, code)
	for i, url := range g.urls {
		m.Data = append(m.Data, wasmtest.Data{At: wasmtest.NativeFree + i<<10, Text: askHead(url)})
	}
	m.Data = append(m.Data, wasmtest.Data{At: digits, Text: `0"`}, wasmtest.Data{At: digits + 200, Text: "1"})
	const host = "sluice:host/v1"
	m.Imports = append(m.Imports, wasmtest.Import{Module: host, Name: "http_send", Params: "iiii", Results: "i"},
		wasmtest.Import{Module: host, Name: "http_status", Params: "i", Results: "i"})
	return append(m.Bytes(), 0, 2, 1, byte(version))
}

func askHead(url string) string { return `{"method":"GET","url":"` + url + `"}` }

const firstDeadline = 20 * time.Second

func (g numbered) grant(n int64) *Grant {
	return &Grant{HTTP: []string{g.urls[n%2]}, Addresses: []string{"loopback"}, Deadline: firstDeadline + time.Duration(n)*time.Millisecond}
}

// of is the number of a grant, 0 where there is none.
func (g numbered) of(t testing.TB, have Grant) int64 {
	if have.Deadline == 0 && len(have.HTTP) == 0 {
		return 0
	}
	n := int64((have.Deadline - firstDeadline) / time.Millisecond)
	if want := g.grant(n); have.Digest() != want.Digest() {
		t.Errorf("%+v is a mix of grants; the %dth is %+v", have, n, *want)
	}
	return n
}

// inCatalog is the number of the grant that the catalog has; false where the connector is not there.
func (g numbered) inCatalog(t testing.TB, s catalog.Store, name string) (int64, bool) {
	e, err := s.Get(context.Background(), name)
	switch {
	case errors.Is(err, catalog.ErrNotFound):
		return 0, false
	case err != nil:
		t.Error(err)
		return 0, false
	case e.Grant == nil:
		return 0, true
	}
	have, err := ParseGrant(e.Grant)
	if err != nil {
		t.Errorf("%s: %v", e.Grant, err)
	}
	return g.of(t, have), true
}

// caller calls until it is told to stop. The grant changes while calls ask the services.
func (g numbered) caller(h *harness, stop *atomic.Bool, calls *atomic.Int64, allowed ...string) {
	for !stop.Load() {
		cmd, ok := h.Command("asks", "Both")
		if !ok {
			continue // it is removed
		}
		a, err := h.Execute(context.Background(), cmd, &Call{ID: "1", Params: []byte("{}")})
		if errors.Is(err, envelope.Fail(envelope.ConnectorUnavailable, "")) {
			continue
		}
		if err != nil {
			h.t.Errorf("a call failed: %v", err)
			return
		}
		if !slices.Contains(allowed, string(a.Body)) {
			h.t.Errorf("a call ran under more than one grant: %s, %+v", a.Body, a.Error)
			return
		}
		calls.Add(1)
	}
}

// What the services say to a call under the grants of even numbers, of odd ones, and under none.
const underEven, underOdd, underNone = `"101010"`, `"010101"`, `"000000"`

// While versions of its connector are installed, the grant that was set last counts, in service and in the catalog, and
// each call runs under one grant from beginning to end.
func TestSetGrant_Install_Hammer(t *testing.T) {
	const rounds = 200
	store := open(t, t.TempDir())
	h := start(t, store, func(c *Config) { c.MaxSockets = 512 })
	g := numbered{[2]string{service(t).URL, service(t).URL}}
	h.install(g.asks(0))
	h.setGrant("asks", g.grant(1))

	var stop atomic.Bool
	var calls atomic.Int64
	var callers, changers sync.WaitGroup
	for range 3 {
		callers.Go(func() { g.caller(h, &stop, &calls, underEven, underOdd) })
	}
	var last atomic.Int64 // what was acknowledged
	last.Store(1)
	changers.Go(func() {
		for n := int64(2); n <= rounds; n++ {
			c, err := h.SetGrant(context.Background(), "asks", g.grant(n))
			if err != nil {
				t.Errorf("SetGrant: %v", err)
				return
			}
			last.Store(n)
			now, err := h.Connector("asks")
			if err != nil || g.of(t, c.Grant) != n || g.of(t, now.Grant) != n {
				t.Errorf("set %d: got %+v, then %+v, %v", n, c.Grant, now.Grant, err)
			}
			if kept, ok := g.inCatalog(t, store, "asks"); !ok || kept != n {
				t.Errorf("set %d: the catalog has %d, %t", n, kept, ok)
			}
		}
	})
	changers.Go(func() {
		for n := range rounds / 2 {
			before := last.Load()
			c, _, err := h.Install(context.Background(), g.asks((n+1)%2), true)
			if err != nil {
				t.Errorf("Install: %v", err)
				return
			}
			if got := g.of(t, c.Grant); got < before || got > last.Load()+1 {
				t.Errorf("installed under grant %d; %d was set before", got, before)
			}
		}
	})
	changers.Wait()
	stop.Store(true)
	callers.Wait()
	if calls.Load() == 0 {
		t.Error("no call was made meanwhile")
	}
	h.stop()
	h = start(t, store, nil)
	if c, err := h.Connector("asks"); err != nil || g.of(t, c.Grant) != rounds {
		t.Errorf("after a start: %+v, %v", c.Grant, err)
	}
}

// While the connector is removed and installed again too, no grant comes back that went with it.
func TestSetGrant_Remove_Hammer(t *testing.T) {
	store := open(t, t.TempDir())
	h := start(t, store, func(c *Config) { c.MaxSockets = 512 })
	g := numbered{[2]string{service(t).URL, service(t).URL}}
	module := g.asks(0)
	h.install(module)

	var stop, done atomic.Bool
	var calls, set, tried atomic.Int64
	var callers, changers sync.WaitGroup
	for range 3 {
		callers.Go(func() { g.caller(h, &stop, &calls, underEven, underOdd, underNone) })
	}
	var granters sync.WaitGroup
	granters.Go(func() {
		for n := int64(1); !done.Load(); n++ {
			tried.Store(n)
			c, err := h.SetGrant(context.Background(), "asks", g.grant(n))
			switch {
			case isRefusal(err, RefusedUnknown): // it is removed
			case err != nil:
				t.Errorf("SetGrant: %v", err)
				return
			case g.of(t, c.Grant) != n:
				t.Errorf("set %d: got %+v", n, c.Grant)
			default:
				set.Add(1)
			}
			if now, err := h.Connector("asks"); err == nil && g.of(t, now.Grant) != n && g.of(t, now.Grant) != 0 {
				t.Errorf("after %d was set, there is %+v", n, now.Grant)
			}
		}
	})
	changers.Go(func() {
		for range 60 {
			if err := h.Remove(context.Background(), "asks"); err != nil {
				t.Errorf("Remove: %v", err)
			}
			gone := tried.Load() // what was set before that one went with the connector
			if n, ok := g.inCatalog(t, store, "asks"); ok {
				t.Errorf("the catalog has grant %d of what is removed", n)
			}
			c, _, err := h.Install(context.Background(), module, false)
			if err != nil {
				t.Errorf("Install: %v", err)
				return
			}
			if n := g.of(t, c.Grant); n != 0 {
				t.Errorf("installed anew under grant %d", n)
			}
			if n, _ := g.inCatalog(t, store, "asks"); n != 0 && n < gone {
				t.Errorf("grant %d is back; %d was tried when it went", n, gone)
			}
			before := set.Load()
			eventually(t, "a grant", func() bool { return set.Load() > before || t.Failed() })
		}
	})
	changers.Wait()
	done.Store(true)
	granters.Wait()
	stop.Store(true)
	callers.Wait()
	if calls.Load() == 0 || set.Load() == 0 {
		t.Errorf("%d calls, %d grants", calls.Load(), set.Load())
	}
	for name, c := range h.current.Load().connectors {
		if refs := c.refs.Load(); refs != 1 {
			t.Errorf("%s: %d references", name, refs)
		}
	}
	want, err := h.Connector("asks")
	if err != nil {
		t.Fatal(err)
	}
	if n, ok := g.inCatalog(t, store, "asks"); !ok || n != g.of(t, want.Grant) {
		t.Errorf("%s: the catalog has grant %d", fmt.Sprint(want.Grant), n)
	}
}
