package module

// Bulk operations can take as long as memory is large, and nothing can interrupt one. Those whose length is not a small
// constant go through a helper function, which works in pieces and pays for each.
const (
	// bulkPiece is how much one piece moves, in bytes; tableBulkPiece in elements of eight bytes.
	bulkPiece      = 256 << 10
	tableBulkPiece = bulkPiece / 8
	// bulkInline is the length up to which a constant one stays where it is, in bytes.
	bulkInline = 1024
	// bulkUnitBytes is how many bytes a unit of fuel pays for.
	bulkUnitBytes = 8
)

// helper is a function that does what one bulk operation does, with the same parameters and the same traps; or, for a
// call, one that calls the start function: exporting that one itself would make references to it valid that are not.
type helper struct {
	op   opcode
	x, y uint32 // immediates: segment, table or function
}

// isBulk says whether an instruction works on as much memory or table as its third operand says.
func isBulk(op opcode) bool {
	switch op {
	case opMemoryInit, opMemoryCopy, opMemoryFill, opTableInit, opTableCopy, opTableFill:
		return true
	}
	return false
}

// isInline says whether a bulk operation of that length may stay where it is.
func isInline(op opcode, length int64) bool {
	return length <= bulkInline && (op == opMemoryInit || op == opMemoryCopy || op == opMemoryFill)
}

// helper returns the index of the function that stands for an operation.
func (w *rewriter) helper(h helper) uint32 {
	i, ok := w.helperIndex[h]
	if !ok {
		i = uint32(len(w.m.Functions) + 1 + len(w.helpers))
		w.helpers = append(w.helpers, h)
		w.helperIndex[h] = i
	}
	return i
}

// helperType is the type of the operation: destination, source or value, length.
func (w *rewriter) helperType(h helper) FuncType {
	if h.op == opCall {
		return FuncType{}
	}
	second := I32
	if h.op == opTableFill {
		second = w.m.Tables[h.x].Type
	}
	return FuncType{Params: []ValueType{I32, second, I32}}
}

// The locals of a helper.
const (
	localTo = iota
	localFrom
	localLength
	localPiece
)

// helperBody writes a helper. In the text format, without the fuel:
//
//	(if (i32.le_u length PIECE) (then (op to from length) (return)))
//	;; an end that 32 bits can't name is out of bounds, and the operation itself traps
//	(if (to + length < to or from + length < from) (then (op to from length) (return)))
//	;; of no length, at the end: traps where the whole would, before anything is written
//	(op (to + length) (from + length) 0)
//	(loop piece = min(length, PIECE), (op to from piece), to += piece, from += piece, length -= piece, until length = 0)
//
// A copy to higher places goes from the end, so that nothing is overwritten before it was read.
func (w *rewriter) helperBody(h helper) []byte {
	if h.op == opCall {
		return append(appendU32([]byte{0, byte(opCall)}, h.x), byte(opEnd))
	}
	b := helperWriter{w: w, h: h}
	b.bytes(1, 1, byte(I32)) // one local
	b.get(localLength)
	b.constant(b.piece())
	b.ops(opI32LeU)
	b.bytes(byte(opIf), blockEmpty&0x7f)
	b.pay(localLength)
	b.whole()
	b.ops(opReturn, opEnd)

	b.wraps(localTo)
	if b.moves() {
		b.wraps(localFrom)
		b.ops(opI32Or)
	}
	b.bytes(byte(opIf), blockEmpty&0x7f)
	b.whole()
	b.ops(opReturn, opEnd)

	b.at(localTo, localLength)
	b.source(localLength)
	b.constant(0)
	b.operation()

	if h.op == opMemoryCopy || h.op == opTableCopy {
		b.get(localTo)
		b.get(localFrom)
		b.ops(opI32GtU)
		b.bytes(byte(opIf), blockEmpty&0x7f)
		b.pieces(func() {
			b.shift(localLength, opI32Sub)
			b.at(localTo, localLength)
			b.at(localFrom, localLength)
			b.get(localPiece)
			b.operation()
		})
		b.ops(opReturn, opEnd)
	}
	b.pieces(func() {
		b.get(localTo)
		b.get(localFrom)
		b.get(localPiece)
		b.operation()
		b.shift(localTo, opI32Add)
		if b.moves() {
			b.shift(localFrom, opI32Add)
		}
		b.shift(localLength, opI32Sub)
	})
	b.ops(opEnd)
	return b.out
}

// helperWriter writes the instructions of a helper.
type helperWriter struct {
	w   *rewriter
	h   helper
	out []byte
}

func (b *helperWriter) bytes(p ...byte) { b.out = append(b.out, p...) }

func (b *helperWriter) ops(ops ...opcode) {
	for _, op := range ops {
		b.out = append(b.out, byte(op))
	}
}

func (b *helperWriter) get(local byte)   { b.bytes(byte(opLocalGet), local) }
func (b *helperWriter) set(local byte)   { b.bytes(byte(opLocalSet), local) }
func (b *helperWriter) constant(n int32) { b.out = appendS32(append(b.out, byte(opI32Const)), n) }

// moves says that the second operand is a place, not a value.
func (b *helperWriter) moves() bool { return b.h.op != opMemoryFill && b.h.op != opTableFill }

func (b *helperWriter) isTable() bool {
	return b.h.op == opTableInit || b.h.op == opTableCopy || b.h.op == opTableFill
}

func (b *helperWriter) piece() int32 {
	if b.isTable() {
		return tableBulkPiece
	}
	return bulkPiece
}

// operation writes the bulk operation itself.
func (b *helperWriter) operation() {
	b.bytes(prefixMisc, byte(b.h.op))
	switch b.h.op {
	case opMemoryInit:
		b.out = append(appendU32(b.out, b.h.x), 0)
	case opMemoryCopy:
		b.bytes(0, 0)
	case opMemoryFill:
		b.bytes(0)
	case opTableFill:
		b.out = appendU32(b.out, b.h.x)
	default:
		b.out = appendU32(appendU32(b.out, b.h.x), b.h.y)
	}
}

func (b *helperWriter) whole() {
	b.get(localTo)
	b.get(localFrom)
	b.get(localLength)
	b.operation()
}

// at pushes the place that lies an offset behind another one.
func (b *helperWriter) at(place, offset byte) {
	b.get(place)
	b.get(offset)
	b.ops(opI32Add)
}

// source pushes the second operand, an offset further if it is a place.
func (b *helperWriter) source(offset byte) {
	if b.moves() {
		b.at(localFrom, offset)
	} else {
		b.get(localFrom)
	}
}

// wraps pushes whether a place and the length come to more than 32 bits.
func (b *helperWriter) wraps(place byte) {
	b.at(place, localLength)
	b.get(place)
	b.ops(opI32LtU)
}

// shift moves a place, or the length, by a piece.
func (b *helperWriter) shift(local byte, op opcode) {
	b.get(local)
	b.get(localPiece)
	b.ops(op)
	b.set(local)
}

// pieces repeats one step for each piece.
func (b *helperWriter) pieces(step func()) {
	b.bytes(byte(opLoop), blockEmpty&0x7f)
	b.get(localLength)
	b.constant(b.piece())
	b.get(localLength)
	b.constant(b.piece())
	b.ops(opI32LtU, opSelect)
	b.set(localPiece)
	b.pay(localPiece)
	step()
	b.get(localLength)
	b.bytes(byte(opBrIf), 0)
	b.ops(opEnd)
}

// pay takes the fuel for a piece, a unit for eight bytes.
func (b *helperWriter) pay(length byte) {
	fuel := b.w.fuelGlobal()
	b.out = appendU32(append(b.out, byte(opGlobalGet)), fuel)
	b.get(length)
	if !b.isTable() {
		b.constant(3)
		b.ops(opI32ShrU)
	}
	b.ops(opI32Sub)
	b.out = appendU32(append(b.out, byte(opGlobalSet)), fuel)
	b.out = b.w.check(appendU32(append(b.out, byte(opGlobalGet)), fuel))
}
