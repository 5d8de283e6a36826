package moduletest

import (
	"context"
	"fmt"
	"hash/fnv"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"sluice/runtime/module"
)

// Host answers what guests ask of their host, the same way every time, and notes every question. It serves the native ABI
// and as much of WASI as compilers' start-up code needs. Its clock moves with the questions alone.
type Host struct {
	Params, Context []byte // what stands behind the handles 0 and 1; Params is standard input too
	Response        []byte // the body of every HTTP answer

	Output, Head []byte   // what the guest wrote, and its answer
	Trace        []string // one line for each call of a host function

	clock  int64 // nanoseconds
	random uint64
	stdin  int // read so far
}

// Reset forgets a call, but not the clock.
func (h *Host) Reset() { h.Output, h.Head, h.Trace, h.stdin = nil, nil, nil, 0 }

// Provide adds the host's functions to what can be imported in a World.
func (h *Host) Provide(ctx context.Context, w *World) error {
	for _, host := range []struct {
		list *module.HostModule
		do   map[string]func(*hostCall) int64
	}{{module.NativeHost(), nativeFunctions}, {module.WASIHost(), wasiFunctions}} {
		err := w.Provide(ctx, host.list.Name(), func(b wazero.HostModuleBuilder) {
			for _, name := range host.list.Functions() {
				t, _ := host.list.Function(name)
				b.NewFunctionBuilder().WithGoModuleFunction(h.function(name, t, host.do[name]), valueTypes(t.Params), valueTypes(t.Results)).Export(name)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// ProvideRest adds every other function that a module imports: they do nothing but being noted, and return zeros. It
// reports whether all imports are functions.
func (h *Host) ProvideRest(ctx context.Context, w *World, m *module.Module) (bool, error) {
	byModule := map[string][]module.Import{}
	for _, imp := range m.Imports {
		if imp.Kind != module.KindFunction {
			return false, nil
		}
		if imp.Module != module.ModuleNative && imp.Module != module.ModuleWASI {
			byModule[imp.Module] = append(byModule[imp.Module], imp)
		}
	}
	for name, imports := range byModule {
		err := w.Provide(ctx, name, func(b wazero.HostModuleBuilder) {
			for _, imp := range imports {
				b.NewFunctionBuilder().WithGoModuleFunction(h.stub(imp), valueTypes(imp.Type.Params), valueTypes(imp.Type.Results)).
					Export(imp.Name)
			}
		})
		if err != nil {
			return true, err
		}
	}
	return true, nil
}

// stub returns a host function that does nothing.
func (h *Host) stub(imp module.Import) api.GoModuleFunc {
	params, results := valueTypes(imp.Type.Params), valueTypes(imp.Type.Results)
	return func(_ context.Context, _ api.Module, stack []uint64) {
		h.Trace = append(h.Trace, fmt.Sprintf("%s.%s%d", imp.Module, imp.Name, canonical(stack[:len(params)], params)))
		clear(stack[:len(results)])
	}
}

func valueTypes(types []module.ValueType) []api.ValueType {
	out := make([]api.ValueType, len(types))
	for i, t := range types {
		out[i] = api.ValueType(t)
	}
	return out
}

// function returns one host function. Without something to do, it answers that the system lacks it.
func (h *Host) function(name string, t module.FuncType, do func(*hostCall) int64) api.GoModuleFunc {
	types := valueTypes(t.Params)
	return func(_ context.Context, guest api.Module, stack []uint64) {
		params := canonical(stack[:len(types)], types)
		result := int64(wasiNoSystem)
		if do != nil {
			result = do(&hostCall{h, guest.Memory(), params})
		}
		h.Trace = append(h.Trace, fmt.Sprintf("%s%d = %d", name, params, result))
		if len(t.Results) > 0 {
			stack[0] = uint64(result)
		}
	}
}

// hostCall is one call of a host function.
type hostCall struct {
	*Host
	memory api.Memory
	params []uint64
}

func (c *hostCall) i32(n int) uint32 { return uint32(c.params[n]) }

// bytes reads the range that two parameters give.
func (c *hostCall) bytes(ptr, length int) ([]byte, bool) {
	return c.memory.Read(c.i32(ptr), c.i32(length))
}

func (c *hostCall) put32(at, v uint32) bool { return c.memory.WriteUint32Le(at, v) }

// fill makes bytes that are as random as a test needs.
func (c *hostCall) fill(b []byte) {
	for i := range b {
		c.Host.random = c.Host.random*6364136223846793005 + 1442695040888963407
		b[i] = byte(c.Host.random >> 56)
	}
}

// note adds a line of what a guest wrote to the trace.
func (c *hostCall) note(what string, b []byte) {
	sum := fnv.New64a()
	_, _ = sum.Write(b)
	c.Trace = append(c.Trace, fmt.Sprintf("%s %d bytes %x", what, len(b), sum.Sum64()))
}

// now is the time since 1970, in nanoseconds. It goes on by a microsecond each time that it is asked.
func (c *hostCall) now() int64 {
	c.clock += 1000
	return 1_600_000_000_000_000_000 + c.clock
}
