package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"sluice/benchmarks/figures"
	"sluice/benchmarks/guests"
	"sluice/runtime/module"
)

// bench holds the engines of a run.
type bench struct {
	plan     plan
	work     work
	plain    *engine
	checking *engine // interruptible
	metered  *engine // of its own, since its meter has room for one guest
	ours     *sluice
}

func newBench(ctx context.Context, p plan, w work) (b *bench, err error) {
	b = &bench{plan: p, work: w}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if b.plain, err = newEngine(ctx, w, false); err != nil {
		return b, err
	}
	if b.checking, err = newEngine(ctx, w, true); err != nil {
		return b, err
	}
	if b.metered, err = newEngine(ctx, w, false); err != nil {
		return b, err
	}
	b.ours, err = newSluice(ctx, w)
	return b, err
}

func (b *bench) close() {
	for _, e := range []*engine{b.plain, b.checking, b.metered} {
		if e != nil {
			_ = e.close()
		}
	}
	if b.ours != nil {
		b.ours.close()
	}
}

// plainWays are the ways of plain wazero for one command of a guest, and that of metered code in it.
func (b *bench) plainWays(ctx context.Context, wasm []byte, command uint64) (map[figures.Way]caller, error) {
	ways := make(map[figures.Way]caller)
	code, err := b.plain.compile(ctx, wasm)
	if err != nil {
		return nil, err
	}
	guest, err := b.plain.instantiate(ctx, code)
	if err != nil {
		return nil, err
	}
	ways[figures.Fresh] = b.plain.fresh(code, command)
	ways[figures.Dirty] = b.plain.reused(guest, command)

	if code, err = b.checking.compile(ctx, wasm); err != nil {
		return nil, err
	}
	if guest, err = b.checking.instantiate(ctx, code); err != nil {
		return nil, err
	}
	ways[figures.Interrupted] = interruptible(b.checking.reused(guest, command))

	parsed, err := module.Parse(wasm, module.DefaultLimits())
	if err != nil {
		return nil, err
	}
	rewritten := parsed.Rewrite()
	if code, err = b.metered.compile(ctx, rewritten.Binary); err != nil {
		return nil, fmt.Errorf("the rewritten module: %w", err)
	}
	if guest, err = b.metered.instantiateRewritten(ctx, code, rewritten); err != nil {
		return nil, fmt.Errorf("the rewritten module: %w", err)
	}
	ways[figures.Metered] = b.metered.reused(guest, command)
	return ways, nil
}

// guests measures those of the guests that were asked for.
func (b *bench) guests(ctx context.Context, all []guests.Guest) ([]figures.Guest, error) {
	var out []figures.Guest
	for _, g := range all {
		if b.plan.only != "" && b.plan.only != g.Name {
			continue
		}
		measured, err := b.guest(ctx, g)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", g.Name, err)
		}
		out = append(out, measured)
	}
	return out, nil
}

// guest measures a guest in all ways.
func (b *bench) guest(ctx context.Context, g guests.Guest) (figures.Guest, error) {
	out := figures.Guest{
		Name: g.Name, Language: g.Language,
		Times: make(map[figures.Way]figures.Spread), ToDirty: make(map[figures.Way]figures.Spread), ToFresh: make(map[figures.Way]figures.Spread),
	}
	wasm, err := moduleOf(b.plan.dir, g)
	if err != nil {
		return out, err
	}
	out.Bytes = len(wasm)
	ways, err := b.plainWays(ctx, wasm, command)
	if err != nil {
		return out, err
	}
	warm, err := b.ours.open(ctx, wasm, true)
	if err != nil {
		return out, err
	}
	defer warm.close()
	cold, err := b.ours.open(ctx, wasm, false)
	if err != nil {
		return out, err
	}
	defer cold.close()
	ways[figures.Pristine], ways[figures.PristineCold] = warm.call, cold.call

	times, err := b.rounds(ctx, ways, b.work.want)
	if err != nil {
		return out, err
	}
	for way, perCall := range times {
		out.Times[way] = figures.Spreads(perCall)
		out.ToDirty[way] = figures.Ratios(perCall, times[figures.Dirty])
		out.ToFresh[way] = figures.Ratios(perCall, times[figures.Fresh])
	}
	out.PagesWritten, out.ResetMicroseconds, err = warm.resets(ctx, b.plan.rounds)
	fmt.Fprintf(os.Stderr, "%s: fresh %.1f µs, dirty %.1f, pristine %.1f\n", g.Name,
		out.Times[figures.Fresh].Median, out.Times[figures.Dirty].Median, out.Times[figures.Pristine].Median)
	return out, err
}

// rounds measures ways in turns, and returns the microseconds a call by round. The answers' bodies must be want.
func (b *bench) rounds(ctx context.Context, ways map[figures.Way]caller, want []byte) (map[figures.Way][]float64, error) {
	times := make(map[figures.Way][]float64)
	names := slices.Sorted(maps.Keys(ways))
	for round := range b.plan.rounds + 1 {
		for _, name := range names {
			perCall, err := turn(ctx, ways[name], b.plan.turn, want)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			if round > 0 { // the first one warms up
				times[name] = append(times[name], perCall)
			}
		}
	}
	return times, nil
}

// turn calls until the time is over, and returns the microseconds a call.
func turn(ctx context.Context, call caller, length time.Duration, want []byte) (float64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	began := time.Now()
	for calls := 1; ; calls++ {
		body, err := call(ctx)
		if err != nil {
			return 0, err
		}
		if took := time.Since(began); took >= length {
			if !bytes.Equal(body, want) {
				return 0, errors.New("the guest answered something else than the others")
			}
			return float64(took.Nanoseconds()) / 1e3 / float64(calls), nil
		}
	}
}

// compute measures long calls: what metering costs where nothing else does.
func (b *bench) compute(ctx context.Context) ([]figures.Compute, error) {
	c, err := guests.Read(b.plan.dir, "c")
	if err != nil {
		return nil, err
	}
	var all []figures.Compute
	for _, long := range []struct {
		name    string
		wasm    []byte
		command uint64
		want    []byte
	}{
		{"500 orders parsed, priced and serialised, in C", c, guests.Repeat, b.work.want},
		{fmt.Sprintf("an empty loop of %d million rounds", guests.LoopIterations/1_000_000), guests.Loop(), 0, nil},
	} {
		ways, err := b.plainWays(ctx, long.wasm, long.command)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", long.name, err)
		}
		delete(ways, figures.Fresh)
		times, err := b.rounds(ctx, ways, long.want)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", long.name, err)
		}
		milliseconds := func(way figures.Way) figures.Spread {
			return figures.SpreadOf(times[way], func(µs float64) float64 { return µs / 1e3 })
		}
		all = append(all, figures.Compute{
			Name: long.name, Plain: milliseconds(figures.Dirty), Rewritten: milliseconds(figures.Metered),
			Interruptible: milliseconds(figures.Interrupted),
			Metered:       figures.Ratios(times[figures.Metered], times[figures.Dirty]),
			Checking:      figures.Ratios(times[figures.Interrupted], times[figures.Dirty]),
		})
	}
	return all, nil
}
