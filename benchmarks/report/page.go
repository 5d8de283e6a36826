package main

import (
	"fmt"
	"strings"

	"sluice/benchmarks/figures"
)

// page is the page of results. Its picture is in the file of that name.
func (r results) page(picture string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Results: what a sandbox costs

![Time of a call by language and way to run it, and requests per second of servers](%s)

Every figure here is written by `+"`make bench`"+`, and is a median, with the lowest and the highest round in
parentheses. What is compared was measured in turns, and ratios are taken within a round, so that a machine that is
slower for a while is slower for all.

| machine | |
|---|---|
| CPU | %s, %d cores for all processes |
| system | %s |
| Go, wazero | %s, %s |
| date | %s |
| load before the start | %s |
`, picture, r.perCall.Machine.CPU, r.perCall.Machine.Cores, r.perCall.Machine.System, r.perCall.Machine.Go,
		r.perCall.Machine.Wazero, r.perCall.Machine.Date, r.perCall.Machine.Load)
	r.calls(&b)
	r.metering(&b)
	r.resets(&b)
	r.otherHost(&b)
	r.servers(&b)
	r.waiting(&b)
	r.guarding(&b)
	return b.String()
}

const (
	micro = "%.1f"
	ratio = "%.2f"
)

func (r results) calls(b *strings.Builder) {
	fmt.Fprintf(b, `
## One call

The same work in five languages: read about a kilobyte of JSON, an order with twelve lines, parse it, add the sums, and
answer it as JSON (`+"`benchmarks/guests`"+`). Microseconds a call, without a server; %d rounds of each way, in turns.

`, r.perCall.Rounds)
	callTimes(b, r.perCall.Guests)
	b.WriteString(`
- **fresh**: plain wazero, an instance for each call. Nothing leaks from call to call.
- **dirty**: plain wazero, one instance for all calls, which find what others left. Nothing ends a guest that hangs.
- **interruptible**: the same with ` + "`WithCloseOnContextDone`" + ` and a deadline.
- **Sluice**: each call in a sandbox that was reset to the image of the guest, with a deadline, metered, and with bounds
  on memory, depth and output. The reset is part of the time.

The host of plain wazero (` + "`benchmarks/percall/host.go`" + `) does no more than these guests need.

`)
	callRatios(b, r.perCall.Guests)
	b.WriteString(`
A call of ` + "`http/GetRequest`" + `, without the time that the service takes: the host answers the request at once.

`)
	callTimes(b, r.perCall.Requests)
	b.WriteString("\n")
	callRatios(b, r.perCall.Requests)
}

// callTimes appends a table of microseconds a call.
func callTimes(b *strings.Builder, all []figures.Guest) {
	b.WriteString(`| guest | module | fresh instance | reused, interruptible | reused, dirty | **Sluice, pristine** |
|---|---:|---|---|---|---|
`)
	for _, g := range all {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | **%s** |\n", g.Language, size(g.Bytes),
			g.Times[figures.Fresh].Text(micro), g.Times[figures.Interrupted].Text(micro), g.Times[figures.Dirty].Text(micro),
			g.Times[figures.Pristine].Text(micro))
	}
}

// callRatios appends a table of what calls cost beside those of a reused instance, and of a fresh one.
func callRatios(b *strings.Builder, all []figures.Guest) {
	b.WriteString(`| time of a call | fresh ÷ dirty | interruptible ÷ dirty | **Sluice ÷ dirty** | **Sluice ÷ fresh** |
|---|---|---|---|---|
`)
	for _, g := range all {
		fmt.Fprintf(b, "| %s | %s | %s | **%s** | **%s** |\n", g.Language, g.ToDirty[figures.Fresh].Text(micro),
			g.ToDirty[figures.Interrupted].Text(ratio), g.ToDirty[figures.Pristine].Text(ratio),
			g.ToFresh[figures.Pristine].Text("%.3f"))
	}
}

func (r results) metering(b *strings.Builder) {
	b.WriteString(`
## Metering

Code is rewritten at install to count its instructions and its depth. Both modules run on plain wazero, reused: the
time of the rewritten one ÷ that of the uploaded one.

| guest | metered ÷ unmetered |
|---|---|
`)
	for _, g := range r.perCall.Guests {
		fmt.Fprintf(b, "| %s | %s |\n", g.Language, g.ToDirty[figures.Metered].Text(ratio))
	}
	b.WriteString(`
Long calls, where nothing else costs anything; milliseconds:

| call | unmetered | metered | ÷ unmetered | ` + "`WithCloseOnContextDone`" + ` | ÷ unmetered |
|---|---|---|---|---|---|
`)
	for _, c := range r.perCall.Compute {
		fmt.Fprintf(b, "| %s | %s | %s | **%s** | %s | %s |\n", c.Name, c.Plain.Text(micro), c.Rewritten.Text(micro),
			c.Metered.Text(ratio), c.Interruptible.Text(micro), c.Checking.Text(ratio))
	}
}

func (r results) resets(b *strings.Builder) {
	b.WriteString(`
## Reset, and images

What a call writes, in pages of 4 KiB, what it takes to put them back, and what a *warm* image is worth: one taken after
the guest has exercised its code without effect, so that heaps are grown and tables built.

| guest | pages written | reset, µs | call from a cold image, µs | from a warm one |
|---|---|---|---|---|
`)
	for _, g := range r.perCall.Guests {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", g.Language, g.PagesWritten.Text("%.0f"),
			g.ResetMicroseconds.Text(micro), g.Times[figures.PristineCold].Text(micro), g.Times[figures.Pristine].Text(micro))
	}
}

func (r results) otherHost(b *strings.Builder) {
	b.WriteString("\n## The same work in Extism's host\n\n")
	if r.extism == nil {
		b.WriteString("Not measured.\n")
		return
	}
	fmt.Fprintf(b, `A plug-in with the same code and Extism's own kit, in `+"`%s`"+` (`+"`benchmarks/extism`"+`). Microseconds a call, %d rounds.

| plug-in | module | fresh plug-in | reused, with a timeout | reused | allocated a call |
|---|---:|---|---|---|---|
`, r.extism.SDK, r.extism.Rounds)
	for _, p := range r.extism.Plugins {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s in %.0f objects |\n", p.Language, size(p.Bytes), p.Fresh.Text(micro),
			p.Interruptible.Text(micro), p.Reused.Text(micro), size(int(p.BytesACall)), p.AllocationsACall)
	}
}

func (r results) servers(b *strings.Builder) {
	e := r.endToEnd
	fmt.Fprintf(b, `
## End to end

One call of `+"`http/GetRequest`"+` that fetches %d bytes of JSON from a service on loopback, over kept connections: by
**Sluice** with its bundled connector, in Rust, and with one in Go that answers the same bytes; by both *without the reset*,
which only this benchmark's own server can be told to leave out; by their **native twin**, the same server and egress with
the command written in Go and no sandbox; and an answer of the same bytes by **bare fasthttp**, which asks nobody.

%d rounds of %s for each, in turns, each after %s of warm-up. The load client is a closed loop: each connection sends its
next request when the last is answered. Service, server and client share the machine's cores, and something else kept
%s %% of it busy. All connector servers check a key and log each call at their default level, to nowhere.

    %s

| connections | server | requests/s | ÷ twin | p50 ÷ twin | p99 ÷ twin | CPU of the server ÷ twin |
|---:|---|---|---|---|---|---|
`, e.DocumentBytes, e.Rounds, e.Duration, e.Warmup, e.Others.Text("%.0f"), e.Command)
	for _, l := range e.Loads {
		for _, s := range l.Servers {
			if s.Name == figures.Bare || s.Name == figures.Twin {
				continue
			}
			fmt.Fprintf(b, "| %d | %s | %s | **%s** | %s | %s | %s |\n", l.Connections, s.Name, s.PerSecond.Text("%.0f"),
				s.ToTwin.PerSecond.Text(ratio), s.ToTwin.P50.Text(ratio), s.ToTwin.P99.Text(ratio), s.ToTwin.CPU.Text(ratio))
		}
	}
	for _, l := range e.Loads {
		load(b, l)
	}
}

// load appends the tables of one number of connections.
func load(b *strings.Builder, l figures.Load) {
	fmt.Fprintf(b, "\n### %d connections\n\n| server | requests/s | p50 ms | p99 ms |\n|---|---|---|---|\n", l.Connections)
	for _, s := range l.Servers {
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", s.Name, s.PerSecond.Text("%.0f"), s.P50.Text(ratio), s.P99.Text(ratio))
	}
	b.WriteString("\n| server | allocations a call | bytes a call | GCs per 1,000 calls | CPU s per 1,000 calls: server | service | load client |\n" +
		"|---|---:|---:|---:|---:|---:|---:|\n")
	for _, s := range l.Servers {
		fmt.Fprintf(b, "| %s | %.1f | %.0f | %.2f | %.4f | %.4f | %.4f |\n", s.Name, s.Allocations, s.Bytes, s.GCs,
			s.ServerCPU, s.ServiceCPU, s.ClientCPU)
	}
}

func (r results) waiting(b *strings.Builder) {
	w := r.endToEnd.Waiting
	if w == nil {
		return
	}
	fmt.Fprintf(b, `
## Calls that wait

%d calls at once, each over a connection of its own, to a service that holds all of them and answers %s after the last
has come. (VmRSS + VmPTE of the server while they wait, less that before) ÷ calls: it has the connections in it, to the
caller and to the service. VmRSS counts a page of the image, which all sandboxes share, in each that has it mapped;
*private* is RssAnon + VmPTE, what a further call really takes. %d rounds, each with a new server.

| server | KiB a waiting call | of them private | calls that failed, of all rounds |
|---|---|---|---:|
`, w.Calls, w.Delay, w.Rounds)
	for _, s := range w.Servers {
		fmt.Fprintf(b, "| %s | %s | **%s** | %d |\n", s.Name, s.Kilobytes.Text(micro), s.Private.Text(micro), s.Failed)
	}
}

func (r results) guarding(b *strings.Builder) {
	g := r.guard
	fmt.Fprintf(b, `
## The guard of the egress

Each address that a connection is about to be made to is judged by what the connector is granted. %d rounds of each way, in
turns; a connection is made to a service on loopback and reset, a request goes over a kept one, beside those of net/http.

    %s

| an address | µs to judge it |
|---|---|
`, g.Rounds, g.Command)
	for _, j := range g.Judged {
		fmt.Fprintf(b, "| %s | **%s** |\n", j.Kind, j.Microseconds.Text(ratio))
	}
	b.WriteString("\n| | plain, µs | guarded, µs | guarded ÷ plain | allocations, plain | guarded |\n|---|---|---|---|---:|---:|\n")
	for _, c := range []struct {
		what string
		figures.Compared
	}{{"a connection", g.Dial}, {"a request, connection kept", g.Request}} {
		fmt.Fprintf(b, "| %s | %s | %s | **%s** | %.1f | %.1f |\n", c.what, c.Plain.Text(micro), c.Guarded.Text(micro), c.Ratio.Text(ratio),
			c.PlainAllocations, c.GuardedAllocations)
	}
}

// size is a number of bytes in the unit that fits.
func size(n int) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 10<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
}
