package moduletest

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"

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

// handleResponse is where results of http_send are: head and body.
const handleResponse = 2

const responseType = "application/json"

// secretReference is what stands for every secret.
const secretReference = "sluice-secret-v100000000000000000000000000000000"

// The results of host functions that the tests meet.
const (
	badHandle = -1
	badRange  = -2
	absent    = -6

	wasiBadDescriptor = 8
	wasiFault         = 21
	wasiNoSystem      = 52
)

// Reset forgets a call, but not the clock.
func (h *Host) Reset() { h.Output, h.Head, h.Trace, h.stdin = nil, nil, nil, 0 }

// Provide adds the host's functions to what can be imported in a World.
func (h *Host) Provide(ctx context.Context, w *World) error {
	for _, list := range []*module.HostModule{module.NativeHost(), module.WASIHost()} {
		err := w.Provide(ctx, list.Name(), func(b wazero.HostModuleBuilder) {
			for _, name := range list.Functions() {
				t, _ := list.Function(name)
				b.NewFunctionBuilder().WithGoModuleFunction(h.function(name, t), valueTypes(t.Params), valueTypes(t.Results)).Export(name)
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

// function returns one host function. What it does not know answers that the system lacks it.
func (h *Host) function(name string, t module.FuncType) api.GoModuleFunc {
	do := hostFunctions[name]
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

// behind returns what a handle stands for.
func (c *hostCall) behind(handle uint32) ([]byte, bool) {
	switch handle {
	case 0:
		return c.Params, true
	case 1:
		return c.Context, true
	case handleResponse:
		return []byte(`{"status": 200, "headers": [["content-type", "` + responseType + `"]]}`), true
	case handleResponse + 1:
		return c.Response, true
	}
	return nil, false
}

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

var hostFunctions = map[string]func(*hostCall) int64{
	"size": func(c *hostCall) int64 {
		b, ok := c.behind(c.i32(0))
		if !ok {
			return badHandle
		}
		return int64(len(b))
	},
	"read": func(c *hostCall) int64 {
		b, ok := c.behind(c.i32(0))
		if !ok {
			return badHandle
		}
		to, ok := c.bytes(2, 3)
		if !ok {
			return badRange
		}
		return int64(copy(to, b[min(c.params[1], uint64(len(b))):]))
	},
	"close": func(c *hostCall) int64 {
		if _, ok := c.behind(c.i32(0)); !ok {
			return badHandle
		}
		return 0
	},
	"write": func(c *hostCall) int64 {
		b, ok := c.bytes(0, 1)
		if !ok {
			return badRange
		}
		c.Output = append(c.Output, b...)
		return int64(len(b))
	},
	"answer": func(c *hostCall) int64 {
		b, ok := c.bytes(0, 1)
		if !ok {
			return badRange
		}
		c.Head = append([]byte(nil), b...)
		return 0
	},
	"log": func(c *hostCall) int64 {
		b, ok := c.bytes(1, 2)
		if !ok {
			return badRange
		}
		c.note("line", b)
		return 0
	},
	"random": func(c *hostCall) int64 {
		b, ok := c.bytes(0, 1)
		if !ok {
			return badRange
		}
		c.fill(b)
		return 0
	},
	"now": func(c *hostCall) int64 { return c.now() },
	"sleep": func(c *hostCall) int64 {
		c.clock += int64(c.params[0]) * 1e6
		return 0
	},
	"http_send": func(c *hostCall) int64 {
		head, ok := c.bytes(0, 1)
		body, ok2 := c.bytes(2, 3)
		if !ok || !ok2 {
			return badRange
		}
		c.note("request", head)
		c.note("body", body)
		return handleResponse
	},
	"http_status": func(c *hostCall) int64 {
		if c.i32(0) != handleResponse {
			return badHandle
		}
		return 200
	},
	"http_header": func(c *hostCall) int64 {
		name, ok := c.bytes(1, 2)
		to, ok2 := c.bytes(3, 4)
		switch {
		case c.i32(0) != handleResponse:
			return badHandle
		case !ok || !ok2:
			return badRange
		case string(name) != "content-type":
			return absent
		}
		copy(to, responseType)
		return int64(len(responseType))
	},
	"is_json": func(c *hostCall) int64 {
		b, ok := c.behind(c.i32(0))
		switch {
		case !ok:
			return badHandle
		case !json.Valid(b):
			return 0
		}
		return 1
	},
	"write_from": func(c *hostCall) int64 {
		b, ok := c.behind(c.i32(0))
		if !ok {
			return badHandle
		}
		c.Output = append(c.Output, b...)
		return 0
	},
	"cache_get":    func(*hostCall) int64 { return absent },
	"cache_put":    func(*hostCall) int64 { return 0 },
	"cache_delete": func(*hostCall) int64 { return 0 },
	"secret": func(c *hostCall) int64 {
		name, ok := c.bytes(0, 1)
		to, ok2 := c.bytes(2, 3)
		if !ok || !ok2 {
			return badRange
		}
		c.note("secret", name)
		return int64(copy(to, secretReference))
	},
	"hmac": func(c *hostCall) int64 {
		name, ok := c.bytes(0, 1)
		algorithm, ok2 := c.bytes(2, 3)
		data, ok3 := c.bytes(4, 5)
		if !ok || !ok2 || !ok3 {
			return badRange
		}
		c.note("hmac", slices.Concat(name, algorithm, data))
		return handleResponse
	},
	"secret_value": func(c *hostCall) int64 {
		name, ok := c.bytes(0, 1)
		if !ok {
			return badRange
		}
		c.note("secret", name)
		return handleResponse
	},

	"args_sizes_get":    func(c *hostCall) int64 { return c.noStrings() },
	"args_get":          func(*hostCall) int64 { return 0 },
	"environ_sizes_get": func(c *hostCall) int64 { return c.noStrings() },
	"environ_get":       func(*hostCall) int64 { return 0 },
	"clock_time_get": func(c *hostCall) int64 {
		if !c.memory.WriteUint64Le(c.i32(2), uint64(c.now())) {
			return wasiFault
		}
		return 0
	},
	"random_get": func(c *hostCall) int64 {
		b, ok := c.bytes(0, 1)
		if !ok {
			return wasiFault
		}
		c.fill(b)
		return 0
	},
	"sched_yield":         func(*hostCall) int64 { return 0 },
	"fd_prestat_get":      func(*hostCall) int64 { return wasiBadDescriptor },
	"fd_close":            func(*hostCall) int64 { return wasiBadDescriptor },
	"fd_fdstat_get":       func(c *hostCall) int64 { return c.descriptorStatus() },
	"fd_write":            func(c *hostCall) int64 { return c.vectors(c.writeVector) },
	"fd_read":             func(c *hostCall) int64 { return c.vectors(c.readVector) },
	"poll_oneoff":         func(c *hostCall) int64 { return c.poll() },
	"proc_exit":           func(c *hostCall) int64 { panic(Exit{c.i32(0)}) },
	"clock_res_get":       func(c *hostCall) int64 { return c.resolution() },
	"fd_fdstat_set_flags": func(*hostCall) int64 { return 0 },
}

// now is the time since 1970, in nanoseconds. It goes on by a microsecond each time that it is asked.
func (c *hostCall) now() int64 {
	c.clock += 1000
	return 1_600_000_000_000_000_000 + c.clock
}

// noStrings says that there are no arguments, or variables of the environment.
func (c *hostCall) noStrings() int64 {
	if !c.put32(c.i32(0), 0) || !c.put32(c.i32(1), 0) {
		return wasiFault
	}
	return 0
}

func (c *hostCall) resolution() int64 {
	if !c.memory.WriteUint64Le(c.i32(1), 1) {
		return wasiFault
	}
	return 0
}

// descriptorStatus describes the standard streams as character devices.
func (c *hostCall) descriptorStatus() int64 {
	if c.i32(0) > 2 {
		return wasiBadDescriptor
	}
	const characterDevice, size = 2, 24
	status := make([]byte, size)
	status[0] = characterDevice
	if !c.memory.Write(c.i32(1), status) {
		return wasiFault
	}
	return 0
}

// vectors calls transfer with each buffer of a scattered read or write, until one is not used to its end.
func (c *hostCall) vectors(transfer func([]byte) int) int64 {
	if c.i32(0) > 2 {
		return wasiBadDescriptor
	}
	total := 0
	for n := range c.i32(2) {
		entry, ok := c.memory.Read(c.i32(1)+8*n, 8)
		if !ok {
			return wasiFault
		}
		b, ok := c.memory.Read(binary.LittleEndian.Uint32(entry), binary.LittleEndian.Uint32(entry[4:]))
		if !ok {
			return wasiFault
		}
		done := transfer(b)
		if total += done; done < len(b) {
			break
		}
	}
	if !c.put32(c.i32(3), uint32(total)) {
		return wasiFault
	}
	return 0
}

func (c *hostCall) writeVector(b []byte) int {
	c.note(fmt.Sprintf("stream %d", c.i32(0)), b)
	if c.i32(0) == 1 {
		c.Output = append(c.Output, b...)
	}
	return len(b)
}

func (c *hostCall) readVector(b []byte) int {
	n := copy(b, c.Params[c.stdin:])
	c.stdin += n
	return n
}

// poll reports every subscription as due, and moves the clock on by a millisecond.
func (c *hostCall) poll() int64 {
	const subscription, event = 48, 32
	c.clock += 1e6
	for n := range c.i32(2) {
		s, ok := c.memory.Read(c.i32(0)+n*subscription, subscription)
		if !ok {
			return wasiFault
		}
		e := make([]byte, event)
		copy(e, s[:8]) // what the guest knows it by
		e[10] = s[8]   // its kind
		if !c.memory.Write(c.i32(1)+n*event, e) {
			return wasiFault
		}
	}
	if !c.put32(c.i32(3), c.i32(2)) {
		return wasiFault
	}
	return 0
}
