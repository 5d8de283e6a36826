// Package wasmtest assembles small modules for tests, instruction by instruction: guests that no compiler would make, and
// ones that compile in no time.
package wasmtest

import (
	"encoding/binary"
	"slices"
)

// Module is a module to assemble. Types are written as letters: i for i32, I for i64.
type Module struct {
	Imports   []Import
	Functions []Function
	// Pages is the initial size of the memory, which is exported as "memory"; MaxPages its declared maximum, 0 for none.
	Pages, MaxPages int
	// Data is copied to the memory when the module is instantiated.
	Data []Data
	// Start, unless "", is the export that is the start function.
	Start string
}

// Import is an imported function. Imports are numbered from 0, and before all Functions.
type Import struct{ Module, Name, Params, Results string }

// Function is a function of the module, exported unless Export is "". Its parameters are the locals from 0 on.
type Function struct {
	Export, Params, Results string
	Code                    []byte
}

// Data is a piece of the memory's first content.
type Data struct {
	At   int
	Text string
}

// The binary encoding's sections and kinds.
//
// See https://webassembly.github.io/spec/core/binary/modules.html
const (
	sectionType     = 1
	sectionImport   = 2
	sectionFunction = 3
	sectionMemory   = 5
	sectionExport   = 7
	sectionStart    = 8
	sectionCode     = 10
	sectionData     = 11

	kindFunction = 0
	kindMemory   = 2
)

// Bytes returns the module's binary encoding.
func (m Module) Bytes() []byte {
	var types, imports, functions, exports, codes, data [][]byte
	typeOf := func(params, results string) []byte {
		types = append(types, join([]byte{0x60}, valueTypes(params), valueTypes(results)))
		return u(len(types) - 1)
	}
	for _, i := range m.Imports {
		imports = append(imports, join(text(i.Module), text(i.Name), []byte{kindFunction}, typeOf(i.Params, i.Results)))
	}
	exports = append(exports, join(text("memory"), []byte{kindMemory, 0}))
	start := -1
	for n, f := range m.Functions {
		index := len(m.Imports) + n
		functions = append(functions, typeOf(f.Params, f.Results))
		body := join(u(0), f.Code, []byte{0x0b})
		codes = append(codes, join(u(len(body)), body))
		if f.Export != "" {
			exports = append(exports, join(text(f.Export), []byte{kindFunction}, u(index)))
		}
		if f.Export != "" && f.Export == m.Start {
			start = index
		}
	}
	for _, d := range m.Data {
		data = append(data, join([]byte{0}, I32(d.At), []byte{0x0b}, text(d.Text)))
	}
	limits := join([]byte{0}, u(m.Pages))
	if m.MaxPages > 0 {
		limits = join([]byte{1}, u(m.Pages), u(m.MaxPages))
	}
	b := []byte("\x00asm\x01\x00\x00\x00")
	b = append(b, section(sectionType, vector(types))...)
	b = append(b, section(sectionImport, vector(imports))...)
	b = append(b, section(sectionFunction, vector(functions))...)
	b = append(b, section(sectionMemory, vector([][]byte{limits}))...)
	b = append(b, section(sectionExport, vector(exports))...)
	if start >= 0 {
		b = append(b, section(sectionStart, u(start))...)
	}
	b = append(b, section(sectionCode, vector(codes))...)
	return append(b, section(sectionData, vector(data))...)
}

func section(id byte, content []byte) []byte { return join([]byte{id}, u(len(content)), content) }

func vector(items [][]byte) []byte { return join(u(len(items)), slices.Concat(items...)) }

func text(s string) []byte { return join(u(len(s)), []byte(s)) }

func valueTypes(letters string) []byte {
	b := u(len(letters))
	for _, l := range letters {
		b = append(b, map[rune]byte{'i': 0x7f, 'I': 0x7e}[l])
	}
	return b
}

// u encodes an unsigned LEB128.
func u(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }

// s encodes a signed LEB128.
func s(n int64) []byte {
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
