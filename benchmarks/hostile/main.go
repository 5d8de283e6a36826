// Command hostile measures what a server's other callers notice while connectors mean harm.
//
// It builds Sluice, serves it as anybody would, uploads the modules of package runtime/hostile that compute without end, and
// calls them: how long after their deadline do they end, does the server go on answering, how long does Go's collector wait
// for guests, what memory is left behind. Then it lets one connector do harm with as many calls at once as it may have, and
// measures how long the calls of a well-behaved one take beside it, and how long beside nothing but a native program that
// keeps one processor busy.
//
// What a machine does to every program shows beside the figures: a further process does nothing but sleep, and measures by
// how much it is woken too late. Whoever puts load on the server, or watches it, is a process of its own.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"sluice/benchmarks/child"
)

func main() { child.Main("hostile", measure, obey) }

// plan is what is measured.
type plan struct {
	// Calls are made, AtOnce at a time, each with the Deadline.
	Calls, AtOnce int
	Deadline      time.Duration
	// Modules are those that are called.
	Modules *regexp.Regexp
	// Bombs are the modules of which Crowd calls run at once, each with the BombDeadline, for Duration in each of the Rounds.
	Bombs        []string
	Crowd        int
	BombDeadline time.Duration
	Rounds       int
	Duration     time.Duration
	// Settle is how long the server is left alone before its memory is looked at, and before and after each round.
	Settle time.Duration
	// Sluice is the program to measure; "" builds it.
	Sluice string
	out    string // file for the results, or "" for standard output
}

// The bounds of a plan: it is to end.
const (
	maxCalls    = 100_000
	maxCrowd    = 1024 // what a server allows one connector by default
	maxRounds   = 100
	maxDuration = time.Minute
)

func parsePlan(args []string) (plan, error) {
	var p plan
	flags := flag.NewFlagSet("hostile", flag.ContinueOnError)
	flags.IntVar(&p.Calls, "calls", 1000, "hostile calls whose end is measured")
	flags.IntVar(&p.AtOnce, "at-once", 8, "how many of them run at once")
	flags.DurationVar(&p.Deadline, "deadline", 500*time.Millisecond, "their deadline")
	modules := flags.String("modules", ".", "regular expression: call only the modules with such names")
	bombs := flags.String("bombs", "loop,pyramid,memory-chase,loop-with-naps,flood-of-randomness", "modules that do harm beside a well-behaved connector; none where empty")
	flags.IntVar(&p.Crowd, "crowd", maxCrowd, "how many calls of such a module run at once")
	flags.DurationVar(&p.BombDeadline, "bomb-deadline", 10*time.Second, "deadline of these calls")
	flags.IntVar(&p.Rounds, "rounds", 3, "how often that is measured")
	flags.DurationVar(&p.Duration, "duration", 5*time.Second, "for how long each time")
	flags.DurationVar(&p.Settle, "settle", 3*time.Second, "for how long the server is left alone in between")
	flags.StringVar(&p.Sluice, "sluice", "", "program to measure; built from this repository without it")
	flags.StringVar(&p.out, "out", "", "file for the results; standard output without it")
	if err := flags.Parse(args); err != nil {
		return p, err
	}
	var err error
	if p.Modules, err = regexp.Compile(*modules); err != nil {
		return p, fmt.Errorf("-modules: %w", err)
	}
	p.Bombs = slices.DeleteFunc(strings.Split(*bombs, ","), func(name string) bool { return name == "" })
	within := func(n, most int) bool { return n >= 1 && n <= most }
	deadline := func(d time.Duration) bool { return d >= 50*time.Millisecond && d <= maxDuration }
	switch {
	case flags.NArg() > 0:
		return p, fmt.Errorf("%q is no flag", flags.Arg(0))
	case !within(p.Calls, maxCalls) || !within(p.AtOnce, maxCrowd):
		return p, fmt.Errorf("-calls takes 1 to %d, -at-once 1 to %d", maxCalls, maxCrowd)
	case !within(p.Crowd, maxCrowd) || !within(p.Rounds, maxRounds):
		return p, fmt.Errorf("-crowd takes 1 to %d, -rounds 1 to %d", maxCrowd, maxRounds)
	case !deadline(p.Deadline) || !deadline(p.BombDeadline):
		return p, fmt.Errorf("-deadline and -bomb-deadline take 50ms to %s", maxDuration)
	case p.Duration <= 0 || p.Duration > maxDuration, p.Settle < 0 || p.Settle > maxDuration:
		return p, fmt.Errorf("-duration and -settle take up to %s", maxDuration)
	}
	return p, nil
}

// command is how the plan is asked for.
func (p plan) command() string {
	return fmt.Sprintf("go run ./benchmarks/hostile -calls %d -at-once %d -deadline %s -modules '%s' -bombs %s -crowd %d -bomb-deadline %s -rounds %d -duration %s -settle %s",
		p.Calls, p.AtOnce, p.Deadline, p.Modules, strings.Join(p.Bombs, ","), p.Crowd, p.BombDeadline, p.Rounds, p.Duration, p.Settle)
}

// bound is when the measurement has hung: uploads may take a minute each where they are slow to compile.
func (p plan) bound() time.Duration {
	deadlines := 4 * time.Duration(p.Calls/p.AtOnce+1) * p.Deadline
	fairness := time.Duration(p.Rounds*(len(p.Bombs)+2)) * (p.Duration + p.BombDeadline + 2*p.Settle + time.Minute)
	return 30*time.Minute + deadlines + fairness
}

func measure(ctx context.Context, args []string) error {
	p, err := parsePlan(args)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, p.bound())
	defer cancel()
	page, err := run(ctx, p, func(line string) { fmt.Fprintln(os.Stderr, line) })
	if err != nil {
		return err
	}
	if p.out == "" {
		_, err = os.Stdout.WriteString(page)
		return err
	}
	return os.WriteFile(p.out, []byte(page), 0o644)
}
