package moduletest

import (
	"context"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// PageSize is the size of a page of linear memory, in bytes.
const PageSize = 64 << 10

// Instance is one module in one World.
type Instance struct {
	world    *World
	subject  *Subject
	compiled wazero.CompiledModule
	guest    api.Module

	// These are of rewritten modules.
	fuel, depth api.MutableGlobal
	granted     int64 // units that were put into fuel
	end         int64 // what Spent may be when the call has to end, 0 for no end
	checkpoints int
}

// errOutOfBoundsData says that a data segment lies outside of memory, in the words of the engine.
var errOutOfBoundsData = errors.New("data: out of bounds memory access")

// begin does what the engine did before the rewriter took it away: data, then the start function.
func (i *Instance) begin(ctx context.Context) error {
	r := i.subject.Rewritten
	var err error
	if i.fuel, err = i.counter(r.Fuel); err != nil {
		return err
	}
	if i.depth, err = i.counter(r.Depth); err != nil {
		return err
	}
	i.fuel.Set(api.EncodeI32(i.world.Slice))
	i.granted = int64(i.world.Slice)
	for _, d := range r.Data {
		if !i.Memory().Write(d.Offset, d.Bytes) {
			return errOutOfBoundsData
		}
	}
	if r.Start == "" {
		return nil
	}
	_, err = i.call(ctx, r.Start, nil)
	return err
}

// counter returns a hidden global that counts down.
func (i *Instance) counter(name string) (api.MutableGlobal, error) {
	g, ok := i.guest.ExportedGlobal(name).(api.MutableGlobal)
	if !ok || g.Type() != api.ValueTypeI32 {
		return nil, fmt.Errorf("the rewritten module exports no mutable i32 %q", name)
	}
	return g, nil
}

// Guest is the engine's instance.
func (i *Instance) Guest() api.Module { return i.guest }

// Memory is the instance's memory, nil if the module has none.
func (i *Instance) Memory() api.Memory {
	if len(i.subject.Module.Memories) == 0 {
		return nil // the engine's API has a nil pointer here, which is not nil
	}
	return i.guest.Memory()
}

// Close gives back memory and code, unless the memory is that of another module, which the engine would give back too.
func (i *Instance) Close(ctx context.Context) {
	if i.subject.Module.ImportedMemories > 0 {
		return
	}
	if i.guest != nil {
		delete(i.world.instances, i.guest)
		_ = i.guest.Close(ctx)
	}
	_ = i.compiled.Close(ctx)
}

// SetGlobal sets an exported mutable global.
func (i *Instance) SetGlobal(export string, v uint64) {
	i.guest.ExportedGlobal(export).(api.MutableGlobal).Set(v)
}

// ResultTypes are the types of an exported function's results.
func (i *Instance) ResultTypes(export string) []api.ValueType {
	return i.guest.ExportedFunction(export).Definition().ResultTypes()
}

// Call runs an exported function and says how it ended. Values are encoded as the engine's API has them.
func (i *Instance) Call(ctx context.Context, export string, args ...uint64) Outcome {
	results, err := i.call(ctx, export, args)
	if err != nil {
		return Outcome{Trap: TrapOf(err), Deep: errors.Is(err, errTooDeep), Detail: err.Error()}
	}
	return Outcome{Results: results}
}

func (i *Instance) call(ctx context.Context, export string, args []uint64) (results []uint64, err error) {
	// A call ends with its counters anywhere where it traps. All instances are at rest now.
	for _, other := range i.world.instances {
		other.rest()
	}
	if i.world.Budget > 0 && i.fuel != nil {
		i.end = i.Spent() + i.world.Budget
	}
	f := i.guest.ExportedFunction(export)
	if f == nil {
		return nil, fmt.Errorf("there is no exported function %q", export)
	}
	if results, err = i.enter(ctx, f, args); err != nil {
		return nil, err
	}
	for _, other := range i.world.instances {
		if other.depth != nil && other.DepthLeft() != i.world.DepthMax {
			return nil, fmt.Errorf("the call returned with %d bytes of depth, and began with %d", other.DepthLeft(), i.world.DepthMax)
		}
	}
	return results, nil
}

// enter calls a function, and turns a panic of the engine into an error.
func (i *Instance) enter(ctx context.Context, f api.Function, args []uint64) (results []uint64, err error) {
	defer recovered(&err)
	return f.Call(ctx, args...)
}

// rest sets the counters as they are outside of calls.
func (i *Instance) rest() {
	if i.depth == nil {
		return
	}
	i.depth.Set(api.EncodeI32(i.world.DepthMax))
	i.end = 0
	i.refill()
}

// refill sets the fuel to one slice.
func (i *Instance) refill() {
	i.granted += int64(i.world.Slice) - int64(api.DecodeI32(i.fuel.Get()))
	i.fuel.Set(api.EncodeI32(i.world.Slice))
}

// Spent is the fuel that the instance has used, in units, since it was made. Always 0 for an original.
func (i *Instance) Spent() int64 {
	if i.fuel == nil {
		return 0
	}
	return i.granted - int64(api.DecodeI32(i.fuel.Get()))
}

// Checkpoints is how often the instance has called the checkpoint since it was made.
func (i *Instance) Checkpoints() int { return i.checkpoints }

// DepthLeft is the value of the depth counter, in bytes. Always 0 for an original.
func (i *Instance) DepthLeft() int32 {
	if i.depth == nil {
		return 0
	}
	return api.DecodeI32(i.depth.Get())
}

// These end a guest at a checkpoint. errIdle says that neither counter was a reason to call it.
var (
	errTooDeep   = errors.New("the guest is too deep")
	errOutOfFuel = errors.New("the guest has used its budget")
	errIdle      = errors.New("the checkpoint was called without a reason")
)

// checkpoint is the function of that name, which rewritten modules import.
func (w *World) checkpoint(_ context.Context, guest api.Module, _ []uint64) {
	i, ok := w.instances[guest]
	if !ok {
		panic(errors.New("the checkpoint was called by a module that this World does not know"))
	}
	i.checkpoints++
	if w.OnCheckpoint != nil {
		w.OnCheckpoint(i)
	}
	fuel, depth := api.DecodeI32(i.fuel.Get()), api.DecodeI32(i.depth.Get())
	if depth < 0 {
		panic(errTooDeep)
	}
	if fuel >= 0 {
		panic(errIdle)
	}
	if i.end > 0 && i.Spent() >= i.end {
		panic(errOutOfFuel)
	}
	i.refill()
}
