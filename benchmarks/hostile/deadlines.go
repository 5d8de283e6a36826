package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"sluice/runtime/hostile"
)

// ends is what became of hostile calls, and of everybody else meanwhile.
type ends struct {
	modules int
	// late are the times from a call's deadline to its answer.
	late summary
	// slept is by how much a process that only sleeps was woken too late; live the answers to /liveness.
	slept, live summary
	pauses      []time.Duration // of the world, sorted
	// The server's memory after each module was called once, and when all calls had ended.
	before, after int64
}

const (
	sleepEvery = 5 * time.Millisecond
	liveEvery  = 20 * time.Millisecond
)

// measureEnds calls modules that are installed, in turn.
func measureEnds(ctx context.Context, p plan, s *server, modules []hostile.Module, progress func(string)) (e ends, err error) {
	e.modules = len(modules)
	call := func(t *times, m hostile.Module) {
		began := time.Now()
		end := s.client.send(s.call(m.Connector(), hostile.Harm, "{}"))
		t.add(time.Since(began)-p.Deadline, end)
	}
	calls := func(t *times, n int) error {
		next := make(chan hostile.Module)
		var wait sync.WaitGroup
		for range p.AtOnce {
			wait.Go(func() {
				for m := range next {
					call(t, m)
				}
			})
		}
		for i := range n {
			next <- modules[i%len(modules)]
		}
		close(next)
		wait.Wait()
		return s.alive()
	}
	progress("each module once")
	if err := calls(new(times), len(modules)); err != nil {
		return e, err
	}
	time.Sleep(p.Settle)
	e.before = resident(s.command.Process.Pid)
	s.takePauses()
	progress(fmt.Sprintf("%d calls", p.Calls))
	var t times
	watchers := []order{{Role: roleSleep, Every: sleepEvery}, {Role: roleSteady, Request: s.liveness(), Every: liveEvery}}
	watched, err := during(ctx, watchers, func() error { return calls(&t, p.Calls) })
	if err != nil {
		return e, err
	}
	e.late, e.slept, e.live, e.pauses = t.summary(), watched[0], watched[1], s.takePauses()
	time.Sleep(p.Settle)
	e.after = resident(s.command.Process.Pid)
	return e, nil
}
