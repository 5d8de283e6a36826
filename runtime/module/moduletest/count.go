package moduletest

import (
	"sluice/runtime/module"
	"sluice/runtime/sandbox/wasmtest"
)

// countExport is the name of the global that counts.
const countExport = "moduletest:count"

// Counting returns the module with one change: before each instruction a new global of type i64 counts it. end and else
// are not counted, since they do nothing.
//
// It is how the fuel that a module spent is compared with the instructions that it ran, without trust in the code that
// charges for them.
func Counting(file []byte, m *module.Module) []byte {
	global := u(len(m.Globals))
	tick := join(wasmtest.GlobalGet(len(m.Globals)), wasmtest.I64(1), raw(0x7c), wasmtest.GlobalSet(len(m.Globals)))

	var bodies [][]byte
	for _, f := range Functions(file, m) {
		code := append([]byte(nil), f.Locals...)
		for _, in := range f.Instructions() {
			if in.Operation.Op != OpEnd && in.Operation.Op != OpElse {
				code = append(code, tick...)
			}
			code = append(code, f.Code[in.At:in.End]...)
		}
		bodies = append(bodies, join(u(len(code)), code))
	}
	added := map[module.SectionID][]byte{
		module.SectionGlobal: raw(0x7e, 1, 0x42, 0, 0x0b),
		module.SectionExport: join(name(countExport), raw(byte(module.KindGlobal)), global),
	}
	out := append([]byte(nil), file[:8]...)
	for id := module.SectionType; id <= module.SectionData; id++ {
		if id == module.SectionCode { // the data count comes first
			out = appendSection(out, file, m, module.SectionDataCount, nil)
			out = append(out, wasmtest.Section(byte(id), wasmtest.Vector(bodies...))...)
			continue
		}
		out = appendSection(out, file, m, id, added[id])
	}
	return out
}

// appendSection copies a section, with one more item in its vector if there is one to add.
func appendSection(out, file []byte, m *module.Module, id module.SectionID, item []byte) []byte {
	s, ok := m.Section(id)
	switch {
	case item == nil && !ok:
		return out
	case item == nil:
		return append(out, file[s.Offset:s.End]...)
	case !ok:
		return append(out, wasmtest.Section(byte(id), wasmtest.Vector(item))...)
	}
	c := cursor{b: file, at: s.Body}
	n := int(c.u32())
	return append(out, wasmtest.Section(byte(id), u(n+1), file[c.at:s.End], item)...)
}

// Counted is how many instructions an instance of a Counting module has run.
func Counted(i *Instance) uint64 {
	return i.guest.ExportedGlobal(countExport).Get()
}

// Counting returns a subject whose both forms count the instructions that they run: the original those of its author, the
// rewritten one those that were added too.
func (s *Subject) Counting(limits module.Limits) (*Subject, error) {
	m, err := module.Parse(s.Rewritten.Binary, limits)
	if err != nil {
		return nil, err
	}
	rewritten := *s.Rewritten
	rewritten.Binary = Counting(s.Rewritten.Binary, m)
	return &Subject{File: Counting(s.File, s.Module), Module: s.Module, Rewritten: &rewritten}, nil
}
