package module_test

import (
	"slices"
	"testing"

	"sluice/runtime/module"
	"sluice/runtime/module/moduletest"
	"sluice/runtime/sandbox/wasmtest"
)

// section assembles sections with one item each, or as they are.
var (
	section = wasmtest.Section
	vector  = wasmtest.Vector
)

func bytesOf(parts ...[]byte) []byte { return slices.Concat(parts...) }

// shapes are modules that lack what others have, or have what others lack.
var shapes = []struct {
	name  string
	file  []byte
	calls []string
}{
	{"nothing", wasmtest.Binary(), nil},
	{"empty sections", wasmtest.Binary(
		section(wasmtest.SectionType, vector()), section(wasmtest.SectionImport, vector()), section(wasmtest.SectionFunction, vector()),
		section(wasmtest.SectionTable, vector()), section(wasmtest.SectionMemory, vector()), section(wasmtest.SectionGlobal, vector()),
		section(wasmtest.SectionExport, vector()), section(wasmtest.SectionElement, vector()), section(wasmtest.SectionDataCount, []byte{0}),
		section(wasmtest.SectionCode, vector()), section(wasmtest.SectionData, vector()),
	), nil},
	{"custom sections between all", wasmtest.Binary(
		section(wasmtest.SectionCustom, wasmtest.Name("a"), []byte{1}), section(wasmtest.SectionType, vector(wasmtest.Signature("", "i"))),
		section(wasmtest.SectionCustom, wasmtest.Name("b")), section(wasmtest.SectionFunction, []byte{1, 0}),
		section(wasmtest.SectionCustom, wasmtest.Name("a")), section(wasmtest.SectionExport, vector(exported("f", 0, 0))),
		section(wasmtest.SectionCustom, wasmtest.Name("c")), section(wasmtest.SectionCode, vector(wasmtest.Body(nil, wasmtest.I32(7)))),
		section(wasmtest.SectionCustom, wasmtest.Name("d"), []byte{0xff}),
	), []string{"f"}},
	{"a memory alone", wasmtest.Binary(section(wasmtest.SectionMemory, []byte{1, 0, 1})), nil},
	{"a memory of no pages", wasmtest.Binary(section(wasmtest.SectionMemory, []byte{1, 1, 0, 0}),
		section(wasmtest.SectionData, vector([]byte{0, 0x41, 0, 0x0b, 0}))), nil},
	{"the largest memory", wasmtest.Binary(section(wasmtest.SectionMemory, []byte{1, 1, 1, 0x80, 0x80, 0x04})), nil},
	{"a table alone", wasmtest.Binary(section(wasmtest.SectionTable, []byte{1, 0x6f, 0, 1})), nil},
	{"a global alone", wasmtest.Binary(section(wasmtest.SectionGlobal, []byte{1, 0x7e, 1, 0x42, 9, 0x0b})), nil},
	{"an import alone", wasmtest.Binary(
		section(wasmtest.SectionType, vector(wasmtest.Signature("", ""))), section(wasmtest.SectionImport, vector(hostImport(0))),
	), nil},
	{"an imported function that is exported", wasmtest.Binary(
		section(wasmtest.SectionType, vector(wasmtest.Signature("", ""))), section(wasmtest.SectionImport, vector(hostImport(0))),
		section(wasmtest.SectionExport, vector(exported("f", 0, 0), exported("g", 0, 0))),
	), []string{"f", "g"}},
	{"an imported start function", wasmtest.Binary(
		section(wasmtest.SectionType, vector(wasmtest.Signature("", ""))), section(wasmtest.SectionImport, vector(hostImport(0))),
		section(wasmtest.SectionStart, []byte{0}),
	), nil},
	{"a start function that fills memory after its data", wasmtest.Binary(
		section(wasmtest.SectionType, vector(wasmtest.Signature("", ""))), section(wasmtest.SectionFunction, []byte{2, 0, 0}),
		section(wasmtest.SectionMemory, []byte{1, 0, 1}), section(wasmtest.SectionExport, vector(exported("f", 0, 0))),
		section(wasmtest.SectionStart, []byte{1}),
		section(wasmtest.SectionCode, vector(wasmtest.Body(nil, nil), wasmtest.Body(nil, bytesOf(
			wasmtest.I32(1), wasmtest.I32(0), wasmtest.I32Load(0), wasmtest.I32Store(8), wasmtest.Call(0))))),
		section(wasmtest.SectionData, vector(
			bytesOf([]byte{0, 0x41, 0, 0x0b}, wasmtest.Name("abcdefgh")), bytesOf([]byte{2, 0, 0x41, 2, 0x0b}, wasmtest.Name("XY")))),
	), []string{"f"}},
	{"a start function that traps", wasmtest.Binary(
		section(wasmtest.SectionType, vector(wasmtest.Signature("", ""))), section(wasmtest.SectionFunction, []byte{1, 0}),
		section(wasmtest.SectionStart, []byte{0}), section(wasmtest.SectionCode, vector(wasmtest.Body(nil, wasmtest.Unreachable))),
	), nil},
	{"data that does not fit", wasmtest.Binary(
		section(wasmtest.SectionMemory, []byte{1, 0, 1}),
		section(wasmtest.SectionData, vector(bytesOf([]byte{0}, wasmtest.I32(65535), []byte{0x0b}, wasmtest.Name("ab")))),
	), nil},
	{"data at the highest offset", wasmtest.Binary(
		section(wasmtest.SectionMemory, []byte{1, 0, 1}),
		section(wasmtest.SectionData, vector(bytesOf([]byte{0}, wasmtest.I32(-1), []byte{0x0b}, wasmtest.Name("ab")))),
	), nil},
	{"no data behind the end", wasmtest.Binary(
		section(wasmtest.SectionMemory, []byte{1, 0, 1}),
		section(wasmtest.SectionData, vector(bytesOf([]byte{0}, wasmtest.I32(65536), []byte{0x0b, 0}))),
	), nil},
	{"names that are taken", wasmtest.Binary(
		section(wasmtest.SectionType, vector(wasmtest.Signature("", ""))), section(wasmtest.SectionFunction, []byte{1, 0}),
		section(wasmtest.SectionGlobal, []byte{2, 0x7f, 1, 0x41, 1, 0x0b, 0x7c, 1, 0x44, 0, 0, 0, 0, 0, 0, 0, 0, 0x0b}),
		section(wasmtest.SectionExport, vector(
			exported("sluice:fuel", 0, 0), exported("sluice:fuel'", 3, 0), exported("sluice:depth", 3, 1), exported("sluice:start", 0, 0),
			exported("sluice:global:0", 0, 0), exported("sluice:global:1", 3, 0), exported("", 0, 0), exported("f", 0, 0))),
		section(wasmtest.SectionStart, []byte{0}),
		section(wasmtest.SectionCode, vector(wasmtest.Body(nil, bytesOf(wasmtest.I32(5), wasmtest.GlobalSet(0))))),
	), []string{"f", "sluice:fuel", "sluice:start", "sluice:global:0", ""}},
	{"a function with many results that calls itself", wasmtest.Module{
		Functions: []wasmtest.Function{
			{Export: "f", Results: "iIfFvrx", Locals: []wasmtest.Locals{{Count: 1, Type: 'i'}}, Code: bytesOf(
				wasmtest.GlobalGet(0), wasmtest.LocalTee(0), wasmtest.I32(1), wasmtest.I32Add, wasmtest.GlobalSet(0),
				wasmtest.LocalGet(0), wasmtest.I32(5), wasmtest.I32LtS, wasmtest.If(wasmtest.Call(0), []byte{0x0f}),
				wasmtest.I32(1), wasmtest.I64(2), moduletest.Zero('f'), moduletest.Zero('F'), moduletest.Zero('v'),
				wasmtest.RefFunc(0), moduletest.Zero('x'))},
		},
		Globals: []wasmtest.Global{{Type: 'i', Mutable: true, Init: wasmtest.I32(0)}},
		Pages:   1,
	}.Bytes(), []string{"f", "f"}},
}

func exported(name string, kind byte, index int) []byte {
	return bytesOf(wasmtest.Name(name), []byte{kind}, wasmtest.U(index))
}

// hostImport imports the function () -> () of the generated modules' host as a type.
func hostImport(typ int) []byte {
	return bytesOf(wasmtest.Name(moduletest.GeneratedHost), wasmtest.Name("0"), []byte{0}, wasmtest.U(typ))
}

// TestRewrite_Shapes runs modules that lack what others have, or have what others lack, in both forms.
func TestRewrite_Shapes(t *testing.T) {
	g := newGeneratedWorlds(t, moduletest.AllKinds())
	for _, tc := range shapes {
		t.Run(tc.name, func(t *testing.T) {
			p := moduletest.Program{File: tc.file}
			for _, name := range tc.calls {
				p.Calls = append(p.Calls, moduletest.GeneratedCall{Export: name})
			}
			g.run(t, p)
		})
	}
}

// TestRewrite_Everything checks modules of this package's other tests, which import what no host here offers.
func TestRewrite_Everything(t *testing.T) {
	for name, file := range map[string][]byte{"everything": module.Everything(), "element forms 0 and 4": module.ElementForms04()} {
		t.Run(name, func(t *testing.T) {
			s := checkRewrite(t, file)
			for _, k := range moduletest.AllKinds() {
				w, err := moduletest.NewWorld(t.Context(), k, nil)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = w.Close(t.Context()) }()
				if err := w.Compile(t.Context(), s); err != nil {
					t.Errorf("%s: %v", k, err)
				}
			}
		})
	}
}
