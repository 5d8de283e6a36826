package sandbox

import (
	"context"
	"sync/atomic"
)

// Slots bound how many calls run at once and how many wait for their turn. They are safe for concurrent use.
type Slots struct {
	free    chan struct{} // holds a token for each call that runs
	waiting atomic.Int64
	queue   int64
}

// NewSlots returns slots for so many calls at once, and so many more that wait.
func NewSlots(concurrent, queue int) *Slots {
	return &Slots{free: make(chan struct{}, concurrent), queue: int64(queue)}
}

// take returns nil with a slot, which the caller gives back. It returns ErrBusy at once where the queue is full, and
// later the context's error where that ended first.
func (s *Slots) take(ctx context.Context) error {
	select {
	case s.free <- struct{}{}:
		return nil
	default:
	}
	if s.waiting.Add(1) > s.queue {
		s.waiting.Add(-1)
		return ErrBusy
	}
	defer s.waiting.Add(-1)
	select {
	case s.free <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Slots) give() { <-s.free }

// Running is how many slots are taken at this moment.
func (s *Slots) Running() int { return len(s.free) }

// Waiting is how many calls wait for a slot at this moment.
func (s *Slots) Waiting() int { return int(s.waiting.Load()) }
