package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"sluice/benchmarks/figures"

	"github.com/valyala/fasthttp"
)

func TestParseUsage(t *testing.T) {
	const status = "Name:\te2e\nVmRSS:\t    1200 kB\nRssAnon:\t     800 kB\nVmPTE:\t      40 kB\nThreads:\t9\n"
	if got, err := parseUsage(status); err != nil || got != (usage{1200, 800, 40}) {
		t.Errorf("got %+v, %v", got, err)
	}
	if got := (usage{5, 4, 3}).minus(usage{1, 2, 3}); got != (usage{4, 2, 0}) {
		t.Errorf("got %+v", got)
	}
}

func TestParseUsage_Errors(t *testing.T) {
	for _, status := range []string{"", "VmRSS: 1 kB\nVmPTE: 1 kB\n", "VmRSS: x kB\nRssAnon: 1 kB\nVmPTE: 1 kB\n"} {
		if got, err := parseUsage(status); err == nil {
			t.Errorf("%q: got %+v", status, got)
		}
	}
}

// TestMeasureWaiting is the measurement in small: real processes, a few calls.
func TestMeasureWaiting(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("memory is measured on Linux only")
	}
	p := plan{Waiting: 20, Delay: 50 * time.Millisecond}
	took, held, r, err := waitingOnce(t.Context(), p, figures.Twin)
	if err != nil || held != p.Waiting || r.Answered != p.Waiting || r.Failed != 0 {
		t.Errorf("got %+v, %d held, %+v, %v", took, held, r, err)
	}
}

func TestCrowd(t *testing.T) {
	statuses := map[string]int{"/well": 200, "/busy": 503}
	address := serveConstant(t, func(ctx *fasthttp.RequestCtx) { ctx.SetStatusCode(statuses[string(ctx.Path())]) })
	for path, want := range map[string]crowdResult{
		"/well": {Answered: 3}, "/busy": {Failed: 3, Why: "HTTP/1.1 503 Service Unavailable"},
	} {
		c := crowd{Address: address, Calls: 3, Request: []byte("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")}
		if got := c.run(); got != want {
			t.Errorf("%s: got %+v, want %+v", path, got, want)
		}
	}
	c := crowd{Address: "127.0.0.1:1", Calls: 2}
	if got := c.run(); got.Failed != 2 || !strings.Contains(got.Why, "refused") {
		t.Errorf("nobody listens: got %+v", got)
	}
}
