package server_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/internal/guests"
	"sluice/runtime"
	"sluice/runtime/server/servertest"
)

// upstream is a service that answers nobody before it is released. Its method wait returns once n requests wait in it.
type upstream struct {
	*httptest.Server
	arrived chan struct{}
	release func()
}

func newUpstream(t *testing.T) *upstream {
	t.Helper()
	released := make(chan struct{})
	u := &upstream{arrived: make(chan struct{}, 1024), release: sync.OnceFunc(func() { close(released) })}
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.arrived <- struct{}{}
		select {
		case <-released:
		case <-r.Context().Done():
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{}`)
	}))
	t.Cleanup(func() { u.release(); u.Close() })
	return u
}

func (u *upstream) wait(t *testing.T, n int) {
	t.Helper()
	late := time.After(30 * time.Second)
	for range n {
		select {
		case <-u.arrived:
		case <-late:
			t.Fatal("the calls do not reach the service")
		}
	}
}

// eventually waits for what the server does in its own time.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for until := time.Now().Add(time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

// TestHanging: services that never answer hold up nobody else, and their calls end with the deadline.
func TestHanging(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	var connected atomic.Int64
	var held sync.Map
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			held.Store(c, nil) // read from by nobody
			connected.Add(1)
		}
	}()
	defer held.Range(func(c, _ any) bool { _ = c.(net.Conn).Close(); return true })

	const most = 300
	s := servertest.MustServe(t, servertest.Dev(), servertest.Bundled("http", "example"), servertest.Grant("http", runtime.Grant{
		HTTP: []string{"http://*"}, Addresses: []string{"loopback"}, Deadline: 4 * time.Second,
	}))
	body := fmt.Sprintf(`{"url": "http://%s/"}`, ln.Addr())
	var hanging sync.WaitGroup
	var ended atomic.Int64
	hang := func(n int) {
		for range n {
			hanging.Go(func() {
				a := s.Do("http/GetRequestV2", body)
				ended.Add(1)
				inner := decode[struct {
					Response struct {
						Status int `json:"http_status"`
					} `json:"command_response"`
				}](t, a.Body).Response.Status
				if a.Status != 504 && inner != 504 {
					t.Errorf("a call of a hanging service got %s", a)
				}
			})
		}
		until := connected.Load() + int64(n)
		// On a slow machine the first may end before the last have begun.
		eventually(t, "connecting", func() bool { return connected.Load() >= until || ended.Load() > 0 })
	}
	others := func(hangs int) {
		var took []time.Duration
		for i := range 30 {
			began := time.Now()
			if a := s.Send("GET", "/liveness", nil, ""); a.Status != 200 {
				t.Errorf("beside %d hanging calls liveness is %s", hangs, a)
			}
			took = append(took, time.Since(began))
			if i%3 == 0 {
				if a := s.Do("example/Example", `{"message": "hello"}`); a.Status != 200 || a.Code() != "" {
					t.Errorf("beside %d hanging calls the example answers %s", hangs, a)
				}
			}
		}
		slices.Sort(took)
		t.Logf("beside %d hanging calls, %d of them ended: liveness in %s (median), %s (longest)", hangs, ended.Load(), took[len(took)/2], took[len(took)-1])
		if took[len(took)/2] > 2*time.Second {
			t.Error("liveness waits for connectors")
		}
	}
	hang(3)
	others(3)
	hang(most - 3)
	others(most)
	hanging.Wait()
	if n := ended.Load(); n != most {
		t.Errorf("%d calls ended", n)
	}
}

// fetch is a call that waits for the service.
func fetch(u *upstream) (command, body string) { return "misbehave/Fetch", `{"url": "` + u.URL + `"}` }

// TestShutdown: calls in flight finish, nothing new is taken.
func TestShutdown(t *testing.T) {
	u := newUpstream(t)
	s := servertest.MustServe(t, servertest.Dev(), servertest.Install(guests.Module(t, "misbehave")))
	var calls sync.WaitGroup
	for range 3 {
		calls.Go(func() {
			if a := s.Do(fetch(u)); a.Status != 200 || a.Header.Get("Connection") != "" && a.Header.Get("Connection") != "close" {
				t.Errorf("a call in flight got %s", a)
			}
		})
	}
	u.wait(t, 3)
	early := s.Dial() // a load balancer's connection, on which nothing was asked yet
	defer func() { _ = early.Close() }()
	s.Send("GET", "/liveness", nil, "") // what was dialled before is accepted now
	stopped := make(chan error, 1)
	go func() { stopped <- s.Shutdown(context.Background()) }()
	eventually(t, "refusing connections", func() bool {
		c, err := net.Dial("tcp", s.Addr)
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
	if _, err := io.WriteString(early, "GET /readiness HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Error(err)
	}
	if text, err := io.ReadAll(early); err != nil {
		t.Error(err)
	} else {
		contains(t, string(text), "HTTP/1.1 503 ", "Connection: close", `"ready":false`)
	}
	select {
	case err := <-stopped:
		t.Errorf("it did not wait for the calls: %v", err)
	default:
	}
	u.release()
	calls.Wait()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// TestShutdown_Bounded: calls that don't end are given up, and answered.
func TestShutdown_Bounded(t *testing.T) {
	u := newUpstream(t)
	s := servertest.MustServe(t, servertest.Dev(), servertest.Install(guests.Module(t, "misbehave")),
		servertest.Limits(func(l *runtime.Limits) { l.Concurrent = 2 }))
	var calls sync.WaitGroup
	given := func(command, body string) {
		calls.Go(func() {
			a := s.Do(command, body)
			want{503, "shutting_down", "Try again"}.check(t, a)
			if a.Header.Get("Retry-After") != "1" {
				t.Errorf("%s: Retry-After is %q", command, a.Header.Get("Retry-After"))
			}
		})
	}
	given(fetch(u))
	given(fetch(u))
	u.wait(t, 2)
	begun := s.Dial() // its call waits for one of these to end
	defer func() { _ = begun.Close() }()
	if _, err := io.WriteString(begun, "POST /v1/do/misbehave/Stash HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n\r\n{\"value\": \"x\"}"); err != nil {
		t.Error(err)
	}
	s.Send("GET", "/liveness", nil, "") // what was dialled before is accepted now
	drain, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(drain); err != nil {
		t.Error(err)
	}
	calls.Wait()
	if text, err := io.ReadAll(begun); err != nil {
		t.Errorf("%v after %q", err, text)
	} else {
		contains(t, string(text), "HTTP/1.1 503 ", "shutting_down")
	}
}

// TestOverload: beyond what may run and wait, a connector's calls are refused at once; other connectors notice nothing.
func TestOverload(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	s := servertest.MustServe(t, servertest.Shared(), servertest.Dev(), servertest.Install(guests.Module(t, "misbehave"), echo.Module()),
		servertest.Limits(func(l *runtime.Limits) { l.Concurrent, l.Queue = 2, 2 }))
	answers := make(chan servertest.Answer, 16)
	call := func(n int) {
		for range n {
			go func() { answers <- s.Do(fetch(u)) }()
		}
	}
	call(2)
	u.wait(t, 2)
	call(10)
	for range 8 { // none of these can be one of the four before the service is released
		a := <-answers
		want{503, "overloaded", `"misbehave" runs 2 calls (pool.max) and 2 more wait (pool.queue)`}.check(t, a)
		if a.Header.Get("Retry-After") != "1" {
			t.Errorf("Retry-After is %q", a.Header.Get("Retry-After"))
		}
	}
	alive(t, s)
	u.release()
	for range 4 {
		if a := <-answers; a.Status != 200 {
			t.Errorf("a call that ran or waited got %s", a)
		}
	}
}

// TestBodyBudget: bodies that are being read have a bound together.
func TestBodyBudget(t *testing.T) {
	t.Parallel()
	s := servertest.MustServe(t, servertest.Shared(), servertest.Install(echo.Module()), servertest.Bodies(1<<20, 1<<20))
	slow := s.Dial()
	// More than half of it has arrived, so room is set aside for all of it.
	if _, err := io.WriteString(slow, doHead+"Content-Length: 1048576\r\n\r\n{"+strings.Repeat(" ", 600<<10)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "setting memory aside", func() bool {
		page := s.Send("GET", "/metrics", s.Operator(), "")
		return strings.Contains(string(page.Body), "sluice_request_bodies_bytes 1.048576e+06")
	})
	refused := s.Do("echo/Params", `{"s": "x"}`)
	want{503, "overloaded", "memory set aside"}.check(t, refused)
	if refused.Header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q", refused.Header.Get("Retry-After"))
	}
	if a := s.Send("GET", "/v1/commands", nil, ""); a.Status != 200 {
		t.Errorf("got %s", a)
	}
	_ = slow.Close()
	eventually(t, "taking calls again", func() bool { return s.Do("echo/Params", `{"s": "x"}`).Status == 200 })
}

// TestBodyBudget_Announced: who only announces large bodies keeps nobody from sending theirs.
func TestBodyBudget_Announced(t *testing.T) {
	t.Parallel()
	s := servertest.MustServe(t, servertest.Shared(), servertest.Install(echo.Module()), servertest.Bodies(4<<20, 4<<20))
	for range 8 {
		conn := s.Dial()
		defer func() { _ = conn.Close() }()
		if _, err := io.WriteString(conn, doHead+"Content-Length: 4194304\r\n\r\n{"); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		if a := s.Do("echo/Params", `{"s": "x"}`); a.Status != 200 {
			t.Fatalf("got %s", a)
		}
	}
}

// TestHammer_Replace calls connectors while one of them is replaced, removed and installed again.
func TestHammer_Replace(t *testing.T) {
	s := servertest.MustServe(t, servertest.Bundled("example"))
	versions := [][]byte{guests.Module(t, "greeter"), guests.Module(t, "greeter-v2")}
	for _, v := range versions {
		s.Upload(v, true) // compiled once, so that the changes below follow each other closely
	}
	done := make(chan struct{})
	var callers sync.WaitGroup
	var greeted, absent, replaced, example atomic.Int64
	for range 3 {
		callers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				switch a := s.Do("greeter/Greet", `{"name": "Ada"}`); a.Status {
				case 200:
					greeted.Add(1)
					got := decode[struct{ Greeting, Version string }](t, []byte(a.Result()))
					if got.Greeting != "Hello, Ada" || got.Version != "1.0.0" && got.Version != "2.0.0" {
						t.Errorf("got %s", a)
					}
				case 404:
					absent.Add(1)
					want{404, "command_not_found", ""}.check(t, a)
				default:
					replaced.Add(1)
					want{503, "connector_unavailable", "Try again"}.check(t, a)
				}
				example.Add(1)
				if a := s.Do("example/Example", `{"message": "m"}`); a.Status != 200 || a.Result() != `{"connector_response":"You passed the example connector: 'm'. Have a good day!"}` {
					t.Errorf("the example answers %s", a)
				}
			}
		})
	}
	for i := range 6 {
		if a := s.Upload(versions[i%2], true); a.Status != 201 {
			t.Errorf("got %s", a)
		}
		version := decode[struct{ Version string }](t, []byte(s.Do("greeter/Greet", `{"name": "Ada"}`).Result())).Version
		if want := []string{"1.0.0", "2.0.0"}[i%2]; version != want {
			t.Errorf("after the upload of %s, %q answers", want, version)
		}
		if i%3 == 2 {
			if a := s.Send("DELETE", "/admin/v1/connectors/greeter", s.Operator(), ""); a.Status != 204 {
				t.Errorf("got %s", a)
			}
			want{404, "command_not_found", ""}.check(t, s.Do("greeter/Greet", `{"name": "Ada"}`))
		}
	}
	close(done)
	callers.Wait()
	t.Logf("%d greetings, %d not found, %d on a version that was gone; %d calls of the example", greeted.Load(), absent.Load(), replaced.Load(), example.Load())
	if greeted.Load() == 0 || example.Load() == 0 {
		t.Error("nothing was called meanwhile")
	}
}
