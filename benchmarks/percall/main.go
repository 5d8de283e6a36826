// Command percall measures single calls of connectors in many languages, without a server around them, in every way in
// which an engine on wazero can run them: a fresh instance for each call, one instance that is never reset, the same with
// wazero's own interruption, and Sluice's.
//
// The ways of plain wazero are here in the source, with host functions that do no more than the guests need, so that
// nothing is hidden in them; Sluice's way goes through its own packages. All ways of a guest are measured in turns within
// one process, so that a machine that is slower for a while is slower for all of them.
package main

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"time"

	"sluice/benchmarks/child"
	"sluice/benchmarks/figures"
)

func main() { child.Main("percall", measure, nil) }

// plan is what is measured.
type plan struct {
	dir    string        // of the built guests
	rounds int           // of every way
	turn   time.Duration // of one way in one round
	only   string        // name of the one guest to measure, or ""
	out    string
}

// The bounds of a plan.
const (
	maxRounds = 1000
	maxTurn   = 10 * time.Second
)

func parsePlan(args []string) (plan, error) {
	var p plan
	flags := flag.NewFlagSet("percall", flag.ContinueOnError)
	flags.StringVar(&p.dir, "guests", "bin/bench", "folder of the built guests")
	flags.IntVar(&p.rounds, "rounds", 21, "how often each way is measured")
	flags.DurationVar(&p.turn, "turn", 50*time.Millisecond, "how long each way runs in a round; one call at least")
	flags.StringVar(&p.only, "only", "", "the one guest to measure")
	flags.StringVar(&p.out, "out", "bin/bench/"+figures.PerCallFile, "file for the figures")
	if err := flags.Parse(args); err != nil {
		return p, err
	}
	switch {
	case flags.NArg() > 0:
		return p, fmt.Errorf("%q is no flag", flags.Arg(0))
	case p.rounds < 1 || p.rounds > maxRounds:
		return p, fmt.Errorf("-rounds takes 1 to %d", maxRounds)
	case p.turn < 0 || p.turn > maxTurn:
		return p, fmt.Errorf("-turn takes up to %s", maxTurn)
	}
	return p, nil
}

func measure(ctx context.Context, args []string) error {
	p, err := parsePlan(args)
	if err != nil {
		return err
	}
	all := figures.PerCall{
		Machine: figures.ThisMachine(), Rounds: p.rounds,
		Command: strings.TrimSpace("go run ./benchmarks/percall " + strings.Join(args, " ")),
	}
	if all.Guests, all.Compute, err = ordersIn(ctx, p); err != nil {
		return err
	}
	if all.Requests, err = requestsIn(ctx, p); err != nil {
		return err
	}
	return figures.Write(p.out, all)
}
