package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"sluice/benchmarks"
)

// spread is the middle of some figures, and their ends.
type spread struct{ median, min, max float64 }

func spreadOf[T any](items []T, figure func(T) float64) spread {
	figures := make([]float64, len(items))
	for i, item := range items {
		figures[i] = figure(item)
	}
	slices.Sort(figures)
	n := len(figures)
	if n == 0 {
		return spread{}
	}
	return spread{median: (figures[(n-1)/2] + figures[n/2]) / 2, min: figures[0], max: figures[n-1]}
}

// ratios divides the figures of two servers round by round: what slows the machine for a while slows both.
func ratios(a, b []measurement, figure func(measurement) float64) spread {
	pairs := make([][2]measurement, min(len(a), len(b)))
	for i := range pairs {
		pairs[i] = [2]measurement{a[i], b[i]}
	}
	return spreadOf(pairs, func(p [2]measurement) float64 { return figure(p[0]) / figure(p[1]) })
}

func (s spread) text(format string) string {
	return fmt.Sprintf(format+" ("+format+"–"+format+")", s.median, s.min, s.max)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// report is the page of results.
func report(m machine, p plan, all []results) string {
	var b strings.Builder
	var every []measurement
	for _, r := range all {
		for _, role := range p.Servers {
			every = append(every, r.of[role]...)
		}
	}
	others := spreadOf(every, func(one measurement) float64 { return 100 * one.others(m.cores) })
	fmt.Fprintf(&b, `# Results: what a sandbox costs

One call of `+"`http/GetRequest`"+` that fetches %d bytes of JSON from a service on loopback, over kept connections: by
**sluice**, each call in a sandbox of its own; by its **twin**, the same server and egress with the command written in
Go and no sandbox; and an answer of the same bytes by **bare fasthttp**, which asks nobody.

| machine | |
|---|---|
| CPU | %s, %d cores for all processes: service, server, load client |
| system | %s |
| Go | %s |
| wazero | %s |
| date | %s |
| load before the start | %s |
| busy with something else meanwhile | %s %% of the machine |

%d rounds of %s for each server, in turns, each after %s of warm-up. Figures are medians, with the lowest and the
highest round in parentheses; a ratio is that of two servers in the same round. The load client is a closed loop: each
connection sends its next request when the last is answered. Both connector servers check a key and log each call at
their default level, to nowhere.

    %s
`, len(benchmarks.Document), m.cpu, m.cores, m.system, m.golang, m.wazero, m.date, cmp.Or(m.load, "unknown"), others.text("%.0f"), p.Rounds, p.Duration, p.WarmUp, p.command())
	b.WriteString("\n## sluice ÷ twin\n\n| connections | requests/s | p50 | p99 | CPU of the server |\n|---:|---|---|---|---|\n")
	for _, r := range all {
		a, t := r.of[roleSluice], r.of[roleTwin]
		fmt.Fprintf(&b, "| %d | **%s** | %s | %s | %s |\n", r.connections,
			ratios(a, t, measurement.perSecond).text("%.3f"),
			ratios(a, t, func(m measurement) float64 { return milliseconds(m.load.P50) }).text("%.2f"),
			ratios(a, t, func(m measurement) float64 { return milliseconds(m.load.P99) }).text("%.2f"),
			ratios(a, t, func(m measurement) float64 { return m.perCall(m.server.CPU.Seconds()) }).text("%.2f"))
	}
	for _, r := range all {
		r.write(&b, p.Servers)
	}
	return b.String()
}

// write appends the tables of one number of connections.
func (r results) write(b *strings.Builder, servers []string) {
	fmt.Fprintf(b, "\n## %d connections\n\n| server | requests/s | p50 ms | p99 ms |\n|---|---|---|---|\n", r.connections)
	for _, role := range servers {
		ms := r.of[role]
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", role,
			spreadOf(ms, measurement.perSecond).text("%.0f"),
			spreadOf(ms, func(m measurement) float64 { return milliseconds(m.load.P50) }).text("%.2f"),
			spreadOf(ms, func(m measurement) float64 { return milliseconds(m.load.P99) }).text("%.2f"))
	}
	b.WriteString("\n| server | allocations a call | bytes a call | GCs per 1,000 calls | CPU s per 1,000 calls: server | service | load client |\n" +
		"|---|---:|---:|---:|---:|---:|---:|\n")
	for _, role := range servers {
		ms := r.of[role]
		median := func(used func(m measurement) float64) float64 {
			return spreadOf(ms, func(m measurement) float64 { return m.perCall(used(m)) }).median
		}
		fmt.Fprintf(b, "| %s | %.1f | %.0f | %.2f | %.4f | %.4f | %.4f |\n", role,
			median(func(m measurement) float64 { return float64(m.server.Objects) }),
			median(func(m measurement) float64 { return float64(m.server.Bytes) }),
			1000*median(func(m measurement) float64 { return float64(m.server.GCs) }),
			1000*median(func(m measurement) float64 { return m.server.CPU.Seconds() }),
			1000*median(func(m measurement) float64 { return m.upstream.CPU.Seconds() }),
			1000*median(func(m measurement) float64 { return m.load.CPU.Seconds() }))
	}
}
