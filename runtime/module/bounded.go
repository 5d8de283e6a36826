package module

import "encoding/binary"

// Bounded returns the module as an engine may have it, in a slice of its own: without its custom sections (names,
// producers, debug information), and with a maximum of at most Limits.TableMax for every table, which a table without
// one could be grown past all memory. For a guest, table.grow fails earlier, and nothing else differs.
func (m *Module) Bounded() []byte {
	out := make([]byte, 0, len(m.file))
	out = append(out, m.file[:headerBytes]...)
	for _, s := range m.Sections {
		switch s.ID {
		case SectionCustom:
		case SectionTable:
			contents := m.boundedTables()
			out = append(out, byte(SectionTable))
			out = binary.AppendUvarint(out, uint64(len(contents))) // unsigned LEB128 is what Go calls a varint
			out = append(out, contents...)
		default:
			out = append(out, m.file[s.Offset:s.End]...)
		}
	}
	return out
}

// boundedTables is the contents of a table section with the tables that the module defines.
func (m *Module) boundedTables() []byte {
	defined := m.Tables[m.ImportedTables:]
	out := binary.AppendUvarint(nil, uint64(len(defined)))
	for _, t := range defined {
		t = m.bounded(t)
		out = append(out, byte(t.Type), 1) // 1: there is a maximum
		out = binary.AppendUvarint(out, uint64(t.Initial))
		out = binary.AppendUvarint(out, uint64(t.Max))
	}
	return out
}

// bounded is a table as Bounded has it.
func (m *Module) bounded(t Table) Table {
	most := max(m.tableMax, t.Initial)
	if !t.HasMax || t.Max > most {
		t.Max, t.HasMax = most, true
	}
	return t
}
