package main

import (
	"os"
	"path/filepath"
	"testing"

	"sluice/internal/guests"
)

func TestInspect(t *testing.T) {
	file := guests.Path(t, "greeter")
	sluice(t, "inspect", file).want(t, exitOK, "greeter 1.0.0: Greets", "ABI native", "greeter/Greet: Greets somebody.",
		"name (str, required): Whom to greet", "requested capabilities\n  none", "sluice:host/v1.write")
	r := decode[report](t, sluice(t, "inspect", "--json", file).want(t, exitOK))
	if r.File != file || r.Size != len(guests.Module(t, "greeter")) || len(r.SHA256) != 64 || r.ABI != "native" || r.Manifest == nil ||
		r.Manifest.Name != "greeter" || r.Functions == 0 || r.MemoryPages == 0 || len(r.Imports) == 0 {
		t.Errorf("got %+v", r)
	}
	sluice(t, "inspect", guests.Path(t, "http")).want(t, exitOK, "requested capabilities\n  http [")
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
