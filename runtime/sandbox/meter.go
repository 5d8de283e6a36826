package sandbox

import (
	"context"
	"errors"
	"math"
	"time"

	"sluice/runtime/module"
	"sluice/runtime/sandbox/permits"

	"github.com/tetratelabs/wazero/api"
)

// How much fuel a guest gets at a time, in units: about an instruction each, and for code with many branches a tenth of
// one. The next slice is larger or smaller by how long the last one took, so that a checkpoint is met about every tenth
// of a millisecond, whatever the guest does. A guest can't be interrupted in between, and Go's collector waits for it:
// a slice that took far too long lowers what the call can get for the rest of its time.
const (
	firstSlice    = 200_000
	smallestSlice = 2_000 // each of which may be a new page of memory
	largestSlice  = 1_600_000
	// lowestLargest is how low the largest slice of a call may fall. It is not the smallest one: on a busy machine slices
	// take long because somebody else had the processor, and a call is not to pay for that with a checkpoint every 2 µs.
	lowestLargest = 10_000

	quickSlice   = 60 * time.Microsecond
	slowSlice    = 300 * time.Microsecond
	endlessSlice = 2 * time.Millisecond
	// shortestWait is how long a host function has to wait for that to count. Below it nothing has been waited for: it is
	// the host that computes for the guest, which may call it for ever.
	shortestWait = 100 * time.Microsecond
	// longestSlice is the most of a slice's time that counts as computing. What is beyond was spent waiting: the
	// operating system or Go's scheduler had given the processor to somebody else.
	longestSlice = 5 * time.Millisecond
)

// depthBytes is how much stack a guest may take, in bytes as the rewriter estimates them. After half of it the instance
// is not used again: the engine keeps a stack as large as it ever was.
const depthBytes = 2 << 20

// meter is what a call has used.
type meter struct {
	deadline time.Time // of the context, 0 for none
	resumed  time.Time // when the guest last went on
	computed time.Duration
	burst    time.Duration // computed of late: since the call began, less what the guest waited meanwhile
	slice    int32
	largest  int32 // slice of this call
	spent    int64 // units of fuel, without the slice being used
	deep     bool  // half of the stack was used
	holder   permits.Holder
}

// meterModule is what rewritten modules import.
var meterModule = HostModule{Name: module.ModuleMeter, Functions: []HostFunction{{
	Name: module.FunctionCheckpoint,
	Func: func(ctx context.Context, _ api.Module, _ []uint64) { ctx.(*entry).instance.checkpoint() },
}}}

// unused is the meter of a call that has not begun.
var unused = meter{slice: firstSlice, largest: largestSlice}

// begin gives the guest what a call may use.
func (i *Instance) begin() {
	i.meter = unused
	i.fuel.Set(firstSlice)
	i.depth.Set(depthBytes / 2)
}

// Fuel is how many units of fuel the guest has used since it was in its first state: about an instruction each.
func (i *Instance) Fuel() int64 {
	return i.meter.spent + int64(i.meter.slice) - int64(int32(i.fuel.Get()))
}

// unmetered says that the guest is a module as it was uploaded, which only RunOriginal runs, for a bounded time.
func (i *Instance) unmetered() bool { return i.fuel == nil }

// enter begins to count, once the guest may compute.
func (i *Instance) enter(ctx context.Context) error {
	m := &i.meter
	m.deadline, _ = ctx.Deadline()
	m.burst, m.resumed = 0, time.Now()
	if slice := i.module.pace.Load(); m.slice > slice {
		i.fuel.Set(uint64(uint32(int32(i.fuel.Get()) - (m.slice - slice))))
		m.slice = slice
	}
	return i.compute(ctx)
}

// compute returns nil once a guest may compute that did not until now. Where it has not computed for long, it may until
// the next checkpoint, even if others wait: a connector's quick calls do not stand in line behind its slow ones. The error
// is an Interrupted.
func (i *Instance) compute(ctx context.Context) error {
	m := &i.meter
	if i.module.group.Begin(&m.holder) && m.burst < permits.Allowance {
		return nil
	}
	err := i.permitted(ctx)
	m.resumed = time.Now()
	return err
}

// permitted returns nil once the guest may go on computing. The error is an Interrupted.
func (i *Instance) permitted(ctx context.Context) error {
	group, m := i.module.group, &i.meter
	if group.MayGoOn(&m.holder, m.burst) {
		return nil // without the channel, which a context makes when it is asked
	}
	err := group.Checkpoint(&m.holder, m.burst, m.deadline, ctx.Done())
	switch {
	case errors.Is(err, permits.ErrDeadline):
		return Interrupted{Cause: context.DeadlineExceeded}
	case err != nil:
		return Interrupted{Cause: context.Canceled}
	}
	return nil
}

// leave ends to count, however the call ended.
func (i *Instance) leave() {
	i.meter.count(time.Now())
	i.meter.holder.Release()
	i.entry.Context, i.entry.host = nil, nil
}

// count adds the time since the guest last went on, and returns it.
func (m *meter) count(now time.Time) time.Duration {
	took := now.Sub(m.resumed)
	m.computed += min(took, longestSlice)
	m.burst += min(took, longestSlice)
	m.resumed = now
	return took
}

// wait stops counting while a host function waits, and lets others compute.
func (i *Instance) wait() (done func()) {
	if i.unmetered() {
		return func() {}
	}
	i.meter.count(time.Now())
	i.meter.holder.Release()
	if i.resumption == nil {
		i.resumption = i.resume
	}
	return i.resumption
}

// resume goes on counting, once the guest may compute; it unwinds the guest where the call ends before that. A guest that
// waited for as long as it had computed is as good as one that begins; naps of no length gain it nothing.
func (i *Instance) resume() {
	m := &i.meter
	now := time.Now()
	if waited := now.Sub(m.resumed); waited < shortestWait {
		m.count(now)
	} else {
		m.burst = max(m.burst-waited, 0)
		m.resumed = now
	}
	if err := i.compute(i.entry.Context); err != nil {
		panic(err)
	}
}

// checkpoint is where a guest that used up its slice of fuel, or its stack, comes by. It unwinds the guest by a panic
// where the call is to end.
func (i *Instance) checkpoint() {
	if int32(i.depth.Get()) < 0 {
		i.lendStack()
	}
	if int32(i.fuel.Get()) >= 0 {
		return
	}
	m, ctx := &i.meter, i.entry.Context
	now := time.Now()
	took := m.count(now)
	if !m.deadline.IsZero() && !now.Before(m.deadline) {
		panic(Interrupted{Cause: context.DeadlineExceeded}) // where all processors compute, timers are late
	}
	if err := ctx.Err(); err != nil {
		panic(Interrupted{Cause: err})
	}
	if m.computed > i.limits.CPU {
		panic(errOutOfFuel)
	}
	if err := i.permitted(ctx); err != nil {
		panic(err)
	}
	m.spent = i.Fuel()
	m.nextSlice(took)
	i.module.learn(took, m.slice)
	i.fuel.Set(uint64(m.slice))
	m.resumed = time.Now()
}

// Spend takes fuel for what a host function does itself, in units: about a nanosecond each. Without it a guest could have
// the host compute for it. It is a checkpoint where nothing is left. ctx is the host function's.
func Spend(ctx context.Context, units int) {
	i := ctx.(*entry).instance
	if i.unmetered() {
		return
	}
	left := int64(int32(i.fuel.Get())) - int64(units)
	i.fuel.Set(uint64(uint32(int32(max(left, math.MinInt32)))))
	if left < 0 {
		i.checkpoint()
	}
}

// nextSlice sets the size of the next slice by how long the last one took.
func (m *meter) nextSlice(took time.Duration) {
	switch {
	case took > endlessSlice:
		m.largest = max(m.largest/4, lowestLargest)
		m.slice = smallestSlice
	case took > slowSlice:
		m.slice = max(m.slice/2, smallestSlice)
	case took < quickSlice:
		m.slice = min(m.slice*2, m.largest)
	}
}

// learn sets the first slice of the module's next calls. What makes one call slow, memory that is far from the processor
// or host functions that work for long, makes the others slow too, and when a thousand of them begin they are not each to
// find it out.
func (m *Module) learn(took time.Duration, slice int32) {
	pace := m.pace.Load()
	if took > slowSlice && slice < pace || took < quickSlice && pace < slice && pace < firstSlice {
		m.pace.Store(min(slice, firstSlice))
	}
}

// lendStack lets the guest have the second half of its stack, once.
func (i *Instance) lendStack() {
	if i.meter.deep {
		panic(errOutOfStack)
	}
	i.meter.deep = true
	i.depth.Set(uint64(uint32(int32(i.depth.Get()) + depthBytes/2)))
}
