package server_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sluice/hostfuncs/egress/fault"
	"sluice/hostfuncs/secret"
	"sluice/internal/guests"
	"sluice/runtime/server/servertest"
)

// metricsOf is what /metrics answers.
func metricsOf(t *testing.T, s *servertest.Server) string {
	t.Helper()
	a := s.Send("GET", "/metrics", s.Operator(), "")
	if a.Status != 200 {
		t.Fatalf("got %s", a)
	}
	return string(a.Body)
}

// eventuallyCounted waits for lines of the metrics that nothing signals.
func eventuallyCounted(t *testing.T, s *servertest.Server, lines ...string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		page, missing := metricsOf(t, s), ""
		for _, line := range lines {
			if !strings.Contains(page, line+"\n") {
				missing = line
			}
		}
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is not in the metrics", missing)
		}
	}
}

// TestMetrics_Egress: what connectors ask for in vain is counted by code and class, retries and circuits are, and nothing
// that a guest or a caller writes becomes a label.
func TestMetrics_Egress(t *testing.T) {
	t.Parallel()
	sick := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	defer sick.Close()
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error": "invalid_client"}`)
	}))
	defer refusing.Close()
	s := servertest.MustServe(t, servertest.Shared(), servertest.Install(guests.Module(t, "misbehave")), servertest.Fault(fault.Config{Failures: 2, Window: 2, Open: time.Hour}),
		servertest.Secrets(map[string]secret.Definition{
			"canary": {From: "store", Origins: []string{sick.URL}}, "client": {From: "store", Origins: []string{refusing.URL}},
		}, &secret.Key{1}))
	s.Logs.Canary("c4n4ry")
	if a := s.Send("PUT", "/admin/v1/secrets/client", s.Operator("Content-Type", "text/plain"), "c4n4ry"); a.Status != 204 {
		t.Fatalf("got %s", a)
	}
	grant := func(more string) {
		t.Helper()
		text := fmt.Sprintf(`{"http": [%q, %q, "http://169.254.169.254", {"rule": "http://posts.example", "methods": ["POST"]}], "addresses": ["loopback"],
			"retry": {"on": [503], "attempts": 2}, "secrets": ["canary"],
			"auth": [{"rule": %q, "kind": "oauth2", "user": "me", "secret": "client", "token_url": %q}]%s}`, sick.URL, refusing.URL, refusing.URL+"/api", refusing.URL, more)
		if a := s.Send("PUT", "/admin/v1/connectors/misbehave/grant", s.Operator("Content-Type", "application/json"), text); a.Status != 200 {
			t.Fatalf("got %s", a)
		}
	}
	fetch := func(url, code string) {
		t.Helper()
		if a := s.Do("misbehave/Fetch", `{"url": "`+url+`"}`); a.Code() != code {
			t.Errorf("%s: got %s, want %s", url, a, code)
		}
	}
	fetch("http://c4n4ry.example/", "egress_denied") // nothing is granted yet
	grant("")
	fetch("http://c4n4ry.example/", "egress_denied")
	fetch("http://another-c4n4ry.example/", "egress_denied")
	fetch("http://posts.example/c4n4ry", "egress_denied")
	fetch("http://169.254.169.254/", "egress_denied")
	fetch(refusing.URL+"/api", "auth_refused")
	fetch(sick.URL, "")             // and again, as is granted: its circuit opens
	fetch(sick.URL, "circuit_open") // at once
	if a := s.Do("misbehave/Secret", `{"name":"canary","url":"`+refusing.URL+`","headers":["X","@"]}`); a.Code() != "secret_denied" {
		t.Errorf("got %s", a)
	}
	if a := s.Do("misbehave/Secret", `{"name":"canary","url":"`+sick.URL+`","headers":["X","@"]}`); a.Code() != "secret_unavailable" {
		t.Errorf("got %s", a)
	}
	if a := s.Do("misbehave/SecretValue", `{"name":"canary"}`); a.Code() != "secret_denied" { // not in the clear
		t.Errorf("got %s", a)
	}
	const failures = `sluice_capability_failures_total{capability="%s",class="%s",code="%s",connector="misbehave"} %d`
	counted := []string{
		fmt.Sprintf(failures, "http", "capability", "egress_denied", 1),
		fmt.Sprintf(failures, "http", "rule", "egress_denied", 2),
		fmt.Sprintf(failures, "http", "method", "egress_denied", 1),
		fmt.Sprintf(failures, "http", "metadata", "egress_denied", 1),
		fmt.Sprintf(failures, "http", "", "auth_refused", 1),
		fmt.Sprintf(failures, "http", "", "circuit_open", 1),
		fmt.Sprintf(failures, "http", "", "secret_denied", 1),
		fmt.Sprintf(failures, "http", "", "secret_unavailable", 1),
		fmt.Sprintf(failures, "secret", "", "secret_denied", 1),
		`sluice_egress_retries_total{connector="misbehave"} 1`,
		`sluice_egress_circuits_opened_total{connector="misbehave"} 1`,
	}
	eventuallyCounted(t, s, append(counted, `sluice_egress_circuits_open{connector="misbehave"} 1`)...)
	// They go on under another grant, whose circuits are its own.
	grant(`, "cache": "1MiB"`)
	eventuallyCounted(t, s, append(counted, `sluice_egress_circuits_open{connector="misbehave"} 0`)...)
	if page := metricsOf(t, s); strings.Contains(page, "c4n4ry") || strings.Contains(page, "127.0.0.1") || strings.Contains(page, "posts") {
		t.Error("a host has become a label")
	}
}

// TestMetrics_Connections: the connections that a guest opens are counted, and those that are open.
func TestMetrics_Connections(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan net.Conn, 3)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	defer func() {
		_ = ln.Close()
		<-done
	}()
	s := servertest.MustServe(t, servertest.Shared(), servertest.Dev(), servertest.Install(guests.Module(t, "dialer")))
	answered := make(chan servertest.Answer)
	go func() {
		a, err := s.Try("POST", "/v1/do/dialer/Leave", servertest.Header("Content-Type", "application/json"),
			fmt.Sprintf(`{"address": %q, "count": 3, "how": "read"}`, ln.Addr()))
		if err != nil {
			t.Error(err)
		}
		answered <- a
	}()
	peers := []net.Conn{<-accepted, <-accepted, <-accepted}
	eventuallyCounted(t, s, `sluice_tcp_connections_total{connector="dialer"} 3`, `sluice_tcp_connections_open{connector="dialer"} 3`)
	for _, c := range peers {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	<-answered
	eventuallyCounted(t, s, `sluice_tcp_connections_total{connector="dialer"} 3`, `sluice_tcp_connections_open{connector="dialer"} 0`)
	if a := s.Do("dialer/Leave", `{"address": "169.254.169.254:80", "count": 1, "how": ""}`); a.Code() != "egress_denied" {
		t.Errorf("got %s", a)
	}
	eventuallyCounted(t, s, `sluice_capability_failures_total{capability="tcp",class="metadata",code="egress_denied",connector="dialer"} 1`)
}

// TestMetrics_Refused: who is refused for want of a key, or as a foreign page, is counted by the reason.
func TestMetrics_Refused(t *testing.T) {
	t.Parallel()
	s := servertest.MustServe(t, servertest.Shared(), servertest.Keys("a key", "an admin key"))
	const metric = `sluice_requests_refused_total{reason="%s"} %d`
	eventuallyCounted(t, s, fmt.Sprintf(metric, "api_key", 0), fmt.Sprintf(metric, "admin_key", 0), fmt.Sprintf(metric, "operator_only", 0), fmt.Sprintf(metric, "origin", 0))
	s.Do("no/such", `{}`)
	s.Send("GET", "/v1/commands", servertest.Header("Spiff-Connector-Proxy-Api-Key", "another"), "")
	s.Send("GET", "/admin/v1/connectors", servertest.Header("Authorization", "Bearer another"), "")
	s.Send("POST", "/v1/do/no/such", servertest.Header("Spiff-Connector-Proxy-Api-Key", "a key", "Origin", "https://evil.example"), "{}")
	a := s.Send("POST", "/v1/do/no/such", servertest.Header("Expect", "100-continue", "Content-Type", "application/json"), "{}")
	if a.Status != 401 {
		t.Errorf("got %s", a)
	}
	eventuallyCounted(t, s, fmt.Sprintf(metric, "api_key", 3), fmt.Sprintf(metric, "admin_key", 1), fmt.Sprintf(metric, "origin", 1))
	open := servertest.MustServe(t, servertest.Shared())
	open.Send("GET", "/admin/v1/connectors", servertest.Header("X-Forwarded-For", "192.0.2.1", "Sluice-Admin", "1"), "")
	eventuallyCounted(t, open, fmt.Sprintf(metric, "operator_only", 1))
}
