package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"sluice/internal/guests"
)

type answer struct {
	CommandResponse struct {
		Body json.RawMessage `json:"body"`
	} `json:"command_response"`
	Error *struct {
		Code string `json:"error_code"`
	} `json:"error"`
}

func TestCall_Module(t *testing.T) {
	file := guests.Path(t, "greeter")
	r := sluice(t, "call", "greeter/Greet", "--module", file, "--params", `{"name":"Ada"}`, "--json").want(t, exitOK)
	if a := decode[answer](t, r); string(a.CommandResponse.Body) != `{"greeting":"Hello, Ada","version":"1.0.0"}` || strings.Count(r.stdout, "\n") != 1 {
		t.Errorf("got %s", r.stdout)
	}
	sluiceWith(t, nil, `{"name":"Bob"}`, "call", "greeter/Greet", "--module", file, "--params", "-").
		want(t, exitOK, "\n      \"greeting\": \"Hello, Bob\"")
	// A key of the environment is for servers.
	sluiceWith(t, []string{"CONNECTOR_PROXY_API_KEY=k"}, "", "call", "greeter/Greet", "--module", file, "--params", `{"name":"Ada"}`).want(t, exitOK, "Hello, Ada")
}

func TestCall_Bundled(t *testing.T) {
	sluice(t, "call", "example/Example", "--params", `{"message":"hi"}`).want(t, exitOK, "You passed the example connector: 'hi'")
}

func TestCall_Errors(t *testing.T) {
	greeter := guests.Path(t, "greeter")
	for _, tc := range []struct {
		args        []string
		expectedErr string
		printed     string
	}{
		{[]string{"greeter/Greet", "--module", greeter}, "missing_parameter (status 400)", "null: name."},
		{[]string{"greeter/Greet", "--module", greeter, "--params", "{"}, "invalid_body (status 400)", ""},
		{[]string{"greeter/Bow", "--module", greeter}, "command_not_found (status 404)", ""},
		{[]string{"example/Example", "--module", greeter}, `greeter.wasm is the connector "greeter", and not "example": call greeter/Example`, ""},
		{[]string{"a/b", "--module", filepath.Join(t.TempDir(), "none.wasm")}, "no such file", ""},
		{[]string{"a/b", "--module", "main.go"}, "not_wasm", ""},
		{[]string{"a/b", "--server", "http://127.0.0.1:" + freePort(t)}, "no server answers at http://127.0.0.1:", ""},
		{[]string{"a/b", "--server", "127.0.0.1:1"}, "--server must be a URL", ""},
		{[]string{"a/b", "--server", "ftp://user:hunter2@127.0.0.1"}, "no server answers", ""},
	} {
		r := sluice(t, append([]string{"call"}, tc.args...)...).want(t, exitFailed, tc.expectedErr)
		if !strings.Contains(r.stdout, tc.printed) || strings.Contains(r.stderr, "hunter2") {
			t.Errorf("%v printed %s%s", tc.args, r.stdout, r.stderr)
		}
	}
}

func TestCall_Usage(t *testing.T) {
	const server = "http://127.0.0.1:1"
	for _, tc := range []struct {
		args        []string
		expectedErr string
	}{
		{nil, "say which command: sluice call CONNECTOR/COMMAND\n"},
		{[]string{"a/b", "c/d"}, "2 arguments are given, and one is taken: sluice call CONNECTOR/COMMAND\n"},
		{[]string{"a"}, `"a" is not CONNECTOR/COMMAND`},
		{[]string{"a/b", "--server", server, "--module", "x.wasm"}, "--module and --server exclude each other: push the module first"},
		{[]string{"a/b", "--server", server, "--dev"}, "--dev and --server exclude each other: the server has settings of its own"},
		{[]string{"a/b", "--server", server, "--call-deadline", "1s"}, "--call-deadline and --server exclude each other"},
		{[]string{"a/b", "--server", server, "--config", "x.yaml"}, "--config and --server exclude each other"},
	} {
		sluice(t, append([]string{"call"}, tc.args...)...).want(t, exitUsage, tc.expectedErr)
	}
}

// SLUICE_SERVER is as good as --server, where nothing says that the command is to be executed here.
func TestCall_ServerVariable(t *testing.T) {
	call := func(server string, args ...string) result {
		t.Helper()
		return sluiceWith(t, []string{"SLUICE_SERVER=" + server}, "", append([]string{"call", "example/Example", "--params", `{"message":"hi"}`}, args...)...)
	}
	nobody := "http://127.0.0.1:" + freePort(t)
	call(sharedServer(t)).want(t, exitOK, "'hi'")
	call(nobody).want(t, exitFailed, "no server answers at "+nobody)
	call(nobody, "--server", "").want(t, exitOK, "'hi'")
	call(nobody, "--dev").want(t, exitOK, "'hi'")
	sluiceWith(t, []string{"SLUICE_SERVER=" + nobody}, "", "call", "greeter/Greet", "--module", guests.Path(t, "greeter"), "--params", `{"name":"Ada"}`).want(t, exitOK, "Hello, Ada")
}

func TestCall_Server(t *testing.T) {
	url := sharedServer(t)
	r := sluice(t, "call", "example/Example", "--server", url, "--params", `{"message":"hi"}`, "--json").want(t, exitOK)
	if a := decode[answer](t, r); a.Error != nil || !strings.Contains(string(a.CommandResponse.Body), "'hi'") {
		t.Errorf("got %s", r.stdout)
	}
	sluice(t, "call", "example/Example", "--server", url+"/").want(t, exitFailed, "missing_parameter")
}
