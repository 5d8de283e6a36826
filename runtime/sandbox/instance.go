package sandbox

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/sys"
)

// Instance is one sandbox: a module with a memory of its own. It serves one call and is closed. It is not safe for
// concurrent use.
type Instance struct {
	guest  api.Module
	memory *limitedMemory
}

// Instantiate makes a sandbox whose memory may grow to memoryLimit bytes. Nothing of the guest runs: neither _start
// nor _initialize, only a start section where the module has one. The caller closes the instance.
func (m *Module) Instantiate(ctx context.Context, memoryLimit uint64) (i *Instance, err error) {
	i = &Instance{memory: &limitedMemory{limit: memoryLimit}}
	defer func() {
		if err != nil {
			err = i.fault(ctx, err)
			i.Close()
			i = nil
		}
	}()
	defer recovered(&err)
	instantiation := experimental.WithMemoryAllocator(ctx, i.memory)
	i.guest, err = m.engine.runtime.InstantiateModule(instantiation, m.compiled, anonymous)
	return i, err
}

var anonymous = wazero.NewModuleConfig().WithName("").WithStartFunctions()

// Has says whether the guest exports a function of that name.
func (i *Instance) Has(export string) bool { return i.guest.ExportedFunction(export) != nil }

// Call runs an exported function. args are its parameters and results together, as api.Function.CallWithStack has it.
// The error is a *Fault.
func (i *Instance) Call(ctx context.Context, export string, stack ...uint64) (err error) {
	defer func() {
		if err != nil {
			err = i.fault(ctx, err)
		}
	}()
	defer recovered(&err)
	f := i.guest.ExportedFunction(export)
	if f == nil {
		return fmt.Errorf("the module does not export %q", export)
	}
	return f.CallWithStack(ctx, stack)
}

// MemoryBytes is how large the guest's memory is, in bytes.
func (i *Instance) MemoryBytes() uint64 { return uint64(len(i.memory.buf)) }

// Close ends the sandbox and gives its memory back.
func (i *Instance) Close() {
	if i.guest != nil {
		_ = i.guest.Close(context.Background())
	}
}

// FaultKind is why a call into a guest did not return.
type FaultKind int

// The kinds of faults.
const (
	Trapped        FaultKind = iota // the guest trapped, or the engine failed
	Exited                          // the guest ended itself with a status other than 0
	OutOfMemory                     // the guest failed after its memory could not grow to what it asked for
	OutOfStack                      // the guest called itself too deeply
	OutOfTime                       // the context's deadline passed
	Cancelled                       // the context was cancelled
	ExitedNormally                  // the guest ended itself with status 0
)

// Fault is how a guest failed. A sandbox with a fault is not to be called again.
type Fault struct {
	Kind FaultKind
	// Detail is for the connector's author. It can name functions of the guest, never values.
	Detail string
}

func (f *Fault) Error() string { return f.Detail }

// Exit, when a host function panics with it, unwinds the guest and ends its call: WASI's proc_exit. Instance.Call
// returns it as a Fault.
type Exit struct{ Status uint32 }

func (e Exit) Error() string { return fmt.Sprintf("the guest exited with status %d", e.Status) }

// Interrupted, when a host function panics with it, unwinds a guest whose context has ended while it waited in the
// host.
type Interrupted struct{ Cause error }

func (e Interrupted) Error() string { return "interrupted: " + e.Cause.Error() }

func (i *Instance) fault(ctx context.Context, err error) *Fault {
	var exit Exit
	var interrupted Interrupted
	var closed *sys.ExitError
	switch {
	case errors.As(err, &exit) && exit.Status == 0:
		return &Fault{Kind: ExitedNormally, Detail: exit.Error()}
	case errors.As(err, &interrupted), errors.As(err, &closed):
		if errors.Is(ctx.Err(), context.DeadlineExceeded) || (closed != nil && closed.ExitCode() == sys.ExitCodeDeadlineExceeded) {
			return &Fault{Kind: OutOfTime, Detail: "the deadline passed while the guest ran"}
		}
		return &Fault{Kind: Cancelled, Detail: "the call was cancelled while the guest ran"}
	case i.memory.denied:
		return &Fault{Kind: OutOfMemory, Detail: firstLine(err)}
	case errors.As(err, &exit):
		return &Fault{Kind: Exited, Detail: exit.Error()}
	case isStackOverflow(err):
		return &Fault{Kind: OutOfStack, Detail: firstLine(err)}
	}
	return &Fault{Kind: Trapped, Detail: err.Error()}
}

// isStackOverflow finds the engine's error, which is not exported, wherever it is wrapped: the compiler returns it bare,
// the interpreter with a stack trace, and both within another error where the start function failed.
func isStackOverflow(err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if err.Error() == "stack overflow" {
			return true
		}
	}
	return false
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// limitedMemory is a linear memory that does not grow past its limit, and remembers when it was asked to.
type limitedMemory struct {
	buf    []byte
	limit  uint64
	denied bool
}

// Allocate implements experimental.MemoryAllocator for the single memory that the gate lets a module have.
func (m *limitedMemory) Allocate(_, _ uint64) experimental.LinearMemory { return m }

// Reallocate implements experimental.LinearMemory.
func (m *limitedMemory) Reallocate(size uint64) []byte {
	if size > m.limit {
		m.denied = true
		return nil
	}
	if size > uint64(cap(m.buf)) {
		grown := make([]byte, size, min(m.limit, max(size, 2*uint64(cap(m.buf)))))
		copy(grown, m.buf)
		m.buf = grown
	}
	m.buf = m.buf[:size]
	return m.buf
}

// Free implements experimental.LinearMemory.
func (m *limitedMemory) Free() { m.buf = nil }
