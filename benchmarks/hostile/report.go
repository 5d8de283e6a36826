package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"sluice/benchmarks/figures"
)

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.2f ms", d.Seconds()*1000) }

// The bars that a server is held to.
const (
	barWithin50  = .999
	barPause     = 2 * time.Millisecond
	barGrowth    = 64 << 20
	barLive      = 50 * time.Millisecond
	barFair      = 2.0
	deadlineCode = "deadline_exceeded"
)

func verdict(holds bool) string {
	if holds {
		return "holds"
	}
	return "**does not hold**"
}

// report is the page of results.
func report(m figures.Machine, p plan, e ends, f fairness) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Results: what others notice of hostile connectors

| machine | |
|---|---|
| CPU | %s, %d cores for all processes: server, clients, watchers |
| system | %s |
| Go | %s |
| date | %s |
| load before the start | %s |

    %s

## Calls that compute without end

%d calls of %d modules, %d at once, each with a deadline of %s. Times count from the deadline to the answer, as a client sees it.

| what | bar | found | |
|---|---|---|---|
`, m.CPU, m.Cores, m.System, m.Go, m.Date, m.Load, p.command(), e.late.N, e.modules, p.AtOnce, p.Deadline)
	row := func(what, bar, found string, holds bool) {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", what, bar, found, verdict(holds))
	}
	info := func(what, found string) { fmt.Fprintf(&b, "| %s | – | %s | |\n", what, found) }
	other := e.late.failed(deadlineCode)
	row("ended with deadline_exceeded", "all", fmt.Sprintf("%d of %d%s", e.late.N-other, e.late.N, others(e.late.Ends, deadlineCode)), other == 0)
	row("ended by the deadline + 50 ms", "999 of 1,000", fmt.Sprintf("%d of %d", e.late.Within50, e.late.N), float64(e.late.Within50) >= barWithin50*float64(e.late.N))
	row("ended by the deadline + 250 ms", "all", fmt.Sprintf("%d of %d", e.late.Within250, e.late.N), e.late.Within250 == e.late.N)
	info("past the deadline: p50, p99, p99.9, longest", spread(e.late))
	info("a process that only sleeps is woken too late by: p50, p99, p99.9, longest", spread(e.slept))
	row("/liveness", "always answered", fmt.Sprintf("%d of %d", e.live.Ends[ok], e.live.N), e.live.failed(ok) == 0)
	row("/liveness: p50, p99, p99.9, longest", "p99 50 ms", spread(e.live), e.live.P99 <= barLive)
	pause := quantile(e.pauses, .99)
	row("world stopped for the collector, p99", "2 ms", fmt.Sprintf("%s, longest %s, of %d stops", milliseconds(pause), milliseconds(quantile(e.pauses, 1)), len(e.pauses)), pause <= barPause)
	row("memory that stays behind", "64 MiB", fmt.Sprintf("%d MiB, of %d MiB", (e.after-e.before)>>20, e.after>>20), e.after-e.before <= barGrowth)
	if len(f.beside) > 0 {
		f.write(&b, p)
	}
	return b.String()
}

// write appends the table of what the neighbour's calls took.
func (f fairness) write(b *strings.Builder, p plan) {
	fmt.Fprintf(b, `
## A well-behaved connector beside %d calls at once of a hostile one

The hostile calls have a deadline of %s. %s/%s can answer %.0f calls a second. It is asked for %.0f %% of that, evenly, %d times for %s; a request that is sent
late, because an earlier one holds it up, counts from when it was due. Figures are medians of the rounds, with the lowest and
the highest. The bar is a p99 of %g times that beside a busy loop, and every call answered well.

| beside | p50 ms | p99 ms | p99 ÷ beside a busy loop | not answered well | | what became of the hostile calls |
|---|---|---|---|---|---|---|
`, p.Crowd, p.BombDeadline, neighbour, neighbourCommand, f.perSecond, 100*share, p.Rounds, p.Duration, barFair)
	figure := func(x beside, of func(summary) time.Duration) []float64 {
		var all []float64
		for _, s := range x.rounds {
			all = append(all, of(s).Seconds()*1000)
		}
		return all
	}
	p50, p99 := func(s summary) time.Duration { return s.P50 }, func(s summary) time.Duration { return s.P99 }
	spin := figure(f.beside[1], p99)
	for _, x := range f.beside {
		failed, ends := 0, make(map[string]int)
		for _, s := range x.rounds {
			failed += s.failed(ok)
			for end, n := range s.Ends {
				ends[end] += n
			}
		}
		ratios, held := figures.Ratios(figure(x, p99), spin), ""
		if x.bombs != nil {
			held = verdict(ratios.Median <= barFair && failed == 0)
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %d%s | %s | %s |\n", x.name, figures.Spreads(figure(x, p50)).Text("%.2f"), figures.Spreads(figure(x, p99)).Text("%.2f"),
			ratios.Text("%.2f"), failed, others(ends, ok), held, strings.TrimPrefix(others(x.bombs), ": "))
	}
}

func spread(s summary) string {
	return strings.Join([]string{milliseconds(s.P50), milliseconds(s.P99), milliseconds(s.P999), milliseconds(s.Max)}, ", ")
}

// others lists ends with their numbers, but for those that are named.
func others(ends map[string]int, but ...string) string {
	var list []string
	for _, end := range slices.Sorted(maps.Keys(ends)) {
		if !slices.Contains(but, end) {
			list = append(list, fmt.Sprintf("%s %d", end, ends[end]))
		}
	}
	if len(list) == 0 {
		return ""
	}
	return ": " + strings.Join(list, ", ")
}
