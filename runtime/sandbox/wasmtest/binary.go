package wasmtest

import (
	"encoding/binary"
	"slices"
)

// The binary encoding's sections and kinds.
//
// See https://webassembly.github.io/spec/core/binary/modules.html
const (
	SectionCustom    = 0
	SectionType      = 1
	SectionImport    = 2
	SectionFunction  = 3
	SectionTable     = 4
	SectionMemory    = 5
	SectionGlobal    = 6
	SectionExport    = 7
	SectionStart     = 8
	SectionElement   = 9
	SectionCode      = 10
	SectionData      = 11
	SectionDataCount = 12

	kindFunction = 0
	kindMemory   = 2
)

// Bytes returns the module's binary encoding.
func (m Module) Bytes() []byte {
	types := newTypes(m.Types)
	var imports, functions, exports, codes [][]byte
	for _, i := range m.Imports {
		imports = append(imports, join(Name(i.Module), Name(i.Name), []byte{kindFunction}, types.of(i.Params, i.Results)))
	}
	exports = append(exports, join(Name("memory"), []byte{kindMemory, 0}))
	start := -1
	for n, f := range m.Functions {
		index := len(m.Imports) + n
		functions = append(functions, types.of(f.Params, f.Results))
		codes = append(codes, Body(f.Locals, f.Code))
		if f.Export != "" {
			exports = append(exports, join(Name(f.Export), []byte{kindFunction}, U(index)))
		}
		if f.Export != "" && f.Export == m.Start {
			start = index
		}
	}
	for _, e := range m.Exports {
		exports = append(exports, join(Name(e.Name), []byte{e.Kind}, U(e.Index)))
	}
	sections := [][]byte{
		Section(SectionType, Vector(types.encoded...)),
		Section(SectionImport, Vector(imports...)),
		Section(SectionFunction, Vector(functions...)),
		unlessEmpty(SectionTable, m.tables()),
		Section(SectionMemory, Vector(limits(m.Pages, m.MaxPages))),
		unlessEmpty(SectionGlobal, m.globals()),
		Section(SectionExport, Vector(exports...)),
	}
	if start >= 0 {
		sections = append(sections, Section(SectionStart, U(start)))
	}
	sections = append(sections, unlessEmpty(SectionElement, m.elements()))
	if len(m.Passive) > 0 {
		sections = append(sections, Section(SectionDataCount, U(len(m.Data)+len(m.Passive))))
	}
	return Binary(append(sections, Section(SectionCode, Vector(codes...)), Section(SectionData, Vector(m.data()...)))...)
}

func (m Module) tables() (out [][]byte) {
	for _, t := range m.Tables {
		out = append(out, join(valueTypes(string(t.Type)), limits(t.Initial, t.Max)))
	}
	return out
}

func (m Module) globals() (out [][]byte) {
	for _, g := range m.Globals {
		mutable := []byte{0}
		if g.Mutable {
			mutable[0] = 1
		}
		out = append(out, join(valueTypes(string(g.Type)), mutable, g.Init, []byte{0x0b}))
	}
	return out
}

func (m Module) elements() (out [][]byte) {
	for _, e := range m.Elements {
		functions := U(len(e.Functions))
		for _, f := range e.Functions {
			functions = append(functions, U(f)...)
		}
		if e.Passive {
			out = append(out, join([]byte{1, 0}, functions))
			continue
		}
		out = append(out, join([]byte{0}, I32(e.At), []byte{0x0b}, functions))
	}
	return out
}

func (m Module) data() (out [][]byte) {
	for _, d := range m.Data {
		out = append(out, join([]byte{0}, I32(d.At), []byte{0x0b}, Name(d.Text)))
	}
	for _, text := range m.Passive {
		out = append(out, join([]byte{1}, Name(text)))
	}
	return out
}

// types numbers function types, each once.
type types struct {
	encoded [][]byte
	index   map[Type]int
}

func newTypes(first []Type) *types {
	t := &types{index: make(map[Type]int)}
	for _, x := range first {
		t.of(x.Params, x.Results)
	}
	return t
}

// of is the encoded index of a type.
func (t *types) of(params, results string) []byte {
	key := Type{params, results}
	n, ok := t.index[key]
	if !ok {
		n = len(t.encoded)
		t.index[key] = n
		t.encoded = append(t.encoded, Signature(params, results))
	}
	return U(n)
}

// Binary is a module of these sections, which may be wrong in every way.
func Binary(sections ...[]byte) []byte {
	return join([]byte("\x00asm\x01\x00\x00\x00"), join(sections...))
}

// Section encodes a section.
func Section(id byte, content ...[]byte) []byte {
	c := join(content...)
	return join([]byte{id}, U(len(c)), c)
}

func unlessEmpty(id byte, items [][]byte) []byte {
	if len(items) == 0 {
		return nil
	}
	return Section(id, Vector(items...))
}

// Vector encodes a vector of items.
func Vector(items ...[]byte) []byte { return join(U(len(items)), join(items...)) }

// Name encodes a name, or other bytes with their length before them.
func Name(s string) []byte { return join(U(len(s)), []byte(s)) }

// Signature encodes a function type.
func Signature(params, results string) []byte {
	return join([]byte{0x60}, U(len(params)), valueTypes(params), U(len(results)), valueTypes(results))
}

// Body encodes a function's locals and code; the end is added.
func Body(locals []Locals, code []byte) []byte {
	runs := U(len(locals))
	for _, l := range locals {
		runs = append(runs, join(U(l.Count), valueTypes(string(l.Type)))...)
	}
	body := join(runs, code, []byte{0x0b})
	return join(U(len(body)), body)
}

func limits(initial, most int) []byte {
	if most > 0 {
		return join([]byte{1}, U(initial), U(most))
	}
	return join([]byte{0}, U(initial))
}

var letters = map[rune]byte{'i': 0x7f, 'I': 0x7e, 'f': 0x7d, 'F': 0x7c, 'v': 0x7b, 'r': 0x70, 'x': 0x6f}

func valueTypes(text string) (b []byte) {
	for _, l := range text {
		b = append(b, letters[l])
	}
	return b
}

// U encodes an unsigned LEB128.
func U(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }

// S encodes a signed LEB128.
func S(n int64) []byte {
	var b []byte
	for {
		c := byte(n & 0x7f)
		n >>= 7
		if n == 0 && c&0x40 == 0 || n == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

func join(parts ...[]byte) []byte { return slices.Concat(parts...) }
