package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/runtime/sandbox/wasmtest"
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
	for name, warning := range map[string]string{
		"undefined": "warning: no secret of that name is defined: add secrets.undefined, with from: store,",
		"from-env":  "warning: secrets.from-env is defined from env:NOTHING: the stored value is not used",
		"api-token": "",
	} {
		r := run(canary, "set", name).want(t, exitOK, name+" is set")
		if !strings.Contains(r.stderr, warning) || warning == "" && r.stderr != "" {
			t.Errorf("%s: warned %q, want %q", name, r.stderr, warning)
		}
	}
	check := func() {
		t.Helper()
		r := run("", "list").want(t, exitOK, "NAME", "api-token  store          there    header query  https://api.example.com", "undefined  (not defined)  unused", "from-env   env:NOTHING    missing",
			"\nfrom-env has no value that can be used: it is not set\nundefined is not defined: the stored value is not used\n")
		list := decode[server.SecretList](t, run("", "list", "--json").want(t, exitOK))
		if len(list.Secrets) != 3 || !list.Secrets[0].Available || list.Secrets[1].Available || list.Secrets[1].Problem != "it is not set" || strings.Contains(r.stdout, canary) {
			t.Errorf("got %+v", list)
		}
	}
	check()
	// What was acknowledged is there after the process was killed.
	_ = s.cmd.Process.Kill()
	<-s.done
	s = startServer(t, data, []string{key}, "--config", file)
	check()
	if !strings.Contains(s.logged(), `"msg":"a secret has no value that can be used: calls that need it fail","secret":"from-env","from":"env:NOTHING","error":"it is not set"`) {
		t.Errorf("the start does not warn: %s", s.logged())
	}
	run("", "remove", "undefined").want(t, exitOK, "undefined is removed")
	run("", "rm", "undefined").want(t, exitFailed, "(secret_not_found)")
	run("", "rm", "../x").want(t, exitFailed)
	if strings.Contains(s.logged(), canary) {
		t.Error("the value is in the log")
	}
}

// A definition that is taken away under a grant is missed when the server starts, and where the grant is shown.
func TestSecret_Undefined(t *testing.T) {
	dir := t.TempDir()
	file, data := filepath.Join(dir, "sluice.yaml"), filepath.Join(dir, "data")
	if err := os.WriteFile(file, []byte("secrets: {api-token: {from: env:HOME}, other: {from: env:HOME}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	wasm := filepath.Join(dir, "weather.wasm")
	m := wasmtest.Native(`{"name":"weather","version":"1.0.0","capabilities":[{"name":"secret","reason":"Signs in.","secrets":["api-token","other"]}],"commands":[{"name":"Say"}]}`)
	if err := os.WriteFile(wasm, m.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, data, nil, "--config", file)
	sluice(t, "push", wasm, "--server", s.url).want(t, exitOK)
	sluice(t, "grant", "weather", "--secrets", "api-token", "--secrets", "other", "--server", s.url).want(t, exitOK, "    granted api-token\n    granted other\n")
	grant := `{"secrets": [{"name": "api-token", "clear": true, "sign": true}, {"name": "other", "clear": true}]}`
	sluiceWith(t, nil, grant, "grant", "weather", "--file", "-", "--server", s.url).want(t, exitOK, "clear: true")
	r := sluice(t, "grant", "weather", "--secrets", "api-token", "--server", s.url).want(t, exitOK)
	if want := "warning: api-token was granted with clear: true, which --secrets takes back; grant that by --file\n" +
		"warning: api-token was granted with sign: true, which --secrets takes back; grant that by --file\n"; r.stderr != want {
		t.Errorf("warned %q", r.stderr)
	}
	sluice(t, "grant", "weather", "--secrets", "api-token", "--secrets", "other", "--server", s.url).want(t, exitOK)
	s.terminate()
	if err := os.WriteFile(file, []byte("secrets: {other: {from: env:HOME}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = startServer(t, data, nil, "--config", file)
	if log := s.logged(); !strings.Contains(log, `"a grant names a secret that is not defined: define it under secrets, or grant without it","connector":"weather","secret":"api-token"`) ||
		strings.Contains(log, `"secret":"other"`) {
		t.Errorf("logged %s", log)
	}
	r = sluice(t, "grant", "weather", "--server", s.url).want(t, exitOK, "the secret api-token is not defined any more: define it under secrets in the configuration file, or grant without it\n",
		"    missing api-token\n      it is granted, and not defined under secrets in the configuration file\n    granted other\n")
	if strings.Contains(r.stdout, "the grant lacks") {
		t.Errorf("printed %s", r.stdout)
	}
	sluice(t, "push", wasm, "--server", s.url).want(t, exitOK, "  secret api-token is granted, and not defined under secrets in the configuration file. Reason given: Signs in.\n")
}

func TestSecret_NoKey(t *testing.T) {
	s := startServer(t, t.TempDir(), nil)
	sluiceWith(t, nil, "x", "secret", "set", "a", "--server", s.url).want(t, exitFailed, "set SLUICE_SECRETS_KEY or secrets.key_file", "(no_secrets_key)")
	sluice(t, "secret", "list", "--server", s.url).want(t, exitOK, "NAME")
	sluiceWith(t, []string{"SLUICE_SECRETS_KEY=short"}, "", "serve", "--data", t.TempDir()).want(t, exitUsage, "SLUICE_SECRETS_KEY is not 32 bytes in Base64")
	for expectedErr, args := range map[string][]string{
		"say which secret: sluice secret set NAME\n":                                         {"set"},
		"sluice secret set NAME takes a name alone: the value is read from standard input\n": {"set", "a", "hunter2"},
		"sluice secret list takes no argument\n":                                             {"list", "hunter2"},
		"say which secret: sluice secret remove NAME\n":                                      {"remove"},
		"sluice secret is followed by set, list or remove":                                   {"hunter2"},
	} {
		if r := sluice(t, append([]string{"secret"}, args...)...).want(t, exitUsage, expectedErr); strings.Contains(r.stderr, "hunter2") {
			t.Errorf("printed %s", r.stderr)
		}
	}
	// Nobody types into /dev/null.
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = null.Close() }()
	cmd := command(nil, "secret", "set", "a", "--server", s.url)
	cmd.Stdin = null
	if out, _ := cmd.CombinedOutput(); strings.Contains(string(out), "terminal") {
		t.Errorf("printed %s", out)
	}
}
