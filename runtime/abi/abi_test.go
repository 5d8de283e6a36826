package abi

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"sluice/hostfuncs"
	"sluice/internal/guests"
	"sluice/runtime/sandbox"
	"sluice/runtime/sandbox/wasmtest"
)

func compiled(t testing.TB, e *sandbox.Engine, wasm []byte) *sandbox.Module {
	t.Helper()
	m, err := e.Compile(context.Background(), rewrite(wasm))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// Ending with status 0 is a way to return; initialisation is bound by the context as commands are.
func TestCall_Ends(t *testing.T) {
	e, err := engine()
	if err != nil {
		t.Fatal(err)
	}
	build := func(initialize []byte, run ...[]byte) *sandbox.Module {
		m := wasmtest.Native(`{"a":1}`)
		m.Imports = append(m.Imports, wasmtest.Import{Module: "wasi_snapshot_preview1", Name: "proc_exit", Params: "i"})
		describe := append(m.Functions[0].Code, wasmtest.Code(run...)...)
		m.Functions = []wasmtest.Function{
			{Export: "_initialize", Code: initialize},
			{Export: "describe", Code: describe},
			{Export: "execute", Params: "i", Code: wasmtest.Code(wasmtest.Answer(0, 2), wasmtest.Code(run...))},
		}
		return compiled(t, e, m.Bytes())
	}
	exit := func(status int) []byte { return wasmtest.Code(wasmtest.I32(status), wasmtest.Call(4)) }
	newCall := func() *Call { return &Call{Host: &hostfuncs.Call{}, OutputLimit: 100} }

	for name, tc := range map[string]struct {
		run  []byte
		want sandbox.FaultKind
		ok   bool
	}{
		"returns": {nil, 0, true}, "exit 0": {exit(0), 0, true},
		"exit 1": {exit(1), sandbox.Exited, false}, "trap": {wasmtest.Unreachable, sandbox.Trapped, false},
	} {
		m := build(nil, tc.run)
		for _, describe := range []bool{true, false} {
			c := newCall()
			i, err := c.Prepare(context.Background(), m, limits(2*sandbox.PageSize))
			if err != nil {
				t.Fatal(err)
			}
			want := `{}`
			if describe {
				var text []byte
				text, err = c.Describe(context.Background(), i)
				want = `{"a":1}`
				if string(text) != want {
					t.Errorf("%s: described as %q", name, text)
				}
			} else {
				err = c.Execute(context.Background(), i, 0)
			}
			i.Close()
			if (err == nil) != tc.ok {
				t.Errorf("%s: %v", name, err)
			}
			if f, is := err.(*sandbox.Fault); !tc.ok && (!is || f.Kind != tc.want) {
				t.Errorf("%s: got %v, want kind %d", name, err, tc.want)
			}
			if _, body, answered, _ := c.Output(); string(body) != want || answered == describe {
				t.Errorf("%s: got %q, %t", name, body, answered)
			}
		}
	}

	for name, tc := range map[string]struct {
		code []byte
		want sandbox.FaultKind
	}{
		"trap": {wasmtest.Unreachable, sandbox.Trapped}, "exit": {exit(2), sandbox.Exited},
		"exit 0": {exit(0), sandbox.ExitedNormally}, "loop": {wasmtest.Forever, sandbox.OutOfTime},
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		i, err := newCall().Prepare(ctx, build(tc.code), limits(2*sandbox.PageSize))
		cancel()
		if f, is := err.(*sandbox.Fault); i != nil || !is || f.Kind != tc.want {
			t.Errorf("%s in _initialize: got %v, %v; want kind %d", name, i, err, tc.want)
		}
	}
}

// The interpreter is the second opinion on the compiler: both give the same answers.
func TestGuests_CompilerAndInterpreterAgree(t *testing.T) {
	type call struct {
		guest   string
		command uint32
		params  string
	}
	calls := []call{
		{"probe", 0, `{"note":"hi ü \"quoted\" \u0041"}`},
		{"probe", 1, `{"upstream_status":503}`},
		{"probe", 2, `{"arg1":"` + strings.Repeat("a", 5000) + `","arg2":"b"}`},
		{"probe", 3, `{"why":"because"}`},
		{"probe", 4, `{"status":404,"mimetype":"text/plain","response":"nope"}`},
	}
	type outcome struct {
		manifest, head, body, stderr string
		fault                        sandbox.FaultKind
		failed                       bool
	}
	run := func(t *testing.T, interpreter bool) []outcome {
		e, err := sandbox.NewEngine(context.Background(), sandbox.Config{
			Interpreter: interpreter, HostModules: HostModules(), CacheDir: cacheDir,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := e.Close(context.Background()); err != nil {
				t.Error(err)
			}
		}()
		modules := map[string]*sandbox.Module{}
		manifests := map[string]string{}
		var out []outcome
		for _, tc := range calls {
			m := modules[tc.guest]
			if m == nil {
				m = compiled(t, e, guests.Module(t, tc.guest))
				modules[tc.guest] = m
				c := &Call{Host: &hostfuncs.Call{Describing: true}, OutputLimit: 1 << 20}
				i, err := c.Prepare(context.Background(), m, limits(64<<20))
				if err != nil {
					t.Fatal(err)
				}
				text, err := c.Describe(context.Background(), i)
				if err != nil || !json.Valid(text) {
					t.Fatalf("%s describes itself as %q, %v", tc.guest, text, err)
				}
				manifests[tc.guest] = string(text)
				i.Close()
			}
			c := &Call{
				Host: &hostfuncs.Call{HTTP: hostfuncs.Denied("not granted")}, OutputLimit: 1 << 20, Params: []byte(tc.params),
				Context: []byte(`{"command":"C","connector":"c","call_id":"1","deadline_ms":1000}`),
			}
			i, err := c.Prepare(context.Background(), m, limits(64<<20))
			if err != nil {
				t.Fatal(err)
			}
			err = c.Execute(context.Background(), i, tc.command)
			i.Close()
			head, body, _, _ := c.Output()
			stderr, _, _ := strings.Cut(string(c.Stderr()), "\n") // what follows has addresses of the guest's stack
			o := outcome{manifest: manifests[tc.guest], head: string(head), body: string(body), stderr: stderr, failed: err != nil}
			if f, ok := err.(*sandbox.Fault); ok {
				o.fault = f.Kind
			}
			out = append(out, o)
		}
		return out
	}
	compiler, interpreter := run(t, false), run(t, true)
	for i, tc := range calls {
		if compiler[i] != interpreter[i] {
			t.Errorf("%+v:\ncompiler    %+v\ninterpreter %+v", tc, compiler[i], interpreter[i])
		}
	}
	if !compiler[3].failed || compiler[0].body == "" {
		t.Error("the calls did not do what they are for")
	}
}
