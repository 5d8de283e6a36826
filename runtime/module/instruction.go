package module

// instruction is one decoded instruction. What its fields hold depends on imm:
//
//	immBlock                   k: the block type, −64 for none, −1 … −17 for one value type, else a type index
//	immLabel, immFunc, immLocal, immGlobal, immTable, immElem, immData    x: the index
//	immBrTable                 x: the largest label, y: the number of targets without the default
//	immIndirect                x: type, y: table
//	immTables                  x: destination, y: source
//	immTableInit               x: element segment, y: table
//	immMemoryInit              x: data segment
//	immMemarg, immMemargLane   x: alignment exponent, y: offset
//	immI32, immI64             k: the value
//	immUnknown                 y: the number behind a prefix, which op is then
//	immSelect, immRefType      x: the value type
type instruction struct {
	op   opcode
	imm  immediate
	at   int // offset of the opcode's first byte
	x, y uint32
	k    int64
}

// blockEmpty is the block type without parameters and results.
const blockEmpty = -0x40

// instruction decodes one instruction and checks what needs no knowledge of the module:
// that it exists, alignments, lanes, reserved bytes, value types.
func (r *reader) instruction(in *instruction) {
	in.at, in.x, in.y, in.k = r.pos, 0, 0, 0
	op := r.operation(in)
	in.imm = op.imm
	switch op.imm {
	case immNone:
	case immUnknown:
		r.unknownOpcode(in)
	case immBlock:
		in.k = r.blockType()
	case immLabel, immFunc, immLocal, immGlobal, immTable, immElem, immData:
		in.x = r.u32()
	case immIndirect, immTables, immTableInit:
		in.x, in.y = r.u32(), r.u32()
	case immBrTable:
		r.branchTable(in)
	case immMemory:
		r.memoryZero()
	case immMemories:
		r.memoryZero()
		r.memoryZero()
	case immMemoryInit:
		in.x = r.u32()
		r.memoryZero()
	case immMemarg:
		r.memarg(in, op.align)
	case immMemargLane:
		r.memarg(in, op.align)
		r.lane(op.lanes)
	case immLane:
		r.lane(op.lanes)
	case immShuffle:
		for range 16 {
			r.lane(op.lanes)
		}
	case immI32:
		in.k = r.signed(32)
	case immI64:
		in.k = r.signed(64)
	case immF32:
		r.take(4)
	case immF64:
		r.take(8)
	case immV128:
		r.take(16)
	case immSelect:
		at := r.pos
		if n := r.u32(); n != 1 {
			r.fail(CodeMalformed, at, "A select instruction names %d result types; it must be one.", n)
		}
		in.x = uint32(r.valueType())
	case immRefType:
		in.x = uint32(r.referenceType())
	}
}

// operation reads the opcode and looks it up.
func (r *reader) operation(in *instruction) operation {
	first := r.byte()
	in.op = opcode(first)
	if first != prefixMisc && first != prefixVector {
		return operations[first]
	}
	table := misc
	if first == prefixVector {
		table = vector
	}
	n := r.u32()
	if n >= uint32(len(table)) || table[n].imm == immUnknown {
		in.y = n
		return operation{}
	}
	in.op = opcode(first)<<8 | opcode(n)
	return table[n]
}

// unknownOpcode refuses an opcode that the table lacks, by its proposal's name if it belongs to one.
func (r *reader) unknownOpcode(in *instruction) {
	first := byte(in.op)
	p := proposalOf(first, in.y)
	switch {
	case p != nil:
		r.unsupported(in.at, p)
	case first == prefixMisc || first == prefixVector:
		r.fail(CodeMalformed, in.at, "Unknown instruction 0x%02x 0x%02x.", first, in.y)
	default:
		r.fail(CodeMalformed, in.at, "Unknown instruction 0x%02x.", first)
	}
}

// blockType reads a block type and checks a value type in it. The caller checks a type index.
func (r *reader) blockType() int64 {
	at := r.pos
	k := r.signed(33)
	switch {
	case k >= 0:
	case r.pos != at+1: // only a type index may take more than one byte
		r.fail(CodeMalformed, at, "A block has an unknown type.")
	case k != blockEmpty:
		r.checkValueType(at, ValueType(k&0x7f))
	}
	return k
}

// branchTable reads the targets of a br_table, keeping no more than the largest.
func (r *reader) branchTable(in *instruction) {
	n := r.u32()
	if fit := r.left(); uint64(n) >= uint64(fit) {
		r.fail(CodeMalformed, in.at, "A br_table claims %d targets, but the bytes that follow hold fewer.", n)
		return
	}
	in.y = n
	for i := uint32(0); i <= n && r.err == nil; i++ {
		in.x = max(in.x, r.u32())
	}
}

// memoryZero reads a memory index, which is one zero byte.
func (r *reader) memoryZero() {
	at := r.pos
	if c := r.byte(); c != 0 && r.err == nil {
		r.unsupported(at, &multiMemory)
	}
}

// memarg reads alignment and offset.
func (r *reader) memarg(in *instruction, natural uint8) {
	at := r.pos
	in.x = r.u32()
	if in.x > uint32(natural) {
		// Bit 6 says that a memory index follows.
		if in.x < 0x80 && in.x&0x40 != 0 {
			r.unsupported(at, &multiMemory)
			return
		}
		r.fail(CodeMalformed, at, "A memory access is aligned to 2^%d bytes; its natural alignment is 2^%d.", in.x, natural)
		return
	}
	in.y = r.u32()
}

// lane reads a lane index.
func (r *reader) lane(lanes uint8) {
	at := r.pos
	if c := r.byte(); c >= lanes {
		r.fail(CodeMalformed, at, "Lane %d of %d does not exist.", c, lanes)
	}
}

// valueType reads a value type.
func (r *reader) valueType() ValueType {
	at := r.pos
	t := ValueType(r.byte())
	if !r.checkValueType(at, t) {
		return 0
	}
	return t
}

// referenceType reads a reference type.
func (r *reader) referenceType() ValueType {
	at := r.pos
	t := r.valueType()
	if r.err == nil && !t.reference() {
		r.fail(CodeMalformed, at, "A reference type is expected, not %s.", t)
	}
	return t
}

// checkValueType refuses a value type that is unknown, and reports whether it is known.
func (r *reader) checkValueType(at int, t ValueType) bool {
	if t.known() {
		return true
	}
	if r.err == nil {
		if p := proposalOfType(byte(t)); p != nil {
			r.unsupported(at, p)
		} else {
			r.fail(CodeMalformed, at, "Unknown value type 0x%02x.", byte(t))
		}
	}
	return false
}
