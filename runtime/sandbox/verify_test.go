package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/runtime/sandbox/wasmtest"

	"github.com/tetratelabs/wazero/api"
)

// counting is a guest whose "run" counts in a global and writes it to its memory, and which may have 8 pages.
func counting() wasmtest.Module {
	m := oneFunction(
		wasmtest.GlobalGet(0), wasmtest.I64(1), wasmtest.I64Add, wasmtest.GlobalSet(0),
		wasmtest.I32(64), wasmtest.GlobalGet(0), wasmtest.Store64)
	m.Pages, m.MaxPages = 2, 8
	m.Globals = []wasmtest.Global{{Type: 'I', Mutable: true, Init: wasmtest.I64(5)}, {Type: 'f', Mutable: true, Init: wasmtest.F32(2)}}
	return m
}

// Whatever is left in an instance is seen, and is gone once the instance was put back.
func TestInstance_Soil(t *testing.T) {
	everywhere(t, func(t *testing.T, e *Engine) {
		canary := [16]byte([]byte("a canary, 16 big"))
		tests := []struct {
			name        string
			dirt        Dirt
			differences []string
			leftovers   []string
			canaries    int
		}{
			{"nothing", Dirt{Canary: canary}, nil, nil, 0},
			{"a page", Dirt{Canary: canary, Pages: []int{1, 1 << 20}},
				[]string{fmt.Sprintf("1 pages of %d bytes of the memory differ, first at address %d", hostPage, hostPage)}, nil, 3},
			{"all pages", Dirt{Canary: canary, Everywhere: true},
				[]string{fmt.Sprintf("%d pages of %d bytes of the memory differ, first at address 0", 2*PageSize/hostPage, hostPage)}, nil, 3 * 2 * PageSize / hostPage},
			{"globals", Dirt{Canary: canary, Globals: true}, []string{"the global sluice:global:0 differs", "the global sluice:global:1 differs"},
				[]string{"parameters or results of the last call are still there"}, 2},
			{"growth", Dirt{Canary: canary, Grow: 1}, []string{"the memory has 196608 bytes (196608 for the allocator) instead of 131072"},
				[]string{"the memory still knows that it grew, or was not allowed to"}, 0},
			{"growth beyond the limit", Dirt{Canary: canary, Grow: 1000, Exceed: true}, []string{"the memory has 262144 bytes (262144 for the allocator) instead of 131072"},
				[]string{"the memory still knows that it grew, or was not allowed to"}, 0},
		}
		f := first(t, compiled(t, e, counting().Bytes()), 4*PageSize)
		must(t, f, "run")
		image, err := f.Image()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = image.Close() }()
		i, err := image.Instance(limits(4 * PageSize))
		if err != nil {
			t.Fatal(err)
		}
		defer i.Close()
		pristine := f.State()
		if pristine.MemoryBytes() != 2*PageSize || pristine.Globals() != 2 {
			t.Errorf("%d bytes, %d globals", pristine.MemoryBytes(), pristine.Globals())
		}
		for _, tc := range tests {
			for range 3 {
				canaries, found := i.Soil(tc.dirt)
				if canaries != tc.canaries || found != nil {
					t.Errorf("%s: %d canaries, found %q", tc.name, canaries, found)
				}
				if d, l := i.Differences(pristine), i.Leftovers(); !slices.Equal(d, tc.differences) || !slices.Equal(l, tc.leftovers) {
					t.Errorf("%s: %q, %q; want %q, %q", tc.name, d, l, tc.differences, tc.leftovers)
				}
				if at, found := i.Find(canary[:]); found != (len(tc.dirt.Pages) > 0 || tc.dirt.Everywhere) {
					t.Errorf("%s: %d, %t", tc.name, at, found)
				}
				if _, err := i.reset(); err != nil {
					t.Fatal(err)
				}
				if _, found := i.Find(canary[:]); found || i.Differences(pristine) != nil || i.Leftovers() != nil {
					t.Errorf("%s: after the reset: %q, %q", tc.name, i.Differences(pristine), i.Leftovers())
				}
			}
		}
		must(t, i, "run")
		if d, l := i.Differences(pristine), i.Leftovers(); len(d) != 2 || len(l) != 2 || !strings.Contains(l[1], "meter") {
			t.Errorf("after a call: %q, %q", d, l)
		}
	})
}

// Memory that an instance grows into and that is not zero, and growth beyond the limit, is found.
func TestInstance_Soil_Growth(t *testing.T) {
	e := newEngine(t, Config{HostModules: []HostModule{testHost}})
	i := first(t, compiled(t, e, counting().Bytes()), 4*PageSize)
	must(t, i, "run")
	i.memory.Reallocate(3 * PageSize)[2*PageSize] = 1 // behind the engine's back
	if _, found := i.Soil(Dirt{Grow: 1}); len(found) != 1 || !strings.Contains(found[0], "not zero, in the 64 KiB from address 131072") {
		t.Errorf("found %q", found)
	}
	i.limits.Memory -= PageSize // so that it is less than what the memory was made with
	if _, found := i.Soil(Dirt{Exceed: true}); len(found) != 1 || !strings.Contains(found[0], "grew beyond the 3 pages") {
		t.Errorf("found %q", found)
	}
}

// A reset that leaves out a global, or a page, is found.
func TestInstance_Differences_Sabotage(t *testing.T) {
	everywhere(t, func(t *testing.T, e *Engine) {
		f := first(t, compiled(t, e, counting().Bytes()), 4*PageSize)
		image, err := f.Image()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = image.Close() }()
		i, err := image.Instance(limits(4 * PageSize))
		if err != nil {
			t.Fatal(err)
		}
		defer i.Close()
		pristine := i.State()
		for name, reset := range map[string]func(){
			"the global sluice:global:0 differs": func() {
				skipped := i.globals[0].Get()
				resetAll(t, i)
				i.globals[0].Set(skipped)
			},
			fmt.Sprintf("1 pages of %d bytes of the memory differ, first at address 64", hostPage): func() {
				skipped := bytes.Clone(i.page(0)[:hostPage])
				resetAll(t, i)
				copy(i.page(0), skipped)
			},
		} {
			must(t, i, "run")
			reset()
			if d := i.Differences(pristine); !slices.Equal(d, []string{name}) {
				t.Errorf("found %q, want %q", d, name)
			}
			resetAll(t, i)
		}
	})
}

func resetAll(t testing.TB, i *Instance) {
	t.Helper()
	if _, err := i.reset(); err != nil {
		t.Fatal(err)
	}
}

func TestRunOriginal(t *testing.T) {
	seen := 0
	host := HostModule{Name: testHost.Name}
	for _, f := range testHost.Functions {
		host.Functions = append(host.Functions, f.Watched(func(written []byte) {
			seen++
			if written != nil {
				t.Errorf("%s wrote %q", f.Name, written)
			}
		}))
	}
	exit := func(status int) []byte { return wasmtest.Code(wasmtest.I32(status), wasmtest.Call(hostExit)) }
	for _, tc := range []struct {
		name string
		code []byte
		want string
	}{
		{"a call of the host", wasmtest.Call(hostNap), ""},
		{"a normal end", exit(0), ""},
		{"an exit", exit(3), "status 3"},
		{"a trap", wasmtest.Unreachable, "unreachable"},
		{"a panic of the host", wasmtest.Call(hostPanic), "a host function failed"},
		{"recursion", wasmtest.Call(hostFunctions), "stack overflow"},
		{"no end", wasmtest.Forever, "deadline"},
		{"more memory than it may have", wasmtest.Code(wasmtest.I32(2), wasmtest.MemoryGrow, wasmtest.I32(-1), wasmtest.Equal, wasmtest.If(wasmtest.Unreachable)), "unreachable"},
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		if tc.code[0] == wasmtest.Forever[0] {
			ctx, cancel = context.WithTimeout(context.Background(), 100*time.Millisecond)
		}
		err := RunOriginal(ctx, oneFunction(tc.code).Bytes(), []HostModule{host}, Limits{Memory: 2 * PageSize}, nil, "absent", "run")
		cancel()
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.want)
		}
	}
	if err := RunOriginal(context.Background(), []byte("no module"), nil, Limits{Memory: PageSize}, nil); err == nil {
		t.Error("no error for bytes that are no module")
	}
	if seen == 0 {
		t.Error("no call of a host function was seen")
	}
}

func TestHostFunction_Watched(t *testing.T) {
	var seen []string
	fill := HostFunction{Name: "exit", Params: []api.ValueType{api.ValueTypeI32, api.ValueTypeI32}, Func: func(_ context.Context, guest api.Module, stack []uint64) {
		guest.Memory().Write(uint32(stack[0]), bytes.Repeat([]byte{'x'}, int(stack[1])))
		stack[0] = 0 // as a result would
	}}.Watched(func(written []byte) { seen = append(seen, string(written)) })
	e := newEngine(t, Config{HostModules: []HostModule{{Name: "host", Functions: []HostFunction{fill}}}})
	m := wasmtest.Module{Imports: []wasmtest.Import{{Module: "host", Name: "exit", Params: "ii"}}, Pages: 1,
		Functions: []wasmtest.Function{{Export: "run", Code: wasmtest.Code(wasmtest.I32(100), wasmtest.I32(3), wasmtest.Call(0))}}}
	i := first(t, compiled(t, e, m.Bytes()), PageSize)
	must(t, i, "run")
	if !slices.Equal(seen, []string{"xxx"}) {
		t.Errorf("saw %q", seen)
	}
}
