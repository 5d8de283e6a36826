package server_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sluice/internal/guests"
	"sluice/runtime/server"
	"sluice/runtime/server/servertest"
)

// A grant counts for the next call, and each change of one is noted without its text.
func TestGrant(t *testing.T) {
	t.Parallel()
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte("{}"))
	}))
	defer service.Close()
	s := servertest.MustServe(t, servertest.Shared(), servertest.Keys("", "an admin key"), servertest.Install(guests.Module(t, "http")))
	const path = "/admin/v1/connectors/http/grant"
	get := func(want int) {
		t.Helper()
		a := s.Do("http/GetRequest", `{"url": "`+service.URL+`"}`)
		var got struct {
			Response struct {
				Status int `json:"http_status"`
			} `json:"command_response"`
		}
		if err := json.Unmarshal(a.Body, &got); err != nil || got.Response.Status != want {
			t.Errorf("got %s, want %d inside", a, want)
		}
	}
	get(403)
	a := s.Send("PUT", path, s.Operator("Content-Type", "application/json; charset=utf-8"), `{"http": ["`+service.URL+`"], "addresses": ["loopback"]}`)
	info := decode[server.GrantInfo](t, a.Body)
	if a.Status != 200 || info.Source != "catalog" || len(info.SHA256) != 64 || len(info.Requested) == 0 || len(info.Missing) == 0 {
		t.Errorf("got %s", a)
	}
	get(200)
	want{422, "invalid_grant", `adresses is no member of a grant; did you mean "addresses"?`}.check(t,
		s.Send("PUT", path, s.Operator("Content-Type", "application/json"), `{"adresses": []}`))
	get(200)
	if a := s.Send("DELETE", path, s.Operator(), ""); a.Status != 200 || decode[server.GrantInfo](t, a.Body).Source != "none" {
		t.Errorf("got %s", a)
	}
	get(403)
	log := s.Logs.String()
	if !strings.Contains(log, `"grant_sha256":"`+info.SHA256+`","source":"catalog"`) {
		t.Error("the log does not say which grant was made")
	}
	if strings.Contains(log, service.URL) || strings.Contains(log, "an admin key") {
		t.Errorf("the log has a rule or a key: %s", log)
	}
}

func TestObserve(t *testing.T) {
	t.Parallel()
	s := servertest.MustServe(t, servertest.Shared(), servertest.Observe(), servertest.Install(guests.Module(t, "http")))
	contains(t, string(s.Send("GET", "/readiness", nil, "").Body), "observe mode", "--egress enforce")
	if a := s.Do("http/GetRequest", `{"url": "`+s.URL+`/liveness?key=hunter2"}`); !strings.Contains(string(a.Body), `"status":"ok"`) && !strings.Contains(string(a.Body), `"status": "ok"`) {
		t.Errorf("got %s", a)
	}
	a := s.Send("GET", "/admin/v1/connectors/http/observed", s.Operator(), "")
	info := decode[server.ObservedInfo](t, a.Body)
	if !info.Observing || len(info.Observed) != 1 || info.Observed[0].Origin != s.URL || info.Observed[0].Address != "loopback" || info.NotRecorded != 0 ||
		string(info.Grant) != `{"http":[{"methods":["GET"],"rule":"`+s.URL+`"}],"addresses":["loopback"]}` || strings.Contains(string(a.Body), "hunter2") {
		t.Errorf("got %s", a)
	}
}
