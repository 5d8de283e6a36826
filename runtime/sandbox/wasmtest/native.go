package wasmtest

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
