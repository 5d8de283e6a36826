package sandbox

import (
	"bytes"
	"context"
	"math"
	"testing"

	"sluice/runtime/sandbox/memory"
)

func TestInstance_Reset(t *testing.T) {
	call := func(export string, params ...uint64) func(testing.TB, *Instance) {
		return func(t testing.TB, i *Instance) { must(t, i, export, params...) }
	}
	both := func(steps ...func(testing.TB, *Instance)) func(testing.TB, *Instance) {
		return func(t testing.TB, i *Instance) {
			for _, step := range steps {
				step(t, i)
			}
		}
	}
	grow := call("grow", 3) // to the bytes of four pages
	const border = PageSize
	tests := []struct {
		name string
		do   func(testing.TB, *Instance)
	}{
		{"nothing", both()},
		{"first and last word", both(call("poke", 0, math.MaxUint64), call("poke", PageSize-8, math.MaxUint64))},
		{"all of memory", call("fill", 0, 0xff, PageSize)},
		{"globals", call("set", 0, 0, 0, 0)},
		{"grown", grow},
		{"grown page by page", both(call("grow", 1), call("grow", 1), call("grow", 1))},
		{"grown and written", both(grow, call("poke", 4*PageSize-8, math.MaxUint64))},
		{"grown to the limit", both(call("grow", 63), call("poke", imageLimit-8, 1))},
		{"filled across the border", both(grow, call("fill", border-5000, 0xee, 10000))},
		{"filled to the end", both(grow, call("fill", 1, 0xee, 4*PageSize-1))},
		{"copied across the border", both(call("fill", 0, 0x77, PageSize), grow, call("copy", border-3000, 0, 9000))},
		{"copied down from the border", both(grow, call("fill", border-50, 0x66, 100), call("copy", 7, border-50, 100))},
		{"a word across the border", both(grow, call("poke", border-4, math.MaxUint64))},
		{"many parameters and results", call("ten", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)},
		{"work", call("work", 100_000)},
		{"all of the stack", call("deep", depthBytes/2/frameBytes+10)},
		{"denied", call("grow", 64)},
		{"exit 0", func(t testing.TB, i *Instance) {
			must(t, i, "poke", 64, 64)
			if err := i.Call(context.Background(), nil, "exit", 0); kindOf(t, err) != ExitedNormally {
				t.Error(err)
			}
		}},
	}
	everywhere(t, func(t *testing.T, e *Engine) {
		origin := first(t, compiled(t, e, scribbler().Bytes()), imageLimit)
		want, image := origin.State(), takeImage(t, origin)
		for _, tc := range tests {
			t.Run(tc.name, func(t *testing.T) {
				i := instanceOf(t, image)
				for range 3 {
					tc.do(t, i)
					if _, err := i.reset(); err != nil {
						t.Fatal(err)
					}
					pristine(t, i, want)
					growsToZeros(t, i)
					if _, err := i.reset(); err != nil {
						t.Fatal(err)
					}
					pristine(t, i, want)
				}
				endsAt(t, i, PageSize)
			})
		}
	})
}

// growsToZeros grows a memory of one page to its limit and looks at all of it, through the guest and through the host.
func growsToZeros(t testing.TB, i *Instance) {
	t.Helper()
	if got := must(t, i, "grow", 63)[0]; got != 1 || must(t, i, "size")[0] != 64 {
		t.Errorf("the memory had %d pages, and now %d", got, must(t, i, "size")[0])
	}
	if must(t, i, "peek", PageSize)[0]|must(t, i, "peek", imageLimit-8)[0] != 0 {
		t.Error("memory that was grown into is not zero")
	}
	if grown := i.memory.Bytes()[PageSize:]; !bytes.Equal(grown, make([]byte, len(grown))) {
		t.Error("memory that was grown into is not zero")
	}
}

// endsAt fails the test unless the guest reads the last word of so many bytes, and traps behind it.
func endsAt(t testing.TB, i *Instance, bytes uint64) {
	t.Helper()
	must(t, i, "peek", bytes-8)
	if err := i.Call(context.Background(), nil, "peek", bytes-7); err == nil || kindOf(t, err) != Trapped {
		t.Errorf("behind the end: %v", err)
	}
}

// Denied growth of one call is not the next one's fault.
func TestInstance_Reset_Denied(t *testing.T) {
	everywhere(t, func(t *testing.T, e *Engine) {
		i := instanceOf(t, imageOf(t, compiled(t, e, scribbler().Bytes())))
		must(t, i, "grow", 64)
		if _, err := i.reset(); err != nil {
			t.Fatal(err)
		}
		if err := i.Call(context.Background(), nil, "trap"); kindOf(t, err) != Trapped {
			t.Errorf("got kind %d", kindOf(t, err))
		}
	})
}

// What instances grow by is taken from the budget until they are put back, or closed.
func TestInstance_Budget(t *testing.T) {
	for _, mode := range memory.Modes() {
		t.Run(mode.String(), func(t *testing.T) {
			budget := memory.NewBudget(10 * PageSize)
			e := newEngine(t, Config{HostModules: []HostModule{testHost}, Mode: mode, Budget: budget})
			image := imageOf(t, compiled(t, e, scribbler().Bytes()))
			a, b := instanceOf(t, image), instanceOf(t, image)
			must(t, a, "grow", 8)
			if got := must(t, b, "grow", 3)[0] & 0xffff_ffff; got != 0xffff_ffff || budget.Used() != 8*PageSize {
				t.Errorf("growing beyond the budget: %d; %d bytes are used", int32(got), budget.Used())
			}
			if err := b.Call(context.Background(), nil, "trap"); kindOf(t, err) != Starved {
				t.Errorf("got kind %d", kindOf(t, err))
			}
			if _, err := a.reset(); err != nil || budget.Used() != 0 {
				t.Errorf("%v; %d bytes are used after a reset", err, budget.Used())
			}
			must(t, a, "grow", 10)
			a.Close()
			if budget.Used() != 0 {
				t.Errorf("%d bytes are used after Close", budget.Used())
			}
		})
	}
}
