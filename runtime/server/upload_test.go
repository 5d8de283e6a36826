package server_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/internal/guests"
	"sluice/runtime"
	"sluice/runtime/server/servertest"
)

// digest is that of everything in a folder.
func digest(t *testing.T, folder string) string {
	t.Helper()
	h := sha256.New()
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		fmt.Fprintf(h, "%s %d\n%s", path, len(content), content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// manifest is one with a command, of this name and version.
func manifest(name, version string) string {
	return fmt.Sprintf(`{"name": %q, "version": %q, "commands": [{"name": "Params", "parameters": []}]}`, name, version)
}

// TestUpload_Errors sends every kind of module that is not installed. Nothing changes by it.
func TestUpload_Errors(t *testing.T) {
	t.Parallel()
	s := servertest.MustServe(t, servertest.Shared(), servertest.Bundled("example"), servertest.Install(echo.Module()))
	good := servertest.Guest{Manifest: manifest("new", "1.0.0")}
	change := func(f func(*servertest.Guest)) []byte {
		g := good
		f(&g)
		return g.Module()
	}
	describes := func(text string) []byte { return servertest.Guest{Manifest: text}.Module() }
	imports := func(module, name, params, results string) []byte {
		return change(func(g *servertest.Guest) {
			g.Import = servertest.Import{Module: module, Name: name, Params: params, Results: results}
		})
	}
	module := good.Module()
	const unreachable, ret, call, drop = 0x00, 0x0f, 0x10, 0x1a
	refused := func(code, says string) want { return want{422, code, says} }
	tests := []struct {
		name   string
		module []byte
		want   want
	}{
		{"empty", nil, refused("not_wasm", "empty")},
		{"something else", []byte("hello, world"), refused("not_wasm", "WebAssembly")},
		{"text format", []byte("(module)"), refused("not_wasm", "wat2wasm")},
		{"component", []byte("\x00asm\x0d\x00\x01\x00"), refused("component", "core module")},
		{"version 2", []byte("\x00asm\x02\x00\x00\x00"), refused("malformed", "version")},
		{"header only", module[:8], refused("unknown_abi", "native")},
		{"half of it", module[:len(module)/2], refused("malformed", "byte")},
		{"without its last byte", module[:len(module)-1], refused("malformed", "byte")},
		{"and one byte more", append(append([]byte{}, module...), 0), refused("malformed", "byte")},
		{"a section twice", append(append([]byte{}, module...), 1, 1, 0), refused("malformed", "type section")},
		{"an unknown section", append(append([]byte{}, module...), 77, 1, 0), refused("malformed", "section")},
		{"a count of 2^32", []byte("\x00asm\x01\x00\x00\x00\x01\x05\xff\xff\xff\xff\x0f"), want{422, "", "type section"}},
		{"unknown import module", imports("env", "printf", "i", "i"), refused("unknown_import", "env.printf")},
		{"unknown import", imports("sluice:host/v1", "sleeep", "I", "i"), refused("unknown_import", "Did you mean sleep")},
		{"import of another type", imports("sluice:host/v1", "sleep", "i", "i"), refused("import_type", "sluice:host/v1.sleep")},
		{"newer ABI", imports("sluice:host/v2", "sleep", "I", "i"), refused("unknown_abi", "version v2")},
		{"WASI preview 2", imports("wasi:cli/exit@0.2.0", "exit", "i", ""), refused("unknown_import", "preview 1")},
		{"without describe", change(func(g *servertest.Guest) { g.Without = "describe" }), refused("missing_export", "describe")},
		{"without execute", change(func(g *servertest.Guest) { g.Without = "execute" }), refused("missing_export", "execute")},
		{"without memory", change(func(g *servertest.Guest) { g.Without = "memory" }), refused("missing_export", "memory")},
		{"exports of other types", change(func(g *servertest.Guest) { g.Swapped = true }), refused("export_type", "describe")},
		{"memory too large", change(func(g *servertest.Guest) { g.Pages = 1025 }), refused("limit_exceeded", "1024")},
		{"unsupported proposal", change(func(g *servertest.Guest) { g.Describe = []byte{0x12, 0} }), refused("unsupported_feature", "tail call")},
		{"code of the wrong types", change(func(g *servertest.Guest) { g.Describe = []byte{drop} }), refused("does_not_compile", "sluice inspect")},
		{"traps in _initialize", change(func(g *servertest.Guest) { g.Initialize = []byte{unreachable} }), refused("describe_failed", "sluice inspect")},
		{"traps in describe", change(func(g *servertest.Guest) { g.Describe = []byte{unreachable} }), refused("describe_failed", "unreachable")},
		{"calls itself without end", change(func(g *servertest.Guest) { g.Describe = []byte{call, 3} }), refused("describe_failed", "too deeply")},
		{"describes at length", change(func(g *servertest.Guest) { g.Describe = servertest.CodeWrite(0, 1<<20+1) }), refused("describe_failed", "larger than 1048576 bytes")},
		{"describes nothing", change(func(g *servertest.Guest) { g.Describe = []byte{ret} }), refused("invalid_manifest", "")},
		{"describes nonsense", describes("nonsense"), refused("invalid_manifest", "JSON")},
		{"describes what is no UTF-8", describes("{\"name\": \"\xff\"}"), refused("invalid_manifest", "UTF-8")},
		{"no name", describes(`{"version": "1.0.0", "commands": [{"name": "X", "parameters": []}]}`), refused("invalid_manifest", "name")},
		{"bad name", describes(manifest("New Name", "1.0.0")), refused("invalid_manifest", "name")},
		{"name of a folder", describes(manifest("../new", "1.0.0")), refused("invalid_manifest", "name")},
		{"bad version", describes(manifest("new", "one")), refused("invalid_manifest", "version")},
		{"no commands", describes(`{"name": "new", "version": "1.0.0", "commands": []}`), refused("invalid_manifest", "commands")},
		{"a command twice", describes(`{"name": "new", "version": "1.0.0", "commands": [{"name": "X", "parameters": []}, {"name": "X", "parameters": []}]}`), refused("invalid_manifest", "X")},
		{"unknown type", describes(`{"name": "new", "version": "1.0.0", "commands": [{"name": "X", "parameters": [{"id": "p", "type": "float"}]}]}`), refused("invalid_manifest", "type")},
		{"reserved parameter", describes(`{"name": "new", "version": "1.0.0", "commands": [{"name": "X", "parameters": [{"id": "spiff__x", "type": "str"}]}]}`), refused("invalid_manifest", "spiff__")},
		{"unknown member", describes(`{"name": "new", "version": "1.0.0", "comands": []}`), refused("invalid_manifest", "comands")},
		{"unknown capability", describes(`{"name": "new", "version": "1.0.0", "capabilities": [{"name": "files", "reason": "x"}], "commands": [{"name": "X", "parameters": []}]}`), refused("invalid_manifest", "files")},
		{"bad rule", describes(`{"name": "new", "version": "1.0.0", "capabilities": [{"name": "http", "reason": "x", "hosts": ["ftp://x"]}], "commands": [{"name": "X", "parameters": []}]}`), refused("invalid_manifest", "ftp")},
		{"the name of a bundled connector", describes(manifest("example", "9.0.0")), want{409, "name_taken", `"example" belongs to a bundled connector`}},
		{"an installed version with other content", describes(manifest("echo", "1.0.0")), want{409, "version_exists", "Version 1.0.0 of \"echo\" is installed"}},
		{"larger than a body may be", make([]byte, 9<<20), want{413, "body_too_large", "8388608"}},
	}
	before := digest(t, s.Data)
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			a := s.Upload(tc.module, false)
			if tc.want.code == "" { // any code says it
				tc.want.code = a.Code()
			}
			tc.want.check(t, a)
			if digest(t, s.Data) != before {
				t.Error("the catalog has changed")
			}
			alive(t, s)
		})
	}
	for _, media := range []string{"", "application/octet-stream", "application/json", "text/plain", "application/x-www-form-urlencoded"} {
		h := s.Operator()
		if media != "" {
			h.Set("Content-Type", media)
		}
		want{415, "unsupported_media_type", "application/wasm"}.check(t, s.Send("POST", "/admin/v1/connectors", h, string(module)))
	}
	if n := len(s.Runtime.Connectors()); n != 2 || digest(t, s.Data) != before {
		t.Errorf("%d connectors are installed", n)
	}
}

// TestUpload_Endless: a module that never says what it is is given up.
func TestUpload_Endless(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes the ten seconds that a module has to describe itself")
	}
	t.Parallel()
	s := servertest.MustServe(t, servertest.Shared(), servertest.Install(echo.Module()))
	before := digest(t, s.Data)
	want{422, "describe_failed", "deadline"}.check(t, s.Upload(servertest.Guest{Describe: []byte{0x03, 0x40, 0x0c, 0, 0x0b}}.Module(), false))
	alive(t, s)
	if digest(t, s.Data) != before {
		t.Error("the catalog has changed")
	}
}

// TestUpload goes through a connector's life.
func TestUpload(t *testing.T) {
	t.Parallel()
	s := servertest.MustServe(t, servertest.Shared(), servertest.Bundled("example"), servertest.Keys("", "admin"),
		servertest.Grant("new", runtime.Grant{HTTP: []string{"https://api.example.com"}}))
	type info struct {
		Name, Version, SHA256, ABI string
		Bundled                    bool
		Commands                   []string
		GrantedHTTP                []string `json:"granted_http"`
		Kept                       []struct{ Version, SHA256 string }
	}
	upload := func(module []byte, replace bool, status int) info {
		t.Helper()
		a := s.Upload(module, replace)
		if a.Status != status {
			t.Fatalf("got %s, want %d", a, status)
		}
		return decode[info](t, a.Body)
	}
	one := servertest.Guest{Manifest: manifest("new", "1.0.0")}.Module()
	other := append(append([]byte{}, one...), 0, 2, 1, 'x') // a custom section: other content that does the same
	two := servertest.Guest{Manifest: strings.ReplaceAll(manifest("new", "2.0.0"), "Params", "Renamed")}.Module()
	do := func(command string, status int) {
		t.Helper()
		if a := s.Do(command, `{}`); a.Status != status {
			t.Errorf("%s: got %s, want %d", command, a, status)
		}
	}
	do("new/Params", 404)
	i := upload(one, false, 201)
	if i.Name != "new" || i.Version != "1.0.0" || i.ABI != "native" || i.Bundled || len(i.Commands) != 1 || len(i.Kept) != 0 || len(i.GrantedHTTP) != 1 || len(i.SHA256) != 64 {
		t.Errorf("got %+v", i)
	}
	do("new/Params", 200)
	upload(one, false, 200)
	want{409, "version_exists", "--replace"}.check(t, s.Upload(other, false))
	if j := upload(other, true, 201); len(j.Kept) != 1 || j.Kept[0].SHA256 != i.SHA256 {
		t.Errorf("got %+v", j)
	}
	if j := upload(two, false, 201); len(j.Kept) != 2 || j.Version != "2.0.0" {
		t.Errorf("got %+v", j)
	}
	do("new/Params", 404)
	do("new/Renamed", 200)
	if a := s.Send("GET", "/admin/v1/connectors/new", s.Operator(), ""); decode[info](t, a.Body).Version != "2.0.0" {
		t.Errorf("got %s", a)
	}
	list := decode[struct{ Connectors []info }](t, s.Send("GET", "/admin/v1/connectors", s.Operator(), "").Body)
	if len(list.Connectors) != 2 || list.Connectors[0].Name != "example" || !list.Connectors[0].Bundled || list.Connectors[1].Name != "new" {
		t.Errorf("got %+v", list)
	}
	remove := func(name string) servertest.Answer {
		return s.Send("DELETE", "/admin/v1/connectors/"+name, s.Operator(), "")
	}
	want{409, "bundled", "can't be removed"}.check(t, remove("example"))
	want{204, "", ""}.check(t, remove("new"))
	want{404, "connector_not_found", "sluice list"}.check(t, remove("new"))
	want{404, "connector_not_found", ""}.check(t, s.Send("GET", "/admin/v1/connectors/new", s.Operator(), ""))
	do("new/Renamed", 404)
}

// TestCommands: the catalog has everything that can be executed, in order, and changes with what is installed.
func TestCommands(t *testing.T) {
	t.Parallel()
	s := servertest.MustServe(t, servertest.Shared(), servertest.Bundled("example"), servertest.Install(guests.Module(t, "probe"), echo.Module()))
	type command struct {
		ID         string
		Parameters []struct {
			ID, Type string
			Required *bool
		}
	}
	list := func() map[string]command {
		t.Helper()
		a := s.Send("GET", "/v1/commands", nil, "")
		if a.Status != 200 || a.Header.Get("Content-Type") != "application/json" {
			t.Errorf("got %s", a)
		}
		if again := s.Send("GET", "/v1/commands", nil, ""); string(again.Body) != string(a.Body) {
			t.Error("the catalog is not stable")
		}
		out, last := map[string]command{}, ""
		for _, c := range decode[[]command](t, a.Body) {
			if c.ID <= last || strings.Count(c.ID, "/") != 1 || c.Parameters == nil {
				t.Errorf("%+v after %q", c, last)
			}
			for _, p := range c.Parameters {
				if p.ID == "" || p.Required == nil || !strings.Contains(" str int bool any ", " "+p.Type+" ") {
					t.Errorf("%s has the parameter %+v", c.ID, p)
				}
			}
			last = c.ID
			out[c.ID] = c
		}
		return out
	}
	commands := list()
	if len(commands) != 1+5+4 || len(commands["example/Example"].Parameters) != 1 || len(commands["probe/Crash"].Parameters) != 6 || len(commands["echo/NoData"].Parameters) != 0 {
		t.Errorf("got %v", commands)
	}
	for i, id := range []string{"why", "n", "flag", "data", "any_thing", "two"} {
		if got := commands["probe/Crash"].Parameters[i].ID; got != id {
			t.Errorf("parameter %d of probe/Crash is %q", i, got)
		}
	}
	for _, version := range []string{"1.0.0", "2.0.0"} {
		s.Upload(servertest.Guest{Manifest: strings.ReplaceAll(manifest("new", version), "Params", "V"+version[:1])}.Module(), false)
		commands := list()
		if _, ok := commands["new/V"+version[:1]]; !ok || len(commands) != 11 {
			t.Errorf("after the upload of %s the catalog has %v", version, commands)
		}
	}
	s.Send("DELETE", "/admin/v1/connectors/new", s.Operator(), "")
	if len(list()) != 10 {
		t.Error("after the removal the catalog has it still")
	}
}
