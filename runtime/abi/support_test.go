package abi

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/hostfuncs"
	"sluice/hostfuncs/egress"
	"sluice/runtime/module"
	"sluice/runtime/sandbox"
	"sluice/runtime/sandbox/wasmtest"

	"github.com/tetratelabs/wazero/api"
	"go.uber.org/goleak"
)

// cacheDir is where the guests of all tests are compiled to, once a process.
var cacheDir string

func TestMain(m *testing.M) {
	var err error
	if cacheDir, err = os.MkdirTemp("", "sluice-abi-"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(cacheDir)
		os.Exit(code)
	}))
}

// The memory of a forwarder, in bytes: pointers from there on lead nowhere.
const memoryEnd = sandbox.PageSize

// forwarder returns a module that exports every host function under its own name, and functions to look into its memory.
var forwarder = sync.OnceValue(func() []byte {
	m := wasmtest.Module{Pages: 1, MaxPages: 1}
	letters := func(types []module.ValueType) string {
		var s strings.Builder
		for _, t := range types {
			s.WriteByte(map[module.ValueType]byte{module.I32: 'i', module.I64: 'I'}[t])
		}
		return s.String()
	}
	for _, host := range []*module.HostModule{module.NativeHost(), module.WASIHost()} {
		for _, name := range host.Functions() {
			f, _ := host.Function(name)
			i := wasmtest.Import{Module: host.Name(), Name: name, Params: letters(f.Params), Results: letters(f.Results)}
			m.Imports = append(m.Imports, i)
		}
	}
	for n, i := range m.Imports {
		var code []byte
		for p := range i.Params {
			code = append(code, wasmtest.LocalGet(p)...)
		}
		m.Functions = append(m.Functions, wasmtest.Function{
			Export: i.Name, Params: i.Params, Results: i.Results, Code: append(code, wasmtest.Call(n)...),
		})
	}
	m.Functions = append(m.Functions,
		wasmtest.Function{Export: "peek", Params: "i", Results: "I", Code: wasmtest.Code(wasmtest.LocalGet(0), wasmtest.Load64)},
		wasmtest.Function{Export: "poke", Params: "iI", Code: wasmtest.Code(wasmtest.LocalGet(0), wasmtest.LocalGet(1), wasmtest.Store64)},
	)
	return m.Bytes()
})

// engine is shared by the tests: host modules keep nothing of a call.
var engine = sync.OnceValues(func() (*sandbox.Engine, error) {
	return sandbox.NewEngine(context.Background(), sandbox.Config{HostModules: HostModules()})
})

var forwarderCode = sync.OnceValues(func() (*sandbox.Module, error) {
	e, err := engine()
	if err != nil {
		return nil, err
	}
	return e.Compile(context.Background(), rewrite(forwarder()))
})

func rewrite(wasm []byte) *module.Rewritten {
	m, err := module.Parse(wasm, module.DefaultLimits())
	if err != nil {
		panic(err)
	}
	return m.Rewrite()
}

// limits are those of a guest with so many bytes of memory.
func limits(memory uint64) sandbox.Limits {
	return sandbox.Limits{Memory: memory, CPU: 10 * time.Second}
}

// guest is a forwarder in a call.
type guest struct {
	t    testing.TB
	call *Call
	in   *sandbox.Instance
}

func newGuest(t testing.TB, c *Call) *guest {
	t.Helper()
	m, err := forwarderCode()
	if err != nil {
		t.Fatal(err)
	}
	if c.Host == nil {
		c.Host = &hostfuncs.Call{HTTP: hostfuncs.Denied("not granted")}
	}
	in, err := c.Prepare(context.Background(), m, limits(sandbox.PageSize))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(in.Close)
	return &guest{t, c, in}
}

// try calls a host function. The error is a fault of the guest.
func (g *guest) try(ctx context.Context, name string, args ...uint64) (uint64, error) {
	g.t.Helper()
	stack := append(make([]uint64, 0, len(args)+1), args...)
	if len(stack) == 0 {
		stack = append(stack, 0)
	}
	for i, a := range stack[:len(args)] {
		if last := i == len(args)-1; last && (name == "tcp_read" || name == "tcp_write") {
			continue
		}
		if name != "poke" && name != "read" && name != "sleep" && name != "clock_time_get" && name != "cache_put" {
			stack[i] = a & 0xffff_ffff // an i32 in the engine's encoding
		}
	}
	err := g.in.Call(ctx, g.call, name, stack...)
	if results := g.in.Results(); err == nil && len(results) > 0 {
		return results[0], nil
	}
	return 0, err
}

// do calls a host function that returns an i32.
func (g *guest) do(name string, args ...uint64) int32 {
	g.t.Helper()
	result, err := g.try(context.Background(), name, args...)
	if err != nil {
		g.t.Fatalf("%s%v: %v", name, args, err)
	}
	return api.DecodeI32(result)
}

// want calls a host function and checks its result.
func (g *guest) want(want int32, name string, args ...uint64) {
	g.t.Helper()
	if got := g.do(name, args...); got != want {
		g.t.Errorf("%s%v returned %d, want %d", name, args, got, want)
	}
}

// put writes to the guest's memory, whose eight bytes behind the text it clears.
func (g *guest) put(at uint64, text string) (ptr, n uint64) {
	g.t.Helper()
	b := append([]byte(text), make([]byte, 8)...)
	for i := 0; i < len(text); i += 8 {
		if _, err := g.try(context.Background(), "poke", at+uint64(i), binary.LittleEndian.Uint64(b[i:])); err != nil {
			g.t.Fatal(err)
		}
	}
	return at, uint64(len(text))
}

// get reads from the guest's memory.
func (g *guest) get(at uint64, n int) []byte {
	g.t.Helper()
	var b []byte
	for i := 0; i < n; i += 8 {
		// Read where eight bytes are, be it further back.
		from := min(at+uint64(i), memoryEnd-8)
		word, err := g.try(context.Background(), "peek", from)
		if err != nil {
			g.t.Fatal(err)
		}
		b = append(b, binary.LittleEndian.AppendUint64(nil, word)[at+uint64(i)-from:]...)
	}
	return b[:n]
}

func (g *guest) get32(at uint64) uint32 { return binary.LittleEndian.Uint32(g.get(at, 4)) }
func (g *guest) get64(at uint64) uint64 { return binary.LittleEndian.Uint64(g.get(at, 8)) }

// wantMemory checks what is in the guest's memory.
func (g *guest) wantMemory(at uint64, want string) {
	g.t.Helper()
	if got := g.get(at, len(want)); !bytes.Equal(got, []byte(want)) {
		g.t.Errorf("memory at %d holds %q, want %q", at, got, want)
	}
}

func (g *guest) wantFault(err error, want sandbox.FaultKind) {
	g.t.Helper()
	var f *sandbox.Fault
	if !errors.As(err, &f) || f.Kind != want {
		g.t.Errorf("got %v, want a fault of kind %d", err, want)
	}
}

// answering is an egress client that has its answers ready.
type answering func(ctx context.Context, r *egress.Request) (*egress.Response, *egress.Error)

func (f answering) Authorise(*egress.Request) *egress.Error { return nil }

func (f answering) Do(ctx context.Context, r *egress.Request) (*egress.Response, *egress.Error) {
	return f(ctx, r)
}
