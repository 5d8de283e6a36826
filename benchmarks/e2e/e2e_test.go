package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/benchmarks/child"
	"sluice/benchmarks/figures"
)

// TestMain lets the test binary be the processes that a run starts.
func TestMain(m *testing.M) {
	if child.Is() {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestRun is a whole run in small: real processes, one short round.
func TestRun(t *testing.T) {
	p := plan{
		Connections: []int{2}, Rounds: 1, WarmUp: 20 * time.Millisecond, Duration: 100 * time.Millisecond,
		Servers: []string{figures.Sluice, figures.Bare}, Profiles: t.TempDir(),
	}
	var lines []string
	all, err := run(t.Context(), p, func(line string) { lines = append(lines, line) })
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) != 2 || len(all) != 1 || all[0].connections != 2 {
		t.Fatalf("got %d lines, results %+v", len(lines), all)
	}
	for _, role := range p.Servers {
		ms := all[0].of[role]
		if len(ms) != 1 {
			t.Fatalf("%s was measured %d times", role, len(ms))
		}
		m := ms[0]
		if m.load.Requests == 0 || m.load.All < m.load.Requests || m.load.P50 <= 0 || m.load.P99 < m.load.P50 || m.load.Took < p.Duration {
			t.Errorf("%s: %+v", role, m.load)
		}
		if role == figures.Sluice && m.server.Bytes == 0 { // the bare one may allocate nothing
			t.Errorf("%s: the server was not sampled: %+v", role, m.server)
		}
		if info, err := os.Stat(p.Profiles + "/" + fileName(role) + ".pprof"); err != nil || info.Size() == 0 {
			t.Errorf("%s: no profile: %v", role, err)
		}
	}
	got := summary(figures.ThisMachine(), p, all)
	if len(got.Loads) != 1 || len(got.Loads[0].Servers) != 2 || got.Loads[0].Servers[0].PerSecond.Median <= 0 || got.Command != p.command() {
		t.Errorf("got the figures %+v", got)
	}
}

func TestRun_Errors(t *testing.T) {
	p := plan{Connections: []int{1}, Rounds: 1, Duration: time.Millisecond, Servers: []string{"nothing"}}
	if _, err := run(t.Context(), p, func(string) {}); err == nil || !strings.Contains(err.Error(), `"nothing"`) {
		t.Errorf("an unknown role: got %v", err)
	}
}

func TestObey_Errors(t *testing.T) {
	for _, in := range []string{"", "{", "5\n", `{"Role":"nothing"}` + "\n"} {
		if err := obey(strings.NewReader(in), new(bytes.Buffer)); err == nil {
			t.Errorf("%q was taken", in)
		}
	}
}

func TestParsePlan(t *testing.T) {
	p, err := parsePlan([]string{"-connections", "1, 8", "-rounds", "3", "-waiting", "0"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(p.Connections, []int{1, 8}) || p.Rounds != 3 || p.Duration != 3*time.Second || len(p.Servers) != 6 {
		t.Errorf("got %+v", p)
	}
	want := "go run ./benchmarks/e2e -connections 1,8 -rounds 3 -warmup 500ms -duration 3s -waiting 0 -delay 1s"
	if p.command() != want {
		t.Errorf("got %s, want %s", p.command(), want)
	}
	if p.bound() < 36*p.Duration {
		t.Errorf("the bound %s is shorter than the measurements", p.bound())
	}
}

func TestParsePlan_Errors(t *testing.T) {
	for _, args := range []string{
		"-connections 0", "-connections 1,x", "-connections 2000", "-rounds 0", "-rounds 101", "-duration 0s",
		"-duration 2m", "-warmup -1s", "-waiting 10000", "-waiting -1", "-delay 1m", "more",
	} {
		if _, err := parsePlan(strings.Fields(args)); err == nil {
			t.Errorf("%s was taken", args)
		}
	}
}

func TestRatios(t *testing.T) {
	of := func(requests ...uint64) (ms []measurement) {
		for _, n := range requests {
			ms = append(ms, measurement{load: loadResult{Requests: n, Took: time.Second}})
		}
		return ms
	}
	got := fmt.Sprint(ratios(of(10, 1, 50), of(20, 4, 50), measurement.perSecond))
	if want := fmt.Sprint(figures.Spread{Median: .5, Min: .25, Max: 1}); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestParseBusy(t *testing.T) {
	for _, tc := range []struct {
		stat string
		want time.Duration
	}{
		{"cpu  100 20 30 4000 500 6 7 8 900 10\ncpu0 1 1 1\n", 1710 * time.Millisecond},
		{"cpu  5", 50 * time.Millisecond},
		{"cpu0 1 2 3", 0},
		{"cpu  1 x", 0},
		{"", 0},
	} {
		if got := parseBusy(tc.stat); got != tc.want {
			t.Errorf("%q: got %s, want %s", tc.stat, got, tc.want)
		}
	}
}

func TestOthers(t *testing.T) {
	m := measurement{busy: 3 * time.Second, elapsed: 2 * time.Second, server: sample{CPU: time.Second}, upstream: sample{CPU: time.Second / 2}}
	m.load.CPU = time.Second / 2
	if got := m.others(2); got != .25 {
		t.Errorf("got %v, want a quarter", got)
	}
	m.busy = 0
	if got := m.others(2); got != 0 {
		t.Errorf("where it can't be told: got %v", got)
	}
}
