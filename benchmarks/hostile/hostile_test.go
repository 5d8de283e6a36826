package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
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

// TestRun is a whole run in small: a real server, a few calls, one short round.
func TestRun(t *testing.T) {
	p := plan{
		Calls: 4, AtOnce: 2, Deadline: 300 * time.Millisecond, Modules: regexp.MustCompile("^(loop|flood-of-output)$"),
		Bombs: []string{"loop"}, Crowd: 4, BombDeadline: 300 * time.Millisecond, Rounds: 1, Duration: 300 * time.Millisecond, Settle: 100 * time.Millisecond,
	}
	page, err := run(t.Context(), p, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| ended with deadline_exceeded | all | 4 of 4 | holds |\n", "4 calls of 2 modules, 2 at once", "| loop | ", "| one native busy loop | ",
		"deadline_exceeded", p.command(),
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	t.Log(page)
}

func TestRun_Errors(t *testing.T) {
	p := plan{Modules: regexp.MustCompile("."), Bombs: []string{"no such module"}}
	if _, err := run(t.Context(), p, func(string) {}); err == nil || !strings.Contains(err.Error(), "no such modules") {
		t.Errorf("got %v", err)
	}
	p = plan{Modules: regexp.MustCompile("^loop$"), Calls: 1, AtOnce: 1, Deadline: time.Second, Sluice: os.DevNull}
	if _, err := run(t.Context(), p, func(string) {}); err == nil {
		t.Error("a program that is none was served")
	}
}

func TestParsePlan(t *testing.T) {
	p, err := parsePlan([]string{"-calls", "50", "-bombs", "loop", "-out", "x.md"})
	if err != nil {
		t.Fatal(err)
	}
	want := "go run ./benchmarks/hostile -calls 50 -at-once 8 -deadline 500ms -modules '.' -bombs loop -crowd 1024 -bomb-deadline 10s -rounds 3 -duration 5s -settle 3s"
	if p.command() != want || p.out != "x.md" {
		t.Errorf("got %s, want %s", p.command(), want)
	}
	if p.bound() < time.Minute {
		t.Errorf("the bound is %s", p.bound())
	}
	if p, err = parsePlan([]string{"-bombs", ""}); err != nil || len(p.Bombs) != 0 {
		t.Errorf("got %v, %v", p.Bombs, err)
	}
}

func TestParsePlan_Errors(t *testing.T) {
	for _, args := range []string{
		"-calls 0", "-calls 1000000", "-at-once 0", "-crowd 2000", "-rounds 0", "-deadline 1ms", "-deadline 2m", "-bomb-deadline 1ms", "-duration 0s", "-settle -1s", "-modules (", "more",
	} {
		if _, err := parsePlan(strings.Fields(args)); err == nil {
			t.Errorf("%s was taken", args)
		}
	}
}

func TestParsePauses(t *testing.T) {
	const line = "gc 7 @0.521s 1%: 0.018+1.1+0.004 ms clock, 0.036+0.5/1.0/0+0.008 ms cpu, 4->4->1 MB, 4 MB goal, 0 MB stacks, 0 MB globals, 2 P"
	if p, ok := parsePauses(line); !ok || p[0] != 18*time.Microsecond || p[1] != 4*time.Microsecond {
		t.Errorf("got %v, %v", p, ok)
	}
	for _, line := range []string{"", "{}", "gc 7", "gc 7 @0.5s 1%: 1+2 ms clock", "gc 7 @0.5s 1%: 1+2+x ms clock", "gc 7 @0.5s 1%: 1+2+3 s"} {
		if _, ok := parsePauses(line); ok {
			t.Errorf("%q was taken", line)
		}
	}
}

func TestSummary(t *testing.T) {
	var list times
	if s := list.summary(); s.N != 0 || s.P99 != 0 || s.Max != 0 {
		t.Errorf("of nothing: %+v", s)
	}
	for i := range 1000 {
		end := ok
		if i == 7 {
			end = "no answer"
		}
		list.add(time.Duration(1000-i)*time.Millisecond, end)
	}
	s := list.summary()
	if s.N != 1000 || s.P50 != 500*time.Millisecond || s.P99 != 990*time.Millisecond || s.P999 != 999*time.Millisecond || s.Max != time.Second ||
		s.Within50 != 50 || s.Within250 != 250 || s.failed(ok) != 1 || s.failed(ok, "no answer") != 0 {
		t.Errorf("got %+v", s)
	}
}

func TestClient(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/code":
			w.WriteHeader(504)
			_, _ = io.WriteString(w, `{"command_response":{},"error":{"error_code":"deadline_exceeded","message":"x"}}`)
		case "/status":
			w.WriteHeader(404)
		case "/cut":
			w.Header().Set("Content-Length", "5")
		default:
			_, _ = io.WriteString(w, `{"error":null}`)
		}
	}))
	defer server.Close()
	c := newClient(1)
	defer c.close()
	for path, want := range map[string]string{"/": ok, "/code": deadlineCode, "/status": "Not Found", "/cut": "no answer"} {
		if got := c.send(request{Method: "GET", URL: server.URL + path}); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	if got := c.send(request{Method: "GET", URL: "http://127.0.0.1:1/"}); got != "no answer" {
		t.Errorf("without a server: got %q", got)
	}
}

func TestDuring(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	ask := request{Method: "GET", URL: server.URL}
	all, err := during(t.Context(), []order{
		{Role: roleSleep, Every: time.Millisecond}, {Role: roleSteady, Every: 5 * time.Millisecond, Request: ask},
		{Role: roleCrowd, AtOnce: 3, Request: ask}, {Role: roleSpin},
	}, func() error { time.Sleep(300 * time.Millisecond); return nil })
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range all[:3] {
		if s.N == 0 || s.failed(ok) > 0 || s.Max <= 0 {
			t.Errorf("process %d measured %+v", i, s)
		}
	}
}

func TestObey_Errors(t *testing.T) {
	for _, in := range []string{"", "{", "5\n", `{"Role":"nothing"}` + "\n"} {
		if err := obey(strings.NewReader(in), new(bytes.Buffer)); err == nil {
			t.Errorf("%q was taken", in)
		}
	}
}

func TestReport_Verdicts(t *testing.T) {
	bad := ends{
		late:   summary{N: 1000, Within50: 998, Within250: 999, Ends: map[string]int{deadlineCode: 999, "no answer": 1}},
		live:   summary{N: 10, P99: barLive + 1, Ends: map[string]int{ok: 9}},
		pauses: []time.Duration{3 * time.Millisecond}, after: barGrowth + 1,
	}
	round := func(p99 time.Duration, end string) []summary {
		return []summary{{N: 1, P99: p99, Ends: map[string]int{end: 1}}}
	}
	unfair := fairness{beside: []beside{
		{name: besideNothing, rounds: round(time.Millisecond, ok)}, {name: besideSpin, rounds: round(time.Millisecond, ok)},
		{name: "fair", rounds: round(2*time.Millisecond, ok), bombs: map[string]int{}},
		{name: "slow", rounds: round(2*time.Millisecond+1, ok), bombs: map[string]int{}},
		{name: "failing", rounds: round(time.Millisecond, "overloaded"), bombs: map[string]int{}},
	}}
	if n := strings.Count(report(figures.Machine{}, plan{Modules: regexp.MustCompile(".")}, bad, unfair), "does not hold"); n != 9 {
		t.Errorf("%d bars do not hold, want 9", n)
	}
}
