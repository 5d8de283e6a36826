package runtime

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sluice/internal/guests"
	"sluice/runtime/sandbox"
	"sluice/runtime/sandbox/memory"
	"sluice/runtime/sandbox/wasmtest"
)

func quietConfig() Config {
	return Config{CacheDir: cacheDir, Limits: DefaultLimits(), Logger: slog.New(slog.DiscardHandler)}
}

// verify verifies a module that can be installed.
func verify(t testing.TB, wasm []byte, v VerifyConfig) *Verification {
	t.Helper()
	out, err := Verify(context.Background(), quietConfig(), wasm, v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// builtGuests are the connectors of this repository, by name: the bundled ones, those of the tests, and those of the
// benchmarks that are built.
func builtGuests(t testing.TB) map[string][]byte {
	t.Helper()
	found := map[string][]byte{"http": guests.Module(t, "http"), "lines": guests.Module(t, "lines")}
	seen := make(map[string]bool)
	for _, pattern := range []string{"../bin/guests/*.wasm", "../bin/bench/*.wasm"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			wasm, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Inspect(wasm); err != nil || seen[string(wasm)] { // some are for other hosts
				continue
			}
			seen[string(wasm)] = true
			found[strings.TrimSuffix(strings.TrimPrefix(file, "../"), ".wasm")] = wasm
		}
	}
	return found
}

// stateful is an assembled guest whose calls leave everything dirty that a guest can reach: describe changes its globals,
// writes to its memory and grows it.
func stateful() wasmtest.Module {
	m := wasmtest.Native(manifestText("stateful", "1.0.0", "Say"))
	for _, letter := range "iIfF" {
		init := map[rune][]byte{'i': wasmtest.I32(7), 'I': wasmtest.I64(-7), 'f': wasmtest.F32(1.5), 'F': wasmtest.F64(-0.5)}[letter]
		m.Globals = append(m.Globals, wasmtest.Global{Type: byte(letter), Mutable: true, Init: init})
	}
	m.Functions[0].Code = wasmtest.Code(m.Functions[0].Code,
		wasmtest.GlobalGet(0), wasmtest.I32(1), wasmtest.I32Add, wasmtest.GlobalSet(0),
		wasmtest.GlobalGet(1), wasmtest.I64(1), wasmtest.I64Add, wasmtest.GlobalSet(1),
		wasmtest.I32(1), wasmtest.MemoryGrow, wasmtest.Drop,
		wasmtest.I32(wasmtest.NativeFree), wasmtest.GlobalGet(1), wasmtest.Store64)
	return m
}

// notImageable is a guest whose table changes.
func notImageable() wasmtest.Module {
	m := wasmtest.Native(manifestText("tables", "1.0.0", "Say"))
	m.Tables = []wasmtest.Table{{Type: 'r', Initial: 2}}
	m.Functions[0].Code = wasmtest.Code(m.Functions[0].Code, wasmtest.I32(0), wasmtest.RefNull('r'), wasmtest.TableSet(0))
	return m
}

// TestVerify takes one guest of each kind, and few calls; TestVerifyLong_Guests takes them all.
func TestVerify(t *testing.T) {
	all := builtGuests(t)
	all["stateful"], all["not imageable"] = stateful().Bytes(), notImageable().Bytes()
	for _, name := range []string{"http", "bin/guests/probe", "bin/bench/c", "bin/bench/rust", "bin/bench/assemblyscript", "bin/bench/javascript",
		"stateful", "not imageable"} {
		wasm, built := all[name]
		if !built {
			continue
		}
		t.Run(name, func(t *testing.T) { checkPristine(t, wasm, 48, name != "not imageable") })
	}
}

// checkPristine verifies a guest in which nothing is to be found.
func checkPristine(t *testing.T, wasm []byte, calls int, imageable bool) {
	v := verify(t, wasm, VerifyConfig{Calls: calls})
	if len(v.Findings) > 0 {
		t.Errorf("found %q", v.Findings)
	}
	if len(v.Modes) != len(memory.Modes()) || v.Modes[0].Mode != memory.Probe().String() || v.Cold != imageable {
		t.Errorf("verified %+v", v)
	}
	for _, m := range v.Modes {
		if m.Calls == 0 || m.Sandboxes == 0 || m.Canaries < m.Calls || imageable && m.ComparedBytes == 0 {
			t.Errorf("verified %+v", m)
		}
		if imageable && (m.Calls != calls || m.Sandboxes > 2*verifySandboxes) {
			t.Errorf("%d calls in %d sandboxes, which are to be used again and again", m.Calls, m.Sandboxes)
		}
		t.Logf("%+v", m)
	}
	t.Logf("%+v", v.Randomness)
}

// Whatever a reset leaves out is found, in every mode.
func TestVerify_Sabotage(t *testing.T) {
	canary := [16]byte{1, 2, 3}
	tests := []struct {
		name     string
		left     sandbox.Dirt // by a reset
		expected string
	}{
		{"one page", sandbox.Dirt{Canary: canary, Pages: []int{5}}, "1 pages of 4096 bytes of the memory differ, first at address 20480"},
		{"globals", sandbox.Dirt{Globals: true}, "the global sluice:global:0 differs"},
		{"parameters and results", sandbox.Dirt{Globals: true}, "parameters or results of the last call"},
		{"the length of the memory", sandbox.Dirt{Grow: 1}, "bytes (393216 for the allocator) instead of 327680"},
		{"what was denied", sandbox.Dirt{Exceed: true}, "was not allowed to"},
	}
	wasm := stateful().Bytes()
	for _, mode := range memory.Modes() {
		for _, tc := range tests {
			t.Run(mode.String()+" "+tc.name, func(t *testing.T) {
				v := verify(t, wasm, VerifyConfig{Calls: 8, Sandboxes: 1, Modes: []memory.Mode{mode}, tamper: func(call int, i *sandbox.Instance) {
					if call == 6 {
						i.Soil(tc.left)
					}
				}})
				if !slices.ContainsFunc(v.Findings, func(f string) bool {
					return strings.Contains(f, tc.expected) && strings.HasPrefix(f, mode.String()+", call 7: ")
				}) {
					t.Errorf("found %q, want %q", v.Findings, tc.expected)
				}
			})
		}
	}
}

// A canary of a call is found in what another one finds, printed, logged or answered.
func TestVerify_Canary(t *testing.T) {
	v := &verification{config: VerifyConfig{}.withDefaults(), marker: [8]byte([]byte("c4n4ry:)"))}
	r := &rounds{verification: v}
	call, canary := r.calling(3)
	call.Host.Log(1, canary[:])
	r.lookAtHost(3, call, canary)
	if len(v.out.Findings) != 1 || !strings.Contains(v.out.Findings[0], "call 4: a canary is in the call's log") {
		t.Errorf("found %q", v.out.Findings)
	}
}

// An answer of describe that is another in each call, in the original, or in a guest that is cold, is found.
func TestVerify_Describe(t *testing.T) {
	// It describes itself as "cold" first, and as "warm" later on: from a global that the image keeps.
	cold, warm := manifestText("changing", "1.0.0", "Cold"), manifestText("changing", "1.0.0", "Warm")
	m := wasmtest.Native(cold)
	m.Data = append(m.Data, wasmtest.Data{At: wasmtest.NativeFree, Text: warm})
	m.Globals = []wasmtest.Global{{Type: 'i', Mutable: true, Init: wasmtest.I32(0)}}
	m.Functions[0].Code = wasmtest.Code(
		wasmtest.GlobalGet(0), wasmtest.If(wasmtest.I32(wasmtest.NativeFree), wasmtest.I32(len(warm)), wasmtest.Call(wasmtest.HostWrite), wasmtest.Drop),
		wasmtest.GlobalGet(0), wasmtest.I32Eqz, wasmtest.If(m.Functions[0].Code),
		wasmtest.I32(1), wasmtest.GlobalSet(0),
	)
	v := verify(t, m.Bytes(), VerifyConfig{Calls: 4})
	if !slices.ContainsFunc(v.Findings, func(f string) bool {
		return strings.Contains(f, "describe answers something else than in the first call")
	}) {
		t.Errorf("found %q", v.Findings)
	}
}

func TestVerify_Errors(t *testing.T) {
	for name, tc := range map[string]struct {
		wasm []byte
		want string
	}{
		"no module":           {[]byte("text"), "not_wasm"},
		"a trap in describe":  {described(wasmtest.Unreachable), RefusedDescribe},
		"a manifest of lists": {wasmtest.Native("[]").Bytes(), RefusedManifest},
	} {
		v, err := Verify(context.Background(), quietConfig(), tc.wasm, VerifyConfig{})
		var r *Refusal
		if v != nil || !errors.As(err, &r) || r.Code != tc.want {
			t.Errorf("%s: got %v, %v", name, v, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if v, err := Verify(ctx, quietConfig(), stateful().Bytes(), VerifyConfig{}); v != nil || err == nil {
		t.Errorf("cancelled: got %v, %v", v, err)
	}
}
