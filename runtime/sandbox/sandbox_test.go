package sandbox

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sluice/runtime/module"
	"sluice/runtime/sandbox/wasmtest"
)

// recursion calls itself for ever.
func recursion() wasmtest.Module { return oneFunction(wasmtest.Call(hostFunctions)) }

func TestInstance_Call_Faults(t *testing.T) {
	background := func(testing.TB) context.Context { return context.Background() }
	grow := func(pages int) []byte {
		return wasmtest.Code(wasmtest.I32(pages), wasmtest.MemoryGrow, wasmtest.Drop)
	}
	exit := func(status int) []byte { return wasmtest.Code(wasmtest.I32(status), wasmtest.Call(hostExit)) }
	declared := oneFunction(grow(1), wasmtest.Unreachable)
	declared.MaxPages = 1
	tests := []struct {
		name     string
		module   wasmtest.Module
		ctx      func(testing.TB) context.Context
		expected FaultKind
		detail   string
	}{
		{"unreachable", oneFunction(wasmtest.Unreachable), background, Trapped, "unreachable"},
		{"out of bounds", oneFunction(wasmtest.I32(-8), wasmtest.Load64, wasmtest.Drop), background, Trapped, "out of bounds"},
		{"exit 3", oneFunction(exit(3)), background, Exited, "status 3"},
		{"exit with the highest status", oneFunction(exit(-1)), background, Exited, "status 4294967295"},
		{"exit 0", oneFunction(exit(0)), background, ExitedNormally, "status 0"},
		{"trap after memory was denied", oneFunction(grow(1), wasmtest.Unreachable), background, OutOfMemory, "unreachable"},
		{"exit after memory was denied", oneFunction(grow(1), exit(2)), background, OutOfMemory, "status 2"},
		{"exit 0 after memory was denied", oneFunction(grow(1), exit(0)), background, ExitedNormally, "status 0"},
		{"trap after memory was refused by the format", oneFunction(grow(65536), wasmtest.Unreachable), background, Trapped, "unreachable"},
		{"trap after the module's own maximum", declared, background, Trapped, "unreachable"},
		{"recursion", recursion(), background, OutOfStack, ""},
		{"deadline in a loop", oneFunction(wasmtest.Forever), soon, OutOfTime, "deadline"},
		{"cancelled in a loop", oneFunction(wasmtest.Forever), cancelled, Cancelled, "cancelled"},
		{"deadline in the host", oneFunction(wasmtest.Call(hostWait)), soon, OutOfTime, "deadline"},
		{"cancelled in the host", oneFunction(wasmtest.Call(hostWait)), cancelled, Cancelled, "cancelled"},
		{"deadline after memory was denied", oneFunction(grow(1), wasmtest.Forever), soon, OutOfTime, "deadline"},
		{"panic of a host function", oneFunction(wasmtest.Call(hostPanic)), background, Trapped, "a host function failed"},
		{"bug of a host function", oneFunction(wasmtest.Call(hostNil)), background, Trapped, "nil pointer"},
	}
	engines(t, func(t *testing.T, e *Engine) {
		for _, tc := range tests {
			t.Run(tc.name, func(t *testing.T) {
				m := compiled(t, e, tc.module.Bytes())
				i := first(t, m, PageSize)
				err := i.Call(tc.ctx(t), nil, "run")
				if got := kindOf(t, err); got != tc.expected || !strings.Contains(err.Error(), tc.detail) {
					t.Errorf("got kind %d: %v; want kind %d with %q", got, err, tc.expected, tc.detail)
				}
			})
		}
	})
}

func TestInstance_Call_UnknownExport(t *testing.T) {
	e := newEngine(t, Config{HostModules: []HostModule{testHost}})
	i := first(t, compiled(t, e, oneFunction().Bytes()), PageSize)
	if !i.Has("run") || i.Has("walk") || i.Has("memory") {
		t.Error("Has is wrong about the exports")
	}
	if err := i.Call(context.Background(), nil, "walk"); kindOf(t, err) != Trapped || !strings.Contains(err.Error(), `"walk"`) {
		t.Errorf("got %v", err)
	}
}

// A sandbox that failed leaves nothing behind for the next one of the same module.
func TestModule_Instantiate_AfterFault(t *testing.T) {
	engines(t, func(t *testing.T, e *Engine) {
		good := compiled(t, e, oneFunction().Bytes())
		for _, bad := range []wasmtest.Module{recursion(), oneFunction(wasmtest.Unreachable), oneFunction(wasmtest.Call(hostNil))} {
			m := compiled(t, e, bad.Bytes())
			for range 3 {
				i := first(t, m, PageSize)
				if err := i.Call(context.Background(), nil, "run"); err == nil {
					t.Error("no fault")
				}
				i.Close()
			}
			i := first(t, good, PageSize)
			if err := i.Call(context.Background(), nil, "run"); err != nil {
				t.Error(err)
			}
			i.Close()
		}
	})
}

func TestModule_Instantiate_Start(t *testing.T) {
	tests := []struct {
		name     string
		code     []byte
		ctx      func(testing.TB) context.Context
		expected FaultKind
	}{
		{"trap", wasmtest.Unreachable, nil, Trapped},
		{"exit", wasmtest.Code(wasmtest.I32(1), wasmtest.Call(hostExit)), nil, Exited},
		{"exit 0", wasmtest.Code(wasmtest.I32(0), wasmtest.Call(hostExit)), nil, ExitedNormally},
		{"loop", wasmtest.Forever, soon, OutOfTime},
		{"recursion", wasmtest.Call(hostFunctions), nil, OutOfStack},
	}
	engines(t, func(t *testing.T, e *Engine) {
		for _, tc := range tests {
			t.Run(tc.name, func(t *testing.T) {
				m := oneFunction(tc.code)
				m.Start = "run"
				ctx := context.Background()
				if tc.ctx != nil {
					ctx = tc.ctx(t)
				}
				i, err := compiled(t, e, m.Bytes()).First(ctx, nil, limits(PageSize))
				if i != nil || kindOf(t, err) != tc.expected {
					t.Errorf("got %v, %v; want kind %d", i, err, tc.expected)
				}
			})
		}
	})
}

// Neither _start nor _initialize runs by itself.
func TestModule_Instantiate_RunsNothing(t *testing.T) {
	e := newEngine(t, Config{})
	m := wasmtest.Module{Pages: 1, Functions: []wasmtest.Function{
		{Export: "_start", Code: wasmtest.Unreachable}, {Export: "_initialize", Code: wasmtest.Unreachable},
	}}
	i := first(t, compiled(t, e, m.Bytes()), PageSize)
	i.Close()
}

func TestInstance_MemoryLimit(t *testing.T) {
	grow := wasmtest.Module{Pages: 1, Functions: []wasmtest.Function{{
		Export: "grow", Params: "i", Results: "i", Code: wasmtest.Code(wasmtest.LocalGet(0), wasmtest.MemoryGrow),
	}}}
	declared := grow
	declared.MaxPages = 2
	const failed = 0xffff_ffff
	tests := []struct {
		name   string
		module wasmtest.Module
		limit  uint64
		grow   []int
		want   []uint64
		bytes  uint64
	}{
		{"to the limit at once", grow, 4 * PageSize, []int{3, 0, 1}, []uint64{1, 4, failed}, 4 * PageSize},
		{"page by page", grow, 3 * PageSize, []int{1, 1, 1, 0}, []uint64{1, 2, failed, 3}, 3 * PageSize},
		{"past the limit at once", grow, 4 * PageSize, []int{4, 3}, []uint64{failed, 1}, 4 * PageSize},
		{"all there is", grow, 2 * PageSize, []int{65535, 65536, -1, 1}, []uint64{failed, failed, failed, 1}, 2 * PageSize},
		{"a limit within a page", grow, 3*PageSize - 1, []int{1, 1}, []uint64{1, failed}, 2 * PageSize},
		{"the initial size is the limit", grow, PageSize, []int{1, 0}, []uint64{failed, 1}, PageSize},
		{"a declared maximum below the limit", declared, 9 * PageSize, []int{1, 1}, []uint64{1, failed}, 2 * PageSize},
	}
	engines(t, func(t *testing.T, e *Engine) {
		for _, tc := range tests {
			t.Run(tc.name, func(t *testing.T) {
				i := first(t, compiled(t, e, tc.module.Bytes()), tc.limit)
				for n, pages := range tc.grow {
					stack := []uint64{uint64(uint32(pages))}
					if err := i.Call(context.Background(), nil, "grow", stack...); err != nil {
						t.Fatal(err)
					}
					if got := i.Results()[0] & 0xffff_ffff; got != tc.want[n] {
						t.Errorf("growing by %d: got %d, want %d", pages, int32(got), int32(tc.want[n]))
					}
				}
				if i.MemoryBytes() != tc.bytes {
					t.Errorf("the memory has %d bytes, want %d", i.MemoryBytes(), tc.bytes)
				}
			})
		}
	})
}

// Memory that was grown into is zero, and keeps what was written before.
func TestInstance_GrownMemory(t *testing.T) {
	m := wasmtest.Module{Pages: 1, Functions: []wasmtest.Function{
		{Export: "poke", Params: "iI", Code: wasmtest.Code(wasmtest.LocalGet(0), wasmtest.LocalGet(1), wasmtest.Store64)},
		{Export: "peek", Params: "i", Results: "I", Code: wasmtest.Code(wasmtest.LocalGet(0), wasmtest.Load64)},
		{Export: "grow", Params: "i", Results: "i", Code: wasmtest.Code(wasmtest.LocalGet(0), wasmtest.MemoryGrow)},
	}}
	engines(t, func(t *testing.T, e *Engine) {
		i := first(t, compiled(t, e, m.Bytes()), 64*PageSize)
		call := func(name string, stack ...uint64) uint64 {
			t.Helper()
			if err := i.Call(context.Background(), nil, name, stack...); err != nil {
				t.Fatal(err)
			}
			return i.Results()[0]
		}
		for pages := uint64(1); pages < 40; pages++ {
			last := pages*PageSize - 8
			call("poke", last, pages)
			if got := call("grow", 1) & 0xffff_ffff; got != pages {
				t.Fatalf("grow returned %d, want %d", got, pages)
			}
			if got := call("peek", last); got != pages {
				t.Fatalf("page %d lost its content: %d", pages, got)
			}
			if got := call("peek", last+8); got != 0 {
				t.Fatalf("page %d is not zero: %#x", pages+1, got)
			}
		}
	})
}

func TestModule_Instantiate_InitialMemoryOverLimit(t *testing.T) {
	engines(t, func(t *testing.T, e *Engine) {
		m := compiled(t, e, wasmtest.Module{Pages: 3}.Bytes())
		if i, err := m.First(context.Background(), nil, limits(3*PageSize-1)); i != nil || kindOf(t, err) != OutOfMemory {
			t.Errorf("got %v, %v", i, err)
		}
		i := first(t, m, 3*PageSize)
		i.Close()
	})
}

func TestEngine_Compile_Errors(t *testing.T) {
	good := oneFunction(wasmtest.I32(1), wasmtest.Drop).Bytes()
	random := rand.New(rand.NewPCG(7, 11))
	garbage := make([]byte, 4096)
	for i := range garbage {
		garbage[i] = byte(random.Uint32())
	}
	tests := map[string][]byte{
		"nothing": nil, "text": []byte("(module)"), "garbage": garbage, "header and garbage": append(good[:8:8], garbage...),
		"wrong version": append([]byte("\x00asm\x02\x00\x00\x00"), good[8:]...), "half": good[:len(good)/2],
		"no value for drop":      oneFunction(wasmtest.Drop).Bytes(),
		"call of no function":    oneFunction(wasmtest.Call(99)).Bytes(),
		"unknown instruction":    oneFunction([]byte{0xff}).Bytes(),
		"an operand is missing":  oneFunction([]byte{0x41}).Bytes(),
		"local that is not":      oneFunction(wasmtest.LocalGet(3), wasmtest.Drop).Bytes(),
		"bytes behind a section": append(bytes.Clone(good), 0xff),
	}
	engines(t, func(t *testing.T, e *Engine) {
		for name, wasm := range tests {
			if m, err := e.Compile(context.Background(), &module.Rewritten{Binary: wasm}); err == nil {
				m.Close()
				t.Errorf("%s: compiled", name)
			}
		}
		// The engine goes on working.
		compiled(t, e, good)
	})
}

// An import that nobody offers is found when the module is instantiated.
func TestModule_Instantiate_UnknownImport(t *testing.T) {
	e := newEngine(t, Config{})
	m := compiled(t, e, oneFunction().Bytes())
	if i, err := m.First(context.Background(), nil, limits(PageSize)); i != nil || kindOf(t, err) != Trapped {
		t.Errorf("got %v, %v", i, err)
	}
}

// Compiled code is shared by modules of the same bytes; closing one leaves the other.
func TestModule_Close_Twin(t *testing.T) {
	engines(t, func(t *testing.T, e *Engine) {
		wasm := oneFunction().Bytes()
		twin, err := e.Compile(context.Background(), rewrite(t, wasm))
		if err != nil {
			t.Fatal(err)
		}
		second := compiled(t, e, wasm)
		twin.Close()
		i := first(t, second, PageSize)
		if err := i.Call(context.Background(), nil, "run"); err != nil {
			t.Error(err)
		}
	})
}

func TestNewEngine_CacheDir_Errors(t *testing.T) {
	dir := t.TempDir()
	make := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	private := make("private", 0o700)
	link := filepath.Join(dir, "link")
	if err := os.Symlink(private, link); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"0755": make("readable", 0o755), "0770": make("group", 0o770), "0701": make("enterable", 0o701),
		"link": link, "link with a slash": link + "/", "file": file, "below a file": filepath.Join(file, "x"),
	} {
		e, err := NewEngine(context.Background(), Config{CacheDir: path})
		if err == nil {
			_ = e.Close(context.Background())
			t.Errorf("%s: taken", name)
		} else if !strings.Contains(err.Error(), "the folder for compiled code") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, path := range []string{private, filepath.Join(dir, "made", "on", "the", "way")} {
		newEngine(t, Config{CacheDir: path})
		info, err := os.Lstat(path)
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
}

func TestEngine_Hammer(t *testing.T) {
	const goroutines, rounds = 8, 60
	e := newEngine(t, Config{HostModules: []HostModule{testHost}})
	write := wasmtest.Module{Imports: hostImports, Pages: 1, Functions: []wasmtest.Function{
		{Export: "swap", Params: "I", Results: "I", Code: wasmtest.Code(
			wasmtest.I32(64), wasmtest.Load64, wasmtest.I32(64), wasmtest.LocalGet(0), wasmtest.Store64)},
		{Export: "trap", Code: wasmtest.Unreachable},
	}}
	m := compiled(t, e, write.Bytes())
	var wait sync.WaitGroup
	for g := range goroutines {
		wait.Go(func() {
			for n := range rounds {
				own, err := e.Compile(context.Background(), rewrite(t, oneFunction(wasmtest.I32(n%7), wasmtest.Drop).Bytes()))
				if err != nil {
					t.Error(err)
					return
				}
				i, err := m.First(context.Background(), nil, limits(PageSize))
				if err != nil {
					t.Error(err)
					return
				}
				stack := []uint64{uint64(g*rounds + n + 1)}
				if err := i.Call(context.Background(), nil, "swap", stack...); err != nil || i.Results()[0] != 0 {
					t.Errorf("found %d, %v", i.Results(), err)
				}
				if n%3 == 0 && i.Call(context.Background(), nil, "trap") == nil {
					t.Error("no trap")
				}
				i.Close()
				own.Close()
			}
		})
	}
	wait.Wait()
}
