package server_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"sluice/hostfuncs/secret"
	"sluice/internal/guests"
	"sluice/runtime/server"
	"sluice/runtime/server/servertest"
)

// TestAudit asks management for everything: whatever is logged besides, there is a record that says what became of it, who
// asked, and nothing of what was in it.
func TestAudit(t *testing.T) {
	t.Parallel()
	const canary = "c4n4ryOfTheAudit"
	s := servertest.MustServe(t, servertest.Shared(), servertest.LogLevel(slog.LevelError), servertest.Keys("", "an admin key"), servertest.Bodies(64<<20, 64<<20),
		servertest.Secrets(map[string]secret.Definition{"token": {From: "store"}}, &secret.Key{1}))
	s.Logs.Canary(canary)
	greeter := string(guests.Module(t, "greeter"))
	for _, tc := range []struct {
		method, path, contentType, body string
		key                             string // where it is not the right one
		want                            string
	}{
		{method: "POST", path: "connectors", contentType: "application/wasm", body: greeter, want: `"action":"install","outcome":"done","connector":"greeter"…"version":"1.0.0","sha256":"`},
		{method: "POST", path: "connectors", contentType: "application/wasm", body: greeter, want: `"action":"install","outcome":"unchanged","connector":"greeter"`},
		{method: "POST", path: "connectors", contentType: "application/wasm", body: canary, want: `"action":"install","outcome":"refused","code":"not_wasm"…"sha256":"`},
		{method: "POST", path: "connectors", contentType: "text/plain", body: greeter, want: `"action":"install","outcome":"refused","code":"unsupported_media_type"`},
		{method: "PUT", path: "connectors/greeter/grant", contentType: "application/json", body: `{"http":["https://` + canary + `.example"]}`,
			want: `"action":"grant","outcome":"done","connector":"greeter"…"grant_sha256":"…"source":"catalog"`},
		{method: "PUT", path: "connectors/greeter/grant", contentType: "application/json", body: `{"htpp":["` + canary + `"]}`, want: `"action":"grant","outcome":"refused","code":"invalid_grant","connector":"greeter"`},
		{method: "PUT", path: "connectors/greeter/grant", body: "{}", want: `"action":"grant","outcome":"refused","code":"unsupported_media_type","connector":"greeter"`},
		{method: "PUT", path: "connectors/" + canary + "/grant", contentType: "application/json", body: "{}", want: `"action":"grant","outcome":"refused","code":"connector_not_found","peer"`},
		{method: "DELETE", path: "connectors/greeter/grant", want: `"action":"reset_grant","outcome":"done","connector":"greeter"…"source":"none"`},
		{method: "DELETE", path: "connectors/greeter", want: `"action":"remove","outcome":"done","connector":"greeter"`},
		{method: "DELETE", path: "connectors/greeter", want: `"action":"remove","outcome":"refused","code":"connector_not_found","connector":"greeter"`},
		{method: "PUT", path: "secrets/token", contentType: "text/plain", body: canary, want: `"action":"set_secret","outcome":"done","secret":"token"`},
		{method: "PUT", path: "secrets/" + canary, contentType: "text/plain", body: "x", want: `"action":"set_secret","outcome":"refused","code":"invalid_secret","peer"`},
		{method: "DELETE", path: "secrets/token", want: `"action":"remove_secret","outcome":"done","secret":"token"`},
		{method: "DELETE", path: "secrets/token", want: `"action":"remove_secret","outcome":"refused","code":"secret_not_found","secret":"token"`},
		{method: "PUT", path: "secrets/" + canary, key: canary, want: `"action":"enter","outcome":"refused","code":"unauthorized"…"route":"PUT /admin/v1/secrets/{name}"`},
		{method: "GET", path: canary, key: canary, want: `"action":"enter","outcome":"refused","code":"unauthorized"…"route":""`},
	} {
		before := len(s.Logs.Lines(""))
		header := s.Operator()
		if tc.contentType != "" {
			header.Set("Content-Type", tc.contentType)
		}
		if tc.key != "" {
			header.Set("Authorization", "Bearer "+tc.key)
		}
		answer := s.Send(tc.method, "/admin/v1/"+tc.path, header, tc.body)
		lines := s.Logs.Lines("")[before:]
		if len(lines) != 1 {
			t.Errorf("%s %s: answered %s, logged %q", tc.method, tc.path, answer, lines)
			continue
		}
		var record struct{ Msg, Peer, Key string }
		if err := json.Unmarshal([]byte(lines[0]), &record); err != nil || record.Msg != "management" || record.Peer != "127.0.0.1" || record.Key != "admin.key" {
			t.Errorf("logged %s", lines[0])
		}
		rest := lines[0]
		for part := range strings.SplitSeq(tc.want, "…") {
			_, after, ok := strings.Cut(rest, part)
			if !ok {
				t.Errorf("%s %s: %s is not in %s", tc.method, tc.path, part, lines[0])
			}
			rest = after
		}
	}
	// Asking is nothing to note.
	before := len(s.Logs.Lines(""))
	for _, path := range []string{"connectors", "connectors/greeter", "secrets", "connectors/greeter/observed"} {
		s.Send("GET", "/admin/v1/"+path, s.Operator(), "")
	}
	if lines := s.Logs.Lines("")[before:]; len(lines) > 0 {
		t.Errorf("logged %q", lines)
	}
}

// TestAudit_NoKey: who is not on this machine, or in a page, is noted too.
func TestAudit_NoKey(t *testing.T) {
	t.Parallel()
	s := servertest.MustServe(t, servertest.Shared(), servertest.LogLevel(slog.LevelError))
	s.Send("POST", "/admin/v1/connectors", nil, "")
	s.Send("POST", "/admin/v1/connectors", servertest.Header("Sluice-Admin", "1", "Origin", "https://evil.example"), "")
	lines := s.Logs.Lines(`"action":"enter","outcome":"refused","code":"operator_only","peer":"127.0.0.1","key":"none: this machine","route":"POST /admin/v1/connectors"`)
	if len(lines) != 2 {
		t.Errorf("logged %s", s.Logs)
	}
	keyed := servertest.MustServe(t, servertest.Shared(), servertest.Keys("", "an admin key"))
	keyed.Send("POST", "/admin/v1/connectors", keyed.Operator("Origin", "https://evil.example"), "")
	if len(keyed.Logs.Lines(`"action":"enter","outcome":"refused","code":"origin_not_allowed"`)) != 1 {
		t.Errorf("logged %s", keyed.Logs)
	}
}

// Somebody without the key can't fill the disk.
func TestSparing(t *testing.T) {
	var s server.Sparing
	at := time.Unix(1000, 0)
	taken := func(n int) (passed int) {
		for range n {
			if ok, _ := s.Take(at); ok {
				passed++
			}
		}
		return passed
	}
	if n := taken(25); n != server.EntriesPerSecond {
		t.Errorf("%d passed", n)
	}
	at = at.Add(time.Second)
	if ok, left := s.Take(at); !ok || left != 25-server.EntriesPerSecond {
		t.Errorf("got %t, %d", ok, left)
	}
	if ok, left := s.Take(at); !ok || left != 0 {
		t.Errorf("got %t, %d", ok, left)
	}
}
