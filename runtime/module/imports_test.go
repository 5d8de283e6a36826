package module

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// importing assembles a module that imports one function.
func importing(module, name string, signature []byte) []byte {
	return wasm(section(SectionType, vec(signature)), section(SectionImport, vec(importFunc(module, name, 0))))
}

func TestModule_CheckImports(t *testing.T) {
	notFunction := func(description ...byte) []byte {
		return wasm(section(SectionImport, vec(join(str("env"), str("x"), description))))
	}
	tests := []struct {
		name        string
		file        []byte
		code        Code // empty: accepted
		expectedErr string
	}{
		{"none", wasm(), "", ""},
		{"native", importing(ModuleNative, "read", signature("iIii", "i")), "", ""},
		{"WASI", importing(ModuleWASI, "proc_exit", signature("i", "")), "", ""},
		{"unknown module", importing("game", "draw", signature("", "")), CodeUnknownImport, "game.draw, and this host offers nothing from game."},
		{"misspelt module", importing("wasi_snapshot_preview2", "fd_read", signature("", "")), CodeUnknownImport, "Did you mean wasi_snapshot_preview1?"},
		{"unresolved symbol", importing("env", "sqlite3_open", signature("", "")), CodeUnknownImport, "--allow-undefined"},
		{"unknown function", importing(ModuleNative, "teleport", signature("", "")), CodeUnknownImport, "sluice:host/v1.teleport, which this host does not offer."},
		{"misspelt function", importing(ModuleNative, "http_snd", signature("", "")), CodeUnknownImport, "Did you mean http_send?"},
		{"a name of 100 bytes is not compared", importing(ModuleNative, strings.Repeat("read", 25), signature("", "")), CodeUnknownImport, "does not offer."},
		{"another type", importing(ModuleNative, "read", signature("iiii", "i")), CodeImportType, "sluice:host/v1.read with the type (i32, i32, i32, i32) -> (i32); this host offers it as (i32, i64, i32, i32) -> (i32)."},
		{"another result", importing(ModuleNative, "now", signature("", "i")), CodeImportType, "() -> (i64)"},
		{"table", notFunction(1, byte(FuncRef), 0, 1), CodeUnknownImport, "imports the table env.x"},
		{"memory", notFunction(2, 0, 1), CodeUnknownImport, "without --import-memory"},
		{"global", notFunction(3, byte(I32), 0), CodeUnknownImport, "imports the global env.x"},
		{"names are made printable", importing("a\nb", "c\x00d", signature("", "")), CodeUnknownImport, `a\nb.c\x00d`},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			err := mustParse(t, tc.file).CheckImports(NativeHost(), WASIHost())
			if tc.code == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			checkRefusal(t, err, tc.code, tc.expectedErr)
		})
	}
	t.Run("a list of one's own", func(t *testing.T) {
		functions := map[string]FuncType{"alloc": {Params: []ValueType{I64}, Results: []ValueType{I64}}}
		host := NewHostModule(ModuleExtism, functions)
		clear(functions)
		if err := mustParse(t, importing(ModuleExtism, "alloc", signature("I", "I"))).CheckImports(host); err != nil {
			t.Fatal(err)
		}
	})
}

// TestNativeHost compares the list with the table in the ABI's own document.
func TestNativeHost(t *testing.T) {
	doc, err := os.ReadFile("../../guest-sdk/ABI.md")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]FuncType{}
	row := regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| `\\(([^)]*)\\) -> (i32|i64)` \\|")
	for _, m := range row.FindAllStringSubmatch(string(doc), -1) {
		var f FuncType
		valueType := map[string]ValueType{"i32": I32, "i64": I64}
		for _, param := range strings.FieldsFunc(m[2], func(r rune) bool { return r == ',' }) {
			_, name, _ := strings.Cut(param, ": ")
			f.Params = append(f.Params, valueType[name])
		}
		f.Results = append(f.Results, valueType[m[3]])
		want[m[1]] = f
	}
	if got := NativeHost(); got.Name() != ModuleNative || !reflect.DeepEqual(got.functions, want) {
		t.Errorf("have %v\nwant %v", got.functions, want)
	}
}

func TestWASIHost(t *testing.T) {
	host := WASIHost()
	names := host.Functions()
	if len(names) != 46 {
		t.Errorf("have %d functions, WASI preview 1 has 46", len(names))
	}
	for _, name := range names {
		f, ok := host.Function(name)
		if !ok || len(f.Params) > 9 || (len(f.Results) != 1) != (name == "proc_exit") {
			t.Errorf("%s has the type %s", name, f)
		}
	}
	want := "(i32, i32, i32, i32, i32, i64, i64, i32, i32) -> (i32)"
	if f, _ := host.Function("path_open"); f.String() != want {
		t.Errorf("path_open has the type %s, want %s", f, want)
	}
}
