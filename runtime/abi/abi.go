// Package abi is how a call enters a guest and leaves it again: what is handed in, which export is run, what the guest
// may call meanwhile, and how its answer is taken. Each ABI has a file.
//
// Everything a guest says is checked here: pointers, lengths, handles, and whether what it wrote is what it claims.
package abi

import (
	"context"

	"sluice/hostfuncs"
	"sluice/runtime/module"
	"sluice/runtime/sandbox"
	"sluice/runtime/sandbox/memory"

	"github.com/tetratelabs/wazero/api"
)

// Call is one entry into a guest. It belongs to the goroutine that makes it, and is used once.
type Call struct {
	// Host is what the guest may ask of the host.
	Host *hostfuncs.Call
	// Params is a JSON object, Context too; neither is changed.
	Params, Context []byte
	// OutputLimit bounds what the guest writes, in bytes.
	OutputLimit int
	// Budget bounds what the host holds for all calls together, beyond a little for each; nil is no bound.
	Budget *memory.Budget

	head, body []byte
	bodyJSON   verdict // on body
	answered   bool
	tooLarge   bool
	responses  []response
	// connections are those that the guest opened; Release closes them.
	connections []connection
	// held counts the bytes of responses, charged those taken from the budget.
	held, charged int
	starved       bool
	// coming is what the body of a response takes that has not come yet.
	coming coming

	stderr limitedBuffer
}

// Stderr is what the guest wrote to its standard output and error: at most 16 KiB, for the eyes of the connector's
// author only, since it can hold anything.
func (c *Call) Stderr() []byte { return c.stderr.b }

// uncharged is what the host holds for a call without charge: as much as most calls need.
const uncharged = 64 << 10

// charge says whether the host may hold n bytes more for the call. What was charged stays so until Release, but for what
// a response takes only while it comes.
func (c *Call) charge(n int) bool {
	total := c.held + cap(c.body) + n - uncharged
	if more := total - c.charged; more > 0 {
		if !c.Budget.Take(uint64(more)) {
			c.starved = true
			return false
		}
		c.charged = total
	}
	return true
}

// Starved says that the budget did not allow what the host was to hold for the call.
func (c *Call) Starved() bool { return c.starved }

// Release gives back what was taken from the budget, and closes the guest's connections and streams. The call is over.
func (c *Call) Release() {
	c.closeConnections()
	c.closeStreams()
	c.Budget.Give(uint64(c.charged))
	c.charged = 0
}

func callOf(ctx context.Context) *Call { return sandbox.HostOf(ctx).(*Call) }

// HostModules is everything that guests may import, of every ABI.
func HostModules() []sandbox.HostModule {
	return []sandbox.HostModule{
		implement(module.NativeHost(), nativeFunctions),
		implement(module.WASIHost(), wasiFunctions),
	}
}

// implement gives every function on an ABI's list the type it has there and its implementation. A function of WASI
// that has none answers ENOSYS.
func implement(host *module.HostModule, functions map[string]api.GoModuleFunc) sandbox.HostModule {
	m := sandbox.HostModule{Name: host.Name()}
	for _, name := range host.Functions() {
		f := functions[name]
		if f == nil {
			f = notImplemented
		}
		t, _ := host.Function(name)
		m.Functions = append(m.Functions, sandbox.HostFunction{
			Name: name, Params: valueTypes(t.Params), Results: valueTypes(t.Results), Func: f,
		})
	}
	return m
}

// valueTypes converts between two packages that both use the binary encoding.
func valueTypes(types []module.ValueType) []api.ValueType {
	out := make([]api.ValueType, len(types))
	for i, t := range types {
		out[i] = api.ValueType(t)
	}
	return out
}

// limitedBuffer keeps the first bytes written to it and drops the rest.
type limitedBuffer struct{ b []byte }

const stderrLimit = 16 << 10

// add returns how many bytes it kept.
func (l *limitedBuffer) add(p []byte) int {
	n := min(len(p), stderrLimit-len(l.b))
	l.b = append(l.b, p[:n]...)
	return n
}
