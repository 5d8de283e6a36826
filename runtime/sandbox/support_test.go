package sandbox

import (
	"context"
	"errors"
	"testing"
	"time"

	"sluice/runtime/module"
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
	hostFunctions
)

var hostImports = []wasmtest.Import{
	{Module: "host", Name: "exit", Params: "i"}, {Module: "host", Name: "wait"},
	{Module: "host", Name: "panic"}, {Module: "host", Name: "nil"},
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
