package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/runtime/server"
)

func TestSecret(t *testing.T) {
	const canary, key = "c4n4ryOfTheCommandLine", "SLUICE_SECRETS_KEY=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	file := filepath.Join(t.TempDir(), "sluice.yaml")
	if err := os.WriteFile(file, []byte(`
secrets:
  api-token: {from: store, origins: [api.example.com], places: [header, query]}
  from-env: {from: env:NOTHING}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	s := startServer(t, data, []string{key}, "--config", file)
	run := func(stdin string, args ...string) result {
		return sluiceWith(t, nil, stdin, append(append([]string{"secret"}, args...), "--server", s.url)...)
	}
	run(canary+"\n", "set", "api-token").want(t, exitOK, "api-token is set")
	run("x", "set", "Token").want(t, exitFailed, "its name must be", "(invalid_secret)")
	run("", "set", "api-token").want(t, exitFailed, "it is empty", "(invalid_secret)")
	run(strings.Repeat("x", 70<<10), "set", "api-token").want(t, exitFailed, "longer than 65536 bytes", "(invalid_secret)")
	run("other", "set", "undefined").want(t, exitOK)
	check := func() {
		t.Helper()
		r := run("", "list").want(t, exitOK, "NAME", "api-token  store", "https://api.example.com", "header query", "undefined", "(not defined)", "from-env")
		list := decode[server.SecretList](t, run("", "list", "--json").want(t, exitOK))
		if len(list.Secrets) != 3 || !list.Secrets[0].Stored || list.Secrets[1].Stored || strings.Contains(r.stdout, canary) {
			t.Errorf("got %+v", list)
		}
	}
	check()
	// What was acknowledged is there after the process was killed.
	_ = s.cmd.Process.Kill()
	<-s.done
	s = startServer(t, data, []string{key}, "--config", file)
	check()
	run("", "remove", "undefined").want(t, exitOK, "undefined is removed")
	run("", "rm", "undefined").want(t, exitFailed, "(secret_not_found)")
	run("", "rm", "../x").want(t, exitFailed)
	if strings.Contains(s.logged(), canary) {
		t.Error("the value is in the log")
	}
}

func TestSecret_NoKey(t *testing.T) {
	s := startServer(t, t.TempDir(), nil)
	sluiceWith(t, nil, "x", "secret", "set", "a", "--server", s.url).want(t, exitFailed, "set SLUICE_SECRETS_KEY or secrets.key_file", "(no_secrets_key)")
	sluice(t, "secret", "list", "--server", s.url).want(t, exitOK, "NAME")
	sluiceWith(t, []string{"SLUICE_SECRETS_KEY=short"}, "", "serve", "--data", t.TempDir()).want(t, exitUsage, "SLUICE_SECRETS_KEY is not 32 bytes in Base64")
	for _, args := range [][]string{{"set"}, {"set", "a", "value"}, {"list", "x"}, {"remove"}} {
		sluice(t, append([]string{"secret"}, args...)...).want(t, exitUsage)
	}
}
