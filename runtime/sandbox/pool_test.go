package sandbox

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"sluice/runtime/sandbox/wasmtest"
)

// newPool is a pool of instances of the image, closed at the end of the test.
func newPool(t testing.TB, image *Image, warm int, slots ...*Slots) *Pool {
	t.Helper()
	p := NewPool(PoolConfig{
		Make: func(context.Context, any) (*Instance, error) { return image.Instance(limits(imageLimit)) },
		Warm: warm, Slots: slots,
	})
	t.Cleanup(p.Close)
	return p
}

// get lends instances that there must be.
func get(t testing.TB, p *Pool, n int) (lent []*Instance) {
	t.Helper()
	for range n {
		i, err := p.Get(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		lent = append(lent, i)
	}
	return lent
}

// put gives back the only instance that is lent, and returns when the pool has done with it.
func put(p *Pool, failed bool, i *Instance) {
	p.Put(i, failed)
	p.lent.Wait()
}

// isClosed says whether an instance has given back what it had.
func isClosed(i *Instance) bool { return i.guest.IsClosed() && i.memory.Bytes() == nil }

func TestPool(t *testing.T) {
	e := newEngine(t, Config{HostModules: []HostModule{testHost}})
	image := imageOf(t, compiled(t, e, scribbler().Bytes()))
	t.Run("the last one first", func(t *testing.T) {
		p := newPool(t, image, 8, NewSlots(8, 0))
		lent := get(t, p, 4)
		for n, i := range lent {
			p.Put(i, false)
			eventually(t, func() bool { return p.Stats().Idle == n+1 })
		}
		slices.Reverse(lent)
		if got := get(t, p, 4); !slices.Equal(got, lent) {
			t.Error("another order")
		}
		for _, i := range lent {
			p.Put(i, false)
		}
		if s := p.Stats(); s.Made != 4 || s.Reused != 4 || s.Discarded != 0 {
			t.Errorf("got %+v", s)
		}
	})
	t.Run("no more are kept than warm", func(t *testing.T) {
		slots := NewSlots(8, 0)
		p := newPool(t, image, 2, slots)
		lent := get(t, p, 5)
		for _, i := range lent {
			p.Put(i, false)
		}
		p.lent.Wait()
		closed := 0
		for _, i := range lent {
			if isClosed(i) {
				closed++
			}
		}
		if s := p.Stats(); s.Idle != 2 || s.Made != 5 || s.Resets != 5 || closed != 3 {
			t.Errorf("got %+v, with %d closed", s, closed)
		}
	})
	t.Run("none is kept", func(t *testing.T) {
		p := newPool(t, image, 0, NewSlots(1, 0))
		for _, failed := range []bool{false, true} {
			lent := get(t, p, 1)
			put(p, failed, lent[0])
			if !isClosed(lent[0]) {
				t.Error("not closed")
			}
		}
		if s := p.Stats(); s.Idle != 0 || s.Made != 2 {
			t.Errorf("got %+v", s)
		}
	})
	t.Run("pages written are counted", func(t *testing.T) {
		p := newPool(t, image, 1, NewSlots(1, 0))
		i := get(t, p, 1)[0]
		must(t, i, "poke", 0, 1)
		must(t, i, "poke", PageSize/2, 1)
		put(p, false, i)
		if s := p.Stats(); s.Resets != 1 || s.Pages != 2 {
			t.Errorf("got %+v", s)
		}
	})
}

func TestPool_Get_Slots(t *testing.T) {
	e := newEngine(t, Config{HostModules: []HostModule{testHost}})
	image := imageOf(t, compiled(t, e, scribbler().Bytes()))
	t.Run("busy", func(t *testing.T) {
		p := newPool(t, image, 1, NewSlots(2, 0))
		lent := get(t, p, 2)
		if _, err := p.Get(context.Background(), nil); err != ErrBusy {
			t.Errorf("got %v", err)
		}
		for _, i := range lent {
			p.Put(i, false)
		}
	})
	t.Run("the queue", func(t *testing.T) {
		slots := NewSlots(1, 1)
		p := newPool(t, image, 1, slots)
		lent := get(t, p, 1)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() {
			_, err := p.Get(ctx, nil)
			ended <- err
		}()
		eventually(t, func() bool { return slots.Waiting() == 1 })
		if _, err := p.Get(context.Background(), nil); err != ErrBusy {
			t.Errorf("the queue is full, and another got %v", err)
		}
		cancel()
		if err := <-ended; err != context.Canceled {
			t.Errorf("got %v", err)
		}
		if slots.Waiting() != 0 || slots.Running() != 1 {
			t.Errorf("%d wait, %d run", slots.Waiting(), slots.Running())
		}
		go func() {
			i, err := p.Get(context.Background(), nil)
			if err == nil {
				p.Put(i, false)
			}
			ended <- err
		}()
		eventually(t, func() bool { return slots.Waiting() == 1 })
		p.Put(lent[0], false)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Run("shared", func(t *testing.T) {
		shared := NewSlots(2, 0)
		own := []*Slots{NewSlots(2, 0), NewSlots(2, 0)}
		a, b := newPool(t, image, 1, own[0], shared), newPool(t, image, 1, own[1], shared)
		lent := append(get(t, a, 1), get(t, b, 1)...)
		for n, p := range []*Pool{a, b} {
			if _, err := p.Get(context.Background(), nil); err != ErrBusy || own[n].Running() != 1 {
				t.Errorf("got %v with %d of its own taken", err, own[n].Running())
			}
		}
		a.Put(lent[0], false)
		eventually(t, func() bool { return shared.Running() == 1 })
		lent = append(get(t, b, 1), lent[1])
		if _, err := a.Get(context.Background(), nil); err != ErrBusy || own[0].Running() != 0 {
			t.Errorf("got %v with %d of its own taken", err, own[0].Running())
		}
		for _, i := range lent {
			b.Put(i, false)
		}
		a.lent.Wait()
		b.lent.Wait()
	})
	t.Run("an error of Make", func(t *testing.T) {
		slots := NewSlots(1, 0)
		broken := errors.New("broken")
		p := NewPool(PoolConfig{Make: func(context.Context, any) (*Instance, error) { return nil, broken }, Warm: 1, Slots: []*Slots{slots}})
		for range 3 {
			if _, err := p.Get(context.Background(), nil); err != broken || slots.Running() != 0 {
				t.Errorf("got %v, and %d slots are taken", err, slots.Running())
			}
		}
		p.Close()
		if s := p.Stats(); s.Made != 0 {
			t.Errorf("got %+v", s)
		}
	})
}

// What becomes of an instance is decided by how its call ended.
func TestPool_Put(t *testing.T) {
	tests := []struct {
		name     string
		ctx      func(testing.TB) context.Context
		export   string
		params   []uint64
		expected FaultKind // −1 for none
		reused   bool
	}{
		{"returned", nil, "poke", []uint64{8, 8}, -1, true},
		{"exit 0", nil, "exit", []uint64{0}, ExitedNormally, true},
		{"exit 1", nil, "exit", []uint64{1}, Exited, false},
		{"trap", nil, "trap", nil, Trapped, false},
		{"panic of a host function", nil, "panic", nil, Trapped, false},
		{"deadline", soon, "forever", nil, OutOfTime, false},
		{"cancelled", cancelled, "forever", nil, Cancelled, false},
		{"cancelled in the host", cancelled, "wait", nil, Cancelled, false},
		{"half of the stack", nil, "deep", []uint64{depthBytes / 2 / frameBytes / 2}, -1, true},
		{"more than half of the stack", nil, "deep", []uint64{depthBytes/frameBytes - 1}, -1, false},
		{"all of the stack", nil, "deep", []uint64{1 << 20}, OutOfStack, false},
	}
	everywhere(t, func(t *testing.T, e *Engine) {
		origin := first(t, compiled(t, e, scribbler().Bytes()), imageLimit)
		want, image := origin.State(), takeImage(t, origin)
		for _, tc := range tests {
			t.Run(tc.name, func(t *testing.T) {
				p := newPool(t, image, 1, NewSlots(1, 0))
				i := get(t, p, 1)[0]
				must(t, i, "set", 9, 9, 9, 9)
				ctx := context.Background()
				if tc.ctx != nil {
					ctx = tc.ctx(t)
				}
				err := i.Call(ctx, nil, tc.export, tc.params...)
				kind := FaultKind(-1)
				if err != nil {
					kind = kindOf(t, err)
				}
				if kind != tc.expected {
					t.Errorf("got %v", err)
				}
				put(p, err != nil && kind != ExitedNormally, i)
				if s := p.Stats(); s.Idle != 1 || (s.Made == 1) != tc.reused || (s.Discarded == 0) != tc.reused {
					t.Errorf("got %+v", s)
				}
				next := get(t, p, 1)[0]
				pristine(t, next, want)
				if (next == i) != tc.reused || isClosed(i) == tc.reused {
					t.Errorf("reused: %t, closed: %t", next == i, isClosed(i))
				}
				put(p, false, next)
			})
		}
	})
}

// A module without an image has a new instance for every call, made with the call's own context and host.
func TestPool_NotImageable(t *testing.T) {
	guest := scribbler()
	guest.Tables = []wasmtest.Table{{Type: 'r', Initial: 1}}
	guest.Functions = append(guest.Functions,
		wasmtest.Function{Export: "change", Code: wasmtest.Code(wasmtest.I32(0), wasmtest.RefNull('r'), wasmtest.TableSet(0))},
		wasmtest.Function{Export: "start", Code: wasmtest.Call(hostCount)})
	guest.Start = "start"
	everywhere(t, func(t *testing.T, e *Engine) {
		m := compiled(t, e, guest.Bytes())
		p := NewPool(PoolConfig{
			Make: func(ctx context.Context, host any) (*Instance, error) { return m.First(ctx, host, limits(imageLimit)) },
			Warm: 4, Slots: []*Slots{NewSlots(1, 0)},
		})
		defer p.Close()
		var want *State
		for n := range 3 {
			var host atomic.Int64
			i, err := p.Get(context.Background(), &host)
			if err != nil || host.Load() != 1 {
				t.Fatalf("%v; started %d times", err, host.Load())
			}
			if want == nil {
				want = i.State()
			}
			for _, found := range i.Differences(want) {
				t.Error(found)
			}
			must(t, i, "poke", 0, 77)
			must(t, i, "change")
			put(p, n == 1, i)
			if !isClosed(i) {
				t.Error("not closed")
			}
		}
		if s := p.Stats(); s.Made != 3 || s.Reused != 0 || s.Idle != 0 {
			t.Errorf("got %+v", s)
		}
	})
}

// Close waits for what was lent, and for what is being put back; nothing is left open.
func TestPool_Close(t *testing.T) {
	everywhere(t, func(t *testing.T, e *Engine) {
		image := imageOf(t, compiled(t, e, scribbler().Bytes()))
		for _, failed := range []bool{false, true} {
			slots := NewSlots(8, 0)
			p := newPool(t, image, 8, slots)
			lent := get(t, p, 8)
			for _, i := range lent[:4] {
				must(t, i, "grow", 40)
				must(t, i, "fill", 0, 1, 41*PageSize)
				p.Put(i, failed)
			}
			closed := make(chan struct{})
			var wait sync.WaitGroup
			wait.Go(func() {
				p.Close()
				if slots.Running() != 0 {
					t.Errorf("%d slots are taken after Close", slots.Running())
				}
				close(closed)
			})
			wait.Go(func() { // a scrape of the metrics can come at any time
				for range 1000 {
					_ = p.Stats()
				}
			})
			must(t, lent[7], "work", 1000)
			select {
			case <-closed:
				t.Error("Close did not wait")
			default:
			}
			for _, i := range lent[4:] {
				p.Put(i, failed)
			}
			wait.Wait()
			for _, i := range lent {
				if !isClosed(i) {
					t.Error("an instance is open after Close")
				}
			}
			if s := p.Stats(); s.Idle != 0 {
				t.Errorf("got %+v", s)
			}
		}
	})
}
