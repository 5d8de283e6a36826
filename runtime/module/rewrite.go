package module

import (
	"encoding/binary"
	"strconv"
)

// Rewritten is a module in the form in which it runs: its time is metered, its recursion bounded, and all of its state
// is within the host's reach. docs/REWRITING.md draws what is changed and why it is sound.
type Rewritten struct {
	// Binary is what is compiled. It imports FunctionCheckpoint from ModuleMeter, lays no data and starts nothing.
	Binary []byte
	// Data are the active data segments, in order. The host lays them into the first instance; one that does not fit
	// is a trap, before which those in front of it were laid.
	Data []Data
	// Start is the export that runs the start function, which the host calls once the data are laid; "" if there is none.
	Start string
	// Globals are the exports of the mutable globals that the module defines, in the order of their indices.
	Globals []string
	// Fuel and Depth are the exports of two mutable i32 globals that count down. When one of them is negative the
	// guest calls the checkpoint. Fuel is spent for good; Depth, estimated bytes of stack, comes back as functions return.
	Fuel, Depth string
	// MemoryMax is how many pages the memory may have. Binary allows one more, which the host grows into when it gives
	// grown memory back, so that it is the host's to enforce.
	MemoryMax uint32
	// NotImageable says why instances can't start from the image of another one, "" if they can.
	NotImageable string
}

// Data is a piece of a memory's first contents.
type Data struct {
	Offset uint32 // in bytes
	Bytes  []byte // of the module's file
}

// What a rewritten module imports besides the imports of its own: a function () -> ().
const (
	ModuleMeter        = "sluice:meter"
	FunctionCheckpoint = "checkpoint"
)

// rewriter writes a rewritten module. It walks a file that Parse has accepted, so that reading can't fail.
type rewriter struct {
	reader
	m   *Module
	out Rewritten

	types       [][]byte          // appended, encoded
	typeIndices map[string]uint32 // of all types, by their encoding
	helpers     []helper          // functions appended behind the module's own
	helperIndex map[helper]uint32
	start       uint32 // the helper that calls the start function
	// paid is by function index what its callers pay for a function, 0 where it pays for itself.
	paid []int32
	// quiet is by function index whether a function calls nothing but imports, so that it can't take part in a recursion.
	quiet   []bool
	planner planner
	heights heights
}

// Rewrite returns the module in the form in which it runs. It is a pure function of the module's bytes, so that code
// compiled from it can be kept.
func (m *Module) Rewrite() *Rewritten {
	w := &rewriter{reader: reader{b: m.file}, m: m, typeIndices: make(map[string]uint32), helperIndex: make(map[helper]uint32)}
	for i := len(m.Types) - 1; i >= 0; i-- { // of equal ones the first
		w.typeIndices[string(encodeType(m.Types[i]))] = uint32(i)
	}
	w.out.MemoryMax = maxPages
	if len(m.Memories) > 0 && m.Memories[0].HasMax {
		w.out.MemoryMax = m.Memories[0].Max
	}
	w.out.NotImageable = m.notImageable()
	// Each of these may add types, and the code adds functions.
	code, imports := w.code(), w.imports()
	functions := w.functions()
	out := append([]byte(nil), m.file[:headerBytes]...)
	for _, s := range []struct {
		id       SectionID
		contents []byte
	}{
		{SectionType, w.allTypes()},
		{SectionImport, imports},
		{SectionFunction, functions},
		{SectionTable, m.boundedTables()},
		{SectionMemory, w.memory()},
		{SectionGlobal, w.globals()},
		{SectionExport, w.exports()},
		{SectionElement, w.elements()},
		{SectionDataCount, w.dataCount()},
		{SectionCode, code},
		{SectionData, w.dataSegments()},
	} {
		if s.contents != nil {
			out = appendVector(append(out, byte(s.id)), s.contents)
		}
	}
	w.out.Binary = out
	return &w.out
}

// appendVector appends bytes with their number in front.
func appendVector(out, contents []byte) []byte {
	return append(binary.AppendUvarint(out, uint64(len(contents))), contents...) // LEB128 is what Go calls a varint
}

func appendU32(out []byte, v uint32) []byte { return binary.AppendUvarint(out, uint64(v)) }

// appendS32 appends a signed LEB128.
func appendS32(out []byte, v int32) []byte {
	for {
		low := byte(v & 0x7f)
		v >>= 7
		if (v == 0 && low&0x40 == 0) || (v == -1 && low&0x40 != 0) {
			return append(out, low)
		}
		out = append(out, low|0x80)
	}
}

// at moves the reader to a section's contents behind the number of items, and returns that number; 0 where there is no
// such section.
func (w *rewriter) at(id SectionID) int {
	s, ok := w.m.Section(id)
	if !ok {
		w.pos, w.end = 0, 0
		return 0
	}
	w.pos, w.end = s.Body, s.End
	return int(w.u32())
}

// rest returns what the section being read still holds.
func (w *rewriter) rest() []byte { return w.b[w.pos:w.end] }

// checkpoint is the index of the checkpoint: behind all imports, so that every function the module defines moves by one.
func (w *rewriter) checkpoint() uint32 { return uint32(w.m.ImportedFunctions) }

// moved is where a function of the module is now.
func (w *rewriter) moved(function uint32) uint32 {
	if function >= w.checkpoint() {
		return function + 1
	}
	return function
}

func (w *rewriter) fuelGlobal() uint32  { return uint32(len(w.m.Globals)) }
func (w *rewriter) depthGlobal() uint32 { return uint32(len(w.m.Globals)) + 1 }

// blockType returns the encoded type of a block that takes nothing and yields results.
func (w *rewriter) blockType(results []ValueType) []byte {
	switch len(results) {
	case 0:
		return []byte{blockEmpty & 0x7f}
	case 1:
		return []byte{byte(results[0])}
	}
	return appendS32(nil, int32(w.typeIndex(FuncType{Results: results})))
}

// typeIndex returns the index of a function type, which is added where the module has none like it.
func (w *rewriter) typeIndex(t FuncType) uint32 {
	encoded := encodeType(t)
	i, ok := w.typeIndices[string(encoded)]
	if !ok {
		i = uint32(len(w.m.Types) + len(w.types))
		w.types = append(w.types, encoded)
		w.typeIndices[string(encoded)] = i
	}
	return i
}

func encodeType(t FuncType) []byte {
	encoded := []byte{formFunction}
	for _, types := range [][]ValueType{t.Params, t.Results} {
		encoded = appendU32(encoded, uint32(len(types)))
		for _, v := range types {
			encoded = append(encoded, byte(v))
		}
	}
	return encoded
}

// hidden returns a name that nothing is exported under yet. The guest can't use it: what a module exports, it can't
// import.
func (w *rewriter) hidden(name string) string {
	name = "sluice:" + name
	for {
		if _, taken := w.m.Export(name); !taken {
			return name
		}
		name += "'"
	}
}

// notImageable says what in a module is state that can't be saved and restored.
func (m *Module) notImageable() string {
	for i, g := range m.Globals[m.ImportedGlobals:] {
		if g.Mutable && (g.Type == V128 || g.Type.reference()) {
			return "the global " + strconv.Itoa(m.ImportedGlobals+i) + " is mutable and holds a value of type " + g.Type.String()
		}
	}
	switch {
	case m.ImportedTables+m.ImportedMemories > 0:
		return "a table or memory is imported"
	case m.stateful != "":
		return "the code uses " + m.stateful
	}
	for _, imp := range m.Imports {
		if imp.Kind == KindGlobal && m.Globals[imp.Index].Mutable {
			return "a mutable global is imported"
		}
	}
	return ""
}

// statefulInstruction returns the name of an instruction that changes a table, or drops a segment, "" for all others.
func statefulInstruction(op opcode) string {
	switch op {
	case opTableSet:
		return "table.set"
	case opTableGrow:
		return "table.grow"
	case opTableFill:
		return "table.fill"
	case opTableCopy:
		return "table.copy"
	case opTableInit:
		return "table.init"
	case opElemDrop:
		return "elem.drop"
	case opDataDrop:
		return "data.drop"
	}
	return ""
}
