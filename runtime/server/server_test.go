package server_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"sluice/runtime/server/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }

// echo is a connector that answers with what it gets: echo/Params with the parameters, echo/Context with the context,
// and more commands in the same order.
var echo = servertest.Guest{Manifest: `{"name": "echo", "version": "1.0.0", "commands": [
	{"name": "Params", "parameters": [
		{"id": "s", "type": "str"}, {"id": "i", "type": "int"}, {"id": "b", "type": "bool"}, {"id": "a", "type": "any"}]},
	{"name": "Context", "task_data": true, "async": true, "parameters": []},
	{"name": "Required", "parameters": [
		{"id": "s", "type": "str", "required": true}, {"id": "i", "type": "int", "required": true},
		{"id": "b", "type": "bool", "required": true}, {"id": "a", "type": "any", "required": true}]},
	{"name": "NoData", "parameters": []}]}`}

// want is what an answer has to be.
type want struct {
	status int
	code   string // of an error
	says   string // a part of the error's message
}

func (w want) check(t *testing.T, a servertest.Answer) {
	t.Helper()
	if a.Status != w.status || a.Code() != w.code {
		t.Errorf("got %s, want %d %s", a, w.status, w.code)
		return
	}
	if w.code == "" {
		return
	}
	contains(t, a.Message(), w.says)
	if got := a.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("an error has the media type %q", got)
	}
	if m := a.Message(); m == "" || bytes.HasPrefix(a.Body, []byte(`{"command_response"`)) && m[len(m)-1] != '.' {
		t.Errorf("%q is no sentence", m)
	}
}

// alive checks that the server still executes commands.
func alive(t *testing.T, s *servertest.Server) {
	t.Helper()
	if a := s.Do("echo/Params", `{"s": "still here"}`); a.Status != 200 || a.Result() != `{"s":"still here"}` {
		t.Errorf("afterwards the server answers %s", a)
	}
}

// decode reads JSON that must be there. It may be called by any goroutine.
func decode[T any](t *testing.T, text []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(text, &v); err != nil {
		t.Errorf("%.300q: %v", text, err)
	}
	return v
}

// contains checks that a text has all parts in it.
func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%.500q does not contain %q", text, part)
		}
	}
}
