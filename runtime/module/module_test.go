package module

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func mustParse(t testing.TB, b []byte) *Module {
	t.Helper()
	m, err := Parse(b, DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestParse(t *testing.T) {
	file := everything()
	m := mustParse(t, file)

	i32, i64 := FuncType{Params: []ValueType{I32}}, FuncType{Params: []ValueType{I32, I64}, Results: []ValueType{F32, F64}}
	check := func(what string, got, want any) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: have %+v, want %+v", what, got, want)
		}
	}
	check("types", m.Types, []FuncType{{}, i64, i32})
	check("functions", m.Functions, []uint32{1, 0, 2})
	check("tables", m.Tables, []Table{{Type: ExternRef, Initial: 1, Max: 2, HasMax: true}, {Type: FuncRef, Initial: 8}})
	check("memories", m.Memories, []Memory{{Initial: 1, Max: 65536, HasMax: true}})
	check("globals", m.Globals, []Global{
		{I32, false}, {I32, false}, {I64, true}, {F32, true}, {F64, true}, {V128, true}, {FuncRef, true}, {ExternRef, true},
	})
	check("start", []any{m.HasStart, m.Start}, []any{true, uint32(1)})
	check("segments", []int{m.Elements, m.DataSegments}, []int{7, 3})
	check("customs", m.Customs, []Custom{{"first", 3}, {"last", 0}})
	check("imported", []int{m.ImportedFunctions, m.ImportedTables, m.ImportedMemories, m.ImportedGlobals}, []int{1, 1, 1, 1})
	for i := range m.Imports {
		if m.Imports[i].Offset <= 0 {
			t.Errorf("import %d has no offset", i)
		}
		m.Imports[i].Offset = 0
	}
	check("imports", m.Imports, []Import{
		{Module: "env", Name: "f", Type: i64},
		{Module: "env", Name: "t", Kind: KindTable},
		{Module: "env", Name: "m", Kind: KindMemory},
		{Module: "env", Name: "g", Kind: KindGlobal},
	})

	e, ok := m.Export("f")
	e.Offset = 0
	check("export f", []any{e, ok}, []any{Export{Name: "f", Kind: KindFunction, Index: 2, Type: i32}, true})
	e, _ = m.Export("imported")
	check("type of a re-exported import", e.Type, i64)
	_, ok = m.Export("none")
	check("export none", ok, false)
	_, ok = m.FunctionType(3)
	check("function 3", ok, false)

	at := headerBytes
	for i, s := range m.Sections {
		if s.Offset != at || s.Body <= s.Offset || s.End < s.Body || file[s.Offset] != byte(s.ID) {
			t.Errorf("section %d stands at %+v, want its offset at %d", i, s, at)
		}
		at = s.End
	}
	check("end of the last section", at, len(file))
	s, ok := m.Section(SectionStart)
	check("start section", []any{file[s.Body:s.End], ok}, []any{[]byte{1}, true})
	_, ok = m.Section(SectionMemory)
	check("memory section", ok, false)

	mustParse(t, elementForms04())
	mustParse(t, wasm())
}

func TestModule_Bounded(t *testing.T) {
	var middle [][]byte
	for _, s := range mustParse(t, everything()).Sections {
		switch s.ID {
		case SectionCustom:
		case SectionTable:
			middle = append(middle, section(SectionTable, vec(join(raw(byte(FuncRef), 1, 8), u(100_000)))))
		default:
			middle = append(middle, everything()[s.Offset:s.End])
		}
	}
	tests := []struct {
		name       string
		file, want []byte
	}{
		{"everything", everything(), wasm(middle...)},
		{"only custom sections", wasm(section(SectionCustom, str("a")), section(SectionCustom, str("b"), raw(1))), wasm()},
		{"empty module", wasm(), wasm()},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			before := bytes.Clone(tc.file)
			got := mustParse(t, tc.file).Bounded()
			if !bytes.Equal(got, tc.want) {
				t.Fatalf("have %x, want %x", got, tc.want)
			}
			if m := mustParse(t, got); len(m.Customs) != 0 {
				t.Fatalf("custom sections are left: %v", m.Customs)
			}
			got[0] ^= 0xff
			if !bytes.Equal(tc.file, before) {
				t.Fatal("the slice shares memory with the file")
			}
		})
	}
}

// refusals are modules that Parse refuses.
var refusals = []struct {
	name        string
	file        []byte
	code        Code
	section     string
	expectedErr string // part of the message
}{
	{"empty file", nil, CodeNotWasm, "header", "The file is empty."},
	{"text format", []byte("(module (memory 1))"), CodeNotWasm, "header", "wat2wasm"},
	{"text format behind comments", []byte("\ufeff ;; hello\n(; block ;)\n\t( module)"), CodeNotWasm, "header", "wat2wasm"},
	{"text format, only a comment", []byte(";; hello"), CodeNotWasm, "header", "wat2wasm"},
	{"text component", []byte("(component)"), CodeNotWasm, "header", "wat2wasm"},
	{"archive", []byte("PK\x03\x04aaaaaaaa"), CodeNotWasm, "header", "00 61 73 6d"},
	{"three bytes", []byte("\x00as"), CodeNotWasm, "header", "00 61 73 6d"},
	{"short header", []byte("\x00asm\x01"), CodeMalformed, "header", "within the header"},
	{"unknown version", []byte("\x00asm\x02\x00\x00\x00"), CodeMalformed, "header", "unknown version"},
	{"component", []byte("\x00asm\x0d\x00\x01\x00"), CodeComponent, "header", "build a core module instead"},
	{"component of an older draft", []byte("\x00asm\x0a\x00\x01\x00"), CodeComponent, "header", "build a core module instead"},

	{"unknown section", wasm(section(14)), CodeMalformed, "0x0e", "no section with the id 0x0e"},
	{"section twice", wasm(section(SectionType, vec()), section(SectionType, vec())), CodeMalformed, "type", "twice"},
	{"section out of order", wasm(section(SectionExport, vec()), section(SectionType, vec())), CodeMalformed, "type", "out of order"},
	{"data count behind code", wasm(section(SectionCode, vec()), section(SectionDataCount, u(0))), CodeMalformed, "data count", "out of order"},
	{"section without length", wasm(raw(1)), CodeMalformed, "type", "Unexpected end"},
	{"section longer than the file", wasm(raw(1, 5, 0)), CodeMalformed, "type", "claims 5 bytes, but the file holds 1"},
	{"section too long", wasm(section(SectionType, vec(), raw(0))), CodeMalformed, "type", "1 bytes too many"},
	{"custom section without name", wasm(section(SectionCustom)), CodeMalformed, "custom", "Unexpected end"},
	{"custom section's name too long", wasm(section(SectionCustom, raw(5, 'a'))), CodeMalformed, "custom", "5 bytes of a name"},
	{"name no UTF-8", wasm(section(SectionCustom, raw(1, 0xff))), CodeMalformed, "custom", "UTF-8"},

	{"type form", wasm(section(SectionType, vec(raw(0x61, 0, 0)))), CodeMalformed, "type", "form 0x61"},
	{"value type", wasm(section(SectionType, vec(raw(0x60, 1, 0x01, 0)))), CodeMalformed, "type", "value type 0x01"},
	{"vector of types cut", wasm(section(SectionType, raw(2, 0x60, 0, 0, 0x60, 1, 0x7f))), CodeMalformed, "type", "Unexpected end"},
	{"import of unknown type", wasm(types(), section(SectionImport, vec(importFunc("a", "b", 1)))), CodeMalformed, "import", "no type 1"},
	{"import of unknown kind", wasm(section(SectionImport, vec(raw(0, 0, 9, 0)))), CodeMalformed, "import", "kind 0x09"},
	{"import's module no UTF-8", wasm(section(SectionImport, vec(raw(1, 0xc0, 0, 0, 0)))), CodeMalformed, "import", "UTF-8"},
	{"import's name no UTF-8", wasm(section(SectionImport, vec(raw(0, 3, 0xed, 0xa0, 0x80, 0, 0)))), CodeMalformed, "import", "UTF-8"},
	{"function of unknown type", wasm(types(), section(SectionFunction, vec(u(1)))), CodeMalformed, "function", "no type 1"},
	{"table of numbers", wasm(section(SectionTable, vec(raw(byte(I32), 0, 0)))), CodeMalformed, "table", "reference type is expected, not i32"},
	{"table's maximum below its size", wasm(section(SectionTable, vec(raw(byte(FuncRef), 1, 2, 1)))), CodeMalformed, "table", "maximum of 1 elements"},
	{"table's flags", wasm(section(SectionTable, vec(raw(byte(FuncRef), 0x10, 2)))), CodeMalformed, "table", "flags 0x10"},
	{"memory's maximum below its size", wasm(section(SectionMemory, vec(raw(1, 2, 1)))), CodeMalformed, "memory", "maximum of 1 pages"},
	{"memory's maximum", wasm(section(SectionMemory, vec(join(raw(1, 0), u(65537))))), CodeMalformed, "memory", "65537 pages"},
	{"memory's size", wasm(section(SectionMemory, vec(join(raw(0), u(65537))))), CodeMalformed, "memory", "65537 pages"},
	{"global's mutability", wasm(section(SectionGlobal, vec(raw(byte(I32), 2, 0x41, 0, 0x0b)))), CodeMalformed, "global", "mutability is 0x02"},

	{"constant of another type", wasm(section(SectionGlobal, vec(raw(byte(I64), 0, 0x41, 0, 0x0b)))), CodeMalformed, "global", "yields i32 where i64 is needed"},
	{"constant without instruction", wasm(section(SectionGlobal, vec(raw(byte(I32), 0, 0x0b, 0)))), CodeMalformed, "global", "may not stand in a constant expression"},
	{"constant without end", wasm(section(SectionGlobal, vec(raw(byte(I32), 0, 0x41, 0)))), CodeMalformed, "global", "Unexpected end"},
	{"constant of two instructions", wasm(section(SectionGlobal, vec(raw(byte(I32), 0, 0x41, 0, 0x1a, 0x0b)))), CodeMalformed, "global", "must be one instruction"},
	{"constant from a global of the module", wasm(section(SectionGlobal, vec(raw(byte(I32), 0, 0x41, 0, 0x0b), raw(byte(I32), 0, 0x23, 0, 0x0b)))), CodeMalformed, "global", "no imported global 0"},
	{"constant from a mutable global", wasm(
		section(SectionImport, vec(join(str(""), str(""), raw(3, byte(I32), 1)))),
		section(SectionGlobal, vec(raw(byte(I32), 0, 0x23, 0, 0x0b)))), CodeMalformed, "global", "mutable global 0"},
	{"constant reference to no function", wasm(section(SectionGlobal, vec(raw(byte(FuncRef), 0, 0xd2, 0, 0x0b)))), CodeMalformed, "global", "no function 0"},

	{"export of no function", wasm(section(SectionExport, vec(export("a", KindFunction, 0)))), CodeMalformed, "export", "no function 0"},
	{"export of no table", wasm(section(SectionExport, vec(export("a", KindTable, 0)))), CodeMalformed, "export", "no table 0"},
	{"export of no memory", wasm(section(SectionExport, vec(export("a", KindMemory, 0)))), CodeMalformed, "export", "no memory 0"},
	{"export of no global", wasm(section(SectionExport, vec(export("a", KindGlobal, 0)))), CodeMalformed, "export", "no global 0"},
	{"export of unknown kind", wasm(section(SectionExport, vec(export("a", 7, 0)))), CodeMalformed, "export", "kind 0x07"},
	{"export twice", wasm(section(SectionMemory, vec(raw(0, 1))), section(SectionExport, vec(export("a", KindMemory, 0), export("a", KindMemory, 0)))), CodeMalformed, "export", "a is exported twice"},
	{"start of no function", wasm(section(SectionStart, u(0))), CodeMalformed, "start", "no function 0"},
	{"start with parameters", wasm(section(SectionType, vec(signature("i", ""))), section(SectionFunction, vec(u(0))), section(SectionStart, u(0))), CodeMalformed, "start", "(i32) -> ()"},

	{"element flags", wasm(section(SectionElement, vec(raw(8, 0)))), CodeMalformed, "element", "flags 0x08"},
	{"element segment of no table", wasm(section(SectionElement, vec(raw(0, 0x41, 0, 0x0b, 0)))), CodeMalformed, "element", "no table 0"},
	{"element kind", wasm(section(SectionElement, vec(raw(1, 1, 0)))), CodeMalformed, "element", "kind 0x01"},
	{"element type", wasm(section(SectionElement, vec(raw(5, byte(I32), 0)))), CodeMalformed, "element", "reference type"},
	{"element of no function", wasm(section(SectionElement, vec(raw(1, 0, 1, 0)))), CodeMalformed, "element", "no function 0"},
	{"element of another type", wasm(section(SectionElement, vec(raw(5, byte(FuncRef), 1, 0xd0, byte(ExternRef), 0x0b)))), CodeMalformed, "element", "yields externref"},
	{"element segment of another type", wasm(section(SectionTable, vec(raw(byte(ExternRef), 0, 1))), section(SectionElement, vec(raw(0, 0x41, 0, 0x0b, 0)))), CodeMalformed, "element", "of funcref fills a table of externref"},
	{"data without memory", wasm(section(SectionData, vec(raw(0, 0x41, 0, 0x0b, 0)))), CodeMalformed, "data", "no memory 0"},
	{"data flags", wasm(section(SectionData, vec(raw(3, 0)))), CodeMalformed, "data", "flags 0x03"},
	{"data of another memory", wasm(section(SectionMemory, vec(raw(0, 1))), section(SectionData, vec(raw(2, 1, 0x41, 0, 0x0b, 0)))), CodeMalformed, "data", "no memory 1"},
	{"data too long", wasm(section(SectionData, vec(raw(1, 9, 0)))), CodeMalformed, "data", "claims 9 bytes"},
	{"data count without data", wasm(section(SectionDataCount, u(1))), CodeMalformed, "data", "announces 1 data segments and has 0"},
	{"data count differs", wasm(section(SectionDataCount, u(2)), section(SectionData, vec(raw(1, 0)))), CodeMalformed, "data", "announces 2 data segments and has 1"},

	{"functions without bodies", wasm(types(), section(SectionFunction, vec(u(0)))), CodeMalformed, "code", "1 functions and has 0 bodies"},
	{"bodies without functions", wasm(section(SectionCode, vec(body()))), CodeMalformed, "code", "0 functions and has 1 bodies"},
	{"body longer than the section", oneFunction(raw(9, 0, 0x0b)), CodeMalformed, "code", "claims 9 bytes"},
	{"body goes on behind its end", code(0x0b, 0x01), CodeMalformed, "code", "2 bytes follow the end"},
	{"body without end", oneFunction(raw(2, 0, 0x01)), CodeMalformed, "code", "Unexpected end"},
	{"body without locals", oneFunction(raw(0, 0, 0)), CodeMalformed, "code", "Unexpected end"},
	{"block without end", code(0x02, 0x40), CodeMalformed, "code", "Unexpected end"},
	{"else without if", code(0x05), CodeMalformed, "code", "outside an if"},
	{"else in a block", code(0x02, 0x40, 0x05, 0x0b), CodeMalformed, "code", "outside an if"},
	{"two elses", code(0x04, 0x40, 0x05, 0x05, 0x0b), CodeMalformed, "code", "outside an if"},
	{"type of a local", oneFunction(bodyOf(vec(raw(1, 0x40)))), CodeMalformed, "code", "value type 0x40"},
	{"type of a block", code(0x02, 0x41, 0x0b), CodeMalformed, "code", "value type 0x41"},
	{"type of a block in two bytes", code(0x02, 0xff, 0x7f, 0x0b), CodeMalformed, "code", "unknown type"},
	{"empty type of a block in two bytes", code(0x02, 0xc0, 0x7f, 0x0b), CodeMalformed, "code", "unknown type"},
	{"type index of a block", code(0x02, 1, 0x0b), CodeMalformed, "code", "no type 1"},
	{"unknown label", code(0x0c, 1), CodeMalformed, "code", "no enclosing label 1"},
	{"unknown label in br_table", code(0x0e, 1, 1, 0), CodeMalformed, "code", "no enclosing label 1"},
	{"unknown default in br_table", code(0x0e, 1, 0, 1), CodeMalformed, "code", "no enclosing label 1"},
	{"br_table too long", code(0x0e, 9, 0, 0), CodeMalformed, "code", "claims 9 targets"},
	{"unknown function", code(0x10, 1), CodeMalformed, "code", "no function 1"},
	{"unknown function reference", code(0xd2, 1), CodeMalformed, "code", "no function 1"},
	{"unknown type in call_indirect", code(0x11, 1, 0), CodeMalformed, "code", "no type 1"},
	{"unknown table in call_indirect", code(0x11, 0, 1), CodeMalformed, "code", "no table 1"},
	{"unknown local", code(0x20, 0), CodeMalformed, "code", "no local 0"},
	{"unknown global", code(0x23, 2), CodeMalformed, "code", "no global 2"},
	{"global set, immutable", code(0x24, 1), CodeMalformed, "code", "not mutable"},
	{"unknown table", code(0x25, 1), CodeMalformed, "code", "no table 1"},
	{"unknown table copied", code(0xfc, 14, 0, 1), CodeMalformed, "code", "no table 1"},
	{"unknown element segment", code(0xfc, 12, 1, 0), CodeMalformed, "code", "no element segment 1"},
	{"unknown element segment dropped", code(0xfc, 13, 1), CodeMalformed, "code", "no element segment 1"},
	{"unknown data segment", code(0xfc, 8, 2, 0), CodeMalformed, "code", "no data segment 2"},
	{"unknown data segment dropped", code(0xfc, 9, 2), CodeMalformed, "code", "no data segment 2"},
	{"data segment without data count", wasm(types(), section(SectionFunction, vec(u(0))), section(SectionCode, vec(body(0xfc, 9, 0)))), CodeMalformed, "code", "no data count section"},
	{"load without memory", wasm(types(), section(SectionFunction, vec(u(0))), section(SectionCode, vec(body(0x28, 0, 0)))), CodeMalformed, "code", "no memory 0"},
	{"indirect call through other references", wasm(types(), section(SectionFunction, vec(u(0))), section(SectionTable, vec(raw(byte(ExternRef), 0, 1))), section(SectionCode, vec(body(0x11, 0, 0)))), CodeMalformed, "code", "holds no functions"},
	{"alignment", code(0x28, 3, 0), CodeMalformed, "code", "aligned to 2^3 bytes"},
	{"vector alignment", code(0xfd, 0, 5, 0), CodeMalformed, "code", "aligned to 2^5 bytes"},
	{"offset of more than 32 bits", code(0x28, 0, 0xff, 0xff, 0xff, 0xff, 0x1f), CodeMalformed, "code", "does not fit in 32 bits"},
	{"lane", code(0xfd, 0x15, 16), CodeMalformed, "code", "Lane 16 of 16"},
	{"lane of a load", code(0xfd, 0x57, 0, 0, 2), CodeMalformed, "code", "Lane 2 of 2"},
	{"lane of a shuffle", code(join(raw(0xfd, 0x0d), make([]byte, 15), raw(32))...), CodeMalformed, "code", "Lane 32 of 32"},
	{"select of two", code(0x1c, 2, 0x7f, 0x7f), CodeMalformed, "code", "names 2 result types"},
	{"type of null", code(0xd0, 0x7f), CodeMalformed, "code", "reference type"},
	{"unknown instruction", code(0xff), CodeMalformed, "code", "instruction 0xff"},
	{"unknown vector instruction", code(0xfd, 0x9a, 0x01), CodeMalformed, "code", "instruction 0xfd 0x9a"},
	{"unknown prefixed instruction", code(0xfc, 0x80, 0x08), CodeMalformed, "code", "instruction 0xfc 0x400"},

	{"tail calls", code(0x12, 0), CodeUnsupportedFeature, "code", "tail calls"},
	{"indirect tail calls", code(0x13, 0, 0), CodeUnsupportedFeature, "code", "-mtail-call"},
	{"exceptions, throw", code(0x08, 0), CodeUnsupportedFeature, "code", "exception handling"},
	{"exceptions, try_table", code(0x1f, 0x40, 0, 0x0b), CodeUnsupportedFeature, "code", "exception handling"},
	{"exceptions, tag section", wasm(section(sectionTag, vec())), CodeUnsupportedFeature, "tag", "exception handling"},
	{"exceptions, imported tag", wasm(section(SectionImport, vec(raw(0, 0, 4, 0)))), CodeUnsupportedFeature, "import", "exception handling"},
	{"exceptions, exnref", wasm(section(SectionType, vec(raw(0x60, 1, 0x69, 0)))), CodeUnsupportedFeature, "type", "exception handling"},
	{"threads, atomics", code(0xfe, 0x03, 0), CodeUnsupportedFeature, "code", "threads"},
	{"threads, shared memory", wasm(section(SectionMemory, vec(raw(3, 1, 1)))), CodeUnsupportedFeature, "memory", "-pthread"},
	{"memory64", wasm(section(SectionMemory, vec(raw(4, 1)))), CodeUnsupportedFeature, "memory", "wasm32"},
	{"table64", wasm(section(SectionTable, vec(raw(byte(FuncRef), 4, 1)))), CodeUnsupportedFeature, "table", "memory64"},
	{"custom page sizes", wasm(section(SectionMemory, vec(raw(8, 1, 0)))), CodeUnsupportedFeature, "memory", "page sizes"},
	{"multi-memory", wasm(section(SectionMemory, vec(raw(0, 1), raw(0, 1)))), CodeUnsupportedFeature, "memory", "multi-memory"},
	{"multi-memory, imported", wasm(section(SectionImport, vec(raw(0, 0, 2, 0, 1))), section(SectionMemory, vec(raw(0, 1)))), CodeUnsupportedFeature, "memory", "one memory"},
	{"multi-memory, load", code(0x28, 0x42, 1, 0), CodeUnsupportedFeature, "code", "multi-memory"},
	{"multi-memory, size", code(0x3f, 1), CodeUnsupportedFeature, "code", "multi-memory"},
	{"garbage collection, struct", wasm(section(SectionType, vec(raw(0x5f, 0, 0)))), CodeUnsupportedFeature, "type", "garbage collection"},
	{"garbage collection, instruction", code(0xfb, 0, 0), CodeUnsupportedFeature, "code", "garbage collection"},
	{"typed function references", wasm(section(SectionType, vec(raw(0x60, 1, 0x64, 0, 0)))), CodeUnsupportedFeature, "type", "typed function references"},
	{"typed function references, call_ref", code(0x14, 0), CodeUnsupportedFeature, "code", "typed function references"},
	{"typed function references, table with a value", wasm(section(SectionTable, vec(raw(0x40, 0, byte(FuncRef), 0, 0, 0xd0, byte(FuncRef), 0x0b)))), CodeUnsupportedFeature, "table", "typed function references"},
	{"relaxed SIMD", code(0xfd, 0x80, 0x02), CodeUnsupportedFeature, "code", "relaxed SIMD"},
	{"wide arithmetic", code(0xfc, 19), CodeUnsupportedFeature, "code", "wide arithmetic"},
	{"stack switching", code(0xe0, 0), CodeUnsupportedFeature, "code", "stack switching"},
	{"extended constant expressions", wasm(section(SectionGlobal, vec(raw(byte(I32), 0, 0x41, 1, 0x41, 2, 0x6a, 0x0b)))), CodeUnsupportedFeature, "global", "extended constant expressions"},
}

func TestParse_Errors(t *testing.T) {
	for _, tc := range refusals {
		t.Run(tc.name, func(t *testing.T) {
			m, err := Parse(tc.file, DefaultLimits())
			if m != nil {
				t.Error("a module comes with the error")
			}
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("have %v, want an *Error", err)
			}
			if e.Code != tc.code || e.Section != tc.section || !strings.Contains(e.Message, tc.expectedErr) {
				t.Errorf("have %v, want %s in %q with %q", e, tc.code, tc.section, tc.expectedErr)
			}
			if !errors.Is(err, tc.code) {
				t.Errorf("errors.Is(%v, %s) is false", err, tc.code)
			}
			if e.Offset < 0 || e.Offset > int64(len(tc.file)) {
				t.Errorf("the offset %d is outside the file of %d bytes", e.Offset, len(tc.file))
			}
		})
	}
}

func TestError_Error(t *testing.T) {
	tests := []struct {
		err  error
		want string
	}{
		{&Error{Code: CodeMalformed, Section: "code", Offset: 12, Message: "Bad."}, "malformed (code section, byte 12): Bad."},
		{&Error{Code: CodeNotWasm, Section: headerName, Message: "Bad."}, "not_wasm (header, byte 0): Bad."},
		{refusal(CodeUnknownABI, "Bad %d.", 1), "unknown_abi: Bad 1."},
	}
	for _, tc := range tests {
		if got := tc.err.Error(); got != tc.want {
			t.Errorf("have %q, want %q", got, tc.want)
		}
	}
}

func TestShow(t *testing.T) {
	tests := []struct{ name, want string }{
		{"plain", "plain"},
		{"line\nbreak \x1b[31m\u202e", `line\nbreak \x1b[31m\u202e`},
		{strings.Repeat("é", 60), strings.Repeat("é", 50) + "… (120 bytes)"},
		{"x" + strings.Repeat("é", 60), "x" + strings.Repeat("é", 49) + "… (121 bytes)"},
	}
	for _, tc := range tests {
		if got := show(tc.name); got != tc.want {
			t.Errorf("have %q, want %q", got, tc.want)
		}
	}
}

// ExampleParse refuses a module and says why.
func ExampleParse() {
	file := []byte("\x00asm\x0d\x00\x01\x00")
	_, err := Parse(file, DefaultLimits())
	fmt.Println(errors.Is(err, CodeComponent))
	// Output: true
}

func TestModule_Bounded_Tables(t *testing.T) {
	tests := []struct {
		name     string
		table    []byte
		wantMost uint32
	}{
		{"no maximum", raw(byte(FuncRef), 0, 8), 100_000},
		{"a larger maximum", join(raw(byte(ExternRef), 1, 8), u(0xffff_ffff)), 100_000},
		{"a smaller maximum", raw(byte(FuncRef), 1, 8, 9), 9},
		{"the largest initial size", join(raw(byte(FuncRef), 0), u(100_000)), 100_000},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			m := mustParse(t, wasm(section(SectionTable, vec(tc.table))))
			got := mustParse(t, m.Bounded()).Tables[0]
			want := m.Tables[0]
			want.Max, want.HasMax = tc.wantMost, true
			if got != want {
				t.Errorf("have %+v, want %+v", got, want)
			}
		})
	}
}
