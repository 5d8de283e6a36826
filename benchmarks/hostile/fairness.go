package main

import (
	"context"
	"fmt"
	"time"

	"sluice/runtime/hostile"
)

// The well-behaved connector's command, which comes with Sluice, and what it is asked.
const (
	neighbour        = "example"
	neighbourCommand = "Example"
	neighbourParams  = `{"message":"hello"}`
)

// share is the part of the neighbour's capacity that it is asked for.
const share = .2

// capacityClients is how many clients ask at once to find the capacity.
const capacityClients = 16

// fairness is how long the neighbour's calls take, by what runs beside it: the median of the rounds' p99, and everything
// that did not end well.
type fairness struct {
	perSecond float64 // of the neighbour, as much as it can
	beside    []beside
}

// beside is what the neighbour's calls take beside something else.
type beside struct {
	name   string
	rounds []summary
	// bombs are what became of the calls beside it, of all rounds.
	bombs map[string]int
}

// Names of what runs beside the neighbour, when that is no module.
const (
	besideNothing = "nothing"
	besideSpin    = "one native busy loop"
)

// measureFairness measures the neighbour in turns, beside each of the bombs and beside what it is compared with.
func measureFairness(ctx context.Context, p plan, s *server, bombs []hostile.Module, progress func(string)) (f fairness, err error) {
	ask := s.call(neighbour, neighbourCommand, neighbourParams)
	if f.perSecond, err = capacity(ctx, p, ask); err != nil {
		return f, err
	}
	progress(fmt.Sprintf("the well-behaved connector can answer %.0f calls a second", f.perSecond))
	steady := order{Role: roleSteady, Request: ask, Every: time.Duration(float64(time.Second) / (share * f.perSecond))}
	f.beside = []beside{{name: besideNothing}, {name: besideSpin}}
	orders := [][]order{nil, {{Role: roleSpin}}}
	for _, m := range bombs {
		f.beside = append(f.beside, beside{name: m.Name, bombs: make(map[string]int)})
		orders = append(orders, []order{{Role: roleCrowd, Request: s.call(m.Connector(), hostile.Harm, "{}"), AtOnce: p.Crowd}})
	}
	for round := range p.Rounds {
		for i := range f.beside {
			b := &f.beside[i]
			if err := b.measure(ctx, p, s, steady, orders[i]); err != nil {
				return f, fmt.Errorf("beside %s: %w", b.name, err)
			}
			progress(fmt.Sprintf("round %d of %d, beside %s: p99 %s", round+1, p.Rounds, b.name, b.rounds[round].P99))
		}
	}
	return f, nil
}

// measure is one round.
func (b *beside) measure(ctx context.Context, p plan, s *server, steady order, others []order) error {
	var asked []summary
	crowded, err := during(ctx, others, func() (err error) {
		time.Sleep(p.Settle) // until everything beside is under way
		asked, err = during(ctx, []order{steady}, func() error { time.Sleep(p.Duration); return s.alive() })
		return err
	})
	if err != nil {
		return err
	}
	b.rounds = append(b.rounds, asked[0])
	for _, c := range crowded {
		for end, n := range c.Ends {
			b.bombs[end] += n
		}
	}
	time.Sleep(p.Settle)
	return nil
}

// capacity is how many calls a second the server answers to clients that always ask for the next.
func capacity(ctx context.Context, p plan, ask request) (float64, error) {
	began := time.Now()
	answered, err := during(ctx, []order{{Role: roleCrowd, Request: ask, AtOnce: capacityClients}}, func() error {
		time.Sleep(p.Duration)
		return nil
	})
	if err != nil {
		return 0, err
	}
	n := answered[0].Ends[ok]
	if n == 0 {
		return 0, fmt.Errorf("the well-behaved connector gives no answer: %v", answered[0].Ends)
	}
	return float64(n) / time.Since(began).Seconds(), nil
}
