package server_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"sluice/internal/guests"
	"sluice/runtime/server/servertest"
)

// answerV2 is an answer of version 2. What has to be there is a pointer or raw.
type answerV2 struct {
	Response *struct {
		Body     json.RawMessage `json:"body"`
		Mimetype string          `json:"mimetype"`
		Status   *int            `json:"http_status"`
	} `json:"command_response"`
	Version int             `json:"command_response_version"`
	Error   json.RawMessage `json:"error"`
	Logs    []string        `json:"spiff__logs"`
}

// envelopeOf reads an answer that has to be an envelope with its four keys.
func envelopeOf(t *testing.T, a servertest.Answer) answerV2 {
	t.Helper()
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(a.Body, &keys); err != nil || len(keys) != 4 || a.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("got %s, want an envelope: %v", a, err)
	}
	e := decode[answerV2](t, a.Body)
	if e.Response == nil || e.Response.Body == nil || e.Response.Mimetype == "" || e.Version != 2 || e.Error == nil || !strings.HasPrefix(string(keys["spiff__logs"]), "[") {
		t.Fatalf("got %s, want an envelope", a)
	}
	return e
}

// TestAsync: 202 where a command is asynchronous and has somewhere to report to, whatever it says; 200 otherwise.
func TestAsync(t *testing.T) {
	t.Parallel()
	s := servertest.MustServe(t, servertest.Shared(), servertest.Install(guests.Module(t, "probe"), echo.Module()))
	const callback = `"spiff__callback_url": "https://arena.example/callback"`
	tests := []struct {
		name, command, body string
		status, inner       int // inner 0 is none
		result, err         string
		logs                int
	}{
		{"with a callback", "probe/AsyncOk", `{"note": "n", ` + callback + `}`, 202, 202, `{"accepted":true,"note":"n"}`, "", 1},
		{"without one", "probe/AsyncOk", `{"note": "n"}`, 200, 0, `{"sync":true}`, "", 0},
		{"with an empty one", "probe/AsyncOk", `{"spiff__callback_url": ""}`, 200, 0, `{"sync":true}`, "", 0},
		{"with null", "probe/AsyncOk", `{"spiff__callback_url": null}`, 200, 0, `{"sync":true}`, "", 0},
		{"rejected, retryable", "probe/AsyncBodyStatus", `{"upstream_status": 500, ` + callback + `}`, 202, 500, `{"started":false}`, "AsyncStartRejected", 0},
		{"rejected", "probe/AsyncBodyStatus", `{"upstream_status": 404, ` + callback + `}`, 202, 404, `{"started":false}`, "AsyncStartRejected", 0},
		{"rejected without a callback", "probe/AsyncBodyStatus", `{"upstream_status": 500}`, 200, 500, `{"started":false}`, "AsyncStartRejected", 0},
		{"synchronous with a callback", "probe/CombineStrings", `{"arg1": "a", "arg2": "b", ` + callback + `}`, 200, 0,
			`{"command_response":{"example_response":"whatever you want","arg1":"a","arg2":"b"}}`, "", 0},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			a := s.Do(tc.command, tc.body)
			e := envelopeOf(t, a)
			inner := 0
			if e.Response.Status != nil {
				inner = *e.Response.Status
			}
			if a.Status != tc.status || inner != tc.inner || string(e.Response.Body) != tc.result || a.Code() != tc.err || len(e.Logs) != tc.logs {
				t.Errorf("got %s", a)
			}
		})
	}
	t.Run("failures stay what they are", func(t *testing.T) {
		want{400, "invalid_parameter", "upstream_status"}.check(t, s.Do("probe/AsyncBodyStatus", `{"upstream_status": [], `+callback+`}`))
	})
}

// TestBare has answers without an envelope: status, media type and body are the connector's.
func TestBare(t *testing.T) {
	t.Parallel()
	s := servertest.MustServe(t, servertest.Shared(), servertest.Install(guests.Module(t, "probe"), echo.Module()))
	tests := []struct {
		status         int
		mimetype, body string
	}{
		{200, "application/json", `{}`},
		{200, "application/json", `{"n": 1.0}`},
		{200, "text/html; charset=utf-8", "<b>&amp;</b>"},
		{201, "text/plain", "created\r\n"},
		{202, "application/json", `{"error": "is none of ours"}`},
		{404, "application/json", `{"missing": true}`},
		{500, "application/xml", "<x/>"},
		{503, "text/plain", ""},
		{200, "text/plain", ""},
		{200, "application/json", "not JSON"},
		{302, "text/plain", "elsewhere"},
	}
	for _, tc := range tests {
		t.Run(fmt.Sprintf("%d %s", tc.status, tc.mimetype), func(t *testing.T) {
			params, _ := json.Marshal(map[string]any{"status": tc.status, "mimetype": tc.mimetype, "response": tc.body}) // of plain values
			a := s.Do("probe/V1", string(params))
			if a.Status != tc.status || a.Header.Get("Content-Type") != tc.mimetype || string(a.Body) != tc.body || a.Header.Get("X-Content-Type-Options") != "nosniff" ||
				a.Header.Get("Content-Security-Policy") != "sandbox; default-src 'none'" {
				t.Errorf("got %s, %v", a, a.Header)
			}
		})
	}
	for _, status := range []int{204, 304} { // HTTP has no body with these: none may be left for the next answer
		if a := s.Do("probe/V1", fmt.Sprintf(`{"status": %d, "response": "HTTP/1.1 200 OK\r\n\r\n"}`, status)); a.Status != status || len(a.Body) > 0 {
			t.Errorf("got %s", a)
		}
		alive(t, s)
	}
	for name, params := range map[string]string{
		"line break in the media type": `{"mimetype": "text/plain\r\nX-Injected: 1"}`, "media type that is not ASCII": `{"mimetype": "täxt"}`,
	} {
		a := s.Do("probe/V1", params)
		if a.Status != 500 || a.Code() != "connector_crashed" || a.Header.Get("X-Injected") != "" {
			t.Errorf("%s: got %s", name, a)
		}
	}
}
