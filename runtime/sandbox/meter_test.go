package sandbox

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"sluice/runtime/sandbox/permits"
	"sluice/runtime/sandbox/wasmtest"

	"github.com/tetratelabs/wazero/api"
)

// endless are guests whose function "run" never returns, or not while a test lives.
func endless() map[string]wasmtest.Module {
	const own = hostFunctions
	indirect := oneFunction(wasmtest.Loop(wasmtest.I32(0), wasmtest.CallIndirect(0), wasmtest.Br(0)))
	indirect.Types, indirect.Tables = []wasmtest.Type{{}}, []wasmtest.Table{{Type: 'r', Initial: 1}}
	indirect.Elements = []wasmtest.Element{{Functions: []int{own + 1}}}
	indirect.Functions = append(indirect.Functions, wasmtest.Function{})
	// Sixty functions that each call the next twice: no loop, no recursion, and 2⁶⁰ calls.
	pyramid := oneFunction(wasmtest.Call(own+1), wasmtest.Call(own+1))
	for n := 2; n < 60; n++ {
		pyramid.Functions = append(pyramid.Functions, wasmtest.Function{Code: wasmtest.Repeat(2, wasmtest.Call(own+n))})
	}
	pyramid.Functions = append(pyramid.Functions, wasmtest.Function{})
	// Straight code of which a single instruction takes as long as a slice of any other.
	const pages = 32
	fills := oneFunction(wasmtest.Repeat(20_000, wasmtest.I32(0), wasmtest.I32(1), wasmtest.I32(pages*PageSize), wasmtest.MemoryFill))
	copies := oneFunction(wasmtest.Repeat(20_000, wasmtest.I32(1), wasmtest.I32(0), wasmtest.I32(pages*PageSize-1), wasmtest.MemoryCopy))
	fills.Pages, copies.Pages = pages, pages
	return map[string]wasmtest.Module{
		"loop": oneFunction(wasmtest.Forever), "loop of host calls": oneFunction(wasmtest.Loop(wasmtest.Call(hostNap), wasmtest.Br(0))),
		"loop of indirect calls": indirect, "pyramid": pyramid, "fills": fills, "copies": copies,
	}
}

// recursions are guests whose function "run" calls itself, in one way or another.
func recursions() map[string]wasmtest.Module {
	const own = hostFunctions
	mutual := oneFunction(wasmtest.Call(own + 1))
	mutual.Functions = append(mutual.Functions, wasmtest.Function{Code: wasmtest.Call(own)})
	indirect := oneFunction(wasmtest.I32(0), wasmtest.CallIndirect(0))
	indirect.Types, indirect.Tables = []wasmtest.Type{{}}, []wasmtest.Table{{Type: 'r', Initial: 1}}
	indirect.Elements = []wasmtest.Element{{Functions: []int{own}}}
	frames := recursion()
	frames.Functions[0].Locals = []wasmtest.Locals{{Count: 9000, Type: 'I'}}
	return map[string]wasmtest.Module{"direct": recursion(), "mutual": mutual, "indirect": indirect, "large frames": frames}
}

// limitsOfTime are the ways in which time ends a guest.
var limitsOfTime = []struct {
	name     string
	ctx      func(testing.TB) context.Context
	cpu      time.Duration
	expected FaultKind
}{
	{"deadline", soon, time.Hour, OutOfTime},
	{"cancelled", cancelled, time.Hour, Cancelled},
	{"fuel", func(testing.TB) context.Context { return context.Background() }, 10 * time.Millisecond, OutOfFuel},
}

func TestMeter_Endless(t *testing.T) {
	engines(t, func(t *testing.T, e *Engine) {
		for name, guest := range endless() {
			called := compiled(t, e, guest.Bytes())
			guest.Start = "run"
			started := compiled(t, e, guest.Bytes())
			for _, tc := range limitsOfTime {
				l := Limits{Memory: imageLimit, CPU: tc.cpu}
				t.Run(name+"/call/"+tc.name, func(t *testing.T) {
					i, err := called.First(context.Background(), nil, l)
					if err != nil {
						t.Fatal(err)
					}
					defer i.Close()
					if err := i.Call(tc.ctx(t), nil, "run"); kindOf(t, err) != tc.expected {
						t.Errorf("got %v", err)
					}
				})
				t.Run(name+"/start/"+tc.name, func(t *testing.T) {
					if i, err := started.First(tc.ctx(t), nil, l); i != nil || kindOf(t, err) != tc.expected {
						t.Errorf("got %v, %v", i, err)
					}
				})
			}
		}
	})
}

func TestMeter_Recursion(t *testing.T) {
	engines(t, func(t *testing.T, e *Engine) {
		for name, guest := range recursions() {
			t.Run(name, func(t *testing.T) {
				i := first(t, compiled(t, e, guest.Bytes()), imageLimit)
				if err := i.Call(context.Background(), nil, "run"); kindOf(t, err) != OutOfStack {
					t.Errorf("got %v", err)
				}
				guest.Start = "run"
				if i, err := compiled(t, e, guest.Bytes()).First(context.Background(), nil, limits(imageLimit)); i != nil || kindOf(t, err) != OutOfStack {
					t.Errorf("as start function: got %v, %v", i, err)
				}
			})
		}
	})
}

// A guest has all of its stack; past half of it, its instance is not for use again.
func TestMeter_Depth(t *testing.T) {
	const half = depthBytes / 2 / frameBytes
	tests := []struct {
		name string
		deep uint64 // frames, of at least half of frameBytes and less than all of it
		used bool
		err  bool
	}{
		{"none", 0, false, false},
		{"below half", half - 1, false, false},
		{"above half", 2*half - 1, true, false},
		{"beyond all", 4 * half, true, true},
	}
	engines(t, func(t *testing.T, e *Engine) {
		image := imageOf(t, compiled(t, e, scribbler().Bytes()))
		for _, tc := range tests {
			t.Run(tc.name, func(t *testing.T) {
				i := instanceOf(t, image)
				for range 3 { // what was given back is there again
					err := i.Call(context.Background(), nil, "deep", tc.deep)
					if (err != nil) != tc.err || i.meter.deep != tc.used {
						t.Errorf("deep is %t, and %v", i.meter.deep, err)
					}
					if err != nil && kindOf(t, err) != OutOfStack {
						t.Error(err)
					}
					if tc.err {
						break
					}
				}
			})
		}
	})
}

func TestMeter_Count(t *testing.T) {
	const ms = time.Millisecond
	var now time.Time
	m := meter{resumed: now}
	for _, step := range []struct{ says, takes, stretch, computed, said time.Duration }{
		{0, 0, 0, 0, 0},
		{0, 3 * ms, 3 * ms, 3 * ms, 0},
		{0, time.Hour, time.Hour, longestSlice, 0}, // the machine slept
		{0, ms, time.Hour, ms, 0},
		{50 * ms, 2 * ms, time.Hour, 2 * ms, 48 * ms},
		{0, 45 * ms, time.Hour, 45 * ms, 3 * ms},
		{0, time.Hour, time.Hour, longestSlice + 3*ms, 0},
		{50 * ms, time.Hour, time.Hour, longestSlice + 50*ms, 0},
	} {
		before := m.computed
		m.said += step.says
		now = now.Add(step.takes)
		if m.count(now); m.stretch != step.stretch || m.computed-before != step.computed || m.burst != m.computed || m.said != step.said {
			t.Errorf("%+v: a stretch of %v, computed %v, a burst of %v, said %v", step, m.stretch, m.computed-before, m.burst, m.said)
		}
	}
}

// What the host computes for a guest counts in full, be it in one piece: as long as it took, where it said that it would, and
// as much as is charged where others did it.
func TestSpend_Long(t *testing.T) {
	const said, limit = 50 * time.Millisecond, time.Second
	for name, host := range map[string]func(ctx context.Context){
		"spend": func(ctx context.Context) {
			Spend(ctx, int(said))
			m := &ctx.(*entry).instance.meter
			m.resumed = m.resumed.Add(-said) // it takes as long as it said
		},
		"spend behind": func(ctx context.Context) {
			m := &ctx.(*entry).instance.meter
			m.resumed = m.resumed.Add(-said)
			Spend(ctx, int(said))
		},
		"charge": func(ctx context.Context) {
			Waiting(ctx)()
			Charge(ctx, int(said))
		},
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			e := newEngine(t, Config{HostModules: []HostModule{{Name: "host", Functions: []HostFunction{{
				Name: "work", Func: func(ctx context.Context, _ api.Module, _ []uint64) { calls++; host(ctx) },
			}}}}})
			m := wasmtest.Module{Imports: []wasmtest.Import{{Module: "host", Name: "work"}},
				Functions: []wasmtest.Function{{Export: "run", Code: wasmtest.Loop(wasmtest.Call(0), wasmtest.Br(0))}}}
			i, err := compiled(t, e, m.Bytes()).First(context.Background(), nil, Limits{Memory: PageSize, CPU: limit})
			if err != nil {
				t.Fatal(err)
			}
			defer i.Close()
			if err := i.Call(context.Background(), nil, "run"); kindOf(t, err) != OutOfFuel {
				t.Errorf("got %v", err)
			}
			if most := int(limit/said) + 2; calls > most {
				t.Errorf("the guest had the host work %d times for %v, and may for %v in all", calls, said, limit)
			}
		})
	}
}

// What will take long needs a permit before it begins.
func TestSpend_Permit(t *testing.T) {
	var e *Engine
	e = newEngine(t, Config{HostModules: []HostModule{{Name: "host", Functions: []HostFunction{{
		Name: "work", Func: func(ctx context.Context, _ api.Module, _ []uint64) {
			Spend(ctx, int(permits.Allowance))
			if free, all := freePermits(e); free != all-1 {
				t.Errorf("before a work of %v, %d of %d permits are free", permits.Allowance, free, all)
			}
		},
	}}}}})
	m := wasmtest.Module{Imports: []wasmtest.Import{{Module: "host", Name: "work"}},
		Functions: []wasmtest.Function{{Export: "run", Code: wasmtest.Call(0)}}}
	must(t, first(t, compiled(t, e, m.Bytes()), PageSize), "run")
	allPermitsAreBack(t, e)
}

// What a host function waits is not the guest's, and makes good for what it computed before.
func TestWaiting(t *testing.T) {
	const computed, waited = time.Hour, 10 * time.Millisecond
	e := newEngine(t, Config{HostModules: []HostModule{{Name: "host", Functions: []HostFunction{{
		Name: "wait", Func: func(ctx context.Context, _ api.Module, _ []uint64) {
			m := &ctx.(*entry).instance.meter
			m.burst = computed
			done := Waiting(ctx)
			before := *m
			time.Sleep(waited)
			woke := time.Now()
			done()
			if m.resumed.Before(woke) || m.computed != before.computed {
				t.Error("waiting counts as computing")
			}
			if m.burst > before.burst-waited || m.burst <= 0 {
				t.Errorf("the burst was %v and is %v", before.burst, m.burst)
			}
			m.burst = 0
			done = Waiting(ctx)
			time.Sleep(2 * longestSlice)
			done()
			if m.burst != 0 {
				t.Errorf("a burst of %v is left", m.burst)
			}
			m.burst = computed
			counted := m.computed
			Waiting(ctx)()
			if m.burst <= computed || m.computed <= counted {
				t.Error("where nothing is waited for, the host computes for the guest")
			}
		},
	}}}}})
	m := wasmtest.Module{Imports: []wasmtest.Import{{Module: "host", Name: "wait"}},
		Functions: []wasmtest.Function{{Export: "run", Code: wasmtest.Call(0)}}}
	must(t, first(t, compiled(t, e, m.Bytes()), PageSize), "run")
}

// What a host function computes while it waits is the guest's, and what it waits before and behind that is not.
func TestComputing(t *testing.T) {
	const computed, waited = 20 * time.Millisecond, time.Hour
	calls := 0
	e := newEngine(t, Config{HostModules: []HostModule{{Name: "host", Functions: []HostFunction{{
		Name: "work", Func: func(ctx context.Context, _ api.Module, _ []uint64) {
			calls++
			m := &ctx.(*entry).instance.meter
			wait := func() { m.resumed = m.resumed.Add(-waited) }
			done := Waiting(ctx)
			wait()
			Computing(ctx, func() {
				if m.holder == (permits.Holder{}) {
					t.Error("it computes without leave")
				}
				Spend(ctx, int(computed))
				m.resumed = m.resumed.Add(-computed)
				done := Waiting(ctx)
				wait()
				done()
				if m.holder == (permits.Holder{}) {
					t.Error("it goes on without leave")
				}
			})
			if m.holder != (permits.Holder{}) {
				t.Error("it waits, and keeps others from computing")
			}
			wait()
			done()
		},
	}}}}})
	m := wasmtest.Module{Imports: []wasmtest.Import{{Module: "host", Name: "work"}},
		Functions: []wasmtest.Function{{Export: "run", Code: wasmtest.Loop(wasmtest.Call(0), wasmtest.Br(0))}}}
	i, err := compiled(t, e, m.Bytes()).First(context.Background(), nil, Limits{Memory: PageSize, CPU: 10 * computed})
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	if err := i.Call(context.Background(), nil, "run"); kindOf(t, err) != OutOfFuel || calls < 2 || calls > 12 {
		t.Errorf("%v after %d times %v", err, calls, computed)
	}
	allPermitsAreBack(t, e)
}

// Fuel is the same for the same work, however it was sliced, and more for more.
func TestInstance_Fuel(t *testing.T) {
	var byEngine []int64
	everywhere(t, func(t *testing.T, e *Engine) {
		image := imageOf(t, compiled(t, e, scribbler().Bytes()))
		used := func(i *Instance, export string, params ...uint64) int64 {
			if i.Fuel() != 0 {
				t.Errorf("a fresh instance has used %d", i.Fuel())
			}
			must(t, i, export, params...)
			fuel := i.Fuel()
			if _, err := i.reset(); err != nil {
				t.Fatal(err)
			}
			return fuel
		}
		i := instanceOf(t, image)
		once, twice := used(i, "work", 50_000), used(i, "work", 100_000)
		if once < 50_000 || twice-once < 50_000 || twice > 2*once {
			t.Errorf("50,000 rounds took %d, twice as many %d", once, twice)
		}
		if little, much := used(i, "fill", 0, 0, 1024), used(i, "fill", 0, 0, PageSize); much-little != (PageSize-1024)/8 {
			t.Errorf("filling 1 KiB took %d, 64 KiB %d", little, much)
		}
		for range 5 {
			if got := used(i, "work", 50_000); got != once {
				t.Errorf("the same work took %d, and %d before", got, once)
			}
		}
		if got := used(instanceOf(t, image), "work", 50_000); got != once {
			t.Errorf("another instance took %d, not %d", got, once)
		}
		if byEngine = append(byEngine, once); byEngine[0] != once {
			t.Errorf("engines and modes differ: %d", byEngine)
		}
	})
}

// A fault does not hide what the guest has used.
func TestInstance_Fuel_AfterFault(t *testing.T) {
	m := oneFunction(wasmtest.Repeat(100, wasmtest.I32(1), wasmtest.Drop), wasmtest.Unreachable)
	engines(t, func(t *testing.T, e *Engine) {
		i := first(t, compiled(t, e, m.Bytes()), PageSize)
		if err := i.Call(context.Background(), nil, "run"); err == nil || i.Fuel() <= 0 {
			t.Errorf("%v after %d units", err, i.Fuel())
		}
	})
}

// A call that begins with less fuel counts what it uses as every other does.
func TestModule_Pace(t *testing.T) {
	engines(t, func(t *testing.T, e *Engine) {
		image := imageOf(t, compiled(t, e, scribbler().Bytes()))
		i := instanceOf(t, image)
		var used []int64
		for _, pace := range []int32{firstSlice, smallestSlice} {
			i.module.pace.first.Store(pace)
			must(t, i, "work", 50_000)
			used = append(used, i.Fuel())
			if _, err := i.reset(); err != nil {
				t.Fatal(err)
			}
		}
		if used[0] != used[1] {
			t.Errorf("the same work took %d", used)
		}
	})
}

// While guests spin, the collector stops the world and others run.
func TestMeter_LetsOthersIn(t *testing.T) {
	engines(t, func(t *testing.T, e *Engine) {
		for name, guest := range endless() {
			t.Run(name, func(t *testing.T) {
				m := compiled(t, e, guest.Bytes())
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				ended := make(chan error, runtime.GOMAXPROCS(0))
				for range cap(ended) {
					go func() {
						i, err := m.First(context.Background(), nil, limits(imageLimit))
						if err == nil {
							err = i.Call(ctx, nil, "run")
							i.Close()
						}
						ended <- err
					}()
				}
				for range 5 {
					runtime.GC()
					ran := make(chan struct{})
					go close(ran)
					<-ran
				}
				if len(ended) > 0 {
					t.Errorf("a guest ended: %v", <-ended)
				}
				cancel()
				for range cap(ended) {
					if err := <-ended; kindOf(t, err) != Cancelled {
						t.Error(err)
					}
				}
			})
		}
	})
}

// However many calls of one module compute, those of another have their turn.
func TestMeter_Permits(t *testing.T) {
	tests := map[string]struct {
		spin []byte
	}{
		"spinning": {wasmtest.Forever},
		// What was computed is not forgotten at a nap of no length, or no one would ever need a permit.
		"napping": {wasmtest.Loop(
			wasmtest.LocalGet(0), wasmtest.I32(1), wasmtest.I32Add, wasmtest.LocalTee(0), wasmtest.I32(200_000), wasmtest.I32RemU, wasmtest.BrIf(0),
			wasmtest.Call(hostNap), wasmtest.Br(0))},
	}
	engines(t, func(t *testing.T, e *Engine) {
		for name, tc := range tests {
			t.Run(name, func(t *testing.T) {
				greedy := oneFunction(tc.spin)
				greedy.Functions[0].Locals = []wasmtest.Locals{{Count: 1, Type: 'i'}}
				module := compiled(t, e, greedy.Bytes())
				other := instanceOf(t, imageOf(t, compiled(t, e, scribbler().Bytes())))
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				var wait sync.WaitGroup
				for range 4 * runtime.GOMAXPROCS(0) {
					i := first(t, module, PageSize)
					wait.Go(func() {
						if err := i.Call(ctx, nil, "run"); kindOf(t, err) != Cancelled {
							t.Error(err)
						}
					})
				}
				eventually(t, func() bool { return e.Waiting() > 0 })
				for range 3 {
					must(t, other, "work", 100_000)
				}
				cancel()
				wait.Wait()
				allPermitsAreBack(t, e)
			})
		}
	})
}

// allPermitsAreBack fails the test where a call that has ended holds a permit, or waits for one.
func allPermitsAreBack(t testing.TB, e *Engine) {
	t.Helper()
	if e.Waiting() != 0 {
		t.Errorf("%d calls wait", e.Waiting())
	}
	if free, all := freePermits(e); free != all {
		t.Errorf("%d of %d permits are free", free, all)
	}
}

// freePermits is how many permits nobody holds, and how many there are.
func freePermits(e *Engine) (free, all int) {
	group := e.permits.NewGroup()
	all = max(runtime.GOMAXPROCS(0)-1, 1)
	for range all {
		var h permits.Holder
		if group.Checkpoint(&h, time.Hour, time.Now(), nil) == nil {
			free++
		}
		defer h.Release()
	}
	return free, all
}
