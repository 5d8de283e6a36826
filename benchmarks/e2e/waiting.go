package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"sluice/benchmarks"
	"sluice/benchmarks/child"
	"sluice/benchmarks/figures"
)

// waitingServers are the servers whose waiting calls are measured, each in a process of its own for each round.
var waitingServers = []string{figures.Sluice, figures.Twin}

// waitingRounds is how often each is measured.
const waitingRounds = 3

// measureWaiting measures how much memory a call takes that waits for a service.
func measureWaiting(ctx context.Context, p plan, progress func(line string)) (*figures.Waiting, error) {
	all, private := make(map[string][]float64), make(map[string][]float64)
	failed := make(map[string]int)
	for round := range waitingRounds {
		for _, name := range waitingServers {
			took, held, r, err := waitingOnce(ctx, p, name)
			if err != nil {
				return nil, fmt.Errorf("%d waiting calls of %s: %w", p.Waiting, name, err)
			}
			perCall := func(kilobytes int) float64 { return float64(kilobytes) / float64(held) }
			all[name] = append(all[name], perCall(took.resident+took.tables))
			private[name] = append(private[name], perCall(took.anonymous+took.tables))
			failed[name] += r.Failed
			line := fmt.Sprintf("%d calls wait, round %d of %d: %s %.1f KiB a call, %.1f of them private, %d failed", p.Waiting, round+1, waitingRounds,
				name, all[name][round], private[name][round], r.Failed)
			if r.Why != "" {
				line += ": " + r.Why
			}
			progress(line)
		}
	}
	out := &figures.Waiting{Calls: p.Waiting, Rounds: waitingRounds, Delay: p.Delay.String()}
	for _, name := range waitingServers {
		out.Servers = append(out.Servers, figures.WaitingServer{
			Name: name, Kilobytes: figures.Spreads(all[name]), Private: figures.Spreads(private[name]), Failed: failed[name],
		})
	}
	return out, nil
}

// waitingOnce starts a service and a server, lets the calls wait, and returns what they take of memory
// meanwhile, and how many reached the service.
func waitingOnce(ctx context.Context, p plan, name string) (took usage, held int, r crowdResult, err error) {
	dir, err := os.MkdirTemp("", "sluice-e2e")
	if err != nil {
		return took, held, r, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	services := make([]*child.Process, 0, 3)
	defer func() {
		for _, s := range services {
			err = errors.Join(err, s.Stop(nil))
		}
	}()
	service := func(o order) (address string, err error) {
		s, address, err := startServer(ctx, o)
		if err == nil {
			services = append(services, s)
		}
		return address, err
	}
	at, err := service(order{Role: roleUpstream, Body: []byte(benchmarks.Document)})
	if err != nil {
		return took, held, r, err
	}
	c := crowd{Calls: p.Waiting, Delay: p.Delay}
	holding, err := service(order{Role: roleHolding, Body: []byte(benchmarks.Document), Crowd: c})
	if err != nil {
		return took, held, r, err
	}
	// As many calls as there are, and the double of the sockets that they take: the last quarter is kept from callers.
	many, sockets := strconv.Itoa(2*p.Waiting), strconv.Itoa(4*p.Waiting+1000)
	if c.Address, err = service(order{
		Role: name, Guests: p.Guests, Dir: filepath.Join(dir, "server"),
		Settings: map[string]string{"pool.max": many, "pool.queue": many, "pool.total": many, "sockets": sockets},
	}); err != nil {
		return took, held, r, err
	}
	for range warmingCalls { // of a service that answers at once
		if _, err := post(ctx, c.Address, callOf("http://"+at+"/")); err != nil {
			return took, held, r, err
		}
	}
	holder, server := services[1], services[2]
	before, err := memoryOf(server.PID())
	if err != nil {
		return took, held, r, err
	}
	c.Request = requestOf(c.Address, callOf("http://"+holding+"/"))
	ctx, cancel := context.WithTimeout(ctx, crowdPatience+p.Delay+2*loadGrace)
	defer cancel()
	client, err := start(ctx, order{Role: roleWaiting, Crowd: c})
	if err != nil {
		return took, held, r, err
	}
	defer func() { err = errors.Join(err, client.Stop(nil)) }()
	if held, err = awaitHeld(ctx, holder, p.Waiting); err != nil {
		return took, held, r, err
	}
	during, err := memoryOf(server.PID())
	if err != nil {
		return took, held, r, err
	}
	err = client.Read(&r)
	return during.minus(before), held, r, err
}

// warmingCalls come before memory is measured for the first time, so that what the first calls make once is not counted.
const warmingCalls = 50

// awaitHeld waits until the service holds all calls, or as many as come in time, and returns how many it holds.
func awaitHeld(ctx context.Context, holder *child.Process, calls int) (held int, err error) {
	const look, margin = 20 * time.Millisecond, 2 * time.Second
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for until := time.Now().Add(crowdPatience - margin); held < calls && time.Now().Before(until); {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return held, ctx.Err()
		}
		s, err := sampleOf(holder)
		if err != nil {
			return held, err
		}
		held = int(s.Held)
	}
	if held == 0 {
		return held, errors.New("no call reached the service")
	}
	return held, nil
}

// usage is what a process takes of memory, in kilobytes.
type usage struct{ resident, anonymous, tables int }

func (u usage) minus(earlier usage) usage {
	return usage{u.resident - earlier.resident, u.anonymous - earlier.anonymous, u.tables - earlier.tables}
}

// memoryOf is what a process takes. It needs Linux.
func memoryOf(pid int) (usage, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return usage{}, fmt.Errorf("memory is measured on Linux only: %w", err)
	}
	return parseUsage(string(text))
}

// parseUsage reads a process's status.
// See https://www.kernel.org/doc/html/latest/filesystems/proc.html
func parseUsage(status string) (u usage, err error) {
	found := 0
	for line := range strings.Lines(status) {
		name, value, _ := strings.Cut(line, ":")
		kilobytes, ok := map[string]*int{"VmRSS": &u.resident, "RssAnon": &u.anonymous, "VmPTE": &u.tables}[name]
		if !ok {
			continue
		}
		if *kilobytes, err = strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB")); err != nil {
			return u, fmt.Errorf("the status of a process: %w", err)
		}
		found++
	}
	if found != 3 {
		return u, errors.New("the status of a process has no VmRSS, no RssAnon or no VmPTE")
	}
	return u, nil
}
