package module

import (
	"errors"
	"strings"
	"testing"
)

// guest assembles a module with imports () -> () and exported functions () -> (), and a memory.
func guest(imports []string, exports ...string) []byte {
	var imported, exported [][]byte
	for _, i := range imports {
		module, name, _ := strings.Cut(i, " ")
		imported = append(imported, importFunc(module, name, 0))
	}
	for _, e := range exports {
		exported = append(exported, export(e, KindFunction, len(imports)))
	}
	exported = append(exported, export("memory", KindMemory, 0))
	return wasm(
		types(), section(SectionImport, vec(imported...)), section(SectionFunction, vec(u(0))),
		section(SectionMemory, vec(raw(0, 1))), section(SectionExport, vec(exported...)), section(SectionCode, vec(body())),
	)
}

func TestModule_ABI(t *testing.T) {
	tests := []struct {
		name             string
		imports, exports []string
		want             ABI
	}{
		{"native by imports", []string{"sluice:host/v1 read"}, nil, ABINative},
		{"native by imports, beside WASI", []string{"wasi_snapshot_preview1 fd_write", "sluice:host/v1 read"}, []string{"_start"}, ABINative},
		{"native by exports", nil, []string{"describe", "execute"}, ABINative},
		{"native by exports, beside WASI", []string{"wasi_snapshot_preview1 fd_write"}, []string{"describe", "execute", "_start"}, ABINative},
		{"WASI", []string{"wasi_snapshot_preview1 fd_write"}, []string{"_start"}, ABIWASI},
		{"WASI without imports", nil, []string{"_start"}, ABIWASI},
		{"Extism", []string{"extism:host/env alloc"}, []string{"count"}, ABIExtism},
		{"Extism beside WASI", []string{"wasi_snapshot_preview1 fd_write", "extism:host/env alloc"}, []string{"_start"}, ABIExtism},
		{"Extism with commands of our names", []string{"extism:host/env alloc"}, []string{"describe", "execute"}, ABIExtism},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			got, err := mustParse(t, guest(tc.imports, tc.exports...)).ABI()
			if err != nil || got != tc.want {
				t.Fatalf("have %q (%v), want %q", got, err, tc.want)
			}
		})
	}
}

func TestModule_ABI_Errors(t *testing.T) {
	tests := []struct {
		name             string
		imports, exports []string
		code             Code
		expectedErr      string
	}{
		{"nothing", nil, nil, CodeUnknownABI, "speaks no ABI of this host"},
		{"describe alone", nil, []string{"describe"}, CodeUnknownABI, "speaks no ABI"},
		{"a WASI reactor", []string{"wasi_snapshot_preview1 fd_write"}, []string{"_initialize"}, CodeUnknownABI, "speaks no ABI"},
		{"version 2", []string{"sluice:host/v2 read"}, []string{"describe", "execute"}, CodeUnknownABI, "version v2 of the native ABI; this host offers v1"},
		{"version 2 beside 1", []string{"sluice:host/v1 read", "sluice:host/v2 read"}, nil, CodeUnknownABI, "version v2"},
		{"native and Extism", []string{"sluice:host/v1 read", "extism:host/env alloc"}, nil, CodeUnknownABI, "both"},
		{"WASI and something else", []string{"wasi_snapshot_preview1 fd_write", "env puts"}, []string{"_start"}, CodeUnknownImport, "env.puts"},
		{"a misspelt module", []string{"sluice:hosts/v1 read"}, nil, CodeUnknownImport, "Did you mean sluice:host/v1?"},
		{"WASI preview 2", []string{"wasi:cli/run@0.2.0 run"}, nil, CodeUnknownImport, "preview 2"},
		{"older WASI", []string{"wasi_unstable fd_write"}, []string{"_start"}, CodeUnknownImport, "predecessor"},
		{"Go for browsers", []string{"gojs runtime.wasmExit"}, nil, CodeUnknownImport, "GOOS=wasip1"},
		{"Rust for browsers", []string{"__wbindgen_placeholder__ x"}, nil, CodeUnknownImport, "wasm-bindgen"},
		{"functions of another Extism host", []string{"extism:host/user f"}, nil, CodeUnknownImport, "one particular Extism host"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			got, err := mustParse(t, guest(tc.imports, tc.exports...)).ABI()
			if got != "" {
				t.Errorf("%q comes with the error", got)
			}
			checkRefusal(t, err, tc.code, tc.expectedErr)
		})
	}
}

func checkRefusal(t *testing.T, err error, code Code, message string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("have %v, want an *Error", err)
	}
	if e.Code != code || !strings.Contains(e.Message, message) {
		t.Fatalf("have %v, want %s with %q", e, code, message)
	}
}

func TestModule_CheckExports(t *testing.T) {
	file := func(imported string, exports ...[]byte) []byte {
		imports := vec()
		if imported != "" {
			imports = vec(importFunc(imported, "f", 0))
		}
		return wasm(
			section(SectionType, vec(signature("", ""), signature("i", ""), signature("I", ""))),
			section(SectionImport, imports),
			section(SectionFunction, vec(u(0), u(1), u(2))),
			section(SectionMemory, vec(raw(0, 1))),
			section(SectionExport, vec(exports...)),
			section(SectionCode, vec(body(), body(), body())),
		)
	}
	memory := export("memory", KindMemory, 0)
	fn := func(name string, index int) []byte { return export(name, KindFunction, index) }
	const none, takesI32, takesI64 = 0, 1, 2
	tests := []struct {
		name        string
		abi         ABI
		file        []byte
		code        Code // empty: accepted
		expectedErr string
	}{
		{"native", ABINative, file("", memory, fn("describe", none), fn("execute", takesI32)), "", ""},
		{"native with initialiser", ABINative, file("", memory, fn("describe", none), fn("execute", takesI32), fn("_initialize", none)), "", ""},
		{"native without memory", ABINative, file("", fn("describe", none), fn("execute", takesI32)), CodeMissingExport, "the memory memory"},
		{"native without describe", ABINative, file("", memory, fn("execute", takesI32)), CodeMissingExport, "the function describe: () -> ()"},
		{"native without execute", ABINative, file("", memory, fn("describe", none)), CodeMissingExport, "the function execute: (i32) -> ()"},
		{"native, describe takes something", ABINative, file("", memory, fn("describe", takesI32), fn("execute", takesI32)), CodeExportType, "describe has the type (i32) -> (); the native ABI needs () -> ()"},
		{"native, execute takes i64", ABINative, file("", memory, fn("describe", none), fn("execute", takesI64)), CodeExportType, "execute has the type (i64) -> (); the native ABI needs (i32) -> ()"},
		{"native, initialiser takes something", ABINative, file("", memory, fn("describe", none), fn("execute", takesI32), fn("_initialize", takesI32)), CodeExportType, "_initialize"},
		{"native, describe is a memory", ABINative, file("", memory, export("describe", KindMemory, 0), fn("execute", takesI32)), CodeExportType, "describe is a memory"},
		{"native, memory is a function", ABINative, file("", fn("memory", none), fn("describe", none), fn("execute", takesI32)), CodeExportType, "memory is a function"},
		{"WASI", ABIWASI, file("", fn("_start", none)), "", ""},
		{"WASI with imports", ABIWASI, file(ModuleWASI, memory, fn("_start", 1)), "", ""},
		{"WASI with imports, without memory", ABIWASI, file(ModuleWASI, fn("_start", 1)), CodeMissingExport, "memory"},
		{"WASI, start takes something", ABIWASI, file("", memory, fn("_start", takesI32)), CodeExportType, "_start"},
		{"WASI without start", ABIWASI, file("", memory), CodeMissingExport, "_start"},
		{"Extism", ABIExtism, file(ModuleExtism, fn("count", 1)), "", ""},
		{"Extism with WASI, without memory", ABIExtism, file(ModuleWASI, fn("count", 1)), CodeMissingExport, "memory"},
		{"Extism, initialiser takes something", ABIExtism, file("", fn("_initialize", takesI32)), CodeExportType, "_initialize"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			err := mustParse(t, tc.file).CheckExports(tc.abi)
			if tc.code == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			checkRefusal(t, err, tc.code, tc.expectedErr)
		})
	}
}
