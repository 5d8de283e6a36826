package moduletest

import (
	"bytes"
	"fmt"
	"slices"

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

// CheckExports says where the exports of a rewritten instance are not those of its file and the hidden ones that the
// rewriter named. "" where all is well.
func CheckExports(i *Instance) string {
	m, r := i.subject.Module, i.subject.Rewritten
	hidden := append(slices.Clone(r.Globals), r.Fuel, r.Depth)
	if r.Start != "" {
		hidden = append(hidden, r.Start)
	}
	for n, name := range hidden {
		if _, taken := m.Export(name); taken || name == "" || slices.Contains(hidden[:n], name) {
			// An export of the file may name a mutable global already.
			if !taken || !slices.Contains(r.Globals, name) {
				return fmt.Sprintf("the hidden export %q is not unique", name)
			}
		}
	}
	for _, e := range m.Exports {
		if f := i.guest.ExportedFunction(e.Name); f != nil {
			d := f.Definition()
			if !sameTypes(d.ParamTypes(), e.Type.Params) || !sameTypes(d.ResultTypes(), e.Type.Results) {
				return fmt.Sprintf("the function %q changed its type", e.Name)
			}
		}
	}
	return ""
}

func sameTypes[T, U ~byte](a []T, b []U) bool {
	return slices.EqualFunc(a, b, func(x T, y U) bool { return byte(x) == byte(y) })
}
