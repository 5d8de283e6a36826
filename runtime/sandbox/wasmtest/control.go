package wasmtest

import "bytes"

// Loop is a loop without parameters and results: Br to it begins it again, else it ends.
func Loop(code ...[]byte) []byte { return join([]byte{0x03, 0x40}, join(code...), []byte{0x0b}) }

// Block is a block without parameters and results: Br to it ends it.
func Block(code ...[]byte) []byte { return join([]byte{0x02, 0x40}, join(code...), []byte{0x0b}) }

// Br branches to the nth enclosing block, 0 for the innermost; BrIf does where the condition is not 0.
func Br(n int) []byte { return join([]byte{0x0c}, U(n)) }

// BrIf is as Br says.
func BrIf(n int) []byte { return join([]byte{0x0d}, U(n)) }

// BrTable branches to the target that the operand counts to, and to the last where there are not so many.
func BrTable(targets ...int) []byte {
	code := join([]byte{0x0e}, U(len(targets)-1))
	for _, t := range targets {
		code = append(code, U(t)...)
	}
	return code
}

// CallIndirect calls a function of table 0, by its index there, as one of the type, an index of Module.Types.
func CallIndirect(typ int) []byte { return join([]byte{0x11}, U(typ), []byte{0}) }

// LocalSet takes a local's value from the stack; LocalTee leaves it there.
func LocalSet(n int) []byte { return join([]byte{0x21}, U(n)) }

// LocalTee is as LocalSet says.
func LocalTee(n int) []byte { return join([]byte{0x22}, U(n)) }

// GlobalGet pushes a global.
func GlobalGet(n int) []byte { return join([]byte{0x23}, U(n)) }

// GlobalSet takes a global's value from the stack.
func GlobalSet(n int) []byte { return join([]byte{0x24}, U(n)) }

// Repeat is code n times in a row.
func Repeat(n int, code ...[]byte) []byte { return bytes.Repeat(join(code...), n) }
