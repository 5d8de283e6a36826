package module

// The bits of an element segment's flags. In a segment that is not passive, explicit means that a table index
// is there; in a passive one, that the segment is declarative.
const (
	elementPassive     = 1
	elementExplicit    = 2
	elementExpressions = 4
)

func (p *parser) elementSection() {
	n := p.count(2, p.limits.Elements, "element segments")
	for i := 0; i < n && p.err == nil; i++ {
		p.element()
	}
	p.m.Elements = n
}

// element reads one element segment, in any of the eight forms.
func (p *parser) element() {
	at := p.pos
	flags := p.u32()
	if flags > elementPassive|elementExplicit|elementExpressions {
		p.fail(CodeMalformed, at, "Unknown flags 0x%02x of an element segment.", flags)
		return
	}
	active := flags&elementPassive == 0
	table := uint32(0)
	tableAt := p.pos
	if active {
		if flags&elementExplicit != 0 {
			table = p.u32()
		}
		if !p.index(tableAt, table, len(p.m.Tables), "table") {
			return
		}
		p.constant(I32)
	}
	t := FuncRef
	if flags&(elementPassive|elementExplicit) != 0 {
		t = p.elementType(flags&elementExpressions != 0)
	}
	if active && p.err == nil && p.m.Tables[table].Type != t {
		p.fail(CodeMalformed, at, "An element segment of %s fills a table of %s.", t, p.m.Tables[table].Type)
	}
	p.elementItem(t, flags&elementExpressions != 0)
}

// elementType reads the type of a segment's items: a reference type before expressions, else the kind 0.
func (p *parser) elementType(expressions bool) ValueType {
	if expressions {
		return p.referenceType()
	}
	at := p.pos
	if kind := p.byte(); kind != 0 {
		p.fail(CodeMalformed, at, "Unknown element kind 0x%02x.", kind)
	}
	return FuncRef
}

// elementItem reads all items of a segment.
func (p *parser) elementItem(t ValueType, expressions bool) {
	at := p.pos
	size := 1
	if expressions {
		size = 2
	}
	n := p.count(size, p.limits.ElementItems, "items of an element segment")
	if p.elementItems += n; p.elementItems > p.limits.ElementItems {
		p.over(at, uint64(p.elementItems), uint64(p.limits.ElementItems), "items of all element segments")
	}
	for i := 0; i < n && p.err == nil; i++ {
		if expressions {
			p.constant(t)
			continue
		}
		itemAt := p.pos
		p.index(itemAt, p.u32(), len(p.m.Functions), "function")
	}
}

func (p *parser) dataCountSection() {
	at := p.pos
	n := p.u32()
	if uint64(n) > uint64(p.limits.DataSegments) {
		p.over(at, uint64(n), uint64(p.limits.DataSegments), "data segments")
		return
	}
	p.dataCount = int(n)
}

func (p *parser) dataSection() {
	n := p.count(2, p.limits.DataSegments, "data segments")
	for i := 0; i < n && p.err == nil; i++ {
		p.data()
	}
	p.m.DataSegments = n
}

// data reads one data segment: active (0), passive (1), active with a memory index (2).
func (p *parser) data() {
	at := p.pos
	switch flags := p.u32(); flags {
	case 0:
		p.index(at, 0, len(p.m.Memories), "memory")
		p.constant(I32)
	case 1:
	case 2:
		memoryAt := p.pos
		p.index(memoryAt, p.u32(), len(p.m.Memories), "memory")
		p.constant(I32)
	default:
		p.fail(CodeMalformed, at, "Unknown flags 0x%02x of a data segment.", flags)
	}
	n := p.u32()
	if uint64(n) > uint64(p.left()) {
		p.fail(CodeMalformed, at, "A data segment claims %d bytes, but the section holds %d more.", n, p.left())
	}
	p.take(int(n))
}

// constant reads a constant expression: one instruction that yields the type want, and an end.
func (p *parser) constant(want ValueType) {
	var in instruction
	p.instruction(&in)
	if p.err != nil {
		return
	}
	got, ok := p.constantType(&in)
	if !ok {
		return
	}
	if got != want {
		p.fail(CodeMalformed, in.at, "A constant expression yields %s where %s is needed.", got, want)
		return
	}
	p.instruction(&in)
	if p.err != nil || in.op == opEnd {
		return
	}
	switch in.op {
	case opI32Const, opI64Const, opGlobalGet, opI32Add, opI32Sub, opI32Mul, opI64Add, opI64Sub, opI64Mul:
		p.unsupported(in.at, &extendedConst)
	default:
		p.fail(CodeMalformed, in.at, "A constant expression must be one instruction.")
	}
}

// constantType returns what an instruction yields in a constant expression; false if it may not stand there.
func (p *parser) constantType(in *instruction) (ValueType, bool) {
	switch in.op {
	case opI32Const:
		return I32, true
	case opI64Const:
		return I64, true
	case opF32Const:
		return F32, true
	case opF64Const:
		return F64, true
	case opV128Const:
		return V128, true
	case opRefNull:
		return ValueType(in.x), true
	case opRefFunc:
		return FuncRef, p.index(in.at, in.x, len(p.m.Functions), "function")
	case opGlobalGet:
		// Only what the host set before instantiation is constant.
		if !p.index(in.at, in.x, p.m.ImportedGlobals, "imported global") {
			return 0, false
		}
		g := p.m.Globals[in.x]
		if g.Mutable {
			p.fail(CodeMalformed, in.at, "A constant expression reads the mutable global %d.", in.x)
		}
		return g.Type, !g.Mutable
	}
	p.fail(CodeMalformed, in.at, "The instruction 0x%02x may not stand in a constant expression.", uint16(in.op))
	return 0, false
}
