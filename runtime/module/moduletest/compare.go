package moduletest

import (
	"bytes"
	"fmt"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// DiffState says where the state of two instances of one module differs: memory, and all globals of the file, exported or
// not. "" where it does not.
func DiffState(a, b *Instance) string {
	if d := diffMemory(a.Memory(), b.Memory()); d != "" {
		return d
	}
	ga, gb := a.guest.(experimental.InternalModule), b.guest.(experimental.InternalModule)
	n := len(a.subject.Module.Globals)
	if ga.NumGlobal() < n || gb.NumGlobal() < n {
		return fmt.Sprintf("%d and %d globals, the file has %d", ga.NumGlobal(), gb.NumGlobal(), n)
	}
	for i := range n {
		x, y := ga.Global(i), gb.Global(i)
		if x.Type() != y.Type() {
			return fmt.Sprintf("global %d is of type %s and of %s", i, api.ValueTypeName(x.Type()), api.ValueTypeName(y.Type()))
		}
		if canonicalValue(x.Type(), x.Get()) != canonicalValue(y.Type(), y.Get()) {
			return fmt.Sprintf("global %d is %#x and %#x", i, x.Get(), y.Get())
		}
	}
	return ""
}

// diffMemory compares two memories, either both or none of which are nil.
func diffMemory(a, b api.Memory) string {
	if a == nil {
		return ""
	}
	if a.Size() != b.Size() {
		return fmt.Sprintf("memory has %d pages and %d pages", a.Size()/PageSize, b.Size()/PageSize)
	}
	x, _ := a.Read(0, a.Size())
	y, _ := b.Read(0, b.Size())
	if bytes.Equal(x, y) {
		return ""
	}
	at := 0
	for x[at] == y[at] {
		at++
	}
	end := min(at+16, len(x))
	return fmt.Sprintf("memory differs at %#x: %x and %x", at, x[at:end], y[at:end])
}
