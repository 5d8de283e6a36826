package runtime

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"sluice/hostfuncs/egress"
	"sluice/hostfuncs/egress/fault"
	"sluice/internal/guests"
)

// fetcher is a runtime in which misbehave may reach this machine, and what a service does to others is bounded so.
func fetcher(t *testing.T, bounds fault.Config, retry egress.Retry) *harness {
	t.Helper()
	h := start(t, open(t, t.TempDir()), func(c *Config) {
		c.Fault = bounds
		c.Grants = map[string]Grant{"misbehave": {HTTP: []string{"http://*"}, Addresses: []string{"loopback"}, Retry: retry}}
	})
	h.install(guests.Module(t, "misbehave"))
	return h
}

// fetch is what becomes of a request: the error's code, or "".
func (h *harness) fetch(url string) string {
	h.t.Helper()
	a, err := h.execute(context.Background(), "misbehave/Fetch", `{"url":"`+url+`"}`)
	if err != nil {
		h.t.Fatal(err)
	}
	if a.Error != nil {
		return a.Error.Code
	}
	return ""
}

// failing is a service that answers 503, and counts what it is sent.
func failing(t *testing.T) (url string, requests *atomic.Int64) {
	requests = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(s.Close)
	return s.URL, requests
}

// What is configured of circuits, bulkheads and retries holds for what guests send.
func TestRuntime_Fault(t *testing.T) {
	t.Run("circuit", func(t *testing.T) {
		sick, requests := failing(t)
		well := service(t).URL
		h := fetcher(t, fault.Config{Failures: 2, Window: 3, Open: time.Hour}, egress.Retry{})
		for i, want := range []string{"", "", "circuit_open", "circuit_open"} {
			if got := h.fetch(sick); got != want {
				t.Errorf("request %d: got %q, want %q", i, got, want)
			}
		}
		if n := requests.Load(); n != 2 {
			t.Errorf("%d requests were sent", n)
		}
		if got := h.fetch(well); got != "" {
			t.Errorf("another service: %s", got)
		}
	})
	t.Run("bulkhead", func(t *testing.T) {
		g := newGate(t)
		h := fetcher(t, fault.Config{Concurrent: 2}, egress.Retry{})
		var under []<-chan outcome
		for range 2 {
			under = append(under, h.begin(t.Context(), "misbehave/Fetch", g.params()))
			g.wait(t)
		}
		if got := h.fetch(g.url); got != "overloaded" {
			t.Errorf("the third: got %q", got)
		}
		g.open()
		for _, done := range under {
			if o := end(t, done); o.err != nil || o.answer.Error != nil {
				t.Errorf("got %+v, %v", o.answer, o.err)
			}
		}
		if got := h.fetch(g.url); got != "" {
			t.Errorf("afterwards: got %q", got)
		}
	})
	t.Run("retries", func(t *testing.T) {
		sick, requests := failing(t)
		h := fetcher(t, fault.Config{Failures: 100, Window: 100, RetryBurst: 3}, egress.Retry{Statuses: []int{503}, Attempts: 3})
		for call, want := range []int64{3, 5, 6, 7} { // two retries, then the one that is left, then none
			h.fetch(sick)
			if n := requests.Load(); n != want {
				t.Errorf("after call %d: %d requests, want %d", call, n, want)
			}
		}
	})
}
