package sandbox

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
)

func TestSlots_Hammer(t *testing.T) {
	const concurrent, queue, goroutines, rounds = 3, 4, 16, 400
	s := NewSlots(concurrent, queue)
	var running, most, full, ended atomic.Int64
	var wait sync.WaitGroup
	for g := range goroutines {
		wait.Go(func() {
			for n := range rounds {
				ctx, cancel := context.WithCancel(context.Background())
				if (g+n)%5 == 0 {
					cancel()
				}
				err := s.take(ctx)
				switch err {
				case nil:
					if now := running.Add(1); now > most.Load() {
						most.Store(now)
					}
					running.Add(-1)
					s.give()
				case ErrBusy:
					full.Add(1)
				default:
					ended.Add(1)
				}
				cancel()
			}
		})
	}
	wait.Wait()
	if most.Load() > concurrent || s.Waiting() != 0 || s.Running() != 0 {
		t.Errorf("%d ran at once; %d wait, %d run", most.Load(), s.Waiting(), s.Running())
	}
}
