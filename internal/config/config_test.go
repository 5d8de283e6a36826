package config

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/hostfuncs/egress/fault"
	"sluice/runtime"
)

// environment is an environment with these variables.
func environment(variables map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		v, ok := variables[name]
		return v, ok
	}
}

// write returns the path of a configuration file, "" for an empty text.
func write(t testing.TB, text string) string {
	t.Helper()
	if text == "" {
		return ""
	}
	path := filepath.Join(t.TempDir(), "sluice.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t testing.TB, file string, env, flags map[string]string) (*Config, error) {
	t.Helper()
	return Load(write(t, file), environment(env), flags)
}

func TestLoad_Defaults(t *testing.T) {
	c, err := load(t, "", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.BodyBudget < c.BodyMax || c.Sockets < 16 {
		t.Errorf("body.budget is %d, sockets %d", c.BodyBudget, c.Sockets)
	}
	if c.Limits.Growth < 256<<20 {
		t.Errorf("pool.growth is %d", c.Limits.Growth)
	}
	c.BodyBudget, c.Sockets, c.Limits.Growth = 0, 0, 0
	want := &Config{
		Listen: "127.0.0.1:8200", Data: "./data", Egress: "enforce", LogLevel: "info", Limits: runtime.DefaultLimits(), BodyMax: 64 << 20,
		Fault:       fault.Config{Failures: 10, Window: 12, Open: 5 * time.Second, Concurrent: 1024, RetryBurst: 10, RetryPercent: 10},
		ReadTimeout: time.Minute, IdleTimeout: 75 * time.Second, Drain: 45 * time.Second,
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
	want.Fault.Destinations = fault.Default().Destinations // which is no setting
	if !reflect.DeepEqual(want.Fault, fault.Default()) {
		t.Errorf("the settings' defaults are %+v, those of package fault %+v", want.Fault, fault.Default())
	}
}

func TestSettings(t *testing.T) {
	flags, variables := map[string]bool{}, map[string]bool{}
	for _, s := range Settings() {
		if s.Doc == "" || s.set == nil {
			t.Errorf("%s is not described", s.Key)
		}
		if flags[s.Flag()] || variables[s.Variable()] {
			t.Errorf("%s has names that are taken", s.Key)
		}
		flags[s.Flag()], variables[s.Variable()] = true, true
	}
	s := Settings()[slices.IndexFunc(Settings(), func(s Setting) bool { return s.Key == "spiff.cors_origins" })]
	if s.Flag() != "spiff-cors-origins" || s.Variable() != "SLUICE_SPIFF_CORS_ORIGINS" {
		t.Errorf("got %s, %s", s.Flag(), s.Variable())
	}
}

// A flag wins over a variable, a variable over the file, the file over the default: for each kind of value.
func TestLoad_Precedence(t *testing.T) {
	tests := []struct {
		key             string
		file, env, flag string
		get             func(*Config) any
		want            [4]any // default, file, variable, flag
	}{
		{"listen", "f:1", "e:2", "g:3", func(c *Config) any { return c.Listen }, [4]any{"127.0.0.1:8200", "f:1", "e:2", "g:3"}},
		{"data", "/f", "/e", "/g", func(c *Config) any { return c.Data }, [4]any{"./data", "/f", "/e", "/g"}},
		{"dev", "true", "false", "true", func(c *Config) any { return c.Dev }, [4]any{false, true, false, true}},
		{"egress", "observe", "enforce", "observe", func(c *Config) any { return c.Egress }, [4]any{"enforce", "observe", "enforce", "observe"}},
		{"log.level", "debug", "warn", "error", func(c *Config) any { return c.LogLevel }, [4]any{"info", "debug", "warn", "error"}},
		{"spiff.api_key", "f", "e", "g", func(c *Config) any { return c.APIKey }, [4]any{"", "f", "e", "g"}},
		{"spiff.cors_origins", "http://f", "http://e, http://e2", "*", func(c *Config) any { return strings.Join(c.CORSOrigins, "|") },
			[4]any{"", "http://f", "http://e|http://e2", "*"}},
		{"admin.key", "f", "e", "g", func(c *Config) any { return c.AdminKey }, [4]any{"", "f", "e", "g"}},
		{"call.deadline", "1s", "2m", "3ms", func(c *Config) any { return c.Limits.Deadline }, [4]any{40 * time.Second, time.Second, 2 * time.Minute, 3 * time.Millisecond}},
		{"call.memory", "1MiB", "65536", "1 GiB", func(c *Config) any { return c.Limits.Memory }, [4]any{uint64(64 << 20), uint64(1 << 20), uint64(64 << 10), uint64(1 << 30)}},
		{"call.output", "1KiB", "2KiB", "3KiB", func(c *Config) any { return c.Limits.Output }, [4]any{16 << 20, 1 << 10, 2 << 10, 3 << 10}},
		{"call.response", "1KiB", "2KiB", "3KiB", func(c *Config) any { return c.Limits.Response }, [4]any{8 << 20, 1 << 10, 2 << 10, 3 << 10}},
		{"call.stream", "1KiB", "2KiB", "3GiB", func(c *Config) any { return c.Limits.Stream }, [4]any{int64(64 << 20), int64(1 << 10), int64(2 << 10), int64(3 << 30)}},
		{"pool.max", "1", "2", "3", func(c *Config) any { return c.Limits.Concurrent }, [4]any{1024, 1, 2, 3}},
		{"pool.queue", "0", "2", "3", func(c *Config) any { return c.Limits.Queue }, [4]any{1024, 0, 2, 3}},
		{"pool.warm", "0", "2", "3", func(c *Config) any { return c.Limits.Warm }, [4]any{64, 0, 2, 3}},
		{"pool.total", "1", "2", "3", func(c *Config) any { return c.Limits.Total }, [4]any{4096, 1, 2, 3}},
		{"call.cpu", "1s", "2s", "3s", func(c *Config) any { return c.Limits.CPU }, [4]any{10 * time.Second, time.Second, 2 * time.Second, 3 * time.Second}},
		{"body.max", "1KiB", "2KiB", "3KiB", func(c *Config) any { return c.BodyMax }, [4]any{int64(64 << 20), int64(1 << 10), int64(2 << 10), int64(3 << 10)}},
		{"circuit.failures", "1", "2", "3", func(c *Config) any { return c.Fault.Failures }, [4]any{10, 1, 2, 3}},
		{"circuit.window", "10", "11", "1000", func(c *Config) any { return c.Fault.Window }, [4]any{12, 10, 11, 1000}},
		{"circuit.open", "100ms", "2s", "1h", func(c *Config) any { return c.Fault.Open }, [4]any{5 * time.Second, 100 * time.Millisecond, 2 * time.Second, time.Hour}},
		{"bulkhead.max", "1", "2", "65536", func(c *Config) any { return c.Fault.Concurrent }, [4]any{1024, 1, 2, 65536}},
		{"retry.burst", "1", "2", "1000", func(c *Config) any { return c.Fault.RetryBurst }, [4]any{10, 1, 2, 1000}},
		{"retry.percent", "1", "2", "100", func(c *Config) any { return c.Fault.RetryPercent }, [4]any{10, 1, 2, 100}},
		{"http.read_timeout", "1s", "2s", "3s", func(c *Config) any { return c.ReadTimeout }, [4]any{time.Minute, time.Second, 2 * time.Second, 3 * time.Second}},
		{"http.idle_timeout", "1s", "2s", "3s", func(c *Config) any { return c.IdleTimeout }, [4]any{75 * time.Second, time.Second, 2 * time.Second, 3 * time.Second}},
		{"drain", "1s", "2s", "3s", func(c *Config) any { return c.Drain }, [4]any{45 * time.Second, time.Second, 2 * time.Second, 3 * time.Second}},
	}
	tested := map[string]bool{"body.budget": true, "sockets": true, "pool.growth": true} // their defaults depend on the machine
	tested["secrets.key_file"] = true                                                    // in TestLoad_Secrets: the file must be there
	for _, tc := range tests {
		tested[tc.key] = true
		variable := "SLUICE_" + strings.ToUpper(strings.ReplaceAll(tc.key, ".", "_"))
		file := tc.key + ": \"" + tc.file + "\"\n"
		for n, sources := range []struct {
			file       string
			env, flags map[string]string
		}{
			{"", nil, nil},
			{file, nil, nil},
			{file, map[string]string{variable: tc.env}, nil},
			{file, map[string]string{variable: tc.env}, map[string]string{tc.key: tc.flag}},
		} {
			c, err := load(t, sources.file, sources.env, sources.flags)
			if err != nil {
				t.Errorf("%s: %v", tc.key, err)
			} else if got := tc.get(c); got != tc.want[n] {
				t.Errorf("%s from source %d: got %v, want %v", tc.key, n, got, tc.want[n])
			}
		}
	}
	for _, s := range Settings() {
		if !tested[s.Key] {
			t.Errorf("%s is not tested", s.Key)
		}
	}
	c, err := load(t, "body: {budget: 128MiB}\nsockets: 99\npool: {growth: 1GiB}\n", nil, nil)
	if err != nil || c.BodyBudget != 128<<20 || c.Sockets != 99 || c.Limits.Growth != 1<<30 {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestLoad_Also(t *testing.T) {
	env := map[string]string{"CONNECTOR_PROXY_API_KEY": "theirs", "CONNECTOR_PROXY_CORS_ORIGINS": " http://a , ,http://b "}
	c, err := load(t, "spiff: {api_key: file, cors_origins: http://file}", env, nil)
	if err != nil || c.APIKey != "theirs" || strings.Join(c.CORSOrigins, "|") != "http://a|http://b" {
		t.Errorf("got %+v, %v", c, err)
	}
	env["SLUICE_SPIFF_API_KEY"], env["SLUICE_SPIFF_CORS_ORIGINS"] = "ours", ""
	c, err = load(t, "", env, nil)
	if err != nil || c.APIKey != "ours" || c.CORSOrigins != nil {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestLoad_Listen(t *testing.T) {
	tests := []struct {
		file  string
		env   map[string]string
		flags map[string]string
		want  string
	}{
		{"", nil, nil, "127.0.0.1:8200"},
		{"", map[string]string{"HOST": "0.0.0.0"}, nil, "0.0.0.0:8200"},
		{"", map[string]string{"HOST": "::1"}, nil, "[::1]:8200"},
		{"", map[string]string{"PORT": "7000"}, nil, "127.0.0.1:7000"},
		{"", map[string]string{"PORT": "0"}, nil, "127.0.0.1:0"},
		{"", map[string]string{"CONNECTOR_PROXY_PORT": "7004"}, nil, "127.0.0.1:7004"},
		{"", map[string]string{"CONNECTOR_PROXY_ASYNC_HTTP_PORT": "8004"}, nil, "127.0.0.1:8004"},
		{"", map[string]string{"CONNECTOR_PROXY_ASYNC_HTTP_PORT": "3", "CONNECTOR_PROXY_PORT": "2"}, nil, "127.0.0.1:2"},
		{"", map[string]string{"CONNECTOR_PROXY_ASYNC_HTTP_PORT": "3", "CONNECTOR_PROXY_PORT": "2", "PORT": "1"}, nil, "127.0.0.1:1"},
		{"", map[string]string{"PORT": "", "HOST": "", "CONNECTOR_PROXY_PORT": "2"}, nil, "127.0.0.1:2"},
		{"", map[string]string{"PORT": "1", "HOST": "h", "SLUICE_LISTEN": "e:2"}, nil, "e:2"},
		{"", map[string]string{"PORT": "1", "HOST": "h", "SLUICE_LISTEN": "e:2"}, map[string]string{"listen": ":3"}, ":3"},
		{"listen: f:9", nil, nil, "f:9"},
		{"listen: f:9", map[string]string{"HOST": "0.0.0.0"}, nil, "0.0.0.0:9"},
		{"listen: f:9", map[string]string{"PORT": "1"}, nil, "f:1"},
		{"listen: f:9", map[string]string{"PORT": "1", "HOST": "h"}, nil, "h:1"},
		{"listen: f:9", map[string]string{"CONNECTOR_PROXY_ASYNC_HTTP_PORT": ""}, nil, "f:9"},
		{"listen: '[::]:9'", nil, nil, "[::]:9"},
	}
	for _, tc := range tests {
		c, err := load(t, tc.file, tc.env, tc.flags)
		if err != nil || c.Listen != tc.want {
			t.Errorf("%q %v %v: got %+v, %v; want %s", tc.file, tc.env, tc.flags, c, err, tc.want)
		}
	}
}

func TestLoad_Errors(t *testing.T) {
	env := func(name, value string) map[string]string { return map[string]string{name: value} }
	tests := []struct {
		name        string
		file        string
		env, flags  map[string]string
		expectedErr string
	}{
		// An empty key is named by where it was set.
		{"empty key", "", env("CONNECTOR_PROXY_API_KEY", ""), nil, "CONNECTOR_PROXY_API_KEY is empty: set a key, or unset it"},
		{"empty key of ours", "", env("SLUICE_SPIFF_API_KEY", ""), nil, "SLUICE_SPIFF_API_KEY is empty"},
		{"empty key as a flag", "", nil, env("spiff.api_key", ""), "--spiff-api-key is empty"},
		{"empty key in the file", "spiff: {api_key: \"\"}", nil, nil, "spiff.api_key is empty"},
		{"null key in the file", "spiff:\n  api_key:\n", nil, nil, "spiff.api_key is empty"},
		{"empty admin key", "", env("SLUICE_ADMIN_KEY", ""), nil, "SLUICE_ADMIN_KEY is empty: set a key, or unset it"},
		// Each kind of value.
		{"listen", "listen: nowhere", nil, nil, "listen is not host:port"},
		{"listen, port", "", env("SLUICE_LISTEN", "h:65536"), nil, "SLUICE_LISTEN is not host:port"},
		{"listen, name of a port", "", nil, env("listen", "h:http"), "--listen is not host:port"},
		{"listen, in the file beside PORT", "listen: nowhere", env("PORT", "1"), nil, "listen is not host:port"},
		{"port", "", env("PORT", "eighty"), nil, "PORT is not a port"},
		{"port that is negative", "", env("CONNECTOR_PROXY_PORT", "-1"), nil, "CONNECTOR_PROXY_PORT is not a port"},
		{"port that is too high", "", env("CONNECTOR_PROXY_ASYNC_HTTP_PORT", "65536"), nil, "CONNECTOR_PROXY_ASYNC_HTTP_PORT is not a port"},
		{"text", "data: ''", nil, nil, "data is empty"},
		{"bool", "dev: maybe", nil, nil, "dev is neither true nor false"},
		{"word", "", env("SLUICE_LOG_LEVEL", "loud"), nil, "SLUICE_LOG_LEVEL is not one of debug, info, warn, error"},
		{"duration without a unit", "call.deadline: 40", nil, nil, "call.deadline is not a duration from 1ms to 24h"},
		{"duration, too short", "", nil, env("http.read_timeout", "999ms"), "--http-read-timeout is not a duration from 1s"},
		{"duration, too long", "drain: 25h", nil, nil, "drain is not a duration"},
		{"duration, negative", "drain: -1s", nil, nil, "drain is not a duration"},
		{"size", "call.memory: much", nil, nil, "call.memory is not a size from 65536 to 4294967296 bytes"},
		{"egress", "egress: watch", nil, nil, "egress is neither enforce nor observe"},
		{"size, too small", "call.memory: 63KiB", nil, nil, "call.memory is not a size"},
		{"size, too large", "call.memory: 5GiB", nil, nil, "call.memory is not a size"},
		{"size, far too large", "call.memory: 99999999999999GiB", nil, nil, "call.memory is not a size"},
		{"size, that would wrap", "call.memory: 17179869185GiB", nil, nil, "call.memory is not a size"},
		{"size, negative", "call.memory: -1MiB", nil, nil, "call.memory is not a size"},
		{"size, of another unit", "call.memory: 64MB", nil, nil, "call.memory is not a size"},
		{"size, unit only", "call.memory: MiB", nil, nil, "call.memory is not a size"},
		{"size, fraction", "call.memory: 1.5MiB", nil, nil, "call.memory is not a size"},
		{"number", "pool.max: many", nil, nil, "pool.max is not a number from 1 to 1048576"},
		{"number, too small", "pool: {max: 0}", nil, nil, "pool.max is not a number"},
		{"number, fraction", "pool: {max: 1.5}", nil, nil, "pool.max is not a number"},
		{"number, too large", "sockets: 99999999", nil, nil, "sockets is not a number"},
		{"circuit.failures, too few", "circuit: {failures: 0}", nil, nil, "circuit.failures is not a number from 1 to 1000"},
		{"circuit.window, too many", "", env("SLUICE_CIRCUIT_WINDOW", "1001"), nil, "SLUICE_CIRCUIT_WINDOW is not a number from 1 to 1000"},
		{"circuit.open, too short", "", nil, env("circuit.open", "99ms"), "--circuit-open is not a duration from 100ms to 1h"},
		{"circuit.open, too long", "circuit: {open: 61m}", nil, nil, "circuit.open is not a duration from 100ms to 1h"},
		{"bulkhead.max, none", "bulkhead: {max: 0}", nil, nil, "bulkhead.max is not a number from 1 to 65536"},
		{"retry.burst, none", "retry: {burst: 0}", nil, nil, "retry.burst is not a number from 1 to 1000"},
		{"retry.percent, too many", "retry: {percent: 101}", nil, nil, "retry.percent is not a number from 1 to 100"},
		{"a circuit that never opens", "circuit: {failures: 13}", nil, nil, "circuit.failures (13) is more than circuit.window (12): no circuit would ever open"},
		{"a list", "data: [a, b]", nil, nil, "data is a list, and takes one value"},
		{"a mapping", "data: {a: b}", nil, nil, "data is a mapping, and takes one value"},
		{"budget", "body: {max: 128MiB, budget: 64MiB}", nil, nil, "body.budget (67108864 bytes) is less than body.max (134217728)"},
		// Keys.
		{"misspelt", "call.dedline: 1s", nil, nil, `there is no setting "call.dedline"; did you mean "call.deadline"?`},
		{"misspelt, nested", "spiff: {apikey: x}", nil, nil, `there is no setting "spiff.apikey"; did you mean "spiff.api_key"?`},
		{"misspelt grants", "grant: {}", nil, nil, `there is no setting "grant"; did you mean "grants"?`},
		{"unheard of", "colour: blue", nil, nil, `there is no setting "colour"; docs/CONFIGURATION.md lists them`},
		{"unheard of, deeply", "a: {b: {c: 1}}", nil, nil, `there is no setting "a"`},
		{"twice", "pool.max: 1\npool: {max: 2}", nil, nil, "pool.max is set twice"},
		{"twice, plainly", "data: a\ndata: b", nil, nil, `"data" stands there twice, in line 1 and in line 2: keep one of them`},
		{"two documents", "data: a\n---\nlisten: b", nil, nil, "it holds more than one document"},
		// The document.
		{"no mapping", "- a\n- b", nil, nil, "it must be a mapping of settings"},
		{"a text", "hello", nil, nil, "it must be a mapping of settings"},
		{"no YAML", "data: [", nil, nil, "it is not valid YAML: see line 1, column 7"},
		// Grants.
		{"grants that are a list", "grants: [http]", nil, nil, "grants must be a mapping of connector names"},
		{"grants of no name", "grants: {Http!: {}}", nil, nil, `grants: "Http!" is no connector's name`},
		{"a grant that is a text", "grants: {http: all}", nil, nil, "grants.http must be a mapping"},
		{"a misspelt grant", "grants: {http: {adresses: [private]}}", nil, nil, `grants.http.adresses is no member of a grant; did you mean "addresses"?`},
		{"rules that are a text", "grants: {http: {http: 'https://*'}}", nil, nil, "grants.http.http must be a list"},
		{"rules that are numbers", "grants: {http: {http: [1]}}", nil, nil, "grants.http.http is wrong at item 1: it must be a text"},
		{"connections that are a text", "grants: {http: {tcp: 'a:1'}}", nil, nil, "grants.http.tcp must be a list"},
		{"authorities that are a list", "grants: {http: {tcp_ca: [a]}}", nil, nil, "grants.http.tcp_ca is not the path of a file"},
		{"a grant's memory", "grants: {http: {memory: 1}}", nil, nil, "grants.http.memory is not a size from 65536"},
		{"a grant's cache", "grants: {http: {cache: 12}}", nil, nil, "grants.http.cache is not a size from 1024"},
		{"a grant's response", "grants: {http: {response: lots}}", nil, nil, "grants.http.response is not a size"},
		{"a grant's deadline", "grants: {http: {deadline: 0s}}", nil, nil, "grants.http.deadline is not a duration"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			c, err := load(t, tc.file, tc.env, tc.flags)
			if err == nil || !strings.Contains(err.Error(), tc.expectedErr) {
				t.Errorf("got %+v, %v; want %s", c, err, tc.expectedErr)
			}
		})
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none.yaml"), environment(nil), nil); err == nil || !strings.Contains(err.Error(), "the configuration file") {
		t.Errorf("got %v", err)
	}
}

func TestLoad_Grants(t *testing.T) {
	c, err := load(t, `
grants:
  http:
    http: ["https://api.example.com/v1", "https://*.example.org"]
    addresses: [private, 10.0.0.0/8]
    tcp: [db.example.com:5432]
    tcp_ca: /etc/db.pem
    memory: 256MiB
    cache: 1MiB
    response: 2097152
    deadline: 1m30s
  nothing:
  empty: {}
pool:
  max: 7
`, nil, nil)
	want := map[string]runtime.Grant{
		"http": {HTTP: []string{"https://api.example.com/v1", "https://*.example.org"}, Addresses: []string{"private", "10.0.0.0/8"},
			TCP: []string{"db.example.com:5432"}, TCPAuthorities: "/etc/db.pem",
			Cache: 1 << 20, Memory: 256 << 20, Response: 2 << 20, Deadline: 90 * time.Second},
		"nothing": {}, "empty": {},
	}
	if err != nil || !reflect.DeepEqual(c.Grants, want) || c.Limits.Concurrent != 7 {
		t.Errorf("got %+v, %v", c, err)
	}
	if c, err := load(t, "grants:\n", nil, nil); err != nil || c.Grants != nil {
		t.Errorf("got %+v, %v", c, err)
	}
	if c, err := load(t, "# nothing\n", nil, nil); err != nil || c.Listen == "" {
		t.Errorf("got %+v, %v", c, err)
	}
}

// No error shows what may be a key.
func TestLoad_ErrorsKeepSecrets(t *testing.T) {
	const secret = "hunter2"
	for _, s := range Settings() {
		for _, sources := range []struct {
			file       string
			env, flags map[string]string
		}{
			{s.Key + ": " + secret, nil, nil},
			{"", map[string]string{s.Variable(): secret}, nil},
			{"", nil, map[string]string{s.Key: secret}},
		} {
			if _, err := load(t, sources.file, sources.env, sources.flags); err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("%s: %v", s.Key, err)
			}
		}
	}
	for _, name := range portVariables {
		if _, err := load(t, "", map[string]string{name: secret}, nil); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, value := range []string{
		"*hunter2", "&hunter2 *hunter2", "\"hunter2", "'hunter2", "@hunter2", "%hunter2", "`hunter2", "!!int hunter2", "hunter2: x", "[hunter2", "{hunter2",
		"[hunter2]", "|hunter2", ">hunter2", "hunter2\n  hunter2: x", "hunter2\n spiff", "!!binary hunter2\x00", "\t hunter2", "? hunter2", "- hunter2", "!hunter2 x: y",
		"\"\\hunter2\"", "\xffhunter2", "<<: *hunter2",
	} {
		file := "spiff:\n  api_key: " + value + "\n"
		if _, err := load(t, file, nil, nil); err != nil && strings.Contains(err.Error(), secret) &&
			!strings.Contains(err.Error(), `there is no setting "spiff`) { // which is a key, not a value
			t.Errorf("%q: %v", file, err)
		}
	}
}

func FuzzParseFile(f *testing.F) {
	f.Add([]byte("spiff:\n  api_key: x\ngrants:\n  http: {http: ['https://*']}\n"))
	f.Add([]byte("pool.max: 1\nbody: {max: 64MiB}"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		scalars, _, _, err := parseFile(text)
		if err != nil {
			return
		}
		for key := range scalars {
			if !known(key) {
				t.Errorf("%q was taken", key)
			}
		}
	})
}
