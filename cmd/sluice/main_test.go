package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestHelp(t *testing.T) {
	root := sluice(t, "--help").want(t, exitOK, "Exit status: 0 done, 1 it did not work out, 2 the arguments are wrong.")
	for _, c := range newRoot().Commands() {
		if !strings.Contains(root.stdout, "\n  "+c.Name()) {
			t.Errorf("%s is not in the help", c.Name())
		}
		sluice(t, c.Name(), "--help").want(t, exitOK, "Usage:\n  sluice "+c.Use)
	}
	for name, texts := range map[string][]string{
		"serve":       {"--config", "--listen", "[SLUICE_LISTEN]", "--spiff-api-key", "--call-deadline", "SIGTERM", "docs/CONFIGURATION.md"},
		"push":        {"--server", "--key", "SLUICE_ADMIN_KEY", "--replace", "--json"},
		"list":        {"--server", "--key", "--json"},
		"remove":      {"--server", "--key", "rm"},
		"secret":      {"set", "list", "remove", "SLUICE_SECRETS_KEY"},
		"call":        {"--params", "--module", "--server", "--json", "Exit status 1", "sluice call example/Example"},
		"inspect":     {"--json", "Exit status 1"},
		"healthcheck": {"--server"},
		"version":     {"--json"},
	} {
		sluice(t, name, "--help").want(t, exitOK, texts...)
	}
}

func TestUsage_Errors(t *testing.T) {
	wasm := filepath.Join(t.TempDir(), "x.wasm")
	if err := os.WriteFile(wasm, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args        []string
		expectedErr string
	}{
		{[]string{"srve"}, "unknown command"},
		{[]string{"--nothing"}, "unknown flag"},
		{[]string{"serve", "x"}, "sluice serve takes no argument"},
		{[]string{"serve", "--listn", "x"}, "unknown flag"},
		{[]string{"push"}, "say which file: sluice push FILE.wasm"},
		{[]string{"push", "a", "b"}, "2 arguments are given, and one is taken: sluice push FILE.wasm"},
		{[]string{"remove"}, "say which connector: sluice remove NAME"},
		{[]string{"list", "x"}, "sluice list takes no argument"},
		{[]string{"inspect"}, "say which module or connector: sluice inspect FILE.wasm|NAME"},
		{[]string{"call"}, "say which command: sluice call CONNECTOR/COMMAND"},
		{[]string{"call", "example"}, `"example" is not CONNECTOR/COMMAND`},
		{[]string{"call", "a/b/c"}, "is not CONNECTOR/COMMAND"},
		{[]string{"call", "a/b", "--module", wasm, "--server", "http://x"}, "--module and --server exclude each other"},
		{[]string{"healthcheck", "x"}, "sluice healthcheck takes no argument"},
		{[]string{"version", "x"}, "sluice version takes no argument"},
	} {
		r := sluice(t, tc.args...).want(t, exitUsage, tc.expectedErr, "Run 'sluice --help'")
		if r.stdout != "" {
			t.Errorf("%v printed %s", tc.args, r.stdout)
		}
	}
	r := sluice(t, "call", "a/b", "--call-deadline", "soon").want(t, exitUsage, "--call-deadline is not a duration")
	if strings.Contains(r.stderr, "--help") {
		t.Errorf("a wrong value is answered with how to read the help: %s", r.stderr)
	}
}
