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
func I32(n int) []byte { return join([]byte{0x41}, s(int64(int32(uint32(n))))) }

// I64 is i64.const.
func I64(n int64) []byte { return join([]byte{0x42}, s(n)) }

// Call calls a function by its index, imports first.
func Call(function int) []byte { return join([]byte{0x10}, u(function)) }

// LocalGet pushes a local.
func LocalGet(n int) []byte { return join([]byte{0x20}, u(n)) }

// If runs code where the condition on the stack is not 0.
func If(code ...[]byte) []byte { return join([]byte{0x04, 0x40}, join(code...), []byte{0x0b}) }

// Equal compares two i32.
var Equal = []byte{0x46}

// The imports of Native, by index.
const (
	HostWrite = iota
	HostAnswer
	HostSleep
	HostLog
)

// Where Native puts its texts: code of commands may use the memory from NativeFree on.
const (
	manifestAt = 1024
	NativeFree = 8 << 10
)

// Native is a guest of the native ABI that describes itself by manifest, and runs the code of the command that it is told
// by its position. It has two pages of memory.
func Native(manifest string, commands ...[]byte) Module {
	var execute []byte
	for n, code := range commands {
		execute = join(execute, LocalGet(0), I32(n), Equal, If(code))
	}
	const host = "sluice:host/v1"
	return Module{
		Imports: []Import{
			HostWrite:  {host, "write", "ii", "i"},
			HostAnswer: {host, "answer", "ii", "i"},
			HostSleep:  {host, "sleep", "I", "i"},
			HostLog:    {host, "log", "iii", "i"},
		},
		Functions: []Function{
			{Export: "describe", Code: Code(I32(manifestAt), I32(len(manifest)), Call(HostWrite), Drop)},
			{Export: "execute", Params: "i", Code: execute},
		},
		Pages: 2,
		Data:  []Data{{0, "{}"}, {manifestAt, manifest}},
	}
}

// Answer is code for a command of Native that writes the text, which it takes from the guest's memory at that address,
// and answers.
func Answer(at, length int) []byte {
	return Code(I32(at), I32(length), Call(HostWrite), Drop, I32(0), I32(2), Call(HostAnswer), Drop)
}
