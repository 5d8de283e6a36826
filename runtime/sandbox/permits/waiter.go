package permits

import (
	"container/list"
	"time"
)

// waiter is a call that waits for a permit.
type waiter struct {
	group *Group
	// place is where it stands in its group's queue, nil once it has left. It is protected by Permits.mu.
	place *list.Element
	// granted is closed when the waiter has a permit. It has left the queue then.
	granted chan struct{}
	lent    time.Time // when that was
}

// enter puts a call at the end of its group's queue. The caller holds p.mu.
func (p *Permits) enter(g *Group) *waiter {
	w := &waiter{group: g, granted: make(chan struct{})}
	w.place = g.queue.PushBack(w)
	if g.turn == nil {
		g.used = 0
		g.turn = p.turns.PushBack(g)
	}
	g.waiting.Add(1)
	p.waiting.Add(1)
	return w
}

// leave takes a waiter out of its group's queue, and the group out of the turns with its last one. The caller holds p.mu.
func (p *Permits) leave(w *waiter) {
	g := w.group
	g.queue.Remove(w.place)
	w.place = nil
	if g.queue.Len() == 0 {
		p.turns.Remove(g.turn)
		g.turn = nil
	}
	g.waiting.Add(-1)
	p.waiting.Add(-1)
}

// wait returns nil with a permit.
func (w *waiter) wait(deadline time.Time, done <-chan struct{}) error {
	var expired <-chan time.Time
	if !deadline.IsZero() {
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case <-w.granted:
		return nil
	case <-expired:
		w.giveUp()
		return ErrDeadline
	case <-done:
		w.giveUp()
		// A context is done at its deadline too, and which of the two comes first is chance.
		if !deadline.IsZero() && !time.Now().Before(deadline) {
			return ErrDeadline
		}
		return ErrDone
	}
}

// giveUp ends the waiting. A permit that was granted meanwhile goes to the next.
func (w *waiter) giveUp() {
	p := w.group.permits
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.place == nil {
		p.give()
		return
	}
	p.leave(w)
}
