package sandbox

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// left is what a process holds that a sandbox could forget to give back.
type left struct {
	goroutines, descriptors, images int
	reserved                        uint64 // bytes of addresses
}

// leftNow counts. The kernel merges mappings without a name that lie side by side, so that reservations of memory are
// counted by their size; those of images have a name.
func leftNow() (l left) {
	l.goroutines = runtime.NumGoroutine()
	descriptors, _ := os.ReadDir("/proc/self/fd")
	l.descriptors = len(descriptors)
	maps, _ := os.ReadFile("/proc/self/maps")
	l.images = bytes.Count(maps, []byte("sluice-image"))
	for line := range bytes.Lines(maps) {
		if fields := bytes.Fields(line); string(fields[1]) == "rw-p" && len(fields) == 5 {
			l.reserved += span(fields[0])
		}
	}
	return l
}

// span is the length of a range of addresses like 7f00-7f80.
func span(addresses []byte) uint64 {
	var at [2]uint64
	for n, text := range bytes.SplitN(addresses, []byte("-"), 2) {
		for _, digit := range text {
			at[n] = at[n]<<4 | uint64(bytes.IndexByte([]byte("0123456789abcdef"), digit))
		}
	}
	return at[1] - at[0]
}

// hammerLimit is the limit of the hammered guests' memory: so large that a single forgotten reservation shows.
const hammerLimit = 1 << 30

// hammered is one call as a server makes it: with an end, in an instance that must be as new. It says whether there was one.
func hammered(t testing.TB, p *Pool, want *State, r *rand.Rand) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if r.IntN(10) == 0 { // in any state of the call: waiting for a slot, running, or not begun
		timer := time.AfterFunc(time.Duration(r.IntN(3000))*time.Microsecond, cancel)
		defer timer.Stop()
	}
	i, err := p.Get(ctx, nil)
	if err != nil {
		if err != context.Canceled && err != ErrBusy {
			t.Error(err)
		}
		return false
	}
	for _, found := range append(i.Differences(want), i.Leftovers()...) {
		t.Error(found)
	}
	for range r.IntN(4) {
		if err == nil {
			err = scribbleAtRandom(ctx, i, r)
		}
	}
	var f *Fault
	p.Put(i, errors.As(err, &f) && f.Kind != ExitedNormally)
	return true
}

// scribbleAtRandom calls one of the functions of scribbler. All leave their mark, and some fail.
func scribbleAtRandom(ctx context.Context, i *Instance, r *rand.Rand) error {
	word := func(most uint64) uint64 { return r.Uint64N(most) }
	bytes := i.MemoryBytes()
	switch r.IntN(12) {
	case 0, 1, 2:
		return i.Call(ctx, nil, "poke", word(bytes-8), r.Uint64())
	case 3:
		return i.Call(ctx, nil, "fill", word(bytes/2), word(256), word(bytes/2))
	case 4:
		return i.Call(ctx, nil, "copy", word(bytes/2), word(bytes/2), word(bytes/2))
	case 5, 6:
		return i.Call(ctx, nil, "grow", word(20))
	case 7:
		return i.Call(ctx, nil, "set", word(1<<32), r.Uint64(), word(1<<32), r.Uint64())
	case 8:
		return i.Call(ctx, nil, "deep", word(depthBytes/frameBytes*2))
	case 9:
		return i.Call(ctx, nil, "work", word(10_000)+1)
	case 10:
		return i.Call(ctx, nil, "exit", word(2))
	}
	ends := []string{"trap", "panic", "forever", "wait"}
	end := ends[r.IntN(len(ends))]
	if end == "forever" || end == "wait" {
		short, cancel := context.WithTimeout(ctx, time.Duration(r.IntN(2000))*time.Microsecond)
		defer cancel()
		ctx = short
	}
	return i.Call(ctx, nil, end)
}

// Whatever calls do, each finds its instance as new; and when all have ended, nothing of them is left.
func TestPool_Hammer(t *testing.T) {
	const goroutines, calls, concurrent, queue = 8, 40, 5, 2
	everywhere(t, func(t *testing.T, e *Engine) {
		m := compiled(t, e, scribbler().Bytes())
		hammer := func(calls int) {
			origin := first(t, m, hammerLimit)
			defer origin.Close()
			want, image := origin.State(), takeImage(t, origin)
			shared := NewSlots(concurrent, queue)
			var pools []*Pool
			for range 2 {
				pools = append(pools, NewPool(PoolConfig{
					Make:  func(context.Context, any) (*Instance, error) { return image.Instance(limits(hammerLimit)) },
					Warm:  2,
					Slots: []*Slots{NewSlots(concurrent-1, queue), shared},
				}))
			}
			var lent atomic.Uint64
			var wait sync.WaitGroup
			for g := range goroutines {
				r := rand.New(rand.NewPCG(uint64(g), uint64(calls)))
				wait.Go(func() {
					for range calls {
						if hammered(t, pools[r.IntN(len(pools))], want, r) {
							lent.Add(1)
						}
					}
				})
			}
			wait.Wait()
			var taken uint64
			for _, p := range pools {
				p.Close()
				s := p.Stats()
				taken += s.Resets + s.Discarded
				if own := p.config.Slots[0]; s.Idle != 0 || own.Running() != 0 || own.Waiting() != 0 {
					t.Errorf("%d slots are taken, %d calls wait, and %+v", own.Running(), own.Waiting(), s)
				}
			}
			if shared.Running() != 0 || shared.Waiting() != 0 || taken != lent.Load() {
				t.Errorf("%d slots are taken, %d calls wait; %d instances were lent, and %d taken back",
					shared.Running(), shared.Waiting(), lent.Load(), taken)
			}
			if err := image.Close(); err != nil {
				t.Error(err)
			}
			allPermitsAreBack(t, e)
		}
		hammer(1) // what is opened once, and kept
		before := leftNow()
		hammer(calls)
		var now left
		eventually(t, func() bool {
			now = leftNow()
			return now.goroutines <= before.goroutines && now.descriptors <= before.descriptors
		})
		if now.images != before.images || now.reserved > before.reserved+hammerLimit/2 {
			t.Errorf("before: %+v; after: %+v", before, now)
		}
	})
}
