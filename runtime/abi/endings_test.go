package abi

import (
	"context"
	"maps"
	"testing"
	"time"

	"sluice/runtime/sandbox"
)

// ending is a way in which a call ends that has something open: what its guest does, and the fault that it is, -1 for none.
type ending struct {
	do   func(g *guest, ctx context.Context) error
	want sandbox.FaultKind
}

// endings are those that any call can have, and more.
func endings(more map[string]ending) map[string]ending {
	all := map[string]ending{
		"returns":                         {func(*guest, context.Context) error { return nil }, -1},
		"a trap":                          {once("peek", memoryEnd), sandbox.Trapped},
		"an exit":                         {once("proc_exit", 3), sandbox.Exited},
		"the end of the processor's time": {again("random", 0, 1<<15), sandbox.OutOfFuel},
	}
	maps.Copy(all, more)
	return all
}

// once calls a function.
func once(function string, args ...uint64) func(*guest, context.Context) error {
	return func(g *guest, ctx context.Context) error {
		_, err := g.try(ctx, function, args...)
		return err
	}
}

// again calls a function until the guest does not get any further.
func again(function string, args ...uint64) func(*guest, context.Context) error {
	return func(g *guest, ctx context.Context) error {
		for {
			if _, err := g.try(ctx, function, args...); err != nil {
				return err
			}
		}
	}
}

// end has a guest open something in a call, and end it so.
func (e ending) end(t *testing.T, c *Call, open func(g *guest, ctx context.Context)) {
	t.Helper()
	m, err := forwarderCode()
	if err != nil {
		t.Fatal(err)
	}
	l := limits(sandbox.PageSize)
	switch e.want {
	case sandbox.OutOfFuel:
		l.CPU = 10 * time.Millisecond
	case sandbox.OutOfTime:
		l.CPU = time.Hour
	}
	in, err := c.Prepare(context.Background(), m, l)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	timeout := time.Minute
	if e.want == sandbox.OutOfTime {
		timeout = 300 * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	g := &guest{t, c, in}
	open(g, ctx)
	if err = e.do(g, ctx); e.want >= 0 {
		g.wantFault(err, e.want)
	}
	c.Release()
}
