package module

func (p *parser) codeSection() {
	n := p.count(3, p.limits.Functions, "function bodies")
	p.bodies = n
	p.agreeOnBodies()
	for i := 0; i < n && p.err == nil; i++ {
		t, _ := p.m.FunctionType(uint32(p.m.ImportedFunctions + i))
		p.body(t)
	}
}

// body reads one function's body: its size, locals and code.
func (p *parser) body(t FuncType) {
	at := p.pos
	size := p.u32()
	if uint64(size) > uint64(p.left()) {
		p.fail(CodeMalformed, at, "A function body claims %d bytes, but the section holds %d more.", size, p.left())
		return
	}
	if uint64(size) > uint64(p.limits.BodyBytes) {
		p.over(at, uint64(size), uint64(p.limits.BodyBytes), "bytes of one function body")
		return
	}
	outer := p.end
	p.end = p.pos + int(size)
	p.code(at, len(t.Params)+p.locals())
	if p.err == nil && p.pos != p.end {
		p.fail(CodeMalformed, p.pos, "%d bytes follow the end of a function.", p.left())
	}
	p.end = outer
}

// locals reads the declarations of locals and returns how many there are.
func (p *parser) locals() int {
	at := p.pos
	runs := p.count(2, len(p.b), "runs of locals")
	total := uint64(0)
	for i := 0; i < runs && p.err == nil; i++ {
		total += uint64(p.u32())
		p.valueType()
		if total > uint64(p.limits.Locals) {
			p.over(at, total, uint64(p.limits.Locals), "locals of one function")
			return 0
		}
	}
	return int(total)
}

// function is what the walk over one function counts.
type function struct {
	locals        int // parameters included
	blocks        int
	branches      int // blocks included
	branchTargets int // of br_table
}

// code walks a function's instructions to the end that closes it. at is where the body stands.
func (p *parser) code(at, locals int) {
	f := function{locals: locals}
	p.blocks = append(p.blocks[:0], opBlock)
	var in instruction
	for len(p.blocks) > 0 && p.err == nil {
		p.instruction(&in)
		if p.err != nil {
			break
		}
		p.check(&in, &f)
		if p.m.stateful == "" {
			p.m.stateful = statefulInstruction(in.op)
		}
	}
	if n := uint64(f.locals) * uint64(f.blocks); n > uint64(p.limits.LocalsTimesBlocks) {
		p.over(at, n, uint64(p.limits.LocalsTimesBlocks), "locals × blocks of one function")
	}
}

// check checks an instruction against the module's index spaces and the function's structure.
func (p *parser) check(in *instruction, f *function) {
	switch in.imm {
	case immNone:
		if in.op == opEnd || in.op == opElse {
			p.closeBlock(in, f)
		}
	case immBlock:
		p.openBlock(in, f)
	case immLabel:
		p.label(in)
		p.countBranch(in, f)
	case immBrTable:
		p.label(in)
		p.countBranch(in, f)
		if f.branchTargets += int(in.y); f.branchTargets > p.limits.BranchTargets {
			p.over(in.at, uint64(f.branchTargets), uint64(p.limits.BranchTargets), "br_table targets of one function")
		}
	case immFunc:
		p.index(in.at, in.x, len(p.m.Functions), "function")
	case immIndirect:
		p.index(in.at, in.x, len(p.m.Types), "type")
		if p.index(in.at, in.y, len(p.m.Tables), "table") && p.m.Tables[in.y].Type != FuncRef {
			p.fail(CodeMalformed, in.at, "An indirect call through table %d, which holds no functions.", in.y)
		}
	case immLocal:
		p.index(in.at, in.x, f.locals, "local")
	case immGlobal:
		if p.index(in.at, in.x, len(p.m.Globals), "global") && in.op == opGlobalSet && !p.m.Globals[in.x].Mutable {
			p.fail(CodeMalformed, in.at, "The global %d is set, but it is not mutable.", in.x)
		}
	case immTable:
		p.index(in.at, in.x, len(p.m.Tables), "table")
	case immTables:
		p.index(in.at, in.x, len(p.m.Tables), "table")
		p.index(in.at, in.y, len(p.m.Tables), "table")
	case immTableInit:
		p.index(in.at, in.x, p.m.Elements, "element segment")
		p.index(in.at, in.y, len(p.m.Tables), "table")
		p.initTarget(in)
	case immElem:
		p.index(in.at, in.x, p.m.Elements, "element segment")
	case immMemory, immMemories, immMemarg, immMemargLane:
		p.index(in.at, 0, len(p.m.Memories), "memory")
	case immMemoryInit:
		p.index(in.at, 0, len(p.m.Memories), "memory")
		p.dataSegment(in)
		p.initTarget(in)
	case immData:
		p.dataSegment(in)
	}
}

// label checks the target of a branch.
func (p *parser) label(in *instruction) {
	p.index(in.at, in.x, len(p.blocks), "enclosing label")
}

// dataSegment checks a data segment's index. Data come after the code, so the data count section is asked.
func (p *parser) dataSegment(in *instruction) {
	if p.dataCount < 0 {
		p.fail(CodeMalformed, in.at, "The code uses a data segment, but the module has no data count section.")
		return
	}
	p.index(in.at, in.x, p.dataCount, "data segment")
	p.m.namesData = true
}

// initTarget counts what memory.init and table.init name.
func (p *parser) initTarget(in *instruction) {
	if p.initTargets == nil {
		p.initTargets = make(map[helper]struct{})
	}
	p.initTargets[helper{op: in.op, x: in.x, y: in.y}] = struct{}{}
	if n := len(p.initTargets); n > p.limits.InitTargets {
		p.over(in.at, uint64(n), uint64(p.limits.InitTargets), "segments that instructions copy from")
	}
}

func (p *parser) openBlock(in *instruction, f *function) {
	if in.k >= 0 {
		p.index(in.at, uint32(in.k), len(p.m.Types), "type")
	}
	p.blocks = append(p.blocks, in.op)
	// The function's own block does not count.
	if depth := len(p.blocks) - 1; depth > p.limits.Nesting {
		p.over(in.at, uint64(depth), uint64(p.limits.Nesting), "blocks nested in each other")
	}
	f.blocks++
	p.countBranch(in, f)
}

func (p *parser) closeBlock(in *instruction, f *function) {
	top := len(p.blocks) - 1
	if in.op == opEnd {
		p.blocks = p.blocks[:top]
		return
	}
	if p.blocks[top] != opIf {
		p.fail(CodeMalformed, in.at, "An else stands outside an if.")
		return
	}
	p.blocks[top] = opElse
	f.blocks++
	p.countBranch(in, f)
}

// countBranch counts a block or branch.
func (p *parser) countBranch(in *instruction, f *function) {
	if f.branches++; f.branches > p.limits.Branches {
		p.over(in.at, uint64(f.branches), uint64(p.limits.Branches), "blocks and branches of one function")
	}
}
