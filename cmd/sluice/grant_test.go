package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/internal/guests"
	"sluice/runtime"
	"sluice/runtime/sandbox/wasmtest"
	"sluice/runtime/server"
)

// asking is a connector that asks for these rules.
func asking(t testing.TB, name, version string, rules ...string) string {
	t.Helper()
	m := wasmtest.Native(fmt.Sprintf(`{"name":%q,"version":%q,"capabilities":[{"name":"http","reason":"Asks for the weather.","hosts":["%s"]}],"commands":[{"name":"Say"}]}`,
		name, version, strings.Join(rules, `","`)))
	file := filepath.Join(t.TempDir(), name+".wasm")
	if err := os.WriteFile(file, m.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestGrant(t *testing.T) {
	data := t.TempDir()
	s := startServer(t, data, nil)
	run := func(args ...string) result { return sluice(t, append(args, "--server", s.url)...) }
	v1 := asking(t, "weather", "1.0.0", "https://api.example.com")
	v2 := asking(t, "weather", "2.0.0", "https://api.example.com", "https://*.example.org", "http://10.1.2.3")

	run("push", v1).want(t, exitOK, "It asks for more than it is granted (see sluice grant weather):\n  http https://api.example.com is not granted; the grant lacks \"https://api.example.com\" in http. Reason given: Asks for the weather.\n")
	run("grant", "weather").want(t, exitOK, "weather is granted (by nobody)\n  {}\n", "it asks for\n  http: Asks for the weather.\n    missing https://api.example.com\n")
	run("grant", "weather", "--http", "https://api.example.com", "--http", "https://a.example.org", "--deadline", "20s").want(t, exitOK,
		"weather is granted (by management)\n  http:\n  ", "- https://api.example.com\n", "deadline: 20s\n", "and 20s\n", "    granted https://api.example.com\n")
	if out := run("push", v1).want(t, exitOK).stdout; strings.Contains(out, "more than") {
		t.Errorf("printed %s", out)
	}
	run("list").want(t, exitOK, "GRANTED", "installed  all", "bundled    -")

	// Another version keeps the grant, and what it asks beyond is said.
	out := run("push", v2).want(t, exitOK, "\n  http https://*.example.org is granted in part (https://a.example.org); the grant lacks \"https://*.example.org\" in http. Reason",
		"\n  http http://10.1.2.3 is not granted; the grant lacks \"http://10.1.2.3\" in http and \"private\" in addresses. Reason").stdout
	if strings.Count(out, "Reason given") != 2 {
		t.Errorf("printed %s", out)
	}
	run("list").want(t, exitOK, "installed  part")
	list := decode[[]server.ConnectorInfo](t, run("list", "--json").want(t, exitOK))
	if w := list[len(list)-1]; w.Name != "weather" || len(w.Requested) != 3 || w.Requested[0].State != runtime.GrantedFully ||
		w.Requested[1].State != runtime.GrantedPartly || w.Requested[2].State != runtime.GrantedNot || len(w.Missing) != 2 || w.GrantSource != runtime.GrantFromCatalog {
		t.Errorf("got %+v", w)
	}
	run("inspect", "weather").want(t, exitOK, "weather 2.0.0", "partly https://*.example.org\n      granted is https://a.example.org\n", "by management")
	run("inspect", v1).want(t, exitOK, "beside what is granted (by management)", "    granted https://api.example.com")
	sluice(t, "inspect", v1).want(t, exitOK, "(by nobody)", "    missing https://api.example.com")
	run("inspect", "nobody").want(t, exitFailed, "no file", "(connector_not_found)")

	// A member's flag leaves the others; a file replaces all.
	run("grant", "weather", "--addresses", "private", "--memory", "128MiB").want(t, exitOK, "deadline: 20s", "memory: 128MiB", "- private", "128MiB of memory")
	run("grant", "weather", "--memory", "").want(t, exitOK, "a call may have 64MiB of memory, responses of 8MiB, streamed ones of 64MiB, an answer of 16MiB, and 20s\n")
	file := filepath.Join(t.TempDir(), "grant.yaml")
	if err := os.WriteFile(file, []byte("http: [https://b.example]\nresponse: 2MiB\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	info := decode[server.GrantInfo](t, run("grant", "weather", "--file", file, "--json").want(t, exitOK))
	if string(info.Grant) == "" || info.Limits.Response != 2<<20 || info.Limits.DeadlineMS != 40_000 {
		t.Errorf("got %+v", info)
	}
	sluiceWith(t, nil, `{"htpp": []}`, "grant", "weather", "--file", "-", "--server", s.url).want(t, exitFailed, `htpp is no member of a grant; did you mean "http"?`, "(invalid_grant)")
	sluiceWith(t, nil, `{"htpp": []}`, "grant", "weather", "--file", "-", "--server", s.url).want(t, exitFailed, `did you mean "http"? `+"`sluice grant --schema`")
	for text, expectedErr := range map[string]string{
		"[":                        "standard input is no grant: it is not valid YAML: see line 1, column 1;",
		"- a":                      "standard input is no grant: it must be a mapping of members, such as http:",
		"":                         "standard input is empty: write {} to grant nothing",
		"http: []\nhttp: []":       `standard input is no grant: "http" stands there twice, in line 1 and in line 2: keep one of them`,
		"http: [{rule: x, m: []}]": "http is wrong at item 1: it has the unknown member m; there are rule, methods. `sluice grant --schema`",
	} {
		sluiceWith(t, nil, text, "grant", "weather", "--file", "-", "--server", s.url).want(t, exitFailed, expectedErr)
	}

	// What covers nothing that is asked for is kept, and said.
	run("grant", "weather", "--http", "https://api.example.com", "--http", "https://completely.other", "--cache", "1MiB").want(t, exitOK,
		"- https://completely.other\n", "\nhttps://completely.other in http covers nothing that weather asks for\ncache covers nothing that weather asks for\n")
	run("grant", "weather", "--http", "https://b.example", "--cache", "").want(t, exitOK)

	// It is there after a kill.
	_ = s.cmd.Process.Kill()
	<-s.done
	s = startServer(t, data, nil)
	run("grant", "weather").want(t, exitOK, "by management", "https://b.example")
	run("grant", "weather", "--reset").want(t, exitOK, "by nobody")
	run("grant", "http", "--reset").want(t, exitOK, "as shipped", "granted https://*")
	if log := s.logged(); !strings.Contains(log, `"msg":"management","action":"reset_grant","outcome":"done","connector":"weather","peer":"127.0.0.1","key":"none: this machine","grant_sha256":"`) {
		t.Errorf("logged %s", log)
	}
}

func TestGrant_File(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sluice.yaml")
	if err := os.WriteFile(file, []byte("grants: {weather: {http: ['https://*']}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, t.TempDir(), nil, "--config", file)
	v1 := asking(t, "weather", "1.0.0", "https://api.example.com")
	sluice(t, "push", v1, "--server", s.url).want(t, exitOK)
	sluice(t, "grant", "weather", "--server", s.url).want(t, exitOK, "by the configuration file", "    granted https://api.example.com")
	sluice(t, "grant", "weather", "--http", "https://a.example", "--server", s.url).want(t, exitFailed, "grants.weather", "(grant_in_file)")
	sluice(t, "grant", "weather", "--reset", "--server", s.url).want(t, exitFailed, "(grant_in_file)")
	sluice(t, "inspect", v1, "--config", file).want(t, exitOK, "by the configuration file", "    granted https://api.example.com")

	// What a connector may do with secrets is shown too; they need not be there.
	text := "secrets: {canary: {from: 'env:NOT_SET'}, other: {from: 'file:/not/there'}}\n" +
		"grants: {misbehave: {secrets: [{name: canary, sign: true}, {name: other, clear: true}]}}"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	sluice(t, "inspect", guests.Path(t, "misbehave"), "--config", file).want(t, exitOK, "    granted canary\n      granted is signing with it\n",
		"    granted other\n      granted is reading it in the clear\n", "    missing ungranted\n", "sluice:host/v1.hmac")
}

func TestGrant_Usage(t *testing.T) {
	for _, tc := range []struct {
		args        []string
		expectedErr string
	}{
		{nil, "say which connector"},
		{[]string{"a", "b"}, "2 arguments are given, and one is taken: sluice grant NAME"},
		{[]string{"../x"}, "no connector's name"},
		{[]string{"a", "--reset", "--http", "https://x"}, "exclude each other"},
		{[]string{"a", "--file", "x", "--from-observed"}, "exclude each other"},
		{[]string{"a", "--apply"}, "--apply goes with --from-observed"},
	} {
		sluice(t, append([]string{"grant"}, tc.args...)...).want(t, exitUsage, tc.expectedErr)
	}
	sluice(t, "grant", "--schema").want(t, exitOK, `"$schema": "https://json-schema.org/draft/2020-12/schema"`, `"additionalProperties": false`)
	sluice(t, "grant", "a", "--file", "none.yaml").want(t, exitFailed, "no such file")
}

// A server that observes lets a connector through, and says what it needs.
func TestGrant_FromObserved(t *testing.T) {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{}`))
	}))
	defer service.Close()
	data := t.TempDir()
	s := startServer(t, data, nil, "--egress", "observe")
	get := func(url string) string {
		t.Helper()
		_, body, err := post(s.url, "http/GetRequest", fmt.Sprintf(`{"url": %q}`, url))
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	if body := get(service.URL + "/customers/4711?key=hunter2"); !strings.Contains(body, `"http_status":200`) && !strings.Contains(body, `"http_status": 200`) {
		t.Errorf("got %s", body)
	}
	sluice(t, "push", guests.Path(t, "dialer"), "--server", s.url).want(t, exitOK)
	address := service.Listener.Addr().String()
	both := fmt.Sprintf(`{"address": %q, "url": %q}`, address, service.URL+"/customers/4711?key=hunter2")
	if status, body, err := post(s.url, "dialer/Both", both); status != 200 || err != nil || !strings.Contains(body, `"error":null`) {
		t.Errorf("got %d %s %v", status, body, err)
	}
	if body := get("http://169.254.169.254/latest/meta-data"); !strings.Contains(body, "egress_denied") {
		t.Errorf("got %s", body)
	}
	if code := s.terminate(); code != exitOK {
		t.Errorf("ended with %d: %s", code, s.logged())
	}
	if !strings.Contains(s.logged(), "observe mode") {
		t.Errorf("logged %s", s.logged())
	}
	// What was observed is there after a start, and in enforce mode.
	s = startServer(t, data, nil)
	if body := get(service.URL); !strings.Contains(body, "egress_denied") {
		t.Errorf("got %s", body)
	}
	r := sluice(t, "grant", "http", "--from-observed", "--server", s.url).want(t, exitOK, "# 1 × GET "+service.URL+", loopback address", "- loopback", "- public", "- https://*")
	if strings.Contains(r.stdout, "customers") || strings.Contains(r.stdout, "hunter2") || strings.Contains(r.stdout, "169.254") {
		t.Errorf("printed %s", r.stdout)
	}
	sluice(t, "grant", "http", "--from-observed", "--apply", "--server", s.url).want(t, exitOK, "by management")
	if body := get(service.URL); strings.Contains(body, "egress_denied") {
		t.Errorf("got %s", body)
	}
	sluice(t, "grant", "http", "--from-observed", "--server", s.url).want(t, exitOK, "# nothing was observed")
	// Connections are among it.
	r = sluice(t, "grant", "dialer", "--from-observed", "--server", s.url).want(t, exitOK, "# 1 × tcp "+address+", loopback address", "# 1 × GET "+service.URL+", loopback address",
		"addresses:\n  - loopback\ntcp:\n  - "+address+"\n")
	if strings.Contains(r.stdout, "hunter2") {
		t.Errorf("printed %s", r.stdout)
	}
	sluice(t, "grant", "dialer", "--from-observed", "--apply", "--server", s.url).want(t, exitOK, "by management")
	if status, body, err := post(s.url, "dialer/Both", both); status != 200 || err != nil || !strings.Contains(body, `"error":null`) {
		t.Errorf("got %d %s %v", status, body, err)
	}
}
