package wasmtest

// Code joins instructions.
func Code(instructions ...[]byte) []byte { return join(instructions...) }

// These are instructions without operands.
var (
	Unreachable = []byte{0x00}
	Drop        = []byte{0x1a}
	MemorySize  = []byte{0x3f, 0}
	MemoryGrow  = []byte{0x40, 0}
	// Forever is a loop without an end.
	Forever = []byte{0x03, 0x40, 0x0c, 0x00, 0x0b}
	// Load64 and Store64 go to any address.
	Load64  = []byte{0x29, 0, 0}
	Store64 = []byte{0x37, 0, 0}
)

// I32 is i32.const; n is taken modulo 2³².
func I32(n int) []byte { return join([]byte{0x41}, S(int64(int32(uint32(n))))) }

// I64 is i64.const.
func I64(n int64) []byte { return join([]byte{0x42}, S(n)) }

// Call calls a function by its index, imports first.
func Call(function int) []byte { return join([]byte{0x10}, U(function)) }

// LocalGet pushes a local.
func LocalGet(n int) []byte { return join([]byte{0x20}, U(n)) }

// If runs code where the condition on the stack is not 0.
func If(code ...[]byte) []byte { return join([]byte{0x04, 0x40}, join(code...), []byte{0x0b}) }

// Equal compares two i32.
var Equal = []byte{0x46}
