package hostile

import (
	"sluice/runtime/module"
	w "sluice/runtime/sandbox/wasmtest"
)

// foreign are modules that ask for what the host does not give to guests: its own functions, another's memory, extensions
// of WebAssembly by which a guest would escape its limits.
func foreign() []Module {
	importing := func(module, name, params, results string) guest {
		return guest{Module: w.Module{Imports: []w.Import{{Module: module, Name: name, Params: params, Results: results}}}}
	}
	// thing is a module whose only import is no function.
	thing := func(kind ...byte) []byte {
		return w.Binary(w.Section(w.SectionImport, w.U(1), w.Name("sluice:host/v1"), w.Name("memory"), kind))
	}
	code := func(b ...byte) []byte { return oneFunction(w.Body(nil, b)) }
	unknown, unsupported := string(module.CodeUnknownImport), module.CodeUnsupportedFeature
	return []Module{
		importing("sluice:meter", "checkpoint", "", "").refused("import-of-the-meter", unknown),
		importing("sluice:meter", "refill", "i", "").refused("import-of-another-meter", unknown),
		importing("sluice:host/v1", "grow_memory", "i", "i").refused("import-that-is-not", unknown),
		importing("sluice:host/v1", "sleep", "i", "i").refused("import-of-another-type", string(module.CodeImportType)),
		importing("sluice:host/v2", "write", "ii", "i").refused("import-of-another-version", string(module.CodeUnknownABI)),
		importing("wasi:sockets/tcp", "connect", "i", "i").refused("import-of-sockets", unknown),
		importing("env", "", "", "").refused("import-without-a-name", unknown),
		importing("wasi_snapshot_preview1\x00", "fd_write", "iiii", "i").refused("import-with-a-zero-byte", unknown),
		refused("import-of-a-memory", thing(2, 0, 1), module.CodeUnknownImport),
		refused("import-of-a-table", thing(1, 0x70, 0, 1), module.CodeUnknownImport),
		refused("import-of-a-global", thing(3, 0x7f, 1), module.CodeUnknownImport),

		refused("tail-call", code(0x12, 0), unsupported),
		refused("tail-call-indirect", code(0x41, 0, 0x13, 0, 0), unsupported),
		refused("exceptions", code(0x06, 0x40, 0x19, 0x0b), unsupported),
		refused("atomics", code(0xfe, 0x03, 0), unsupported),
		refused("garbage-collection", code(0xfb, 0x00, 0), unsupported),
		refused("relaxed-simd", code(0xfd, 0x80, 0x02), unsupported),
		refused("memory-64", w.Binary(w.Section(w.SectionMemory, repeated(1, 4, 1))), unsupported),
		refused("memory-shared", w.Binary(w.Section(w.SectionMemory, repeated(1, 3, 1, 1))), unsupported),
		refused("memories-two", w.Binary(w.Section(w.SectionMemory, repeated(2, 0, 1))), unsupported),
		refused("tags", w.Binary(w.Section(13, repeated(1, 0, 0))), unsupported),
		refused("opcode-unknown", code(0xff), module.CodeMalformed),
	}
}

// names are modules that call their own what the host might: to be mistaken for it, or to reach what it hides in them.
func names() []Module {
	exporting := func(exports ...w.Export) guest {
		return guest{Module: w.Module{Exports: exports, Globals: []w.Global{
			{Type: 'i', Mutable: true, Init: w.I32(1 << 30)}, {Type: 'i', Mutable: true, Init: w.I32(1 << 30)}}}}
	}
	var all []w.Export
	for _, prefix := range []string{"", "_", "__", "sluice:", "sluice:meter/", "sluice_", "sluice.", "$"} {
		for i, name := range []string{"fuel", "depth", "checkpoint", "meter", "global", "globals", "global0", "global:0", "global_0", "0", "1", "g0", "g1"} {
			all = append(all, w.Export{Name: prefix + name, Kind: 3, Index: i % 2})
		}
	}
	full := exporting(all...)
	// What is exported under such a name is set to all that a counter can hold, again and again.
	full.harm = w.Loop(w.I32(1<<31-1), w.GlobalSet(0), w.I32(1<<31-1), w.GlobalSet(1), w.Br(0))
	quiet := exporting(all...)
	quiet.harm = w.Code(w.I32(-1), w.GlobalSet(0), w.I32(-1<<31), w.GlobalSet(1))
	plain := func(functions []w.Function, exports ...w.Export) []byte {
		return w.Module{Imports: imports, Pages: 1, Functions: functions, Exports: exports}.Bytes()
	}
	describe, execute := w.Function{Export: "describe"}, w.Function{Export: "execute", Params: "i"}
	return []Module{
		full.burning("exports-of-the-host-refuelled"),
		quiet.module("exports-of-the-host-drained", OK),
		exporting(w.Export{Name: "", Kind: 3}, w.Export{Name: "\x00\n\x1b[31m", Kind: 3}, w.Export{Name: "../../etc/passwd", Kind: 3},
			w.Export{Name: string(make([]byte, 1024)), Kind: 3}).module("exports-with-odd-names", OK),
		refused("execute-of-another-type", plain([]w.Function{describe, {Export: "execute", Params: "I"}}), module.CodeExportType),
		refused("execute-a-memory", plain([]w.Function{describe}, w.Export{Name: "execute", Kind: 2}), module.CodeExportType),
		refused("describe-missing", plain([]w.Function{execute}), module.CodeMissingExport),
		refused("initialize-of-another-type", plain([]w.Function{describe, execute, {Export: "_initialize", Results: "i", Code: w.I32(0)}}), module.CodeExportType),
		refused("program-and-library", plain([]w.Function{describe, execute, {Export: "_start"}}), module.CodeMissingExport),
		refused("memory-missing", w.Binary(
			w.Section(w.SectionType, w.Vector(w.Signature("", ""), w.Signature("i", ""))),
			w.Section(w.SectionFunction, w.Vector(w.U(0), w.U(1))),
			w.Section(w.SectionExport, w.Vector(w.Code(w.Name("describe"), w.U(0), w.U(0)), w.Code(w.Name("execute"), w.U(0), w.U(1)))),
			w.Section(w.SectionCode, repeated(2, 2, 0, 0x0b))), module.CodeMissingExport),
	}
}
