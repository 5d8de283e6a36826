package sandbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sluice/runtime/sandbox/memory"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// Limits bound what the calls of an instance may take.
type Limits struct {
	// Memory is how large the guest's memory may grow, in bytes.
	Memory uint64
	// CPU is how long a guest may compute in one call, without its waiting.
	CPU time.Duration
}

// Instance is one sandbox: a module with memory and globals of its own. It is not safe for concurrent use.
type Instance struct {
	module *Module
	limits Limits
	image  *Image // what it is put back to; nil for a first instance, which can't be
	guest  api.Module
	memory *memory.Memory // nil where the module has none

	globals     []api.MutableGlobal // the guest's own
	fuel, depth api.MutableGlobal
	meter       meter
	resumption  func() // resume, as a value that is allocated once; nil until the guest waits

	entry     entry
	functions map[string]function
	stack     [8]uint64 // parameters and results of most functions
	results   []uint64
}

type function struct {
	api.Function
	slots int // the larger one of the numbers of parameters and results
}

// First makes an instance as its module says: data laid and start function run, but neither _start nor _initialize. host
// is what HostOf returns to the functions that it calls. The error is a *Fault. The caller closes the instance.
func (m *Module) First(ctx context.Context, host any, l Limits) (*Instance, error) {
	i := &Instance{module: m, limits: l}
	err := i.first(ctx)
	if err == nil {
		i.begin()
		if start := m.rewritten.Start; start != "" {
			err = i.Call(ctx, host, start)
		}
	}
	if err != nil {
		f, ok := err.(*Fault)
		if !ok {
			f = i.fault(err)
		}
		i.Close()
		return nil, f
	}
	return i, nil
}

// first makes the engine's instance and lays data, for which a module can have the host compute for long: its calls wait
// for the processor as if they did it themselves.
func (i *Instance) first(ctx context.Context) error {
	var err error
	busy := i.Work(ctx, func() {
		if err = i.instantiate(func() (*memory.Memory, error) {
			return memory.New(i.module.engine.mode, i.memoryLimit(), i.module.engine.budget)
		}); err == nil {
			err = i.layData()
		}
	})
	if busy != nil {
		return busy
	}
	return err
}

// maxPages is one page less than the format allows: the page into which the engine grows a memory that is given back.
const maxPages = 1<<16 - 1

// memoryMax is how large the module itself lets its memory grow, in bytes.
func (m *Module) memoryMax() uint64 { return uint64(min(m.rewritten.MemoryMax, maxPages)) * PageSize }

// memoryLimit is how large the memory may grow, in bytes.
func (i *Instance) memoryLimit() uint64 { return min(i.limits.Memory, i.module.memoryMax()) }

// instantiate makes the engine's instance, over the memory that newMemory returns.
func (i *Instance) instantiate(newMemory func() (*memory.Memory, error)) (err error) {
	defer recovered(&err)
	allocate := experimental.MemoryAllocatorFunc(func(uint64, uint64) experimental.LinearMemory {
		m, err := newMemory()
		if err != nil {
			panic(err) // the engine has no way to be told
		}
		i.memory = m
		return m
	})
	ctx := experimental.WithMemoryAllocator(context.Background(), allocate)
	i.guest, err = i.module.engine.runtime.InstantiateModule(ctx, i.module.compiled, anonymous)
	if err != nil {
		return err
	}
	r := &i.module.rewritten
	for _, name := range r.Globals {
		i.globals = append(i.globals, i.global(name))
	}
	i.fuel, i.depth = i.global(r.Fuel), i.global(r.Depth)
	i.functions = make(map[string]function)
	i.entry.instance = i
	return nil
}

var anonymous = wazero.NewModuleConfig().WithName("").WithStartFunctions()

func (i *Instance) global(name string) api.MutableGlobal {
	return i.guest.ExportedGlobal(name).(api.MutableGlobal)
}

// layData lays the active data segments, as instantiating the module that was rewritten would.
func (i *Instance) layData() error {
	for _, d := range i.module.rewritten.Data {
		if m := i.guest.Memory(); m == nil || !m.Write(d.Offset, d.Bytes) {
			return errors.New("out of bounds memory access: a data segment lies outside of the memory")
		}
	}
	return nil
}

// entry is the context that the engine hands to host functions.
type entry struct {
	context.Context
	instance *Instance
	host     any
}

// HostOf returns what Instance.Call was given for its host functions. ctx is a host function's.
func HostOf(ctx context.Context) any { return ctx.(*entry).host }

// ContextOf returns the context of the call, which may be kept for as long as the call lasts and beyond. ctx is a host
// function's.
func ContextOf(ctx context.Context) context.Context { return ctx.(*entry).Context }

// Waiting says that a host function is about to wait, and not to compute; the caller calls the function it returns when
// it is done, which may take until the guest may compute again, and unwinds it by a panic where its call ends before that.
// ctx is the host function's.
func Waiting(ctx context.Context) (done func()) { return ctx.(*entry).instance.wait() }

// Computing says that a host function which waits is about to compute, for as long as do does. It takes until the guest may
// compute, and unwinds it as the end of Waiting does. ctx is the host function's.
func Computing(ctx context.Context, do func()) {
	i := ctx.(*entry).instance
	if i.unmetered() {
		do()
		return
	}
	i.resume()
	do()
	i.wait()
}

// Has says whether the guest exports a function of that name.
func (i *Instance) Has(export string) bool {
	_, ok := i.function(export)
	return ok
}

func (i *Instance) function(export string) (function, bool) {
	f, ok := i.functions[export]
	if !ok {
		exported := i.guest.ExportedFunction(export)
		if exported == nil {
			return f, false
		}
		d := exported.Definition()
		f = function{exported, max(len(d.ParamTypes()), len(d.ResultTypes()))}
		i.functions[export] = f
	}
	return f, true
}

// Call runs an exported function. Its results are in Results. host is what HostOf returns to the functions it calls. The
// error is a *Fault.
func (i *Instance) Call(ctx context.Context, host any, export string, params ...uint64) error {
	err := i.call(ctx, host, export, params)
	if err == nil {
		return nil
	}
	return i.fault(err)
}

func (i *Instance) call(ctx context.Context, host any, export string, params []uint64) (err error) {
	defer recovered(&err)
	f, ok := i.function(export)
	if !ok {
		return fmt.Errorf("the module does not export %q", export)
	}
	if err := ctx.Err(); err != nil {
		return Interrupted{Cause: err}
	}
	i.results = append(i.stack[:0], params...)
	for len(i.results) < f.slots {
		i.results = append(i.results, 0)
	}
	i.entry.Context, i.entry.host = ctx, host
	defer i.leave()
	if err := i.enter(ctx); err != nil {
		return err
	}
	return f.CallWithStack(&i.entry, i.results)
}

// Work does what the host has to do for the guest and takes long, as one of the calls that need a permit. The error is a
// *Fault: the call ended before its turn.
func (i *Instance) Work(ctx context.Context, do func()) error {
	i.meter.deadline, _ = ctx.Deadline()
	if err := i.permitted(ctx); err != nil {
		return i.fault(err)
	}
	defer i.meter.holder.Release()
	do()
	return nil
}

// Results are the results of the last call that returned, valid until the next.
func (i *Instance) Results() []uint64 { return i.results }

// MemoryBytes is how large the guest's memory is, in bytes.
func (i *Instance) MemoryBytes() uint64 {
	if i.memory == nil {
		return 0
	}
	return i.memory.Len()
}

// Close ends the sandbox and gives its memory back.
func (i *Instance) Close() {
	if i.guest != nil {
		_ = i.guest.Close(context.Background())
	}
	if i.memory != nil {
		i.memory.Free()
	}
}
