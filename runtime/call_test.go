package runtime

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"sluice/internal/guests"
	"sluice/runtime/catalog"
	"sluice/runtime/envelope"
	"sluice/runtime/manifest"
	"sluice/runtime/sandbox/wasmtest"
)

func TestRuntime_Execute_Failures(t *testing.T) {
	store := open(t, t.TempDir())
	limited := func(deadline time.Duration) *harness {
		return start(t, store, func(c *Config) {
			c.Limits.Output, c.Limits.Memory, c.Limits.Deadline = 64<<10, 16<<20, deadline
		})
	}
	patient := limited(5 * time.Minute)
	patient.install(guests.Module(t, "misbehave"))
	hasty := limited(300 * time.Millisecond)
	tests := []struct {
		command, params string
		want            envelope.Code
		logged          string // the reason, for the connector's author
	}{
		{"Trap", "{}", envelope.Trap, "reason=trap"},
		{"Exit", "{}", envelope.Exit, "status 3"},
		{"Spin", "{}", envelope.DeadlineExceeded, ""},
		{"Sleep", `{"ms":60000}`, envelope.DeadlineExceeded, ""},
		{"Grow", "{}", envelope.MemoryExceeded, ""},
		{"BigOutput", `{"n":65537}`, envelope.OutputTooLarge, ""},
		{"NoAnswer", "{}", envelope.BadOutput, "without an answer"},
		{"BadJSON", "{}", envelope.BadOutput, "not valid JSON"},
		{"BadHead", "{}", envelope.BadOutput, "a member that does not exist"},
	}
	for _, tc := range tests {
		t.Run(tc.command, func(t *testing.T) {
			h := patient
			if tc.want == envelope.DeadlineExceeded {
				h = hasty
			}
			before := len(h.log.String())
			f := h.wantFailure("misbehave/"+tc.command, tc.params, tc.want)
			logged := h.log.String()[before:]
			if !strings.Contains(logged, tc.logged) || tc.logged == "" && strings.Contains(logged, "crashed") {
				t.Errorf("logged %s, want %q", logged, tc.logged)
			}
			if tc.logged != "" && (!strings.Contains(logged, "call=call-1") || !strings.Contains(f.Message, "call-1")) {
				t.Errorf("the call's id is missing: %s; %s", f.Message, logged)
			}
			for _, secret := range []string{"this value must not be seen", "eror", "{\"this\""} {
				if strings.Contains(f.Message, secret) {
					t.Errorf("the message has %q: %s", secret, f.Message)
				}
			}
			if !strings.Contains(f.Message, "misbehave") || !strings.HasSuffix(f.Message, ".") {
				t.Errorf("message: %s", f.Message)
			}
		})
	}
	// After all that the connector works as before.
	patient.wantBody("misbehave/Sleep", `{"ms":0}`, `{"slept_ms":0}`)
	patient.wantBody("misbehave/BigOutput", `{"n":3}`, `xxx`)
}

// A guest's recursion is told from its other traps.
func TestRuntime_Execute_Depth(t *testing.T) {
	m := wasmtest.Native(manifestText("deep", "1.0.0", "Say"))
	m.Functions = append(m.Functions, wasmtest.Function{Code: wasmtest.Call(6)})
	m.Functions[1].Code = wasmtest.Call(6)
	h := start(t, open(t, t.TempDir()), nil)
	h.install(m.Bytes())
	h.wantFailure("deep/Say", "{}", envelope.DepthExceeded)
}

func TestRuntime_Execute_BadGuest(t *testing.T) {
	h := misbehave(t, nil)
	a, err := h.execute(context.Background(), "misbehave/BadPointer", "{}")
	if err != nil {
		t.Fatal(err)
	}
	var results map[string]int64
	if err := json.Unmarshal(a.Body, &results); err != nil {
		t.Fatal(err)
	}
	for what, got := range results {
		want := int64(-2)
		switch {
		case strings.Contains(what, "unknown handle"), strings.Contains(what, "highest handle"):
			want = -1
		case strings.Contains(what, "offset"), what == "close the parameters":
			want = 0
		case strings.Contains(what, "level"), strings.Contains(what, "UTF-8"), strings.Contains(what, "no JSON"), strings.Contains(what, "without its members"):
			want = -4
		}
		if got != want {
			t.Errorf("%s: got %d, want %d", what, got, want)
		}
	}
	if len(results) < 20 {
		t.Errorf("only %d results", len(results))
	}

	a, err = h.execute(context.Background(), "misbehave/TwoAnswers", "{}")
	if err != nil || a.HTTPStatus != 201 || string(a.Body) != `{"first":0,"second":-4}` {
		t.Errorf("got %+v, %v", a, err)
	}
	a, err = h.execute(context.Background(), "misbehave/Log", `{"line":"a line","times":300}`)
	if err != nil || len(a.Logs) != 257 || a.Logs[0] != "a line" || !strings.Contains(a.Logs[256], "44 more lines") {
		t.Errorf("got %d lines, %v", len(a.Logs), err)
	}
}

// A guest sees nothing of the process it runs in.
func TestRuntime_Execute_Surroundings(t *testing.T) {
	t.Setenv("SLUICE_CANARY", "canary")
	h := misbehave(t, nil)
	a, err := h.execute(context.Background(), "misbehave/Env", "{}")
	if err != nil {
		t.Fatal(err)
	}
	var seen struct {
		Environ, Args                   []string
		Read_File, List_Dir, Write_File string
	}
	if err := json.Unmarshal(a.Body, &seen); err != nil {
		t.Fatal(err)
	}
	if len(seen.Environ) != 0 || len(seen.Args) > 1 || bytes.Contains(a.Body, []byte("canary")) || bytes.Contains(a.Body, []byte("allowed")) {
		t.Errorf("it sees %s", a.Body)
	}
}

func TestRuntime_Execute_Randomness(t *testing.T) {
	h := misbehave(t, nil)
	seen := map[string]bool{}
	for range 3 {
		a, err := h.execute(context.Background(), "misbehave/Rand", "{}")
		if err != nil {
			t.Fatal(err)
		}
		var sources map[string]string
		if err := json.Unmarshal(a.Body, &sources); err != nil || len(sources) != 3 {
			t.Fatalf("got %s, %v", a.Body, err)
		}
		for name, value := range sources {
			if seen[value] || len(value) != 32 {
				t.Errorf("%s repeats %s", name, value)
			}
			seen[value] = true
		}
	}
}

// A grant's limits are the connector's, and nobody else's.
func TestRuntime_LimitsPerGrant(t *testing.T) {
	h := start(t, open(t, t.TempDir()), func(c *Config) {
		c.Limits.Memory = 16 << 20
		c.Grants = map[string]Grant{
			"small": {Memory: 128 << 10, Deadline: 50 * time.Millisecond, Response: 1 << 10, Output: 2 << 10},
			"tight": {Memory: 64 << 10},
		}
	})
	grow := wasmtest.Code(wasmtest.I32(1), wasmtest.MemoryGrow, wasmtest.Drop, wasmtest.Unreachable)
	sleep := wasmtest.Code(wasmtest.I64(1<<40), wasmtest.Call(wasmtest.HostSleep), wasmtest.Drop)
	build := func(name string) []byte {
		return wasmtest.Native(manifestText(name, "1.0.0", "Grow", "Sleep", "Say", "Talk"), grow, sleep, wasmtest.Answer(0, 2), wasmtest.Answer(0, 2<<10+1)).Bytes()
	}
	h.install(build("small"))
	h.install(build("large"))
	cmd, _ := h.Command("small", "Say")
	if l := cmd.Limits(); l.Memory != 128<<10 || l.Deadline != 50*time.Millisecond || l.Response != 1<<10 || l.Output != 2<<10 {
		t.Errorf("got %+v", l)
	}
	if cmd, _ := h.Command("large", "Say"); cmd.Limits() != h.config.Limits {
		t.Errorf("got %+v", cmd.Limits())
	}
	h.wantBody("small/Say", "{}", "{}")
	h.wantFailure("small/Talk", "{}", envelope.OutputTooLarge)
	h.wantFailure("large/Talk", "{}", envelope.BadOutput)      // which is for it to be no JSON
	h.wantFailure("small/Grow", "{}", envelope.MemoryExceeded) // two pages are its limit
	h.wantFailure("large/Grow", "{}", envelope.Trap)
	if f := h.wantFailure("small/Sleep", "{}", envelope.DeadlineExceeded); !strings.Contains(f.Message, "50ms") {
		t.Errorf("got %s", f.Message)
	}
	// A module that begins with more memory than it is granted is refused before anything of it is kept.
	var r *Refusal
	if _, _, err := h.Install(context.Background(), build("tight"), false); !errors.As(err, &r) || r.Code != RefusedMemory || r.Status != 422 || !strings.Contains(r.Message, "grants.tight.memory") {
		t.Errorf("got %v", err)
	}
	if _, err := h.config.Store.Get(context.Background(), "tight"); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("the catalog has it: %v", err)
	}
}

// What the host holds of answers counts against what all calls may have together, and answers are judged whatever their
// size.
func TestRuntime_Execute_LargeAnswers(t *testing.T) {
	write := wasmtest.Code(wasmtest.I32(0), wasmtest.I32(2<<16), wasmtest.Call(wasmtest.HostWrite), wasmtest.Drop)
	garbage := append(wasmtest.Repeat(2*largeAnswer>>17+1, write), wasmtest.Answer(0, 2)...)
	guest := func(name string) []byte {
		m := wasmtest.Native(manifestText(name, "1.0.0", "Write"), garbage)
		m.Pages = max(m.Pages, 2)
		return m.Bytes()
	}
	roomy := start(t, open(t, t.TempDir()), nil)
	roomy.install(guest("x"))
	roomy.wantFailure("x/Write", "{}", envelope.BadOutput)
	tight := start(t, open(t, t.TempDir()), func(c *Config) { c.Limits.Growth = 1 })
	tight.install(guest("x"))
	for range 2 { // nothing of what the first one took is lost
		if f := tight.wantFailure("x/Write", "{}", envelope.Overloaded); f.RetryAfter == 0 || !strings.Contains(f.Message, "pool.growth") {
			t.Errorf("got %+v", f)
		}
	}
	if used := tight.growth.Used(); used != 0 {
		t.Errorf("%d bytes are not given back", used)
	}
}

func TestRuntime_Egress(t *testing.T) {
	g := newGate(t)
	g.open()
	store := open(t, t.TempDir())
	for _, tc := range []struct {
		name   string
		change func(*Config)
		ok     bool
		denied string
	}{
		{"nothing granted", func(*Config) {}, false, "nothing is granted to \"misbehave\""},
		{"granted elsewhere", func(c *Config) {
			c.Grants = map[string]Grant{"misbehave": {HTTP: []string{"https://example.com"}, Addresses: []string{"loopback"}}}
		}, false, "127.0.0.1 is not granted"},
		{"granted, but public addresses only", func(c *Config) {
			c.Grants = map[string]Grant{"misbehave": {HTTP: []string{"http://*"}}}
		}, false, "loopback"},
		{"granted to another", func(c *Config) {
			c.Grants = map[string]Grant{"other": {HTTP: []string{"http://*"}, Addresses: []string{"loopback"}}}
		}, false, "nothing is granted to \"misbehave\""},
		{"granted", func(c *Config) {
			c.Grants = map[string]Grant{"misbehave": {HTTP: []string{"http://*"}, Addresses: []string{"loopback"}}}
		}, true, ""},
		{"development", func(c *Config) { c.Dev = true }, true, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := start(t, store, tc.change)
			if len(h.Connectors()) == 0 {
				h.install(guests.Module(t, "misbehave"))
			}
			a, err := h.execute(context.Background(), "misbehave/Fetch", g.params())
			if err != nil {
				t.Fatal(err)
			}
			if tc.ok && (a.Error != nil || string(a.Body) != `{"body":"through","status":200}`) {
				t.Errorf("got %s, %+v", a.Body, a.Error)
			}
			if !tc.ok && (a.Error == nil || a.Error.Code != "egress_denied" || !strings.Contains(a.Error.Message, tc.denied)) {
				t.Errorf("got %s, %+v", a.Body, a.Error)
			}
			h.stop()
		})
	}
}

func TestCommand_Context(t *testing.T) {
	c := &Command{Spec: &manifest.Command{Name: "Say"}, connector: &connector{name: "greeter"}}
	call := &Call{
		ID: `id"1`, CallbackURL: "http://x/?a=\"b\"", ProcessInstanceID: []byte("42"), ProcessModel: []byte(`"m"`), TaskID: []byte("null"),
		TaskData: []byte(`{"a":1}`),
	}
	full := *c
	full.Spec = &manifest.Command{Name: "Say", TaskData: true, Async: true}
	for _, tc := range []struct {
		name string
		cmd  *Command
		call *Call
		want string
	}{
		{"least", c, &Call{ID: "1"}, `{"command":"Say","connector":"greeter","call_id":"1"}`},
		{"neither asynchronous nor for the task's data", c, call, `{"command":"Say","connector":"greeter","call_id":"id\"1",` +
			`"process_instance_id":42,"process_model_identifier":"m","task_id":null}`},
		{"all", &full, call, `{"command":"Say","connector":"greeter","call_id":"id\"1","callback_url":"http://x/?a=\"b\"",` +
			`"process_instance_id":42,"process_model_identifier":"m","task_id":null,"task_data":{"a":1}}`},
	} {
		if got := string(tc.cmd.context(context.Background(), tc.call)); got != tc.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tc.name, got, tc.want)
		}
	}
	for _, left := range []time.Duration{time.Hour, -time.Hour} {
		ctx, cancel := context.WithTimeout(context.Background(), left)
		var got struct {
			DeadlineMS int64 `json:"deadline_ms"`
		}
		if err := json.Unmarshal(c.context(ctx, call), &got); err != nil {
			t.Fatal(err)
		}
		if got.DeadlineMS < 0 || got.DeadlineMS > max(left.Milliseconds(), 0) || left > 0 && got.DeadlineMS < 3_000_000 {
			t.Errorf("%s left: deadline_ms is %d", left, got.DeadlineMS)
		}
		cancel()
	}
}

// A call that looked its command up before the connector was replaced runs on the version that took its place, unless
// that takes other parameters.
func TestRuntime_Execute_ReplacedMeanwhile(t *testing.T) {
	h := start(t, open(t, t.TempDir()), nil)
	h.install(tiny("greeter", "1.0.0", "one"))
	execute := func(cmd *Command) (*envelope.Answer, error) {
		return h.Execute(context.Background(), cmd, &Call{ID: "1", Params: []byte("{}")})
	}
	cmd, _ := h.Command("greeter", "Say")
	h.install(tiny("greeter", "2.0.0", "two"))
	h.install(tiny("greeter", "3.0.0", "three"))
	if a, err := execute(cmd); err != nil || string(a.Body) != `"three"` {
		t.Errorf("got %+v, %v", a, err)
	}
	other := `{"name":"greeter","version":"4.0.0","commands":[{"name":"Say","parameters":[{"id":"to","type":"str","required":true}]}]}`
	h.install(wasmtest.Native(other, wasmtest.Answer(0, 2)).Bytes())
	for range 2 {
		a, err := execute(cmd)
		h.checkFailure("greeter/Say", a, err, envelope.ConnectorUnavailable)
		if err := h.Remove(context.Background(), "greeter"); err != nil && !isRefusal(err, RefusedUnknown) {
			t.Error(err)
		}
	}
}

// Calls in flight finish on the version they began with.
func TestRuntime_ReplaceInFlight(t *testing.T) {
	g := newGate(t)
	h := misbehave(t, nil)
	old := h.Runtime.current.Load().connectors["misbehave"]
	first := h.begin(context.Background(), "misbehave/Fetch", g.params())
	g.wait(t)
	h.install(tiny("misbehave", "2.0.0", "replaced"))
	h.wantBody("misbehave/Say", "{}", `"replaced"`)
	if err := h.Remove(context.Background(), "misbehave"); err != nil {
		t.Fatal(err)
	}
	if refs := old.refs.Load(); refs != 1 {
		t.Errorf("%d hold the old version", refs)
	}
	g.open()
	if o := end(t, first); o.err != nil || string(o.answer.Body) != `{"body":"through","status":200}` {
		t.Errorf("got %+v, %v", o.answer, o.err)
	}
	if refs := old.refs.Load(); refs != 0 {
		t.Errorf("%d still hold the old version", refs)
	}
}

// A damaged store does not matter to calls.
func TestRuntime_Execute_NeedsNoStore(t *testing.T) {
	local := open(t, t.TempDir())
	store := newFaultyStore(local)
	h := start(t, store, nil)
	h.install(tiny("greeter", "1.0.0", "one"))
	for _, method := range []string{"List", "Get", "CompareAndSwap", "Delete", "PutBlob", "Blob"} {
		store.set(method, catalog.ErrStorage, nil)
	}
	if err := local.Close(); err != nil {
		t.Fatal(err)
	}
	h.wantBody("greeter/Say", "{}", `"one"`)
}
