package server_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/internal/guests"
	"sluice/runtime"
	"sluice/runtime/server/servertest"
)

// TestMisbehave runs everything that a guest can do wrong. Nothing of what was sent shows in an answer or in the log.
func TestMisbehave(t *testing.T) {
	t.Parallel()
	s := servertest.MustServe(t, servertest.Shared(), servertest.Install(guests.Module(t, "misbehave"), guests.Module(t, "probe"), echo.Module()),
		servertest.Limits(func(l *runtime.Limits) { l.Output, l.Memory = 1<<20, 32<<20 }))
	hasty := servertest.MustServe(t, servertest.Shared(), servertest.Install(guests.Module(t, "misbehave")),
		servertest.Limits(func(l *runtime.Limits) { l.Deadline = time.Second }))
	const canary, guestCanary = "c4n4rym1sb", "this value must not be seen anywhere"
	s.Logs.Canary(canary, guestCanary)
	hasty.Logs.Canary(canary, guestCanary)
	crashed := want{500, "connector_crashed", "under call "}
	tests := []struct {
		command, params string // params are without braces
		want            want
	}{
		{"Trap", ``, crashed},
		{"Exit", ``, crashed},
		{"Spin", ``, want{504, "deadline_exceeded", "1s"}},
		{"Sleep", `"ms": 60000`, want{504, "deadline_exceeded", "1s"}},
		{"Grow", ``, want{500, "memory_exceeded", "32 MiB"}},
		{"BigOutput", `"n": 1100000`, want{500, "output_too_large", "1048576 bytes"}},
		{"NoAnswer", ``, crashed},
		{"BadJSON", ``, crashed},
		{"BadHead", ``, crashed},
	}
	var wait sync.WaitGroup
	for _, tc := range tests {
		wait.Go(func() {
			h := servertest.Header("Content-Type", "application/json", "X-Canary", canary, "Cookie", "c="+canary, "User-Agent", canary, "Referer", "http://x/?"+canary)
			body := `{"canary": "` + canary + `", "` + canary + `": 1, "spiff__task_data": {"x": "` + canary + `"}, "spiff__callback_url": "https://x.example/?` + canary + `"`
			if tc.params != "" {
				body += ", " + tc.params
			}
			s := s
			if tc.want.code == "deadline_exceeded" {
				s = hasty
			}
			a := s.Send("POST", "/v1/do/misbehave/"+tc.command+"?q="+canary, h, body+"}")
			tc.want.check(t, a)
			if strings.Contains(string(a.Body), canary) || strings.Contains(string(a.Body), guestCanary) {
				t.Errorf("%s: the answer has a canary: %s", tc.command, a)
			}
			if a.Header.Get("X-Request-Id") == "" || len(s.Logs.Lines(`"call":"`+a.Header.Get("X-Request-Id")+`"`)) == 0 {
				t.Errorf("%s: the log does not have the call", tc.command)
			}
		})
	}
	wait.Wait()
	for reason, commands := range map[string][]string{"trap": {"Trap"}, "exit": {"Exit"}, "bad_output": {"NoAnswer", "BadJSON", "BadHead"}} {
		for _, command := range commands {
			if len(s.Logs.Lines(`"command":"misbehave/`+command+`","outcome":"`+reason+`"`)) != 1 {
				t.Errorf("the log does not say that %s ended by %s", command, reason)
			}
		}
	}
	want{500, "connector_crashed", "under call"}.check(t, s.Do("probe/Crash", `{"why": "`+canary+`", "data": {"x": "`+canary+`"}, "n": 5}`))
	t.Run("what is forgiven", func(t *testing.T) {
		if e := envelopeOf(t, s.Do("misbehave/TwoAnswers", `{}`)); string(e.Response.Body) != `{"first":0,"second":-4}` || *e.Response.Status != 201 {
			t.Errorf("two answers: got %s", e.Response.Body)
		}
		for what, result := range decode[map[string]int](t, envelopeOf(t, s.Do("misbehave/BadPointer", `{}`)).Response.Body) {
			if result >= 0 && !strings.HasPrefix(what, "read from the highest offset") && !strings.HasPrefix(what, "read from a negative offset") && what != "close the parameters" {
				t.Errorf("%s returns %d", what, result)
			}
		}
		e := envelopeOf(t, s.Do("misbehave/Log", `{"line": "a line", "times": 1000}`))
		if n := len(e.Logs); n != 257 || !strings.Contains(e.Logs[n-1], "744 more lines were refused") {
			t.Errorf("%d lines, the last %q", n, e.Logs[n-1])
		}
		env := envelopeOf(t, s.Do("misbehave/Env", `{}`))
		if got := string(env.Response.Body); strings.Contains(got, "allowed") || strings.Contains(got, "PATH") {
			t.Errorf("the guest sees %s", got)
		}
	})
	alive(t, s)
}

// TestNothingKept: what one call leaves in memory no other call finds.
func TestNothingKept(t *testing.T) {
	t.Parallel()
	s := servertest.MustServe(t, servertest.Shared(), servertest.Install(guests.Module(t, "misbehave")))
	const canary = "c4n4ry5t45h"
	s.Logs.Canary(canary)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for i := range 20 {
				a := s.Do("misbehave/Stash", fmt.Sprintf(`{"value": "%s%d"}`, canary, i))
				if a.Result() != `{"global":"","heap":""}` {
					t.Errorf("got %s", a)
				}
			}
		})
	}
	wait.Wait()
	seen := map[string]bool{}
	for range 5 {
		for _, value := range decode[map[string]string](t, []byte(s.Do("misbehave/Rand", `{}`).Result())) {
			if seen[value] {
				t.Errorf("two calls drew %s", value)
			}
			seen[value] = true
		}
	}
}

// TestNoCookies: no cookie that a service sets comes back to it, from whichever connector.
func TestNoCookies(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var cookies []string
	requests := 0
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		requests++
		cookies = append(cookies, r.Header.Values("Cookie")...)
		w.Header().Add("Set-Cookie", "session=c4n4ryc00k1e; Path=/")
		w.Header().Add("Set-Cookie", "other=1; Path=/; Max-Age=3600")
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{}`))
	}))
	defer upstream.Close()
	s := servertest.MustServe(t, servertest.Shared(), servertest.Dev(), servertest.Bundled("http"), servertest.Install(guests.Module(t, "misbehave")))
	s.Logs.Canary("c4n4ryc00k1e", "c4n4ryqu3ry")
	for range 3 {
		for _, command := range []string{"misbehave/Fetch", "http/GetRequest", "http/GetRequestV2"} {
			if a := s.Do(command, `{"url": "`+upstream.URL+`/?q=c4n4ryqu3ry"}`); a.Status != 200 || a.Code() != "" {
				t.Errorf("%s: got %s", command, a)
			}
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if requests != 9 || len(cookies) > 0 {
		t.Errorf("in %d requests the service got back %q", requests, cookies)
	}
}

// TestEgressDenied: what is not granted is the connector's answer, and says how to grant it.
func TestEgressDenied(t *testing.T) {
	t.Parallel()
	s := servertest.MustServe(t, servertest.Shared(), servertest.Bundled("http"), servertest.Install(guests.Module(t, "misbehave")))
	for _, tc := range []struct{ command, url string }{
		{"http/GetRequest", "http://127.0.0.1:1/?c4n4rydeny"}, {"http/GetRequestV2", "http://169.254.169.254/c4n4rydeny"}, {"misbehave/Fetch", "http://127.0.0.1:1/c4n4rydeny"},
	} {
		a := s.Do(tc.command, `{"url": "`+tc.url+`"}`)
		if e := envelopeOf(t, a); a.Status != 200 || a.Code() != "egress_denied" || e.Response.Status == nil || *e.Response.Status != 403 {
			t.Errorf("%s: got %s", tc.command, a)
		}
		if len(s.Logs.Lines(`"command":"`+tc.command+`","outcome":"egress_denied"`)) != 1 {
			t.Errorf("%s: the log does not tell", tc.command)
		}
	}
	s.Logs.Canary("c4n4rydeny")
}
