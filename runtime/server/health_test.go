package server_test

import (
	"strings"
	"testing"

	"sluice/runtime/server/servertest"
)

func TestLiveness(t *testing.T) {
	s := servertest.MustServe(t, servertest.Keys("secret", "secret"))
	for _, path := range []string{"/liveness", "/v1/liveness", "//v1/liveness"} {
		a := s.Send("GET", path, nil, "")
		if a.Status != 200 || a.Header.Get("Content-Type") != "application/json" || string(a.Body) != `{"ok": true, "status": "ok"}` {
			t.Errorf("%s: got %s", path, a)
		}
	}
	if a := s.Send("HEAD", "/liveness", nil, ""); a.Status != 200 || len(a.Body) > 0 {
		t.Errorf("HEAD: got %s", a)
	}
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	type readiness struct {
		Ready       bool
		Warnings    []string
		Unavailable []string `json:"unavailable_connectors"`
	}
	ask := func(s *servertest.Server) (readiness, servertest.Answer) {
		t.Helper()
		a := s.Send("GET", "/readiness", nil, "")
		if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("got %v", a.Header)
		}
		return decode[readiness](t, a.Body), a
	}
	if r, a := ask(servertest.MustServe(t, servertest.Shared(), servertest.Keys("key", ""))); a.Status != 200 || !r.Ready || len(r.Warnings) != 0 || r.Unavailable == nil {
		t.Errorf("got %s", a)
	}
	s := servertest.MustServe(t, servertest.Shared(), servertest.Dev())
	r, a := ask(s)
	if a.Status != 200 || len(r.Warnings) != 2 {
		t.Fatalf("got %s", a)
	}
	contains(t, r.Warnings[0], "no API key", "CONNECTOR_PROXY_API_KEY")
	contains(t, r.Warnings[1], "development mode")
	if a := s.Send("HEAD", "/readiness", nil, ""); a.Status != 200 || len(a.Body) > 0 {
		t.Errorf("HEAD: got %s", a)
	}
}

func TestHome(t *testing.T) {
	t.Parallel()
	a := servertest.MustServe(t, servertest.Shared(), servertest.Keys("key", "key")).Send("GET", "/", nil, "")
	if a.Status != 200 {
		t.Fatalf("got %s", a)
	}
	contains(t, string(a.Body), "<title>Sluice</title>", "/v1/commands")
	for name, value := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
	} {
		if got := a.Header.Get(name); got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
	if a.Header.Get("Server") != "" {
		t.Errorf("the server names its software: %q", a.Header.Get("Server"))
	}
}

func TestAuths(t *testing.T) {
	t.Parallel()
	a := servertest.MustServe(t, servertest.Shared()).Send("GET", "/v1/auths", nil, "")
	if a.Status != 200 || string(a.Body) != "[]" || a.Header.Get("Content-Type") != "application/json" {
		t.Errorf("got %s", a)
	}
}

func TestOpenAPI_Served(t *testing.T) {
	t.Parallel()
	a := servertest.MustServe(t, servertest.Shared(), servertest.Keys("key", "key")).Send("GET", "/openapi.json", nil, "")
	if a.Status != 200 || a.Header.Get("Content-Type") != "application/json" || !strings.HasPrefix(decode[struct{ OpenAPI string }](t, a.Body).OpenAPI, "3.1.") {
		t.Errorf("got %s", a)
	}
}

// TestMetrics: calls are counted by command and outcome, and nothing that a caller writes becomes a label.
func TestMetrics(t *testing.T) {
	t.Parallel()
	s := servertest.MustServe(t, servertest.Shared(), servertest.Install(echo.Module()))
	s.Do("echo/Params", `{}`)
	s.Do("echo/Params", `{}`)
	s.Do("echo/Params", `[]`)
	s.Do("echo/Required", `{}`)
	s.Do("canary/Label", `{}`)
	s.Do("echo/canary", `{}`)
	a := s.Send("GET", "/metrics", s.Operator(), "")
	if a.Status != 200 {
		t.Fatalf("got %s", a)
	}
	contains(t, string(a.Body),
		`sluice_calls_total{command="Params",connector="echo",outcome="ok"} 2`,
		`sluice_calls_total{command="Params",connector="echo",outcome="invalid_body"} 1`,
		`sluice_calls_total{command="Required",connector="echo",outcome="missing_parameter"} 1`,
		`sluice_calls_total{command="",connector="",outcome="command_not_found"} 2`,
		`sluice_call_duration_seconds_count{command="Params",connector="echo"} 3`,
		`sluice_sandbox_made_total{connector="echo"} `, `sluice_sandbox_reused_total{connector="echo"} `,
		`sluice_sandbox_reset_mode{mode="`, "sluice_sandbox_processor_queue 0", "sluice_sandbox_grown_bytes ",
		"go_sched_pauses_stopping_gc_seconds_bucket", "go_goroutines ", "process_open_fds ")
	if strings.Contains(string(a.Body), "canary") {
		t.Error("a caller made a label")
	}
}
