package moduletest

import (
	"slices"

	"sluice/runtime/sandbox/wasmtest"
)

// Encoders, under names as short as what they do.
var (
	u    = wasmtest.U
	s    = wasmtest.S
	name = wasmtest.Name
)

func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

func raw(b ...byte) []byte { return b }

// letters are how value types are written, as in package wasmtest.
var letters = map[byte]byte{'i': 0x7f, 'I': 0x7e, 'f': 0x7d, 'F': 0x7c, 'v': 0x7b, 'r': 0x70, 'x': 0x6f}

// Zero is an instruction that yields a zero, or null, of the type of that letter.
func Zero(letter byte) []byte {
	switch letter {
	case 'i':
		return wasmtest.I32(0)
	case 'I':
		return wasmtest.I64(0)
	case 'f':
		return join(raw(0x43), make([]byte, 4))
	case 'F':
		return join(raw(0x44), make([]byte, 8))
	case 'v':
		return join(raw(0xfd, 0x0c), make([]byte, 16))
	}
	return raw(0xd0, letters[letter])
}
