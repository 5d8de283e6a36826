package main

import (
	"fmt"
	"html"
	"math"
	"strings"

	"sluice/benchmarks/figures"
)

// The measures of the picture, in pixels.
const (
	width     = 820
	left      = 210 // where the scales begin
	right     = 780 // where they end
	rowHeight = 34
	barHeight = 18
)

// style colours the picture. Its ground is the page's own, whether that is light or dark.
const style = `
  text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328; }
  .title { font-size: 15px; font-weight: 600; }
  .small { font-size: 11.5px; fill: #59636e; }
  .end { text-anchor: end; }
  .middle { text-anchor: middle; }
  .strong { font-weight: 600; }
  .grid { stroke: #d1d9e0; stroke-width: 1; }
  .span { stroke: #afb8c1; stroke-width: 2; }
  .fresh { fill: #8c959f; }
  .interruptible { fill: #bc4c00; }
  .dirty { fill: #0969da; }
  .ours { fill: #1a7f37; }
  .edge { stroke: #ffffff; stroke-width: 1.5; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .small { fill: #9198a1; }
    .grid { stroke: #30363d; }
    .span { stroke: #484f58; }
    .fresh { fill: #8b949e; }
    .interruptible { fill: #f0883e; }
    .dirty { fill: #58a6ff; }
    .ours { fill: #3fb950; }
    .edge { stroke: #0d1117; }
  }
`

// svg is a picture in the making.
type svg struct {
	strings.Builder
	y float64 // where the next row goes
}

func (s *svg) text(x, y float64, class, text string) {
	fmt.Fprintf(s, `<text x="%.1f" y="%.1f" class="%s">%s</text>`+"\n", x, y, class, html.EscapeString(text))
}

func (s *svg) line(x1, y1, x2, y2 float64, class string) {
	fmt.Fprintf(s, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" class="%s"/>`+"\n", x1, y1, x2, y2, class)
}

// picture draws what a call costs in each language and way, and what servers carry.
func (r results) picture() string {
	s := &svg{y: 26}
	r.drawCalls(s)
	r.drawServers(s)
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %.0f" width="%d" height="%.0f" role="img" `+
		`aria-label="Time of a call by language and way to run it, and requests per second of servers">`+
		"\n<style>%s</style>\n%s</svg>\n", width, s.y, width, s.y, style, s.String())
}

// shown are the ways in the picture.
var shown = []struct {
	way          figures.Way
	class, label string
}{
	{figures.Fresh, "fresh", "fresh instance"},
	{figures.Interrupted, "interruptible", "reused, interruptible"},
	{figures.Dirty, "dirty", "reused, dirty"},
	{figures.Pristine, "ours", "Sluice: pristine, metered"},
}

// drawCalls draws a dot for each way of each guest, on a logarithmic scale.
func (r results) drawCalls(s *svg) {
	s.text(16, s.y, "title", "One call: a kilobyte of JSON parsed, changed and serialised")
	s.y += 22
	x := 16.0
	for _, w := range shown {
		fmt.Fprintf(s, `<circle cx="%.1f" cy="%.1f" r="6" class="%s"/>`+"\n", x+6, s.y-4, w.class)
		s.text(x+18, s.y, "", w.label)
		x += 46 + 7.2*float64(len(w.label))
	}
	s.y += 20
	low, high := r.extent()
	at := func(µs float64) float64 {
		return left + (right-left)*(math.Log10(µs)-math.Log10(low))/(math.Log10(high)-math.Log10(low))
	}
	bottom := s.y + rowHeight*float64(len(r.perCall.Guests))
	for decade := low; decade <= high; decade *= 10 {
		s.line(at(decade), s.y, at(decade), bottom, "grid")
		s.text(at(decade), bottom+16, "small middle", duration(decade))
	}
	for _, g := range r.perCall.Guests {
		middle := s.y + rowHeight/2
		s.text(left-14, middle+4, "end", g.Language)
		first, last := math.Inf(1), 0.0
		for _, w := range shown {
			first, last = min(first, g.Times[w.way].Median), max(last, g.Times[w.way].Median)
		}
		if last > 0 {
			s.line(at(max(first, low)), middle, at(last), middle, "span")
		}
		for _, w := range shown {
			if t := g.Times[w.way].Median; t > 0 {
				fmt.Fprintf(s, `<circle cx="%.1f" cy="%.1f" r="7" class="%s edge"><title>%s, %s: %.1f µs</title></circle>`+"\n",
					at(max(t, low)), middle, w.class, html.EscapeString(g.Language), w.label, t)
			}
		}
		s.y += rowHeight
	}
	s.y = bottom + 52
}

// extent is the powers of ten between which all times lie, in microseconds.
func (r results) extent() (low, high float64) {
	low, high = math.Inf(1), 0.0
	for _, g := range r.perCall.Guests {
		for _, w := range shown {
			if t := g.Times[w.way].Median; t > 0 {
				low, high = min(low, t), max(high, t)
			}
		}
	}
	if high == 0 {
		return 1, 10
	}
	low, high = math.Pow(10, math.Floor(math.Log10(low))), math.Pow(10, math.Ceil(math.Log10(high)))
	return low, max(high, 10*low)
}

// duration is a power of ten of microseconds with its unit.
func duration(µs float64) string {
	if µs >= 1000 {
		return fmt.Sprintf("%.0f ms", µs/1000)
	}
	return fmt.Sprintf("%.0f µs", µs)
}

// drawServers draws a bar for each server that runs connectors, under the heaviest load.
func (r results) drawServers(s *svg) {
	if len(r.endToEnd.Loads) == 0 {
		return
	}
	l := r.endToEnd.Loads[len(r.endToEnd.Loads)-1]
	s.text(16, s.y, "title", fmt.Sprintf("Requests per second, end to end, %d connections, a call to a service in each", l.Connections))
	s.y += 14
	most := 1.0
	for _, server := range l.Servers {
		if server.Name != figures.Bare {
			most = max(most, server.PerSecond.Median)
		}
	}
	for _, server := range l.Servers {
		if server.Name == figures.Bare {
			continue
		}
		class := map[string]string{
			figures.Twin: "fresh", figures.Sluice: "ours", figures.SluiceGo: "ours",
			figures.SluiceDirty: "dirty", figures.GoDirty: "dirty",
		}[server.Name]
		const room = 110 // for the figures behind the longest bar
		length := (right - left - room) * server.PerSecond.Median / most
		middle := s.y + rowHeight/2
		s.text(left-14, middle+4, "end", server.Name)
		fmt.Fprintf(s, `<rect x="%d" y="%.1f" width="%.1f" height="%d" rx="3" class="%s"/>`+"\n",
			left, middle-barHeight/2, max(length, 1), barHeight, class)
		label := fmt.Sprintf("%.0f", server.PerSecond.Median)
		if server.Name != figures.Twin {
			label += fmt.Sprintf(", %.2f of native", server.ToTwin.PerSecond.Median)
		}
		s.text(left+length+8, middle+4, "strong", label)
		s.y += rowHeight
	}
	s.y += 12
}
