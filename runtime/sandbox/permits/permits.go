// Package permits shares the processor out among guests that compute for long.
//
// A guest is native code that nobody can interrupt: it lets others in only where it calls a checkpoint. If as many guests
// computed at once as there are processors, the server itself would wait for one of them before it read a request. So there
// is one permit fewer than processors, and a call that has run for a while needs one to go on. Most calls are over before,
// and never ask.
//
// Most calls begin without asking, too. But a thousand that began in the same moment would each have what a call may run
// without a permit, and the server's own work would stand in line behind all of them: only a few calls of a connector
// compute without a permit at once, and the others need one from the beginning.
//
// Waiting is fair between connectors, whatever the number of their calls: each has its turn, of a quantum of the processor's
// time, and within one it is first come, first served. So a connector with many short calls is not worse off than one with
// a long one. A permit is lent for a quantum, after which it goes on to whoever waits.
package permits

import (
	"container/list"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// Allowance is how long a call may run without a permit, from its beginning and without what it waited.
	Allowance = 5 * time.Millisecond
	// Quantum is how long a permit is lent while others wait for one.
	Quantum = 10 * time.Millisecond
)

// These are returned by Group.Checkpoint, where the caller has no permit and is to end its guest.
var (
	// ErrDeadline: the call's deadline passed while it waited.
	ErrDeadline = errors.New("the deadline passed while the call waited for the processor")
	// ErrDone: the call was given up while it waited.
	ErrDone = errors.New("the call was given up while it waited for the processor")
)

// Permits is a number of permits. It is safe for concurrent use.
type Permits struct {
	// waiting counts waiters. It changes under mu only, and is read without it by those who hold a permit.
	waiting atomic.Int64

	// beginners is how many calls of a group compute without a permit at once.
	beginners int64

	mu   sync.Mutex // protects what follows, and the queues of all groups
	free int        // 0 while anybody waits
	// turns are the groups of which calls wait (*Group), the next to have its turn in front.
	turns list.List
}

// New returns n permits, at least one.
func New(n int) *Permits {
	n = max(n, 1)
	// More than there are processors: a call that Go's scheduler has put aside is not to hold up the others.
	return &Permits{free: n, beginners: 4 * (int64(n) + 1)}
}

// Waiting is how many calls wait for a permit at this moment.
func (p *Permits) Waiting() int { return int(p.waiting.Load()) }

// Group is the calls of one connector, which have their turn together. It is safe for concurrent use.
type Group struct {
	permits *Permits
	// waiting counts the group's waiters, as Permits.waiting does those of all.
	waiting atomic.Int64
	// beginning counts the calls that compute without a permit.
	beginning atomic.Int64
	// queue are the group's waiters (*waiter), the next in front; turn is the group's place in Permits.turns, nil where
	// queue is empty. Both are protected by Permits.mu.
	queue list.List
	turn  *list.Element
	// used is for how long the group's calls have held permits in this turn. It is protected by Permits.mu.
	used time.Duration
}

// NewGroup returns a group without calls. It holds nothing that would have to be given back.
func (p *Permits) NewGroup() *Group { return &Group{permits: p} }

// Allowance is how long a call of the group may run without a permit at present: nothing while other calls of it wait.
// Otherwise a thousand fresh calls would each have theirs, and the server stand still for seconds.
func (g *Group) Allowance() time.Duration {
	if g.waiting.Load() > 0 {
		return 0
	}
	return Allowance
}

// Holder is what a call keeps of its permit. The zero value holds none. It is used by one goroutine at a time, and not
// copied while it holds anything.
type Holder struct {
	group  *Group        // of the call, while it computes
	permit bool          // whether it holds a permit, and is none of those that compute without
	since  time.Duration // the call's running time when the permit was lent
	lent   time.Time     // when that was
}

// Begin says whether the call h, which held nothing, may compute without a permit for as long as MayGoOn allows.
// Otherwise it has to ask for a permit by Checkpoint, and must have one to compute at all.
func (g *Group) Begin(h *Holder) bool {
	if g.beginning.Add(1) > g.permits.beginners {
		g.beginning.Add(-1)
		return false
	}
	h.group = g
	return true
}

// MayGoOn says whether the call h, whose guest has run for so long, may go on without asking by Checkpoint. It costs an
// atomic load.
func (g *Group) MayGoOn(h *Holder, ran time.Duration) bool {
	if !h.permit {
		return h.group != nil && ran < g.Allowance()
	}
	return ran-h.since < Quantum || g.permits.waiting.Load() == 0
}

// Checkpoint returns once the call h of the group may go on. ran is how long its guest has run, without its waiting here,
// since the call began or since the last Release. It takes a permit where the call needs one, and hands one on whose
// quantum is over while others wait. It waits until the deadline or until done is closed, whichever comes first; the zero
// time is no deadline, and done may be nil.
//
// A call that need not wait costs an atomic load, and allocates nothing.
//
// # Errors
//
// ErrDeadline, also where done was closed after the deadline, and ErrDone. The call holds nothing then. Where it need not
// wait, neither deadline nor done is looked at.
func (g *Group) Checkpoint(h *Holder, ran time.Duration, deadline time.Time, done <-chan struct{}) error {
	if g.MayGoOn(h, ran) {
		return nil
	}
	h.Release()
	lent := time.Now()
	if w := g.permits.take(g); w != nil {
		if err := w.wait(deadline, done); err != nil {
			return err
		}
		lent = w.lent
	}
	*h = Holder{group: g, permit: true, since: ran, lent: lent}
	return nil
}

// Release gives back what h holds: before a host function waits, and when the call ends, however it does.
func (h *Holder) Release() {
	g := h.group
	switch {
	case g == nil:
	case h.permit:
		g.permits.takeBack(g, time.Since(h.lent))
	default:
		g.beginning.Add(-1)
	}
	*h = Holder{}
}

// take returns nil with a permit for a call of the group, or the call's place in its queue.
func (p *Permits) take(g *Group) *waiter {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.free > 0 {
		p.free--
		return nil
	}
	return p.enter(g)
}

// takeBack hands on the permit that a call of the group held for so long.
func (p *Permits) takeBack(g *Group, held time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if g.used += held; g.turn != nil && g.used >= Quantum {
		g.used = 0
		p.turns.MoveToBack(g.turn)
	}
	p.give()
}

// give hands a permit that is not held any more to the call whose turn it is. The caller holds p.mu.
func (p *Permits) give() {
	turn := p.turns.Front()
	if turn == nil {
		p.free++
		return
	}
	w := turn.Value.(*Group).queue.Front().Value.(*waiter)
	p.leave(w)
	w.lent = time.Now() // until its goroutine runs nobody else can have the permit either
	close(w.granted)
}
