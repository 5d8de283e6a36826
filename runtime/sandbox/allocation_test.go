package sandbox

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"sluice/runtime/sandbox/memory"
	"sluice/runtime/sandbox/wasmtest"
)

// TestPool_Allocations counts what a call in a warm pool allocates.
func TestPool_Allocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	guest := scribbler()
	guest.Functions = append(guest.Functions, wasmtest.Function{Export: "host", Code: wasmtest.Repeat(10, wasmtest.Call(hostCount))},
		wasmtest.Function{Export: "nap", Code: wasmtest.Repeat(10, wasmtest.Call(hostNap))})
	tests := []struct {
		export   string
		params   []uint64
		expected float64
	}{
		{"poke", []uint64{64, 1}, 1}, // the goroutine that puts the instance back
		{"set", []uint64{1, 2, 3, 4}, 1},
		{"host", nil, 1},
		{"nap", nil, 1},
		{"grow", []uint64{1}, 1},
		{"work", []uint64{100_000}, 1}, // several checkpoints
	}
	var calls atomic.Int64
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	e := newEngine(t, Config{HostModules: []HostModule{testHost}})
	m := compiled(t, e, guest.Bytes())
	for _, mode := range memory.Modes() {
		m.engine = e.WithMode(mode)
		p := newPool(t, imageOf(t, m), 1, NewSlots(1, 0), NewSlots(1, 0))
		for _, tc := range tests {
			got := testing.AllocsPerRun(200, func() {
				i, err := p.Get(ctx, nil)
				if err != nil {
					t.Fatal(err)
				}
				if err := i.Call(ctx, &calls, tc.export, tc.params...); err != nil {
					t.Error(err)
				}
				p.Put(i, false)
				p.lent.Wait()
			})
			if got > tc.expected {
				t.Errorf("%v: a call of %s allocates %v times, want %v", mode, tc.export, got, tc.expected)
			}
		}
	}
}
