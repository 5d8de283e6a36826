package moduletest

import (
	"bytes"
	"fmt"
	"slices"

	"sluice/runtime/module"
)

// maxPages is how many pages a memory can have.
const maxPages = 1 << 16

// CheckStructure says where a rewritten module is not the original with what the rewriter may add, "" where it is. Nothing is
// run: sections are compared with sections, and instructions with instructions.
func CheckStructure(s *Subject, limits module.Limits) string {
	if again := s.Module.Rewrite(); !bytes.Equal(again.Binary, s.Rewritten.Binary) {
		return "rewriting twice gives different bytes"
	}
	r, err := module.Parse(s.Rewritten.Binary, limits)
	if err != nil {
		return "the rewritten module is refused: " + err.Error()
	}
	c := &structure{original: s.Module, rewritten: r, out: s.Rewritten, checkpoint: uint32(s.Module.ImportedFunctions)}
	for _, check := range []func() string{c.imports, c.functions, c.state, c.exports, func() string { return c.code(s.File) }, c.segments} {
		if d := check(); d != "" {
			return d
		}
	}
	return ""
}

// structure compares a module with what was made of it.
type structure struct {
	original, rewritten *module.Module
	out                 *module.Rewritten
	checkpoint          uint32
	namesData           bool // whether an instruction of the original names a data segment
}

// moved is where a function must be now.
func (c *structure) moved(function uint32) uint32 {
	if function >= c.checkpoint {
		return function + 1
	}
	return function
}

func (c *structure) imports() string {
	a, b := c.original.Imports, c.rewritten.Imports
	if len(b) != len(a)+1 {
		return fmt.Sprintf("%d imports, want one more than %d", len(b), len(a))
	}
	for i := range a {
		if a[i].Module != b[i].Module || a[i].Name != b[i].Name || a[i].Kind != b[i].Kind || !a[i].Type.Equal(b[i].Type) {
			return fmt.Sprintf("import %d is %+v, want %+v", i, b[i], a[i])
		}
	}
	last := b[len(a)]
	if last.Module != module.ModuleMeter || last.Name != module.FunctionCheckpoint || last.Index != c.checkpoint ||
		len(last.Type.Params)+len(last.Type.Results) > 0 {
		return fmt.Sprintf("the last import is %+v, not the checkpoint", last)
	}
	return ""
}

func (c *structure) functions() string {
	for i := range c.original.Functions {
		want, _ := c.original.FunctionType(uint32(i))
		if have, ok := c.rewritten.FunctionType(c.moved(uint32(i))); !ok || !have.Equal(want) {
			return fmt.Sprintf("function %d is of the type %s, want %s", i, have, want)
		}
	}
	if c.rewritten.HasStart {
		return "there is a start section"
	}
	if len(c.rewritten.Customs) > 0 {
		return "there are custom sections"
	}
	return ""
}

// state compares tables, memory and globals.
func (c *structure) state() string {
	a, b := c.original, c.rewritten
	if len(a.Tables) != len(b.Tables) || len(a.Memories) != len(b.Memories) || len(b.Globals) != len(a.Globals)+2 {
		return fmt.Sprintf("%d tables, %d memories, %d globals, want %d, %d, %d",
			len(b.Tables), len(b.Memories), len(b.Globals), len(a.Tables), len(a.Memories), len(a.Globals)+2)
	}
	for i := range a.Tables {
		if a.Tables[i].Type != b.Tables[i].Type || a.Tables[i].Initial != b.Tables[i].Initial {
			return fmt.Sprintf("table %d is %+v, was %+v", i, b.Tables[i], a.Tables[i])
		}
		if i >= a.ImportedTables && (!b.Tables[i].HasMax || a.Tables[i].HasMax && b.Tables[i].Max > a.Tables[i].Max) {
			return fmt.Sprintf("the maximum of table %d is %d, was %d", i, b.Tables[i].Max, a.Tables[i].Max)
		}
	}
	most := uint32(maxPages)
	if len(a.Memories) > 0 {
		m := a.Memories[0]
		if m.HasMax {
			most = m.Max
		}
		if a.ImportedMemories == 0 {
			m = module.Memory{Initial: m.Initial, Max: min(most+1, maxPages), HasMax: true}
		}
		if b.Memories[0] != m {
			return fmt.Sprintf("the memory is %+v, want %+v", b.Memories[0], m)
		}
	}
	if c.out.MemoryMax != most {
		return fmt.Sprintf("the memory's maximum is said to be %d, and is %d", c.out.MemoryMax, most)
	}
	if !slices.Equal(a.Globals, b.Globals[:len(a.Globals)]) {
		return "the globals changed"
	}
	return ""
}

// exports compares exports, and checks that the hidden ones are what they are said to be.
func (c *structure) exports() string {
	a, b := c.original.Exports, c.rewritten.Exports
	if len(b) < len(a) {
		return fmt.Sprintf("%d exports, want %d", len(b), len(a))
	}
	for i, e := range a {
		if e.Kind == module.KindFunction {
			e.Index = c.moved(e.Index)
		}
		if b[i].Name != e.Name || b[i].Kind != e.Kind || b[i].Index != e.Index {
			return fmt.Sprintf("export %d is %+v, want %+v", i, b[i], e)
		}
	}
	var mutable []uint32
	for i, g := range c.original.Globals {
		numeric := g.Type >= module.F64 && g.Type <= module.I32
		if g.Mutable && numeric && i >= c.original.ImportedGlobals {
			mutable = append(mutable, uint32(i))
		}
	}
	mutable = append(mutable, uint32(len(c.original.Globals)), uint32(len(c.original.Globals))+1)
	for i, name := range append(slices.Clone(c.out.Globals), c.out.Fuel, c.out.Depth) {
		e, ok := c.rewritten.Export(name)
		if !ok || e.Kind != module.KindGlobal || i >= len(mutable) || e.Index != mutable[i] || !c.rewritten.Globals[e.Index].Mutable {
			return fmt.Sprintf("the export %q is %+v, want global %d", name, e, mutable[min(i, len(mutable)-1)])
		}
	}
	hidden := len(mutable)
	if c.original.HasStart {
		hidden++
		e, ok := c.rewritten.Export(c.out.Start)
		if !ok || e.Kind != module.KindFunction || len(e.Type.Params)+len(e.Type.Results) > 0 {
			return fmt.Sprintf("the export %q is %+v, want the start function", c.out.Start, e)
		}
	}
	if len(b) != len(a)+hidden || c.original.HasStart != (c.out.Start != "") {
		return fmt.Sprintf("%d exports are hidden, want %d", len(b)-len(a), hidden)
	}
	return ""
}

// segments compares the numbers of segments. Data segments may go where no instruction names one.
func (c *structure) segments() string {
	a, b := c.original, c.rewritten
	if a.Elements != b.Elements || b.DataSegments > a.DataSegments || c.namesData && b.DataSegments < a.DataSegments {
		return fmt.Sprintf("%d element and %d data segments, want %d and %d", b.Elements, b.DataSegments, a.Elements, a.DataSegments)
	}
	return ""
}

// code compares the instructions of all functions.
func (c *structure) code(file []byte) string {
	a, b := Functions(file, c.original), Functions(c.out.Binary, c.rewritten)
	if len(b) < len(a) {
		return fmt.Sprintf("%d bodies, want %d", len(b), len(a))
	}
	for i := range a {
		if !bytes.HasPrefix(b[i].Locals, a[i].Locals) {
			return fmt.Sprintf("the locals of body %d changed", i)
		}
		if d := c.body(a[i], b[i]); d != "" {
			return fmt.Sprintf("body %d: %s", i, d)
		}
	}
	return ""
}

// body checks that the original's instructions are found in the rewritten ones, in order, and that what stands between them
// is of the kind that counts and checks.
func (c *structure) body(original, rewritten Function) string {
	open := 1
	added := rewritten.Instructions()
	for _, want := range original.Instructions() {
		for {
			if len(added) == 0 {
				return fmt.Sprintf("the instruction %x at %d is missing", original.Code[want.At:want.End], want.At)
			}
			have := added[0]
			added = added[1:]
			if c.stands(want, have, original.Code[want.At:want.End], rewritten.Code[have.At:have.End], open) {
				break
			}
			if !c.counts(have) {
				return fmt.Sprintf("the instruction %x stands before %x at %d",
					rewritten.Code[have.At:have.End], original.Code[want.At:want.End], want.At)
			}
		}
		switch want.Operation.Op {
		case OpBlock, OpLoop, OpIf:
			open++
		case OpEnd:
			open--
		case OpMemoryInit, OpDataDrop:
			c.namesData = true
		}
	}
	for _, in := range added {
		if !c.counts(in) {
			return fmt.Sprintf("the instruction %x stands behind the end", rewritten.Code[in.At:in.End])
		}
	}
	return ""
}

// stands reports whether an instruction may stand for another one. open is the number of open blocks with the function's.
func (c *structure) stands(want, have Instruction, wantBytes, haveBytes []byte, open int) bool {
	switch want.Operation.Op {
	case OpCall, OpRefFunc:
		return have.Operation.Op == want.Operation.Op && have.Indices[0] == c.moved(want.Indices[0])
	case OpReturn:
		if have.Operation.Op == OpBr && int(have.Indices[0]) == open-1 {
			return true
		}
	case OpMemoryInit, OpMemoryCopy, OpMemoryFill, OpTableInit, OpTableCopy, OpTableFill:
		// One of the functions that the rewriter added.
		if have.Operation.Op == OpCall && have.Indices[0] > uint32(len(c.original.Functions)) {
			return true
		}
	}
	return bytes.Equal(wantBytes, haveBytes)
}

// counts reports whether an instruction is one of those that count fuel and depth.
func (c *structure) counts(in Instruction) bool {
	switch in.Operation.Op {
	case OpGlobalGet, OpGlobalSet:
		return in.Indices[0] >= uint32(len(c.original.Globals))
	case OpCall:
		return in.Indices[0] == c.checkpoint
	case OpBlock, OpIf, OpEnd, 0x41, 0x48, 0x6a, 0x6b, 0x72: // i32.const, lt_s, add, sub, or
		return true
	}
	return false
}
