package sandbox

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"sluice/runtime/module"
	"sluice/runtime/sandbox/memory"
	"sluice/runtime/sandbox/wasmtest"

	"github.com/tetratelabs/wazero/api"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testHost is what the assembled guests of these tests import.
var testHost = HostModule{Name: "host", Functions: []HostFunction{
	{Name: "exit", Params: []api.ValueType{api.ValueTypeI32}, Func: func(_ context.Context, _ api.Module, stack []uint64) {
		panic(Exit{Status: uint32(stack[0])})
	}},
	{Name: "wait", Func: func(ctx context.Context, _ api.Module, _ []uint64) {
		defer Waiting(ctx)()
		<-ctx.Done()
		panic(Interrupted{Cause: ctx.Err()})
	}},
	{Name: "panic", Func: func(context.Context, api.Module, []uint64) { panic(errors.New("a host function failed")) }},
	{Name: "count", Func: func(ctx context.Context, _ api.Module, _ []uint64) { HostOf(ctx).(*atomic.Int64).Add(1) }},
	{Name: "nap", Func: func(ctx context.Context, _ api.Module, _ []uint64) { Waiting(ctx)() }},
	{Name: "nil", Func: func(context.Context, api.Module, []uint64) {
		var none *Instance
		none.stack[0]++ // a bug of ours
	}},
}}

// The imports of assembled guests, by index.
const (
	hostExit = iota
	hostWait
	hostPanic
	hostNil
	hostCount
	hostNap
	hostFunctions
)

var hostImports = []wasmtest.Import{
	{Module: "host", Name: "exit", Params: "i"}, {Module: "host", Name: "wait"},
	{Module: "host", Name: "panic"}, {Module: "host", Name: "nil"},
	{Module: "host", Name: "count"}, {Module: "host", Name: "nap"},
}

// oneFunction is a guest that exports "run" with this code, and has a memory of one page.
func oneFunction(code ...[]byte) wasmtest.Module {
	return wasmtest.Module{
		Imports: hostImports, Pages: 1,
		Functions: []wasmtest.Function{{Export: "run", Code: wasmtest.Code(code...)}},
	}
}

func newEngine(t testing.TB, c Config) *Engine {
	t.Helper()
	e, err := NewEngine(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Errorf("closing the engine: %v", err)
		}
	})
	return e
}

// engines runs a test on the compiler and on the interpreter, which must agree.
func engines(t *testing.T, run func(t *testing.T, e *Engine)) {
	for name, interpreter := range map[string]bool{"compiler": false, "interpreter": true} {
		t.Run(name, func(t *testing.T) {
			run(t, newEngine(t, Config{Interpreter: interpreter, HostModules: []HostModule{testHost}}))
		})
	}
}

// everywhere runs a test on both engines, in each mode of memory that works on this system.
func everywhere(t *testing.T, run func(t *testing.T, e *Engine)) {
	engines(t, func(t *testing.T, e *Engine) {
		for _, mode := range memory.Modes() {
			t.Run(mode.String(), func(t *testing.T) { run(t, e.WithMode(mode)) })
		}
	})
}

func compiled(t testing.TB, e *Engine, wasm []byte) *Module {
	t.Helper()
	m, err := e.Compile(context.Background(), rewrite(t, wasm))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func rewrite(t testing.TB, wasm []byte) *module.Rewritten {
	t.Helper()
	m, err := module.Parse(wasm, module.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return m.Rewrite()
}

// limits are those of a guest with so many bytes of memory.
func limits(memory uint64) Limits { return Limits{Memory: memory, CPU: 10 * time.Second} }

// first returns a first instance, closed at the end of the test.
func first(t testing.TB, m *Module, memory uint64) *Instance {
	t.Helper()
	i, err := m.First(context.Background(), nil, limits(memory))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.Close)
	return i
}

// soon is a context whose deadline passes while a test waits for it.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// cancelled is a context that is cancelled while a test waits for it.
func cancelled(t testing.TB) context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	timer := time.AfterFunc(30*time.Millisecond, cancel)
	t.Cleanup(func() { timer.Stop(); cancel() })
	return ctx
}

func kindOf(t testing.TB, err error) FaultKind {
	t.Helper()
	var f *Fault
	if !errors.As(err, &f) {
		t.Fatalf("%v (%T) is no fault", err, err)
	}
	if f.Detail == "" {
		t.Error("the fault has no detail")
	}
	return f.Kind
}

// The functions of scribbler by index.
const (
	scribblerPeek = hostFunctions + iota
	scribblerPoke
	scribblerGrow
	scribblerDeep
)

// frameBytes is more than a frame of scribbler's recursion takes, by the rewriter's estimate, and less than twice that.
const frameBytes = 8 << 10

// scribbler is a guest that does to its state whatever it is told: one page of memory with words in it, and a mutable
// global of each type, of which the first is exported. deep calls itself so many times, with large frames.
func scribbler() wasmtest.Module {
	local := wasmtest.LocalGet
	m := wasmtest.Module{
		Imports: hostImports, Pages: 1,
		Data: []wasmtest.Data{{At: 16, Text: "the beginning"}, {At: 20, Text: "overlaps"}, {At: PageSize - 3, Text: "end"}},
		Globals: []wasmtest.Global{
			{Type: 'i', Mutable: true, Init: wasmtest.I32(-7)}, {Type: 'I', Mutable: true, Init: wasmtest.I64(1 << 60)},
			{Type: 'f', Mutable: true, Init: wasmtest.F32(0.1)}, {Type: 'F', Mutable: true, Init: wasmtest.F64(-1e300)},
			{Type: 'i', Init: wasmtest.I32(3)},
		},
		Exports: []wasmtest.Export{{Name: "counter", Kind: 3, Index: 0}, {Name: "constant", Kind: 3, Index: 4}},
		Functions: []wasmtest.Function{
			{Export: "peek", Params: "i", Results: "I", Code: wasmtest.Code(local(0), wasmtest.Load64)},
			{Export: "poke", Params: "iI", Code: wasmtest.Code(local(0), local(1), wasmtest.Store64)},
			{Export: "grow", Params: "i", Results: "i", Code: wasmtest.Code(local(0), wasmtest.MemoryGrow)},
			{Export: "deep", Params: "i", Locals: []wasmtest.Locals{{Count: frameBytes / 8 * 3 / 4, Type: 'I'}}, Code: wasmtest.Code(
				local(0), wasmtest.If(local(0), wasmtest.I32(1), wasmtest.I32Sub, wasmtest.Call(scribblerDeep)))},
			{Export: "size", Results: "i", Code: wasmtest.MemorySize},
			{Export: "fill", Params: "iii", Code: wasmtest.Code(local(0), local(1), local(2), wasmtest.MemoryFill)},
			{Export: "copy", Params: "iii", Code: wasmtest.Code(local(0), local(1), local(2), wasmtest.MemoryCopy)},
			{Export: "globals", Results: "iIfFi", Code: wasmtest.Code(
				wasmtest.GlobalGet(0), wasmtest.GlobalGet(1), wasmtest.GlobalGet(2), wasmtest.GlobalGet(3), wasmtest.GlobalGet(4))},
			{Export: "set", Params: "iIfF", Code: wasmtest.Code(local(0), wasmtest.GlobalSet(0), local(1), wasmtest.GlobalSet(1),
				local(2), wasmtest.GlobalSet(2), local(3), wasmtest.GlobalSet(3))},
			{Export: "ten", Params: "IIIIIIIIII", Results: "IIIIIIIIII", Code: wasmtest.Code(local(0), local(1), local(2), local(3),
				local(4), local(5), local(6), local(7), local(8), local(9))},
			{Export: "exit", Params: "i", Code: wasmtest.Code(local(0), wasmtest.Call(hostExit))},
			{Export: "trap", Code: wasmtest.Unreachable},
			{Export: "panic", Code: wasmtest.Call(hostPanic)},
			{Export: "wait", Code: wasmtest.Call(hostWait)},
			{Export: "forever", Code: wasmtest.Forever},
			{Export: "work", Params: "i", Code: wasmtest.Loop(local(0), wasmtest.I32(1), wasmtest.I32Sub,
				wasmtest.LocalTee(0), wasmtest.BrIf(0))},
		},
	}
	return m
}

// must calls a function that is to return, and returns its results.
func must(t testing.TB, i *Instance, export string, params ...uint64) []uint64 {
	t.Helper()
	if err := i.Call(context.Background(), nil, export, params...); err != nil {
		t.Fatalf("%s%v: %v", export, params, err)
	}
	return i.Results()
}

// imageOf is the image of a module's first instance, closed at the end of the test.
func imageOf(t testing.TB, m *Module) *Image {
	t.Helper()
	i := first(t, m, imageLimit)
	defer i.Close()
	return takeImage(t, i)
}

// imageLimit is the limit of memory of instances where a test does not say anything else.
const imageLimit = 64 * PageSize

func takeImage(t testing.TB, i *Instance) *Image {
	t.Helper()
	image, err := i.Image()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := image.Close(); err != nil {
			t.Error(err)
		}
	})
	return image
}

// instanceOf makes an instance of an image, closed at the end of the test.
func instanceOf(t testing.TB, image *Image) *Instance {
	t.Helper()
	i, err := image.Instance(limits(imageLimit))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.Close)
	return i
}

// pristine fails the test where anything of the instance tells it from one of that state that was never called.
func pristine(t testing.TB, i *Instance, want *State) {
	t.Helper()
	for _, found := range append(i.Differences(want), i.Leftovers()...) {
		t.Error(found)
	}
}

// eventually waits for what happens on other goroutines, for as long as the slowest machine may take.
func eventually(t testing.TB, happened func() bool) {
	t.Helper()
	for until := time.Now().Add(30 * time.Second); !happened(); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(until) {
			t.Fatal("it does not happen")
		}
	}
}
