package permits

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// late is a deadline that no test reaches.
func late() time.Time { return time.Now().Add(time.Hour) }

// bubble runs a test in which time passes only while everybody waits.
func bubble(t *testing.T, n int, test func(t *testing.T, p *Permits)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := New(n)
		test(t, p)
		synctest.Wait()
		expectIdle(t, p, n)
	})
}

// expectIdle checks that all permits are back and nobody is queued.
func expectIdle(t *testing.T, p *Permits, n int) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.free != max(n, 1) || p.turns.Len() != 0 || p.Waiting() != 0 {
		t.Errorf("%d of %d permits are free, %d groups have turns, %d calls wait", p.free, n, p.turns.Len(), p.Waiting())
	}
}

// mustHold takes a permit that is free.
func mustHold(t *testing.T, g *Group) *Holder {
	t.Helper()
	h := new(Holder)
	if err := g.Checkpoint(h, Allowance, late(), nil); err != nil || !h.permit {
		t.Fatalf("no permit: %v", err)
	}
	return h
}

// turn is a call that waits, and what became of it.
type turn struct {
	Holder
	err  error
	over bool
}

// wait lets a call of the group wait; it is in the queue when wait returns. then, unless nil, runs once the call may go on.
func wait(g *Group, deadline time.Time, done <-chan struct{}, then func(*turn)) *turn {
	c := new(turn)
	go func() {
		c.err = g.Checkpoint(&c.Holder, Allowance, deadline, done)
		c.over = true
		if then != nil {
			then(c)
		}
	}()
	synctest.Wait()
	return c
}

func TestGroup_Checkpoint_Allowance(t *testing.T) {
	bubble(t, 1, func(t *testing.T, p *Permits) {
		g, other := p.NewGroup(), p.NewGroup()
		var short, shortOfOther Holder
		if !g.Begin(&short) || !other.Begin(&shortOfOther) {
			t.Fatal("a call may not begin")
		}
		for _, ran := range []time.Duration{0, time.Millisecond, Allowance - 1} {
			if err := g.Checkpoint(&short, ran, time.Time{}, nil); err != nil || short.permit {
				t.Fatalf("a call that ran for %s: %v, %v", ran, short.permit, err)
			}
		}
		holder := mustHold(t, g)
		if g.Allowance() != Allowance {
			t.Errorf("while a call holds a permit and none waits: %s", g.Allowance())
		}
		first := wait(g, late(), nil, nil)
		if g.Allowance() != 0 || other.Allowance() != Allowance || p.Waiting() != 1 {
			t.Errorf("while a call waits: %s, another group %s, %d wait", g.Allowance(), other.Allowance(), p.Waiting())
		}
		fresh := new(turn)
		go func() { fresh.err = g.Checkpoint(&fresh.Holder, 0, late(), nil); fresh.over = true }()
		synctest.Wait()
		if fresh.over || p.Waiting() != 2 {
			t.Errorf("a fresh call went on beside one that waits")
		}
		if err := other.Checkpoint(&shortOfOther, Allowance-1, time.Time{}, nil); err != nil || short.permit {
			t.Errorf("a fresh call of another connector: %v", err)
		}
		holder.Release()
		synctest.Wait()
		if !first.over || first.err != nil || fresh.over {
			t.Errorf("it is the first one's turn: %+v, %+v", first, fresh)
		}
		first.Release()
		synctest.Wait()
		fresh.Release()
		short.Release()
		shortOfOther.Release()
	})
}

// A few calls of a group begin without a permit. Those beyond need one, however many others there are.
func TestGroup_Begin(t *testing.T) {
	bubble(t, 3, func(t *testing.T, p *Permits) {
		g, other := p.NewGroup(), p.NewGroup()
		begun := make([]Holder, p.beginners)
		for i := range begun {
			if !g.Begin(&begun[i]) || !g.MayGoOn(&begun[i], 0) {
				t.Fatalf("call %d may not begin", i)
			}
		}
		var next, ofOther Holder
		if g.Begin(&next) || g.MayGoOn(&next, 0) {
			t.Error("there is no bound")
		}
		if !other.Begin(&ofOther) {
			t.Error("the bound is not the group's own")
		}
		ofOther.Release()
		if err := g.Checkpoint(&next, 0, late(), nil); err != nil || !next.permit {
			t.Errorf("a permit was free: %v", err)
		}
		next.Release()
		// One that ends, waits in the host or gets a permit makes room for another.
		if begun[0].Release(); !g.Begin(&next) {
			t.Error("a call that ended counts")
		}
		if err := g.Checkpoint(&next, Allowance, late(), nil); err != nil || !next.permit || !g.Begin(&begun[0]) {
			t.Errorf("a call with a permit counts: %v", err)
		}
		next.Release()
		for i := range begun {
			begun[i].Release()
			begun[i].Release() // the second one is nothing
		}
		if n := g.beginning.Load(); n != 0 {
			t.Errorf("%d calls count that have ended", n)
		}
	})
}

func TestGroup_Checkpoint_Quantum(t *testing.T) {
	bubble(t, 1, func(t *testing.T, p *Permits) {
		g, other := p.NewGroup(), p.NewGroup()
		long := mustHold(t, g)
		if err := g.Checkpoint(long, 100*Quantum, time.Time{}, nil); err != nil || !long.permit {
			t.Fatalf("nobody waits, and the call does not go on: %v", err)
		}
		next := wait(other, late(), nil, nil)
		if next.over {
			t.Fatal("there are two permits")
		}
		// It took the permit after 5 ms, and has run for far longer than a quantum.
		back := make(chan struct{})
		go func() {
			defer close(back)
			if err := g.Checkpoint(long, 100*Quantum, late(), nil); err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		if !next.over || next.err != nil || !next.permit || p.Waiting() != 1 {
			t.Fatalf("the permit was not handed on: %+v", next)
		}
		// The other's quantum counts from when it got the permit.
		if err := other.Checkpoint(&next.Holder, Allowance+Quantum-1, time.Time{}, nil); err != nil || !next.permit {
			t.Errorf("within its quantum: %v", err)
		}
		next.Release()
		<-back
		if err := g.Checkpoint(long, 101*Quantum-1, time.Time{}, nil); err != nil || long.since != 100*Quantum {
			t.Errorf("it was lent again at %s: %v", long.since, err)
		}
		long.Release()
		long.Release() // the second one is nothing
	})
}

func TestGroup_Checkpoint_Errors(t *testing.T) {
	for _, tc := range []struct {
		name     string
		deadline func() time.Time
		done     bool
		expected error
	}{
		{"deadline", func() time.Time { return time.Now().Add(time.Second) }, false, ErrDeadline},
		{"a deadline that has passed", func() time.Time { return time.Now().Add(-time.Second) }, false, ErrDeadline},
		{"given up", late, true, ErrDone},
		{"given up at the deadline", time.Now, true, ErrDeadline},
		{"given up without a deadline", func() time.Time { return time.Time{} }, true, ErrDone},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, 1, func(t *testing.T, p *Permits) {
				done := make(chan struct{})
				if tc.done {
					close(done)
				}
				g := p.NewGroup()
				holder := mustHold(t, p.NewGroup())
				var h Holder
				if err := g.Checkpoint(&h, Allowance, tc.deadline(), done); !errors.Is(err, tc.expected) || h.permit {
					t.Errorf("got %v, %v", err, h.permit)
				}
				if p.Waiting() != 0 || g.Allowance() != Allowance {
					t.Errorf("it left %d waiting", p.Waiting())
				}
				// The same for one that hands on its permit and does not get it back in time.
				next := wait(g, late(), nil, nil)
				if err := g.Checkpoint(holder, Allowance+Quantum, tc.deadline(), done); !errors.Is(err, tc.expected) || holder.permit {
					t.Errorf("a holder: got %v, %v", err, holder.permit)
				}
				synctest.Wait()
				if !next.over || next.err != nil {
					t.Errorf("the permit went to nobody: %+v", next)
				}
				next.Release()
			})
		})
	}
}

// The last of a group that gives up, and one of several, leave the others in their order.
func TestGroup_Checkpoint_OthersGiveUp(t *testing.T) {
	bubble(t, 1, func(t *testing.T, p *Permits) {
		a, b := p.NewGroup(), p.NewGroup()
		holder := mustHold(t, a)
		var order []string
		note := func(name string) func(*turn) {
			return func(c *turn) {
				if c.err == nil {
					order = append(order, name)
					time.Sleep(Quantum)
				}
				c.Release()
			}
		}
		gone := make(chan struct{})
		wait(b, late(), gone, note("b, given up"))
		wait(a, late(), nil, note("a1"))
		wait(a, late(), gone, note("a2, given up"))
		wait(a, late(), nil, note("a3"))
		close(gone)
		synctest.Wait()
		wait(b, late(), nil, note("b"))
		holder.Release()
		time.Sleep(3 * Quantum)
		synctest.Wait()
		if expected := []string{"a1", "b", "a3"}; !slices.Equal(order, expected) {
			t.Errorf("the order was %q, want %q", order, expected)
		}
	})
}

// A permit that is granted to a call which is just giving up goes to the next.
func TestPermits_GrantedToOneWhoGivesUp(t *testing.T) {
	bubble(t, 1, func(t *testing.T, p *Permits) {
		g := p.NewGroup()
		holder := mustHold(t, g)
		p.mu.Lock()
		leaving := p.enter(g)
		p.mu.Unlock()
		next := wait(p.NewGroup(), late(), nil, nil)
		holder.Release()
		select {
		case <-leaving.granted:
		default:
			t.Fatal("the first in the queue was not granted the permit")
		}
		leaving.giveUp()
		synctest.Wait()
		if !next.over || next.err != nil {
			t.Fatalf("the permit is lost: %+v", next)
		}
		next.Release()
	})
}

// One connector with a thousand calls waiting, another with one: it is its turn after one of the thousand.
func TestPermits_FairBetweenGroups(t *testing.T) {
	for _, n := range []int{1, 3} {
		bubble(t, n, func(t *testing.T, p *Permits) {
			a, b, c := p.NewGroup(), p.NewGroup(), p.NewGroup()
			holders := make([]*Holder, n)
			for i := range holders {
				holders[i] = mustHold(t, a)
			}
			const crowd = 1000
			calls := make(chan *turn, 2*crowd)
			var order strings.Builder
			note := func(name string) func(*turn) {
				return func(c *turn) { order.WriteString(name); calls <- c }
			}
			for range crowd {
				wait(a, late(), nil, note("a"))
			}
			wait(b, late(), nil, note("b"))
			wait(b, late(), nil, note("b"))
			wait(c, late(), nil, note("c"))
			if p.Waiting() != crowd+3 {
				t.Fatalf("%d wait", p.Waiting())
			}
			holders[0].Release()
			for range crowd + 3 {
				time.Sleep(Quantum)
				synctest.Wait()
				(<-calls).Release()
			}
			for _, h := range holders[1:] {
				h.Release()
			}
			if got, want := order.String(), "abcab"+strings.Repeat("a", crowd-2); got != want {
				t.Errorf("with %d permits the turns began %.10s, want %.10s", n, got, want)
			}
		})
	}
}

// A turn is a quantum of time, and not a call: ten short calls have as much of it as one that computes for long.
func TestPermits_FairByTime(t *testing.T) {
	bubble(t, 1, func(t *testing.T, p *Permits) {
		const short = Quantum / 5
		long, quick := p.NewGroup(), p.NewGroup()
		holder := mustHold(t, long)
		var order strings.Builder
		note := func(name string, held time.Duration) func(*turn) {
			return func(c *turn) {
				order.WriteString(name)
				time.Sleep(held)
				c.Release()
			}
		}
		for range 3 {
			wait(long, late(), nil, note("L", Quantum))
		}
		for range 12 {
			wait(quick, late(), nil, note("q", short))
		}
		time.Sleep(Quantum)
		holder.Release()
		time.Sleep(10 * Quantum)
		synctest.Wait()
		if got, want := order.String(), "qqqqqLqqqqqLqqL"; got != want {
			t.Errorf("the turns were %s, want %s", got, want)
		}
	})
}

func TestNew_AtLeastOne(t *testing.T) {
	for _, n := range []int{-1, 0, 1} {
		bubble(t, n, func(t *testing.T, p *Permits) { mustHold(t, p.NewGroup()).Release() })
	}
}
