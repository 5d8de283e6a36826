package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"sluice/runtime/catalog"
	"sluice/runtime/module"
	"sluice/runtime/sandbox/wasmtest"
)

func quietLogger() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestRuntime_Install_Refusals(t *testing.T) {
	const native = "sluice:host/v1"
	functions := []wasmtest.Function{{Export: "describe"}, {Export: "execute", Params: "i"}}
	with := func(change func(*wasmtest.Module)) []byte {
		m := wasmtest.Native(manifestText("x", "1.0.0", "Say"))
		change(&m)
		return m.Bytes()
	}
	writing := func(manifest string) []byte { return wasmtest.Native(manifest).Bytes() }
	good := tiny("x", "1.0.0", "x")
	const header = "\x00asm\x01\x00\x00\x00"
	tests := []struct {
		name   string
		wasm   []byte
		code   string
		status int
		says   string
	}{
		{"nothing", nil, string(module.CodeNotWasm), 422, ""},
		{"text", []byte("hello, world"), string(module.CodeNotWasm), 422, ""},
		{"component", []byte("\x00asm\x0d\x00\x01\x00"), string(module.CodeComponent), 422, "core module"},
		{"cut off", good[:len(good)-5], string(module.CodeMalformed), 422, ""},
		{"huge", append([]byte(header), make([]byte, 16<<20)...), string(module.CodeTooLarge), 413, ""},
		{"much memory", with(func(m *wasmtest.Module) { m.Pages = 1025 }), string(module.CodeLimitExceeded), 422, ""},
		{"threads", with(func(m *wasmtest.Module) { m.Functions[0].Code = []byte{0xfe, 0x03, 0x00} }), string(module.CodeUnsupportedFeature), 422, ""},
		{"no ABI", wasmtest.Module{Pages: 1}.Bytes(), string(module.CodeUnknownABI), 422, ""},
		{"WASI command", wasmtest.Module{Pages: 1, Imports: []wasmtest.Import{{Module: "wasi_snapshot_preview1", Name: "fd_write", Params: "iiii", Results: "i"}},
			Functions: []wasmtest.Function{{Export: "_start"}}}.Bytes(), RefusedABI, 422, "guest-sdk/ABI.md"},
		{"unknown import", wasmtest.Module{Pages: 1, Functions: functions,
			Imports: []wasmtest.Import{{Module: native, Name: "slep", Params: "I", Results: "i"}}}.Bytes(), string(module.CodeUnknownImport), 422, "sleep"},
		{"import of another type", wasmtest.Module{Pages: 1, Functions: functions,
			Imports: []wasmtest.Import{{Module: native, Name: "sleep", Params: "i", Results: "i"}}}.Bytes(), string(module.CodeImportType), 422, ""},
		{"no execute", with(func(m *wasmtest.Module) { m.Functions = m.Functions[:1] }), string(module.CodeMissingExport), 422, "execute"},
		{"execute of another type", with(func(m *wasmtest.Module) { m.Functions[1] = wasmtest.Function{Export: "execute"} }), string(module.CodeExportType), 422, "execute"},
		{"not valid", with(func(m *wasmtest.Module) { m.Functions[0].Code = wasmtest.Drop }), RefusedCompilation, 422, "sluice inspect"},
		{"describe traps", described(wasmtest.Unreachable), RefusedDescribe, 422, "unreachable"},
		{"describe recurses", described(wasmtest.Call(4)), RefusedDescribe, 422, "too deeply"},
		{"describe writes too much", described(wasmtest.I32(0), wasmtest.I32(2<<16), wasmtest.Call(wasmtest.HostWrite), wasmtest.Drop,
			bytes.Repeat(wasmtest.Code(wasmtest.I32(0), wasmtest.I32(2<<16), wasmtest.Call(wasmtest.HostWrite), wasmtest.Drop), 8)),
			RefusedDescribe, 422, "larger than"},
		{"the start function traps", with(func(m *wasmtest.Module) {
			m.Functions = append(m.Functions, wasmtest.Function{Export: "begin", Code: wasmtest.Unreachable})
			m.Start = "begin"
		}), RefusedDescribe, 422, ""},
		{"no manifest", described(), RefusedManifest, 422, ""},
		{"empty manifest", writing("{}"), RefusedManifest, 422, "name"},
		{"misspelt manifest", writing(`{"nmae":"x"}`), RefusedManifest, 422, "nmae"},
		{"bad name", writing(manifestText("../x", "1.0.0", "Say")), RefusedManifest, 422, ""},
		{"bad host", writing(`{"name":"x","version":"1.0.0","commands":[{"name":"Say"}],
			"capabilities":[{"name":"http","reason":"r","hosts":["gopher://x"]}]}`), RefusedManifest, 422, "capabilities[0].hosts[0] is no rule (\"gopher://x\"): it must begin with http:// or https://"},
		{"bad hosts, and more", writing(`{"name":"X","version":"1.0.0","commands":[{"name":"Say"}],"capabilities":[
			{"name":"http","reason":"r","hosts":["https://a","b"]},{"name":"tcp","reason":"r","hosts":["https://a:1"]}]}`), RefusedManifest, 422,
			"name is \"X\"; use 1 to 64 of a-z, 0-9, '.', '_', '-', beginning with a letter or digit; capabilities[0].hosts[1] is no rule (\"b\"): it must begin with http:// or https://; " +
				"capabilities[1].hosts[0] is no rule (\"https://a:1\"): write host and port alone"},
		{"name of a bundled one", tiny("inside", "3.0.0", "mine"), RefusedName, 409, "inside"},
		{"version is there", tiny("greeter", "1.0.0", "other"), RefusedVersion, 409, "--replace"},
	}
	h := start(t, open(t, t.TempDir()), func(c *Config) {
		c.Bundled = map[string][]byte{"inside": tiny("inside", "1.0.0", "in")}
	})
	h.install(tiny("greeter", "1.0.0", "one"))
	_, revision := h.Commands()
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			c, changed, err := h.Install(context.Background(), tc.wasm, false)
			var r *Refusal
			if !errors.As(err, &r) || changed || c.Name != "" {
				t.Fatalf("got %+v, %t, %v", c, changed, err)
			}
			if r.Code != tc.code || r.Status != tc.status || !strings.Contains(r.Message, tc.says) || r.Error() != r.Code+": "+r.Message {
				t.Errorf("got %d %v; want %d %s with %q", r.Status, r, tc.status, tc.code, tc.says)
			}
		})
	}
	if _, now := h.Commands(); now != revision || h.ids() != "greeter/Say inside/Say" {
		t.Errorf("in service: %s", h.ids())
	}
}

// A guest that gets no more memory before its first call is told whose limit it met.
func TestRuntime_Install_Memory(t *testing.T) {
	grows := described(wasmtest.I32(1), wasmtest.MemoryGrow, wasmtest.I32(-1), wasmtest.Equal, wasmtest.If(wasmtest.Unreachable))
	for _, tc := range []struct {
		name       string
		limit      func(*Limits)
		code, says string
		status     int
	}{
		{"its own", func(l *Limits) { l.Memory = 1 << 16 }, RefusedDescribe, "call.memory", 422},
		{"that of all", func(l *Limits) { l.Growth = 1 }, RefusedOverloaded, "pool.growth", 503},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := start(t, open(t, t.TempDir()), func(c *Config) {
				c.Limits = DefaultLimits()
				tc.limit(&c.Limits)
			})
			var r *Refusal
			_, _, err := h.Install(context.Background(), grows, false)
			if !errors.As(err, &r) || r.Code != tc.code || r.Status != tc.status || !strings.Contains(r.Message, tc.says) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestRuntime_Install_Cancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	h := start(t, open(t, t.TempDir()), nil)
	if _, changed, err := h.Install(ctx, tiny("x", "1.0.0", "x"), false); changed || err == nil || h.ids() != "" {
		t.Errorf("got %t, %v", changed, err)
	}
}

func TestRefusal_Status(t *testing.T) {
	for code, want := range map[string]int{
		RefusedABI: 422, RefusedCompilation: 422, RefusedDescribe: 422, RefusedManifest: 422, RefusedName: 409, RefusedVersion: 409,
		RefusedUnknown: 404, RefusedBundled: 409, RefusedNoSpace: 507, RefusedStorage: 503, RefusedOverloaded: 503, string(module.CodeTooLarge): 413,
		string(module.CodeMalformed): 422,
	} {
		if got := refuse(code, "m").Status; got != want || http.StatusText(got) == "" {
			t.Errorf("%s: %d, want %d", code, got, want)
		}
	}
	wrapped := fmt.Errorf("writing: %w", catalog.ErrNoSpace)
	if err := refusal(wrapped); !isRefusal(err, RefusedNoSpace) {
		t.Errorf("got %v", err)
	}
	if err := refusal(errors.New("anything")); !isRefusal(err, RefusedStorage) {
		t.Errorf("got %v", err)
	}
	if refusal(nil) != nil {
		t.Error("no error became a refusal")
	}
}
