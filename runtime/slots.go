package runtime

import (
	"context"
	"sync/atomic"
)

// slots bound how many calls run at once and how many wait for their turn.
type slots struct {
	free    chan struct{} // holds a token for each call that runs
	waiting atomic.Int64
	queue   int64
}

func newSlots(concurrent, queue int) *slots {
	return &slots{free: make(chan struct{}, concurrent), queue: int64(queue)}
}

// take returns true with a slot, which the caller gives back. It returns false at once where the queue is full, and
// later with the context's error where that ended first.
func (s *slots) take(ctx context.Context) (bool, error) {
	select {
	case s.free <- struct{}{}:
		return true, nil
	default:
	}
	if s.waiting.Add(1) > s.queue {
		s.waiting.Add(-1)
		return false, nil
	}
	defer s.waiting.Add(-1)
	select {
	case s.free <- struct{}{}:
		return true, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

func (s *slots) give() { <-s.free }
