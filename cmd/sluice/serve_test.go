package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sluice/internal/guests"
)

func TestServe_Errors(t *testing.T) {
	data := t.TempDir()
	s := startServer(t, data, nil)
	used := strings.TrimPrefix(s.url, "http://")
	file := filepath.Join(t.TempDir(), "sluice.yaml")
	if err := os.WriteFile(file, []byte("spiff:\n  api_kei: hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	elsewhere := func() string { return "--data=" + t.TempDir() }
	for _, tc := range []struct {
		name   string
		env    []string
		args   []string
		code   int
		stderr []string
	}{
		{"empty key", []string{"CONNECTOR_PROXY_API_KEY="}, nil, exitUsage, []string{"CONNECTOR_PROXY_API_KEY is empty: set a key, or unset it"}},
		{"empty admin key", []string{"SLUICE_ADMIN_KEY="}, nil, exitUsage, []string{"SLUICE_ADMIN_KEY is empty"}},
		{"empty key as a flag", nil, []string{"--spiff-api-key="}, exitUsage, []string{"--spiff-api-key is empty"}},
		{"file", nil, []string{"--config", file}, exitUsage, []string{`there is no setting "spiff.api_kei"; did you mean "spiff.api_key"?`}},
		{"no file", nil, []string{"--config", file + ".none"}, exitUsage, []string{"the configuration file"}},
		{"a circuit that never opens", nil, []string{"--circuit-failures", "20"}, exitUsage, []string{"circuit.failures (20) is more than circuit.window (12)"}},
		{"a circuit that is open for too long", []string{"SLUICE_CIRCUIT_OPEN=2h"}, nil, exitUsage, []string{"SLUICE_CIRCUIT_OPEN is not a duration from 100ms to 1h"}},
		{"data in use", nil, []string{"--data", data}, exitFailed, []string{"another process uses this data directory"}},
		{"port in use", nil, []string{"--listen", used, elsewhere()}, exitFailed, []string{"listening", "address already in use"}},
		{"data is a file", nil, []string{"--data", file}, exitFailed, []string{"not a directory"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			args := append([]string{"serve", "--listen", "127.0.0.1:0", elsewhere()}, tc.args...)
			r := sluiceWith(t, tc.env, "", args...).want(t, tc.code, tc.stderr...)
			if strings.Contains(r.stderr, "hunter2") || r.stdout != "" {
				t.Errorf("printed %s%s", r.stdout, r.stderr)
			}
		})
	}
	// The server that was there goes on.
	if status, _, err := post(s.url, "example/Example", `{"message":"hi"}`); err != nil || status != 200 {
		t.Errorf("got %d, %v", status, err)
	}
	if code := s.terminate(); code != exitOK {
		t.Errorf("exit status %d: %s", code, s.logged())
	}
	// The lock went with it.
	s = startServer(t, data, nil)
	if code := s.terminate(); code != exitOK {
		t.Errorf("exit status %d: %s", code, s.logged())
	}
}

// withMisbehave starts a server in which misbehave is installed and may reach this machine.
func withMisbehave(t testing.TB, args ...string) *serverProcess {
	t.Helper()
	data := t.TempDir()
	s := startServer(t, data, nil, append([]string{"--dev"}, args...)...)
	sluice(t, "push", guests.Path(t, "misbehave"), "--server", s.url).want(t, exitOK)
	return s
}

// waiting is a service that says when somebody asks it, and answers when it is told to.
func waiting(t testing.TB) (url string, asked <-chan struct{}, answer func()) {
	t.Helper()
	in, out := make(chan struct{}, 8), make(chan struct{})
	service := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in <- struct{}{}
		select {
		case <-out:
		case <-r.Context().Done():
		}
	})}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = service.Serve(ln) }()
	t.Cleanup(func() { _ = service.Close() })
	return "http://" + ln.Addr().String(), in, func() { close(out) }
}

// What is set of circuits holds for what connectors send, wherever it is set.
func TestServe_Circuit(t *testing.T) {
	var requests atomic.Int64
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer service.Close()
	file := filepath.Join(t.TempDir(), "sluice.yaml")
	if err := os.WriteFile(file, []byte("circuit: {failures: 3, window: 3}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, t.TempDir(), []string{"SLUICE_CIRCUIT_FAILURES=2"}, "--config", file, "--circuit-open", "1h", "--dev")
	for n, want := range []string{`"http_status":500`, `"http_status":500`, "circuit_open"} {
		status, body, err := post(s.url, "http/GetRequest", `{"url": "`+service.URL+`"}`)
		if err != nil || status != 200 || !strings.Contains(strings.ReplaceAll(body, `": `, `":`), want) {
			t.Errorf("request %d: %d %s %v, want %s", n, status, body, err, want)
		}
	}
	if n := requests.Load(); n != 2 {
		t.Errorf("%d requests were sent", n)
	}
}

// SIGTERM ends the server with 0; a call in flight is finished first, and connections that do nothing don't hold it up.
func TestServe_Terminate(t *testing.T) {
	s := withMisbehave(t)
	url, asked, release := waiting(t)
	idle, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = idle.Close() }()
	type outcome struct {
		status int
		body   string
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		status, body, err := post(s.url, "misbehave/Fetch", `{"url":"`+url+`"}`)
		done <- outcome{status, body, err}
	}()
	<-asked
	ended := make(chan int, 1)
	go func() { ended <- s.terminate() }()
	waitFor(t, "the server's stopping", func() bool { return strings.Contains(s.logged(), "stopping") })
	select {
	case code := <-ended:
		t.Fatalf("it ended with a call in flight: %d", code)
	case o := <-done:
		t.Fatalf("the call ended: %+v", o)
	default:
	}
	release()
	if o := <-done; o.err != nil || o.status != 200 || !strings.Contains(o.body, `"status":200`) {
		t.Errorf("got %+v", o)
	}
	if code := <-ended; code != exitOK || !strings.Contains(s.logged(), `"stopped"`) {
		t.Errorf("exit status %d: %s", code, s.logged())
	}
}

// Calls that don't end within the bound are given up and answered, and the server ends with 0 all the same.
func TestServe_Terminate_GivesUp(t *testing.T) {
	s := withMisbehave(t, "--drain", "100ms")
	url, asked, _ := waiting(t)
	done := make(chan string, 2)
	for range cap(done) {
		go func() {
			status, body, err := post(s.url, "misbehave/Fetch", `{"url":"`+url+`"}`)
			if err != nil || status != 503 {
				t.Errorf("got %d, %s, %v", status, body, err)
			}
			done <- body
		}()
	}
	for range cap(done) {
		<-asked
	}
	if code := s.terminate(); code != exitOK {
		t.Errorf("exit status %d: %s", code, s.logged())
	}
	for range cap(done) {
		if body := <-done; !strings.Contains(body, "shutting_down") {
			t.Errorf("got %s", body)
		}
	}
}

func waitFor(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come to be", what)
		}
	}
}
