package module

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// wasm assembles a module from sections in the given order.
func wasm(sections ...[]byte) []byte {
	return join([]byte("\x00asm\x01\x00\x00\x00"), join(sections...))
}

// section assembles one section.
func section(id SectionID, contents ...[]byte) []byte {
	c := join(contents...)
	return join([]byte{byte(id)}, u(len(c)), c)
}

// vec assembles a vector.
func vec(items ...[]byte) []byte { return join(u(len(items)), join(items...)) }

// repeat assembles a vector of n equal items.
func repeat(n int, item ...byte) []byte { return join(u(n), bytes.Repeat(item, n)) }

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

func str(name string) []byte      { return join(u(len(name)), []byte(name)) }
func raw(b ...byte) []byte        { return b }
func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

// signature assembles a function type: signature("iI", "i") is (i32, i64) -> (i32).
func signature(params, results string) []byte {
	letter := map[rune]ValueType{'i': I32, 'I': I64, 'f': F32, 'F': F64, 'v': V128, 'r': FuncRef, 'x': ExternRef}
	encode := func(letters string) []byte {
		b := u(len(letters))
		for _, l := range letters {
			b = append(b, byte(letter[l]))
		}
		return b
	}
	return join(raw(formFunction), encode(params), encode(results))
}

func importFunc(module, name string, typ int) []byte {
	return join(str(module), str(name), raw(byte(KindFunction)), u(typ))
}

func export(name string, kind Kind, index int) []byte {
	return join(str(name), raw(byte(kind)), u(index))
}

// body assembles a function body without locals; the end is added.
func body(code ...byte) []byte { return bodyOf(vec(), code...) }

// bodyOf assembles a function body with declarations of locals; the end is added.
func bodyOf(locals []byte, code ...byte) []byte {
	b := join(locals, code, raw(byte(opEnd)))
	return join(u(len(b)), b)
}

// oneFunction assembles a module with one function () -> (), one memory, one table, a mutable global 0, an
// immutable global 1, an element segment and two data segments.
func oneFunction(body []byte) []byte {
	return wasm(
		section(SectionType, vec(signature("", ""))),
		section(SectionFunction, vec(u(0))),
		section(SectionTable, vec(raw(byte(FuncRef), 0, 1))),
		section(SectionMemory, vec(raw(0, 1))),
		section(SectionGlobal, vec(raw(byte(I32), 1, 0x41, 0, 0x0b), raw(byte(I32), 0, 0x41, 0, 0x0b))),
		section(SectionElement, vec(raw(1, 0, 0))),
		section(SectionDataCount, u(2)),
		section(SectionCode, vec(body)),
		section(SectionData, vec(raw(1, 0), raw(1, 1, 'x'))),
	)
}

// code assembles a module whose only function has this code.
func code(c ...byte) []byte { return oneFunction(body(c...)) }

// types assembles a type section with () -> () as type 0.
func types() []byte { return section(SectionType, vec(signature("", ""))) }

// everything is a module with every section, and all forms of data and element segments but the two that need
// table 0 to hold functions: elementForms04 has them.
func everything() []byte {
	return wasm(
		section(SectionCustom, str("first"), raw(1, 2, 3)),
		section(SectionType, vec(signature("", ""), signature("iI", "fF"), signature("i", ""))),
		section(SectionImport, vec(
			importFunc("env", "f", 1),
			join(str("env"), str("t"), raw(byte(KindTable), byte(ExternRef), 1, 1, 2)),
			join(str("env"), str("m"), raw(byte(KindMemory), 1, 1), u(65536)),
			join(str("env"), str("g"), raw(byte(KindGlobal), byte(I32), 0)),
		)),
		section(SectionFunction, vec(u(0), u(2))),
		section(SectionTable, vec(raw(byte(FuncRef), 0, 8))),
		section(SectionGlobal, vec(
			raw(byte(I32), 0, 0x23, 0, 0x0b),
			join(raw(byte(I64), 1, 0x42), s(-5), raw(0x0b)),
			raw(byte(F32), 1, 0x43, 0, 0, 0, 0, 0x0b),
			raw(byte(F64), 1, 0x44, 0, 0, 0, 0, 0, 0, 0, 0, 0x0b),
			join(raw(byte(V128), 1, 0xfd, 0x0c), make([]byte, 16), raw(0x0b)),
			raw(byte(FuncRef), 1, 0xd2, 0, 0x0b),
			raw(byte(ExternRef), 1, 0xd0, byte(ExternRef), 0x0b),
		)),
		section(SectionExport, vec(
			export("f", KindFunction, 2), export("t", KindTable, 1), export("m", KindMemory, 0),
			export("g", KindGlobal, 1), export("imported", KindFunction, 0),
		)),
		section(SectionStart, u(1)),
		section(SectionElement, vec(
			// Form 0 fills table 0, which holds no functions here: see form4.
			raw(1, 0, 1, 0),
			raw(2, 1, 0x41, 0, 0x0b, 0, 1, 1),
			raw(3, 0, 1, 2),
			raw(5, byte(FuncRef), 1, 0xd2, 0, 0x0b),
			raw(6, 1, 0x41, 1, 0x0b, byte(FuncRef), 1, 0xd0, byte(FuncRef), 0x0b),
			raw(6, 0, 0x23, 0, 0x0b, byte(ExternRef), 1, 0xd0, byte(ExternRef), 0x0b),
			raw(7, byte(ExternRef), 0),
		)),
		section(SectionDataCount, u(3)),
		section(SectionCode, vec(body(), bodyOf(vec(raw(2, byte(I32)), raw(1, byte(V128))), 0x20, 3, 0x1a))),
		section(SectionData, vec(
			raw(0, 0x41, 0, 0x0b, 2, 'a', 'b'),
			raw(1, 1, 'c'),
			raw(2, 0, 0x23, 0, 0x0b, 0),
		)),
		section(SectionCustom, str("last")),
	)
}

// elementForms04 is a module with the two forms of element segments that name no table.
func elementForms04() []byte {
	return wasm(
		types(), section(SectionFunction, vec(u(0))), section(SectionTable, vec(raw(byte(FuncRef), 1, 2, 2))),
		section(SectionElement, vec(
			raw(0, 0x41, 0, 0x0b, 1, 0),
			raw(4, 0x41, 0, 0x0b, 2, 0xd2, 0, 0x0b, 0xd0, byte(FuncRef), 0x0b),
		)),
		section(SectionCode, vec(body())),
	)
}
