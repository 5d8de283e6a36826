package main

import (
	"time"

	"sluice/benchmarks"
	"sluice/benchmarks/figures"
)

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// These are figures of one measurement.
func p50(m measurement) float64 { return milliseconds(m.load.P50) }
func p99(m measurement) float64 { return milliseconds(m.load.P99) }
func cpu(m measurement) float64 { return m.perCall(m.server.CPU.Seconds()) }

// ratios divides a figure of two servers round by round.
func ratios(a, b []measurement, figure func(measurement) float64) figures.Spread {
	return figures.Ratios(each(a, figure), each(b, figure))
}

func each(ms []measurement, figure func(measurement) float64) []float64 {
	all := make([]float64, len(ms))
	for i, m := range ms {
		all[i] = figure(m)
	}
	return all
}

// summary is what the measurements come to.
func summary(m figures.Machine, p plan, all []results) figures.EndToEnd {
	out := figures.EndToEnd{
		Machine: m, Command: p.command(), Rounds: p.Rounds, Warmup: p.WarmUp.String(), Duration: p.Duration.String(),
		DocumentBytes: len(benchmarks.Document),
	}
	var every []measurement
	for _, r := range all {
		l := figures.Load{Connections: r.connections}
		for _, name := range p.Servers {
			every = append(every, r.of[name]...)
			l.Servers = append(l.Servers, r.server(name))
		}
		out.Loads = append(out.Loads, l)
	}
	out.Others = figures.SpreadOf(every, func(one measurement) float64 { return 100 * one.others(m.Cores) })
	return out
}

func (r results) server(name string) figures.Server {
	ms, twin := r.of[name], r.of[figures.Twin]
	median := func(used func(m measurement) float64) float64 {
		return figures.SpreadOf(ms, func(m measurement) float64 { return m.perCall(used(m)) }).Median
	}
	s := figures.Server{
		Name:        name,
		PerSecond:   figures.SpreadOf(ms, measurement.perSecond),
		P50:         figures.SpreadOf(ms, p50),
		P99:         figures.SpreadOf(ms, p99),
		Allocations: median(func(m measurement) float64 { return float64(m.server.Objects) }),
		Bytes:       median(func(m measurement) float64 { return float64(m.server.Bytes) }),
		GCs:         1000 * median(func(m measurement) float64 { return float64(m.server.GCs) }),
		ServerCPU:   1000 * median(func(m measurement) float64 { return m.server.CPU.Seconds() }),
		ServiceCPU:  1000 * median(func(m measurement) float64 { return m.upstream.CPU.Seconds() }),
		ClientCPU:   1000 * median(func(m measurement) float64 { return m.load.CPU.Seconds() }),
	}
	s.ToTwin.PerSecond = ratios(ms, twin, measurement.perSecond)
	s.ToTwin.P50, s.ToTwin.P99, s.ToTwin.CPU = ratios(ms, twin, p50), ratios(ms, twin, p99), ratios(ms, twin, cpu)
	return s
}
