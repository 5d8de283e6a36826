// Command guard measures what the guard of the egress costs: judging an address, dialling with it and without it, and a
// request over a kept connection beside one of a plain http.Client. All ways are measured in turns within one process.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"sluice/benchmarks/child"
	"sluice/benchmarks/figures"
	"sluice/hostfuncs/egress"

	"github.com/valyala/fasthttp"
)

func main() { child.Main("guard", measure, nil) }

// plan is what is measured.
type plan struct {
	rounds int           // of every way
	turn   time.Duration // of one way in one round
	out    string
}

// The bounds of a plan.
const (
	maxRounds = 1000
	maxTurn   = 10 * time.Second
)

func parsePlan(args []string) (plan, error) {
	var p plan
	flags := flag.NewFlagSet("guard", flag.ContinueOnError)
	flags.IntVar(&p.rounds, "rounds", 21, "how often each way is measured")
	flags.DurationVar(&p.turn, "turn", 50*time.Millisecond, "how long each way runs in a round")
	flags.StringVar(&p.out, "out", "bin/bench/"+figures.GuardFile, "file for the figures")
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

func measure(ctx context.Context, args []string) (err error) {
	p, err := parsePlan(args)
	if err != nil {
		return err
	}
	s, err := listen()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Shutdown()) }()
	r, err := newReach(s.address)
	if err != nil {
		return err
	}
	defer r.close()
	all := figures.Guard{
		Rounds:  p.rounds,
		Command: strings.TrimSpace("go run ./benchmarks/guard " + strings.Join(args, " ")),
	}
	for _, a := range judged {
		times, err := p.compare(ctx, r.judge(a.address))
		if err != nil {
			return fmt.Errorf("%s: %w", a.kind, err)
		}
		all.Judged = append(all.Judged, figures.Judged{Kind: a.kind, Microseconds: figures.Spreads(times[0])})
	}
	if all.Dial, err = p.pair(ctx, r.dialPlainly, r.dialGuarded); err != nil {
		return err
	}
	if all.Request, err = p.pair(ctx, r.getPlainly, r.getGuarded); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "an address %.2f µs; dial ×%.2f, request ×%.2f\n", all.Judged[0].Microseconds.Median,
		all.Dial.Ratio.Median, all.Request.Ratio.Median)
	return figures.Write(p.out, all)
}

// judged are addresses of every kind that the guard has a way of its own for.
var judged = []struct{ kind, address string }{
	{"public IPv4", "93.184.215.14:443"},
	{"private IPv4, granted", "10.20.30.40:443"},
	{"public IPv6", "[2606:2800:21f:cb07::1]:443"},
	{"IPv4 within IPv6 (NAT64), granted", "[64:ff9b::5db8:d70e]:443"},
}

// service answers every request with the same 300 bytes and takes every connection.
type service struct {
	fasthttp.Server
	address string
}

func listen() (*service, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	body := []byte(strings.Repeat("x", answerBytes))
	s := &service{address: l.Addr().String()}
	s.Handler = func(c *fasthttp.RequestCtx) { c.Response.SetBodyRaw(body) }
	go func() { _ = s.Serve(l) }() // ends with Shutdown
	return s, nil
}

const answerBytes = 300

// addresses are what the guard is granted: all that is judged and dialled here.
var addresses = []string{"public", "private", "loopback", "64:ff9b::/96"}

func grant(rules ...string) (e egress.Entry, err error) {
	for _, text := range rules {
		rule, err := egress.ParseGrantRule(text)
		if err != nil {
			return e, err
		}
		e.Rules = append(e.Rules, rule)
	}
	for _, text := range addresses {
		address, err := egress.ParseAddress(text)
		if err != nil {
			return e, err
		}
		e.Addresses = append(e.Addresses, address)
	}
	return e, nil
}
