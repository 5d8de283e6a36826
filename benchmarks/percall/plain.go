package main

import (
	"context"
	"errors"
	"time"

	"sluice/runtime/module"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// engine is plain wazero with the host's functions.
type engine struct {
	host    host
	runtime wazero.Runtime
	meter   meter
}

// newEngine returns an engine whose code looks at its context in loops and calls if interruptible.
func newEngine(ctx context.Context, w work, interruptible bool) (*engine, error) {
	config := wazero.NewRuntimeConfigCompiler().WithCoreFeatures(api.CoreFeaturesV2).WithCloseOnContextDone(interruptible)
	e := &engine{host: host{work: w}, runtime: wazero.NewRuntimeWithConfig(ctx, config)}
	err := e.host.offer(ctx, e.runtime)
	if err == nil {
		err = e.meter.offer(ctx, e.runtime)
	}
	if err != nil {
		return nil, errors.Join(err, e.close())
	}
	return e, nil
}

func (e *engine) close() error { return e.runtime.Close(context.Background()) }

func (e *engine) compile(ctx context.Context, wasm []byte) (wazero.CompiledModule, error) {
	return e.runtime.CompileModule(experimental.WithCompilationWorkers(ctx, 2), wasm)
}

// anonymous instances don't run into each other's names, and start nothing by themselves.
var anonymous = wazero.NewModuleConfig().WithName("").WithStartFunctions().WithSysNanotime().WithSysWalltime()

func (e *engine) instantiate(ctx context.Context, code wazero.CompiledModule) (api.Module, error) {
	guest, err := e.runtime.InstantiateModule(ctx, code, anonymous)
	if err != nil {
		return nil, err
	}
	return guest, initialize(ctx, guest)
}

func initialize(ctx context.Context, guest api.Module) error {
	f := guest.ExportedFunction("_initialize")
	if f == nil {
		return nil
	}
	_, err := f.Call(ctx)
	return err
}

// caller runs one command of a guest and returns the body of its answer, which is valid until the next call.
type caller func(ctx context.Context) ([]byte, error)

// fresh runs each call in an instance of its own.
func (e *engine) fresh(code wazero.CompiledModule, command uint64) caller {
	return func(ctx context.Context) ([]byte, error) {
		e.host.begin()
		guest, err := e.instantiate(ctx, code)
		if err != nil {
			return nil, err
		}
		if _, err := guest.ExportedFunction("execute").Call(ctx, command); err != nil {
			return nil, errors.Join(err, guest.Close(ctx))
		}
		if err := guest.Close(ctx); err != nil {
			return nil, err
		}
		return e.host.answer()
	}
}

// reused runs all calls in one instance, which keeps whatever calls leave in it.
func (e *engine) reused(guest api.Module, command uint64) caller {
	execute := guest.ExportedFunction("execute")
	stack := make([]uint64, 1)
	return func(ctx context.Context) ([]byte, error) {
		e.host.begin()
		stack[0] = command
		if err := execute.CallWithStack(ctx, stack); err != nil {
			return nil, err
		}
		return e.host.answer()
	}
}

// interruptible gives each call a context that can end, without which wazero does not look at it.
func interruptible(call caller) caller {
	const deadline = 40 * time.Second // Sluice's own
	return func(ctx context.Context) ([]byte, error) {
		ctx, cancel := context.WithTimeout(ctx, deadline)
		defer cancel()
		return call(ctx)
	}
}

// meter is what rewritten code asks for: more fuel, without end.
type meter struct{ fuel, depth api.MutableGlobal }

// What a guest has between two checkpoints, in units of fuel, and its depth in bytes: Sluice's largest.
const (
	fuelSlice = 400_000
	depthMax  = 2 << 20
)

func (m *meter) offer(ctx context.Context, r wazero.Runtime) error {
	refill := func(context.Context, api.Module, []uint64) {
		if int32(m.depth.Get()) < 0 {
			panic(errors.New("the guest is too deep"))
		}
		m.refuel()
	}
	_, err := r.NewHostModuleBuilder(module.ModuleMeter).NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(refill), nil, nil).Export(module.FunctionCheckpoint).Instantiate(ctx)
	return err
}

func (m *meter) refuel() { m.fuel.Set(fuelSlice) }

// instantiateRewritten makes an instance of code that Sluice has rewritten, and does what the rewriting took out of it.
// The engine's meter is then this instance's.
func (e *engine) instantiateRewritten(ctx context.Context, code wazero.CompiledModule, r *module.Rewritten) (api.Module, error) {
	guest, err := e.runtime.InstantiateModule(ctx, code, anonymous)
	if err != nil {
		return nil, err
	}
	var ok [2]bool
	e.meter.fuel, ok[0] = guest.ExportedGlobal(r.Fuel).(api.MutableGlobal)
	e.meter.depth, ok[1] = guest.ExportedGlobal(r.Depth).(api.MutableGlobal)
	if ok != [2]bool{true, true} {
		return nil, errors.New("the rewritten module has no meter")
	}
	e.meter.refuel()
	e.meter.depth.Set(depthMax)
	for _, d := range r.Data {
		if !guest.Memory().Write(d.Offset, d.Bytes) {
			return nil, errors.New("the guest's data do not fit into its memory")
		}
	}
	if r.Start != "" {
		if _, err := guest.ExportedFunction(r.Start).Call(ctx); err != nil {
			return nil, err
		}
	}
	return guest, initialize(ctx, guest)
}
