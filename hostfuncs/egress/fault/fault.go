// Package fault keeps the trouble of one destination its own. Every destination has a circuit, which opens when most of
// what is sent there fails, a bulkhead, which bounds what is under way there, and a budget of retries. None of them knows
// of HTTP: the caller says whether an attempt succeeded.
//
// A [Set] belongs to one client; its methods, and those of a [Destination], may be called at once.
package fault

import (
	"cmp"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
)

const (
	// probes is how many requests at once try a half-open circuit; all must succeed.
	probes = 2
	// jitter spreads the time that circuits stay open, so that those which opened together do not probe together.
	jitter = 0.1
)

// Config is what a [Set] is made of. [Default] has what is used where a field is 0.
type Config struct {
	// Failures of the last Window attempts open a circuit. A share of the last ones, and not of a time, opens it as fast
	// after a busy hour as after a quiet one; most of them, and not half, so that one broken page of a service does not
	// close the way to its others. Failures is at most Window.
	Failures, Window int
	// Open is how long a circuit stays open before it is tried again.
	Open time.Duration
	// Concurrent bounds the attempts under way to one destination.
	Concurrent int
	// RetryBurst is how many retries a destination is sent without earning them, RetryPercent how many it earns with a
	// hundred calls that succeed at once.
	RetryBurst, RetryPercent int
	// Destinations bounds how many are remembered.
	Destinations int
	// OnOpen, where set, is called when a circuit opens that was closed. It must not block.
	OnOpen func()
}

// Default is what a [Config] stands for that says nothing.
func Default() Config {
	return Config{
		Failures: 10, Window: 12, Open: 5 * time.Second, Concurrent: 1024, RetryBurst: 10, RetryPercent: 10, Destinations: 1024,
	}
}

// Key names a destination.
type Key struct {
	Secure bool
	Port   uint16
	Host   string
}

// Set holds the destinations that were used last.
type Set struct {
	config Config

	mu           sync.RWMutex // protects destinations
	destinations map[Key]*Destination
}

// NewSet returns an empty set.
func NewSet(c Config) *Set {
	d := Default()
	c.Failures, c.Window, c.Open = cmp.Or(c.Failures, d.Failures), cmp.Or(c.Window, d.Window), cmp.Or(c.Open, d.Open)
	c.RetryBurst, c.RetryPercent = cmp.Or(c.RetryBurst, d.RetryBurst), cmp.Or(c.RetryPercent, d.RetryPercent)
	c.Concurrent, c.Destinations = cmp.Or(c.Concurrent, d.Concurrent), cmp.Or(c.Destinations, d.Destinations)
	return &Set{config: c, destinations: make(map[Key]*Destination)}
}

// Get returns the destination, a new one where it is not remembered.
func (s *Set) Get(k Key) *Destination {
	s.mu.RLock()
	d := s.destinations[k]
	s.mu.RUnlock()
	if d == nil {
		d = s.add(k)
	}
	// Most of the time it is set already, and a load does not take the memory from other processors.
	if !d.used.Load() {
		d.used.Store(true)
	}
	return d
}

// Len is how many destinations are remembered.
func (s *Set) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.destinations)
}

// Open is how many destinations are remembered whose circuit is open, or tried again.
func (s *Set) Open() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	n := 0
	for _, d := range s.destinations {
		if !d.circuit.IsClosed() {
			n++
		}
	}
	return n
}

func (s *Set) add(k Key) *Destination {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.destinations[k]; d != nil {
		return d
	}
	if len(s.destinations) >= s.config.Destinations {
		s.evict()
	}
	// The host is part of a longer text, which must not be kept alive.
	k.Host = strings.Clone(k.Host)
	d := newDestination(s.config)
	s.destinations[k] = d
	return d
}

// evict makes room: first of what was not used since the last time and has nothing to remember; then, until half is
// free, so that a guest that names ever new hosts does not pay for a walk with each, of what has nothing to remember; then
// of anything.
func (s *Set) evict() {
	full := func() bool { return len(s.destinations) >= s.config.Destinations }
	for k, d := range s.destinations {
		if !d.used.Swap(false) && d.forgettable() {
			delete(s.destinations, k)
		}
	}
	if full() {
		s.halve((*Destination).forgettable)
	}
	if full() {
		s.halve(func(*Destination) bool { return true })
	}
}

func (s *Set) halve(may func(*Destination) bool) {
	for k, d := range s.destinations {
		if len(s.destinations) <= s.config.Destinations/2 {
			return
		}
		if may(d) {
			delete(s.destinations, k)
		}
	}
}

// Destination is one, with what is known of it.
type Destination struct {
	circuit    circuitbreaker.CircuitBreaker[any]
	concurrent int64
	under      atomic.Int64 // attempts under way
	used       atomic.Bool  // since the last eviction
	last       atomic.Pointer[string]
	budget     Budget
}

func newDestination(c Config) *Destination {
	d := &Destination{concurrent: int64(c.Concurrent)}
	d.circuit = circuitbreaker.NewBuilder[any]().
		WithFailureThresholdRatio(uint(c.Failures), uint(c.Window)).
		WithSuccessThreshold(probes).
		WithDelay(c.Open).
		WithJitterFactor(jitter).
		OnOpen(func(e circuitbreaker.StateChangedEvent) {
			if c.OnOpen != nil && e.OldState == circuitbreaker.ClosedState { // and not after a probe that failed
				c.OnOpen()
			}
		}).
		Build()
	d.budget.init(c)
	return d
}

// forgettable reports whether nothing is lost with the destination. One that failed, or was
// retried, is worth remembering even if its circuit is closed.
func (d *Destination) forgettable() bool {
	return d.under.Load() == 0 && d.last.Load() == nil && d.budget.full()
}

// Budget is the destination's budget of retries.
func (d *Destination) Budget() *Budget { return &d.budget }

// ErrFull means that as many attempts as may be are under way.
var ErrFull = errors.New("fault: the destination's bulkhead is full")

// Open is the error of an attempt at a destination whose circuit is open.
type Open struct {
	// Wait is how long until it is tried again.
	Wait time.Duration
	// Last is what the last failure was called.
	Last string
}

// Error implements error.
func (o *Open) Error() string { return "fault: the circuit is open" }

// Verdict is what an attempt says of its destination.
type Verdict uint8

// The verdicts.
const (
	// Nothing is for an attempt that was given up before anything could be told.
	Nothing Verdict = iota
	Success
	Failure
)

// Pass is the leave to attempt a destination once. [Pass.Leave] must be called.
type Pass struct {
	destination *Destination
	probe       bool // the circuit was not closed: what comes of this decides
}

// Enter lets an attempt through, or says why not: an [*Open] or [ErrFull].
func (d *Destination) Enter() (Pass, error) {
	if d.under.Add(1) > d.concurrent {
		d.under.Add(-1)
		return Pass{}, ErrFull
	}
	if d.circuit.IsClosed() {
		return Pass{destination: d}, nil
	}
	if d.circuit.TryAcquirePermit() {
		return Pass{destination: d, probe: true}, nil
	}
	d.under.Add(-1)
	refusal := &Open{Wait: max(d.circuit.RemainingDelay(), time.Second)}
	if last := d.last.Load(); last != nil {
		refusal.Last = *last
	}
	return Pass{}, refusal
}

// Leave ends an attempt. The name of a failure is what later refusals give as their reason.
func (p Pass) Leave(v Verdict, name string) {
	d := p.destination
	defer d.under.Add(-1)
	if v == Failure {
		last := name // of its own, so that only failures cost memory
		d.last.Store(&last)
	}
	switch {
	case p.probe:
		// A probe without a verdict would keep its permit for ever, and the circuit half open.
		if v == Success {
			d.circuit.RecordSuccess()
			d.recovered()
		} else {
			d.circuit.RecordFailure()
		}
	case v == Nothing || !d.circuit.IsClosed():
		// An attempt from before the circuit opened is no probe.
	case v == Success:
		d.circuit.RecordSuccess()
		d.recovered()
	default:
		d.circuit.RecordFailure()
	}
}

// recovered forgets the last failure once it no longer explains anything.
func (d *Destination) recovered() {
	if d.last.Load() != nil && d.circuit.IsClosed() && d.circuit.Metrics().Failures() == 0 {
		d.last.Store(nil)
	}
}
