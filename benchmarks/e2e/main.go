// Command e2e measures whole servers over loopback: Sluice with its bundled connector http, which is in Rust, and with one
// in Go that answers the same; both also without the reset between calls, which no server but this program's can be told;
// the twin that does without a sandbox; and bare fasthttp with a constant answer as the bound of what this machine can
// carry. Then it measures how much memory calls take that wait for a service, many at once.
//
// It starts itself again for every process that takes part, so that none shares a heap or a scheduler with another:
// the service that connectors ask, each server, and the load client. The servers are measured in turns, A B C A B C …,
// so that a machine that is slower for a while is slower for all of them; ratios are taken within a turn.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"sluice/benchmarks/child"
	"sluice/benchmarks/figures"
)

func main() { child.Main("e2e", measure, obey) }

// plan is what is measured.
type plan struct {
	Connections []int
	Rounds      int
	WarmUp      time.Duration // before each measurement, not counted
	Duration    time.Duration // of each measurement
	Profiles    string        // folder for the servers' CPU profiles, or ""
	Servers     []string      // in the order in which they are measured
	Guests      string        // folder of the built guests
	Waiting     int           // calls that wait at once, 0 not to measure that
	Delay       time.Duration // of the service's answers to them
	out         string        // file for the figures
}

// The bounds of a plan: it is to end, and not to be more than loopback carries.
const (
	maxConnections = 1024
	maxRounds      = 100
	maxDuration    = time.Minute
	maxWaiting     = 9000 // two sockets each in a server that may have 20,000
	maxDelay       = 10 * time.Second
)

func parsePlan(args []string) (plan, error) {
	p := plan{Servers: []string{
		figures.Sluice, figures.SluiceDirty, figures.SluiceGo, figures.GoDirty, figures.Twin, figures.Bare,
	}}
	flags := flag.NewFlagSet("e2e", flag.ContinueOnError)
	connections := flags.String("connections", "1,32,64", "how many connections the load client keeps, one table for each")
	flags.IntVar(&p.Rounds, "rounds", 7, "how often each server is measured")
	flags.DurationVar(&p.WarmUp, "warmup", 500*time.Millisecond, "load before each measurement")
	flags.DurationVar(&p.Duration, "duration", 3*time.Second, "length of each measurement")
	flags.StringVar(&p.Profiles, "cpuprofile", "", "folder for a CPU profile of each server")
	flags.StringVar(&p.Guests, "guests", "bin/bench", "folder of the built guests")
	flags.IntVar(&p.Waiting, "waiting", 8000, "how many calls wait at once when their memory is measured; 0 leaves that out")
	flags.DurationVar(&p.Delay, "delay", time.Second, "how long they wait once all do")
	flags.StringVar(&p.out, "out", "bin/bench/"+figures.EndToEndFile, "file for the figures")
	if err := flags.Parse(args); err != nil {
		return p, err
	}
	for text := range strings.SplitSeq(*connections, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || n < 1 || n > maxConnections {
			return p, fmt.Errorf("-connections takes numbers from 1 to %d, separated by commas", maxConnections)
		}
		p.Connections = append(p.Connections, n)
	}
	switch {
	case flags.NArg() > 0:
		return p, fmt.Errorf("%q is no flag", flags.Arg(0))
	case p.Rounds < 1 || p.Rounds > maxRounds:
		return p, fmt.Errorf("-rounds takes 1 to %d", maxRounds)
	case p.Duration <= 0 || p.Duration > maxDuration, p.WarmUp < 0 || p.WarmUp > maxDuration:
		return p, fmt.Errorf("-duration and -warmup take up to %s", maxDuration)
	case p.Waiting < 0 || p.Waiting > maxWaiting:
		return p, fmt.Errorf("-waiting takes up to %d", maxWaiting)
	case p.Delay < 0 || p.Delay > maxDelay:
		return p, fmt.Errorf("-delay takes up to %s", maxDelay)
	}
	return p, nil
}

// command is how the plan is asked for.
func (p plan) command() string {
	counts := make([]string, len(p.Connections))
	for i, n := range p.Connections {
		counts[i] = strconv.Itoa(n)
	}
	c := fmt.Sprintf("go run ./benchmarks/e2e -connections %s -rounds %d -warmup %s -duration %s -waiting %d -delay %s",
		strings.Join(counts, ","), p.Rounds, p.WarmUp, p.Duration, p.Waiting, p.Delay)
	if p.Profiles != "" {
		c += " -cpuprofile " + p.Profiles
	}
	return c
}

// bound is when the measurement has hung.
func (p plan) bound() time.Duration {
	turns := time.Duration(len(p.Connections) * p.Rounds * len(p.Servers))
	bound := 2*time.Minute + turns*(p.WarmUp+p.Duration+loadGrace)
	if p.Waiting > 0 {
		bound += time.Duration(waitingRounds*len(waitingServers)) * (crowdPatience + p.Delay + loadGrace)
	}
	return bound
}

func measure(ctx context.Context, args []string) error {
	p, err := parsePlan(args)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, p.bound())
	defer cancel()
	if p.Profiles != "" {
		if err := os.MkdirAll(p.Profiles, 0o755); err != nil {
			return err
		}
	}
	machine := figures.ThisMachine()
	progress := func(line string) { fmt.Fprintln(os.Stderr, line) }
	results, err := run(ctx, p, progress)
	if err != nil {
		return err
	}
	all := summary(machine, p, results)
	if p.Waiting > 0 {
		if all.Waiting, err = measureWaiting(ctx, p, progress); err != nil {
			return err
		}
	}
	return figures.Write(p.out, all)
}
