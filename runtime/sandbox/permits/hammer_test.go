package permits

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// hammer counts what calls do with permits.
type hammer struct {
	holding, most, lent, late, done atomic.Int64
}

// call is one call of a group: it computes, blocks, gives up or runs into its deadline, as chance has it.
func (m *hammer) call(t *testing.T, g *Group, random *rand.Rand) {
	deadline, giveUp := time.Now().Add(time.Minute), make(chan struct{})
	switch random.IntN(4) {
	case 0:
		close(giveUp)
	case 1:
		deadline = time.Now().Add(time.Duration(random.IntN(200)) * time.Microsecond)
	}
	var h Holder
	defer m.release(&h)
	g.Begin(&h)
	var ran time.Duration
	for range 1 + random.IntN(8) {
		if h.permit {
			m.holding.Add(-1) // it may be handed on
		}
		if err := g.Checkpoint(&h, ran, deadline, giveUp); err != nil {
			m.ended(t, &h, err)
			return
		}
		if h.permit {
			m.hold()
		}
		ran += time.Duration(random.IntN(int(Quantum)))
		if random.IntN(8) == 0 {
			m.release(&h)
			g.Begin(&h)
			ran = 0
		}
	}
}

// hold is the time between two checkpoints, in which others come to wait.
func (m *hammer) hold() {
	m.lent.Add(1)
	now := m.holding.Add(1)
	for seen := m.most.Load(); now > seen && !m.most.CompareAndSwap(seen, now); seen = m.most.Load() {
	}
	for range 4 {
		runtime.Gosched()
	}
}

func (m *hammer) release(h *Holder) {
	if h.permit {
		m.holding.Add(-1)
	}
	h.Release()
}

func (m *hammer) ended(t *testing.T, h *Holder, err error) {
	switch {
	case h.permit:
		t.Error("a permit with an error")
	case errors.Is(err, ErrDeadline):
		m.late.Add(1)
	case errors.Is(err, ErrDone):
		m.done.Add(1)
	default:
		t.Error(err)
	}
}

// TestHammer: never do more calls than n hold a permit, none waits for ever, and in the end all permits are back.
func TestHammer(t *testing.T) {
	const groups, callers, rounds = 4, 16, 100
	for _, n := range []int{1, 2, 5} {
		p := New(n)
		var m hammer
		var wait sync.WaitGroup
		for g := range groups {
			group := p.NewGroup()
			for c := range callers {
				random := rand.New(rand.NewPCG(uint64(g), uint64(c)))
				wait.Go(func() {
					for range rounds {
						m.call(t, group, random)
					}
				})
			}
		}
		wait.Wait()
		expectIdle(t, p, n)
		if m.most.Load() > int64(n) {
			t.Errorf("%d calls held one of %d permits", m.most.Load(), n)
		}
		t.Logf("%d permits: at most %d held, %d times; %d deadlines, %d given up", n, m.most.Load(), m.lent.Load(), m.late.Load(), m.done.Load())
		if m.lent.Load() == 0 || m.late.Load() == 0 || m.done.Load() == 0 {
			t.Error("not everything that can happen did")
		}
	}
}
