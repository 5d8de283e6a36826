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
// one. The next slice is larger or smaller by how long the last one took, so that a checkpoint is met every few tens of
// microseconds, whatever the guest does. A guest can't be interrupted in between, and Go's collector waits for it. What
// one call finds out of the pace of its module is true of the others.
const (
	firstSlice    = 100_000
	smallestSlice = 2_000 // each of which may be a new page of memory
	largestSlice  = 400_000
	// lowestLargest is how low the largest slice of a module may fall. It is not the smallest one: on a busy machine
	// slices take long because somebody else had the processor, and calls are not to pay for that with a checkpoint
	// every 2 µs.
	lowestLargest = 10_000
	// recovery is by which part the largest slice grows in each that was quick. A guest can do a hundred times the work
	// of others in a slice, by memory that is far from the processor; it is not to do that often.
	recovery = 1024

	quickSlice   = 30 * time.Microsecond
	slowSlice    = 150 * time.Microsecond
	endlessSlice = time.Millisecond
	// shortestWait is how long a host function has to wait for that to count. Below it nothing has been waited for: it is
	// the host that computes for the guest, which may call it for ever.
	shortestWait = 100 * time.Microsecond
	// longestSlice is the most of a slice's time that counts as computing, beside what host functions have said that they
	// take. What is beyond was spent waiting: the operating system or Go's scheduler had given the processor to somebody else.
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
	stretch  time.Duration // the longest of this slice without a look at the clock
	said     time.Duration // what host functions take, as they have said, and the clock has not shown yet
	slice    int32
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
var unused = meter{slice: firstSlice}

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
	if slice := i.module.pace.first.Load(); m.slice > slice {
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
	ran := m.burst + m.said // what takes long needs a permit before it begins
	if group.MayGoOn(&m.holder, ran) {
		return nil // without the channel, which a context makes when it is asked
	}
	err := group.Checkpoint(&m.holder, ran, m.deadline, ctx.Done())
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
	m := &i.meter
	if m.count(time.Now()); m.stretch > slowSlice {
		i.module.pace.learn(m.stretch, m.slice)
	}
	m.holder.Release()
	i.entry.Context, i.entry.host = nil, nil
}

// count adds the time since the guest last went on.
func (m *meter) count(now time.Time) {
	took := now.Sub(m.resumed)
	m.add(min(took, longestSlice+m.said))
	m.said = max(m.said-took, 0)
	m.stretch = max(m.stretch, took)
	m.resumed = now
}

func (m *meter) add(computed time.Duration) {
	m.computed += computed
	m.burst += computed
}

// wait stops counting while a host function waits, and lets others compute.
func (i *Instance) wait() (done func()) {
	if i.unmetered() {
		return func() {}
	}
	i.meter.count(time.Now())
	i.meter.said = 0 // that is done
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
	i.nextSlice(0)
}

// nextSlice follows on a slice that is used up, where the host is about to compute for so long, or the guest. It unwinds the
// guest by a panic where the call is to end.
func (i *Instance) nextSlice(ahead time.Duration) {
	m, ctx := &i.meter, i.entry.Context
	now := time.Now()
	m.count(now)
	m.said = min(m.said, ahead) // what was said before is done
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
	m.slice = i.module.pace.learn(m.stretch, m.slice)
	m.stretch = 0
	i.fuel.Set(uint64(m.slice))
	m.resumed = time.Now()
}

// Spend takes fuel for what a host function is about to do itself, in units: about a nanosecond each. Without it a guest
// could have the host compute for it. It is a checkpoint where nothing is left. However long that takes then, up to what was
// said, it counts as computing. ctx is the host function's.
func Spend(ctx context.Context, units int) {
	i := ctx.(*entry).instance
	if i.unmetered() {
		return
	}
	i.meter.said += time.Duration(units)
	i.take(units, time.Duration(units))
}

// Charge is Spend for what others have done for the guest while it waited: it counts as computing as it is said.
func Charge(ctx context.Context, units int) {
	i := ctx.(*entry).instance
	if i.unmetered() {
		return
	}
	i.meter.add(time.Duration(units))
	i.take(units, 0)
}

// take takes fuel, and follows on a slice that is used up by it.
func (i *Instance) take(units int, ahead time.Duration) {
	left := int64(int32(i.fuel.Get())) - int64(units)
	i.fuel.Set(uint64(uint32(int32(max(left, math.MinInt32)))))
	if left < 0 {
		i.nextSlice(ahead)
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
