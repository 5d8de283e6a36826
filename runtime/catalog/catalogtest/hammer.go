package catalogtest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"sluice/runtime/catalog"
)

// Every goroutine adds to one entry's count, and repeats what conflicts: no addition is lost.
func testHammerCompareAndSwap(t *testing.T, s catalog.Store) {
	const goroutines, additions = 8, 15
	ctx := t.Context()
	e := Install(t, s, "weather", []byte("one"), 0)
	before := e.Versions[0].Size
	var group sync.WaitGroup
	for range goroutines {
		group.Go(func() {
			for range additions {
				if err := add(ctx, s, "weather"); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	e, err := s.Get(ctx, "weather")
	if err != nil {
		t.Fatal(err)
	}
	if got := e.Versions[0].Size - before; got != goroutines*additions {
		t.Errorf("%d additions are left of %d", got, goroutines*additions)
	}
}

func add(ctx context.Context, s catalog.Store, name string) error {
	for {
		e, err := s.Get(ctx, name)
		if err != nil {
			return err
		}
		e.Versions[0].Size++
		if _, err = s.CompareAndSwap(ctx, e, e.Revision); !errors.Is(err, catalog.ErrConflict) {
			return err
		}
	}
}

// While connectors come and go and blobs are swept, whatever an entry refers to is there.
func testHammerInstallAndSweep(t *testing.T, s catalog.Store) {
	const goroutines, rounds = 4, 10
	ctx := t.Context()
	var group, sweeper sync.WaitGroup
	done := make(chan struct{})
	sweeper.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				if _, err := s.Sweep(ctx); err != nil {
					t.Errorf("Sweep: %v", err)
					return
				}
			}
		}
	})
	for i := range goroutines {
		name := string(rune('a' + i))
		group.Go(func() {
			for round := range rounds {
				v, err := putVersion(ctx, s, []byte{byte(i), byte(round)})
				if err != nil {
					t.Errorf("PutBlob: %v", err)
					return
				}
				e, err := s.CompareAndSwap(ctx, catalog.Entry{Name: name}.WithVersion(v, 0), 0)
				if err != nil {
					t.Errorf("CompareAndSwap: %v", err)
					return
				}
				if _, err := s.Blob(ctx, e.Active); err != nil {
					t.Errorf("Blob: %v", err)
				}
				if err := s.Delete(ctx, name, e.Revision); err != nil {
					t.Errorf("Delete: %v", err)
				}
			}
		})
	}
	group.Wait()
	close(done)
	sweeper.Wait()
}
