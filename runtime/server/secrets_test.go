package server_test

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sluice/hostfuncs/secret"
	"sluice/internal/guests"
	"sluice/runtime"
	"sluice/runtime/server/servertest"
)

// TestSecrets sets a secret while the server serves. The service that it is bound to gets it, and it is in nothing that
// the server writes or answers.
func TestSecrets(t *testing.T) {
	t.Parallel()
	const canary = "c4n4ryS3cr3tOfTheStore"
	var mu sync.Mutex
	var got []string
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, r.Header.Get("Authorization"))
		w.Header().Set("X-Echo", r.Header.Get("Authorization"))
		fmt.Fprint(w, r.Header.Get("Authorization"))
	}))
	defer service.Close()
	s := servertest.MustServe(t, servertest.Shared(), servertest.Dev(), servertest.Keys("", "admin key"), servertest.Install(guests.Module(t, "misbehave")),
		servertest.Grant("misbehave", runtime.Grant{Secrets: []secret.Grant{{Name: "canary"}}}),
		servertest.Secrets(map[string]secret.Definition{"canary": {From: "store", Origins: []string{service.URL}}}, &secret.Key{1}))
	s.Logs.Canary(canary)
	var answers []servertest.Answer
	call := func(url string) servertest.Answer {
		a := s.Do("misbehave/Secret", `{"name":"canary","url":"`+url+`","headers":["Authorization","Bearer @"]}`)
		answers = append(answers, a)
		return a
	}
	if a := call(service.URL); a.Code() != "secret_unavailable" {
		t.Errorf("before it is set: got %s", a)
	}
	if a := s.Send("PUT", "/admin/v1/secrets/canary", s.Operator("Content-Type", "text/plain"), canary+"\n"); a.Status != 204 {
		t.Fatalf("PUT: got %s", a)
	}
	if a := call(service.URL); a.Status != 200 || a.Code() != "" || !strings.Contains(a.Result(), secret.Mask) {
		t.Errorf("once it is set: got %s", a)
	}
	if a := call("http://127.0.0.1:1"); a.Code() != "secret_denied" || !strings.Contains(a.Message(), "add that origin to secrets.canary.origins") {
		t.Errorf("toward another origin: got %s", a)
	}
	mu.Lock()
	if len(got) != 1 || got[0] != "Bearer "+canary {
		t.Errorf("the service got %q", got)
	}
	mu.Unlock()
	for _, path := range []string{"/metrics", "/admin/v1/secrets", "/admin/v1/connectors", "/readiness", "/v1/commands"} {
		answers = append(answers, s.Send("GET", path, s.Operator(), ""))
	}
	if list := answers[len(answers)-4]; string(list.Body) != `{"secrets":[{"name":"canary","from":"store","origins":["`+service.URL+`"],"places":["header"],"stored":true,"available":true}]}` {
		t.Errorf("the list is %s", list)
	}
	if metrics := string(answers[len(answers)-5].Body); !strings.Contains(metrics, `sluice_calls_total{command="Secret",connector="misbehave",outcome="secret_denied"} 1`) {
		t.Error("the metrics do not count what was denied")
	}
	if a := s.Send("DELETE", "/admin/v1/secrets/canary", s.Operator(), ""); a.Status != 204 {
		t.Errorf("DELETE: got %s", a)
	}
	if a := call(service.URL); a.Code() != "secret_unavailable" {
		t.Errorf("after it is removed: got %s", a)
	}
	for _, a := range answers {
		if text := fmt.Sprint(a.Header) + string(a.Body); strings.Contains(text, canary) {
			t.Errorf("an answer holds the secret: %s", a)
		}
	}
	if err := filepath.WalkDir(s.Data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), canary) {
			t.Errorf("%s holds the secret", path)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}
