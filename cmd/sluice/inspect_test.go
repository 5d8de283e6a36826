package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/internal/guests"
	"sluice/runtime/sandbox/memory"
	"sluice/runtime/sandbox/wasmtest"
)

func TestInspect(t *testing.T) {
	file := guests.Path(t, "greeter")
	sluice(t, "inspect", file).want(t, exitOK, "greeter 1.0.0: Greets", "ABI native", "greeter/Greet: Greets somebody.",
		"name (str, required): Whom to greet", "requested capabilities, beside what is granted (by nobody)\n  nothing", "sluice:host/v1.write",
		"admission\n  imageable: ", "at most 64MiB\n", " units of fuel\n", " of 4096 bytes\n", memory.Probe().String())
	r := decode[report](t, sluice(t, "inspect", "--json", file).want(t, exitOK))
	if r.File != file || r.Size != len(guests.Module(t, "greeter")) || len(r.SHA256) != 64 || r.ABI != "native" || r.Manifest == nil ||
		r.Manifest.Name != "greeter" || r.Functions == 0 || r.MemoryPages == 0 || len(r.Imports) == 0 {
		t.Errorf("got %+v", r)
	}
	if a := r.Admission; a == nil || !a.Imageable || a.MemoryInitialBytes != uint64(r.MemoryPages)<<16 || a.MemoryReadyBytes < a.MemoryInitialBytes ||
		a.InitialisationMicroseconds <= 0 || a.DescribeFuelUnits <= 0 || a.PagesPerCall == nil || *a.PagesPerCall <= 0 ||
		a.CodeGrowth < 1 || a.CodeGrowth > 1.5 || r.Verification != nil {
		t.Errorf("got %+v", a)
	}
	sluice(t, "inspect", guests.Path(t, "http")).want(t, exitOK, "(by nobody)\n  http: ", "\n    missing https://*\n      the grant lacks \"https://*\" in http\n")
}

// A module without an image is admitted too, and the report says why it has none.
func TestInspect_NotImageable(t *testing.T) {
	m := wasmtest.Native(`{"name":"tables","version":"1.0.0","commands":[{"name":"Say"}]}`)
	m.Tables = []wasmtest.Table{{Type: 'r', Initial: 2}}
	m.Functions[1].Code = wasmtest.Code(wasmtest.I32(0), wasmtest.RefNull('r'), wasmtest.TableSet(0))
	file := filepath.Join(t.TempDir(), "tables.wasm")
	if err := os.WriteFile(file, m.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	sluice(t, "inspect", "--verify", file).want(t, exitOK, "not imageable, so that every call makes an instance of its own: the code uses table.set",
		"each in an instance of its own", "nothing was found")
	r := decode[report](t, sluice(t, "inspect", "--json", file).want(t, exitOK))
	if r.Admission.Imageable || r.Admission.NotImageable == "" || r.Admission.ResetMode != "" || r.Admission.PagesPerCall != nil {
		t.Errorf("got %+v", r.Admission)
	}
}

func TestInspect_Verify(t *testing.T) {
	sluice(t, "inspect", "--verify", guests.Path(t, "http")).want(t, exitOK, "verification\n  "+memory.Probe().String()+": 400 calls", "\n  copy: 400 calls",
		"nothing was found: every call was pristine")
	// Its manifest is another one whenever describe runs.
	manifests := []string{`{"name":"fickle","version":"1.0.0","commands":[{"name":"A"}]}`, `{"name":"fickle","version":"1.0.0","commands":[{"name":"B"}]}`}
	m := wasmtest.Native(manifests[0])
	m.Data = append(m.Data, wasmtest.Data{At: wasmtest.NativeFree, Text: manifests[1]})
	m.Globals = []wasmtest.Global{{Type: 'i', Mutable: true, Init: wasmtest.I32(0)}}
	m.Functions[0].Code = wasmtest.Code(
		wasmtest.GlobalGet(0), wasmtest.If(wasmtest.I32(wasmtest.NativeFree), wasmtest.I32(len(manifests[1])), wasmtest.Call(wasmtest.HostWrite), wasmtest.Drop),
		wasmtest.GlobalGet(0), wasmtest.I32Eqz, wasmtest.If(m.Functions[0].Code), wasmtest.I32(1), wasmtest.GlobalSet(0))
	file := filepath.Join(t.TempDir(), "fickle.wasm")
	if err := os.WriteFile(file, m.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	result := sluice(t, "inspect", "--verify", "--json", file).want(t, exitFailed, "not pristine from call to call", "describe answers something else")
	if r := decode[report](t, result); r.Verification.Pristine || len(r.Verification.Findings) == 0 || len(r.Verification.Modes) == 0 {
		t.Errorf("got %+v", r.Verification)
	}
	if out := sluice(t, "inspect", "--verify", file).stdout; !strings.Contains(out, "\n  FOUND ") {
		t.Errorf("printed %s", out)
	}
}

// What has no description has no colon, and parameters that must never be shown are marked.
func TestInspect_Text(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "plain.wasm")
	m := wasmtest.Native(`{"name":"plain","version":"1.0.0","capabilities":[{"name":"cache","reason":"Keeps a token."}],
		"commands":[{"name":"Say","parameters":[{"id":"key","type":"str","required":true,"secret":true},{"id":"n","type":"int","description":"How often"}]}]}`)
	if err := os.WriteFile(file, m.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	grants := filepath.Join(dir, "sluice.yaml")
	if err := os.WriteFile(grants, []byte("grants: {plain: {cache: 1MiB}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	sluice(t, "inspect", file).want(t, exitOK, "plain.wasm\n  plain 1.0.0\n  ABI", "commands\n  plain/Say\n    key (str, required, secret)\n    n (int): How often\n",
		"  cache: Keeps a token.\n    missing\n      the grant lacks a size in cache\n", "  memory: 128KiB to begin with, ")
	sluice(t, "inspect", file, "--config", grants).want(t, exitOK, "  cache: Keeps a token.\n    granted\n      granted is 1MiB\n")
}

// A folder is no module: its name may be a connector's.
func TestInspect_Folder(t *testing.T) {
	url := sharedServer(t)
	t.Chdir(t.TempDir())
	for _, name := range []string{"http", "other", "folder.wasm"} {
		if err := os.Mkdir(name, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	sluice(t, "inspect", "http", "--server", url).want(t, exitOK, "http 1.0.0: ")
	sluice(t, "inspect", "other", "--server", url).want(t, exitFailed, `"other" is no file; as a connector: `, "(connector_not_found)")
	sluice(t, "inspect", "folder.wasm", "--server", url).want(t, exitFailed, "is a directory")
}

// A configuration is looked at as it is: what only the server has, keys and files, is not asked for.
func TestInspect_Config(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "sluice.yaml")
	for name, secrets := range map[string]string{"no key": "", "no key file": "  key_file: /does/not/exist\n"} {
		if err := os.WriteFile(file, []byte(`
secrets:
`+secrets+`  api-token: {from: store, origins: [api.example.com]}
grants:
  weather: {http: ["https://api.example.com"], secrets: [api-token], ca: /does/not/exist.pem, memory: 128MiB, auth: [{rule: "https://api.example.com", kind: bearer, secret: api-token}]}
  other: {tcp_ca: /does/not/exist.pem}
`), 0o600); err != nil {
			t.Fatal(err)
		}
		r := sluice(t, "inspect", asking(t, "weather", "1.0.0", "https://api.example.com", "https://b.example"), "--config", file)
		r.want(t, exitOK, "by the configuration file", "    granted https://api.example.com", "    missing https://b.example", "at most 128MiB")
		if r.stderr != "" {
			t.Errorf("%s: printed %s", name, r.stderr)
		}
		sluiceWith(t, []string{"SLUICE_SECRETS_KEY=none"}, "", "call", "example/Example", "--params", `{"message":"hi"}`).want(t, exitOK)
	}
}

func TestInspect_Errors(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	wasm := guests.Module(t, "greeter")
	for _, tc := range []struct{ path, expectedErr string }{
		{filepath.Join(dir, "none.wasm"), "no such file"},
		{dir, "is a directory"},
		{write("empty.wasm", nil), "not_wasm"},
		{write("text.wasm", []byte("(module)")), "not_wasm"},
		{write("component.wasm", []byte("\x00asm\x0d\x00\x01\x00")), "component"},
		{write("half.wasm", wasm[:len(wasm)/2]), "malformed"},
		{write("none-of-ours.wasm", []byte("\x00asm\x01\x00\x00\x00")), "unknown_abi"},
	} {
		r := sluice(t, "inspect", "--json", tc.path).want(t, exitFailed, "sluice: ", tc.expectedErr)
		if r.stdout != "" {
			t.Errorf("%s: printed %s", tc.path, r.stdout)
		}
	}
}
