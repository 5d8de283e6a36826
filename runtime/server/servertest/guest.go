package servertest

import (
	"encoding/binary"
	"slices"
)

// Guest is a small module of the native ABI, assembled as it is described. With nothing but a manifest it is an echo:
// its first command answers with the parameters that it got, the second with the context, and so on in turn. It has to
// compile in no time, and to be made wrong in every way that a test wants.
type Guest struct {
	// Manifest is what describe writes.
	Manifest string
	// Describe and Execute replace the code of these functions; without the end, which is added.
	Describe, Execute []byte
	// Initialize, unless nil, is the code of a further export, _initialize.
	Initialize []byte
	// Import, unless empty, is a further function to import.
	Import Import
	// Pages is the memory's size. Default 32, which is 2 MiB.
	Pages int
	// Without names an export that is left out.
	Without string
	// Swapped exports execute under the name of describe and the other way round.
	Swapped bool
}

// Import is a function to import. In Params and Results, i is an i32 and I an i64.
type Import struct{ Module, Name, Params, Results string }

// The functions that every guest imports, by index.
const (
	funcWrite = iota
	funcAnswer
	funcRead
)

// Places in the guest's memory. Before the manifest stands the head of an answer.
const (
	atManifest = 16
	atInput    = 64 << 10
)

const head = "{}"

// CodeWrite is code that writes n bytes from address at on.
func CodeWrite(at, n int) []byte {
	return slices.Concat(constant(at), constant(n), []byte{0x10, funcWrite, 0x1a})
}

// Module returns the module's bytes.
func (g Guest) Module() []byte {
	if g.Pages == 0 {
		g.Pages = 32
	}
	if g.Describe == nil {
		g.Describe = CodeWrite(atManifest, len(g.Manifest))
	}
	if g.Execute == nil {
		g.Execute = g.echo()
	}
	types := [][]byte{signature("", ""), signature("i", ""), signature("ii", "i"), signature("iIii", "i"), signature(g.Import.Params, g.Import.Results)}
	imported := [][]byte{
		importFunc("sluice:host/v1", "write", 2), importFunc("sluice:host/v1", "answer", 2), importFunc("sluice:host/v1", "read", 3),
	}
	if g.Import.Module != "" {
		imported = append(imported, importFunc(g.Import.Module, g.Import.Name, 4))
	}
	first := len(imported)
	functions, code := [][]byte{u(0), u(1)}, [][]byte{body(g.Describe), body(g.Execute)}
	exports := map[string][]byte{"memory": {2, 0}, "describe": append([]byte{0}, u(first)...), "execute": append([]byte{0}, u(first+1)...)}
	if g.Swapped {
		exports["describe"], exports["execute"] = exports["execute"], exports["describe"]
	}
	if g.Initialize != nil {
		functions, code = append(functions, u(0)), append(code, body(g.Initialize))
		exports["_initialize"] = append([]byte{0}, u(first+2)...)
	}
	delete(exports, g.Without)
	var exported [][]byte
	for _, name := range []string{"memory", "describe", "execute", "_initialize"} {
		if what, ok := exports[name]; ok {
			exported = append(exported, append(text(name), what...))
		}
	}
	data := append([]byte(head), make([]byte, atManifest-len(head))...)
	data = append(data, g.Manifest...)
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, types), section(2, imported), section(3, functions), section(5, [][]byte{append([]byte{0}, u(g.Pages)...)}),
		section(7, exported), section(10, code), section(11, [][]byte{slices.Concat([]byte{0, 0x41, 0, 0x0b}, u(len(data)), data)}),
	)
}

// echo is execute's code: n = read(command & 1, 0, atInput, …); write(atInput, n); answer(0, 2).
func (g Guest) echo() []byte {
	return slices.Concat(
		[]byte{0x20, 0}, constant(1), []byte{0x71, 0x42, 0}, constant(atInput), constant(g.Pages<<16-atInput), []byte{0x10, funcRead, 0x21, 0},
		constant(atInput), []byte{0x20, 0, 0x10, funcWrite, 0x1a},
		constant(0), constant(len(head)), []byte{0x10, funcAnswer, 0x1a},
	)
}

// constant is i32.const.
func constant(n int) []byte {
	code := []byte{0x41}
	for {
		c := byte(n & 0x7f)
		n >>= 7
		if n == 0 && c&0x40 == 0 {
			return append(code, c)
		}
		code = append(code, c|0x80)
	}
}

func u(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }

func text(s string) []byte { return append(u(len(s)), s...) }

func vector(items [][]byte) []byte { return append(u(len(items)), slices.Concat(items...)...) }

func section(id byte, items [][]byte) []byte {
	content := vector(items)
	return slices.Concat([]byte{id}, u(len(content)), content)
}

func signature(params, results string) []byte {
	out := []byte{0x60}
	for _, letters := range []string{params, results} {
		out = append(out, u(len(letters))...)
		for _, letter := range letters {
			out = append(out, map[rune]byte{'i': 0x7f, 'I': 0x7e}[letter])
		}
	}
	return out
}

func importFunc(module, name string, typ int) []byte {
	return slices.Concat(text(module), text(name), []byte{0}, u(typ))
}

// body is a function without locals beside its parameters.
func body(code []byte) []byte {
	content := slices.Concat([]byte{0}, code, []byte{0x0b})
	return append(u(len(content)), content...)
}
