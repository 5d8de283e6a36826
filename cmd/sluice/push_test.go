package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sluice/internal/guests"
	"sluice/runtime/server"
)

func TestPushListRemove(t *testing.T) {
	data := t.TempDir()
	s := startServer(t, data, nil)
	to := []string{"--server", s.url}
	run := func(args ...string) result { return sluice(t, append(args, to...)...) }
	v1, v2 := guests.Path(t, "greeter"), guests.Path(t, "greeter-v2")

	run("push", v1).want(t, exitOK, "greeter 1.0.0 is in service (sha256 ", "\n  greeter/Greet\n")
	info := decode[server.ConnectorInfo](t, run("push", v1, "--json").want(t, exitOK))
	if info.Name != "greeter" || info.Version != "1.0.0" || len(info.Kept) != 0 || info.Bundled {
		t.Errorf("got %+v", info)
	}
	run("push", v2).want(t, exitOK, "greeter 2.0.0")
	run("call", "greeter/Greet", "--params", `{"name":"Ada"}`).want(t, exitOK, `"version": "2.0.0"`)
	run("list").want(t, exitOK, "NAME", "greeter", "2.0.0", "installed", "example", "bundled", "Greet")
	list := decode[[]server.ConnectorInfo](t, run("list", "--json").want(t, exitOK))
	if len(list) != 3 || list[0].Name != "example" || list[1].Name != "greeter" || len(list[1].Kept) != 1 || list[2].Name != "http" {
		t.Errorf("got %+v", list)
	}

	run("push", "main.go").want(t, exitFailed, "(not_wasm)")
	run("push", "none.wasm").want(t, exitFailed, "no such file")
	run("remove", "example").want(t, exitFailed, "(bundled)")
	run("remove", "greeter").want(t, exitOK, "greeter is removed")
	run("rm", "greeter").want(t, exitFailed, "(connector_not_found)")
	run("rm", "../greeter").want(t, exitFailed)
	run("call", "greeter/Greet", "--params", `{"name":"Ada"}`).want(t, exitFailed, "command_not_found")
}

func TestManage_Key(t *testing.T) {
	s := startServer(t, t.TempDir(), []string{"SLUICE_ADMIN_KEY=hunter2", "CONNECTOR_PROXY_API_KEY=engine"})
	list := []string{"list", "--server", s.url}
	sluice(t, list...).want(t, exitFailed, "SLUICE_ADMIN_KEY", "(unauthorized)")
	r := sluice(t, append(list, "--key", "wrong-key")...).want(t, exitFailed, "(unauthorized)")
	if strings.Contains(r.stderr, "wrong-key") {
		t.Errorf("the key is in %s", r.stderr)
	}
	sluice(t, append(list, "--key", "hunter2")...).want(t, exitOK, "example")
	sluiceWith(t, []string{"SLUICE_ADMIN_KEY=hunter2"}, "", list...).want(t, exitOK, "example")

	call := []string{"call", "example/Example", "--server", s.url, "--params", `{"message":"hi"}`}
	sluice(t, call...).want(t, exitFailed, "the server wants its key")
	sluiceWith(t, []string{"CONNECTOR_PROXY_API_KEY=engine"}, "", call...).want(t, exitOK, "'hi'")
	if log := s.logged(); strings.Contains(log, "hunter2") || strings.Contains(log, "wrong-key") {
		t.Errorf("a key is in the log: %s", log)
	}
}

// Whatever answers is not taken for Sluice.
func TestManage_OtherServer(t *testing.T) {
	for body, expectedErr := range map[string]string{"<html>": "not as Sluice does", `{"error":"no"}`: "not as Sluice does"} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, body, 404) }))
		sluice(t, "list", "--server", s.URL).want(t, exitFailed, "the server answered 404", expectedErr)
		s.Close()
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) }))
	defer s.Close()
	sluice(t, "list", "--server", s.URL).want(t, exitFailed, "sluice: ")
}

// Keys and modules are for the server that was named, not for one that it names.
func TestManage_Redirect(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer other.Close()
	s := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer s.Close()
	sluice(t, "list", "--server", s.URL, "--key", "secret").want(t, exitFailed, "the server answered 307")
	empty := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) }))
	defer empty.Close()
	sluice(t, "push", guests.Path(t, "greeter"), "--server", empty.URL).want(t, exitFailed, "did not answer as Sluice does")
}
