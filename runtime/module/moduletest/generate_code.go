package moduletest

import (
	"bytes"
	"strings"

	"sluice/runtime/sandbox/wasmtest"
)

// body makes the body of one function.
type body struct {
	*generator
	out     []byte
	locals  string // letters, parameters first
	labels  []string
	results string
}

// scratch are locals that every function has, one of each type, behind its own.
const scratch = "iIfFvrx"

// body makes a function's locals and code.
func (g *generator) body(t funcType) []byte {
	own := g.letters("iIfFvrx", 5)
	b := &body{generator: g, locals: t.params + own + scratch, results: t.results, labels: []string{t.results}}
	b.burn()
	b.statements(3)
	b.push(t.results, 3)
	var runs [][]byte
	for _, l := range []byte(own + scratch) {
		runs = append(runs, raw(1, letters[l]))
	}
	return join(u(len(wasmtest.Vector(runs...))+len(b.out)+1), wasmtest.Vector(runs...), b.out, raw(0x0b))
}

func (b *body) emit(parts ...[]byte) {
	b.left--
	for _, p := range parts {
		b.out = append(b.out, p...)
	}
}

func (b *body) op(op Opcode, immediates ...int) {
	b.left--
	b.out = append(b.out, op.Encode()...)
	for _, i := range immediates {
		b.out = append(b.out, u(i)...)
	}
}

// scratchOf is the index of the scratch local of a type.
func (b *body) scratchOf(l byte) int {
	return len(b.locals) - len(scratch) + strings.IndexByte(scratch, l)
}

// burn takes a unit of gas, and ends the function where none is left.
func (b *body) burn() {
	b.op(OpGlobalGet, b.gas)
	b.emit(wasmtest.I32(1), raw(0x6b))
	b.op(OpGlobalSet, b.gas)
	b.op(OpGlobalGet, b.gas)
	b.emit(wasmtest.I32(0), raw(0x48, 0x04, 0x40))
	if b.one(3) {
		b.op(OpUnreachable)
	} else {
		for _, l := range []byte(b.results) {
			b.emit(Zero(l))
		}
		b.op(OpReturn)
	}
	b.op(OpEnd)
}

// push makes expressions for each type.
func (b *body) push(types string, depth int) {
	for _, l := range []byte(types) {
		b.expression(l, depth)
	}
}

// pop drops values, or keeps them in scratch locals.
func (b *body) pop(types string) {
	for i := len(types) - 1; i >= 0; i-- {
		if b.n(2) == 0 {
			b.op(OpLocalSet, b.scratchOf(types[i]))
		} else {
			b.op(OpDrop)
		}
	}
}

// blockType encodes a block's type.
func (b *body) blockType(t funcType) []byte {
	switch {
	case t == funcType{}:
		return raw(0x40)
	case t.params == "" && len(t.results) == 1:
		return raw(letters[t.results[0]])
	}
	return s(int64(b.typeIndex(t)))
}

// block makes a block, loop or if, whose parameters are on the stack. inside makes its contents.
func (b *body) block(op Opcode, t funcType, inside func()) {
	b.emit(op.Encode(), b.blockType(t))
	label := t.results
	if op == OpLoop {
		label = t.params
	}
	b.labels = append(b.labels, label)
	if op == OpLoop {
		b.pop(t.params)
		b.burn()
	} else {
		b.pop(t.params)
	}
	inside()
	b.labels = b.labels[:len(b.labels)-1]
	b.op(OpEnd)
}

// expression makes code that yields one value.
func (b *body) expression(l byte, depth int) {
	if depth <= 0 || b.left <= 0 {
		b.leaf(l)
		return
	}
	depth--
	switch b.n(12) {
	case 0, 1:
		b.leaf(l)
	case 2, 3, 4:
		b.operation(l, depth)
	case 5:
		b.block(OpBlock, funcType{"", string(l)}, func() { b.statements(depth); b.expression(l, depth) })
	case 6:
		b.expression('i', depth)
		b.emit(OpIf.Encode(), raw(letters[l]))
		b.labels = append(b.labels, string(l))
		b.expression(l, depth)
		b.op(OpElse)
		b.statements(depth)
		b.expression(l, depth)
		b.labels = b.labels[:len(b.labels)-1]
		b.op(OpEnd)
	case 7:
		b.push(string([]byte{l, l, 'i'}), depth)
		if (l == 'r' || l == 'x') || b.n(2) == 0 {
			b.emit(raw(0x1c, 1, letters[l]))
		} else {
			b.op(OpSelect)
		}
	case 8:
		params := b.letters("iIfF", 3)
		b.push(params, depth)
		b.block(OpLoop, funcType{params, string(l)}, func() { b.statements(depth); b.expression(l, depth) })
	case 9: // a value below that nobody wants
		other := b.letter("iIfFvrx")
		b.expression(other, depth)
		b.statement(depth)
		b.op(OpDrop)
		b.expression(l, depth)
	case 10:
		b.branchValue(l, depth)
	case 11:
		b.callFor(l, depth)
	}
}

// leaf makes a constant, or reads a local or global.
func (b *body) leaf(l byte) {
	switch b.n(4) {
	case 1:
		if i := b.localOf(l); i >= 0 {
			b.op(OpLocalGet, i)
			return
		}
	case 2:
		for i, g := range b.globals {
			if g.letter == l {
				b.op(OpGlobalGet, i)
				return
			}
		}
	case 3:
		if l == 'r' {
			b.op(OpRefFunc, b.function())
			return
		}
		if t := b.tableOf(l); t >= 0 {
			b.index(t)
			b.op(OpTableGet, t)
			return
		}
	}
	b.emit(b.constant(l))
}

// localOf chooses a local of a type.
func (b *body) localOf(l byte) int {
	var fit []int
	for i := range len(b.locals) {
		if b.locals[i] == l {
			fit = append(fit, i)
		}
	}
	if len(fit) == 0 {
		return -1
	}
	return fit[b.n(len(fit))]
}

// byResult lists the operations that yield one value, by its type.
var byResult = func() map[byte][]Operation {
	m := map[byte][]Operation{}
	for _, o := range Operations() {
		if !o.AdHoc && len(o.Results) == 1 {
			m[o.Results[0]] = append(m[o.Results[0]], o)
		}
	}
	return m
}()

// noResult lists those that only have an effect on memory.
var noResult = func() (all []Operation) {
	for _, o := range Operations() {
		if !o.AdHoc && o.Results == "" && (o.Imm == ImmMemarg || o.Imm == ImmMemargLane) {
			all = append(all, o)
		}
	}
	return all
}()

// operation makes an instruction of the table that yields a value.
func (b *body) operation(l byte, depth int) {
	all := byResult[l]
	if l == 'i' && b.one(16) {
		b.expression(b.letter("rx"), depth)
		b.op(OpRefIsNull) // ref.is_null
		return
	}
	if len(all) == 0 {
		b.leaf(l)
		return
	}
	o := all[b.n(len(all))]
	if usesMemory(o.Imm) && !b.memory {
		b.leaf(l)
		return
	}
	b.operands(o, depth)
	b.encode(o)
	if o.Float {
		b.withoutNaN(o, l)
	}
}

func usesMemory(imm Immediate) bool {
	return imm == ImmMemarg || imm == ImmMemargLane || imm == ImmMemory || imm == ImmMemories || imm == ImmMemoryInit
}

// operands pushes what an operation takes; addresses are mostly small.
func (b *body) operands(o Operation, depth int) {
	for i, l := range []byte(o.Params) {
		switch {
		case i == 0 && (o.Imm == ImmMemarg || o.Imm == ImmMemargLane):
			b.address(depth)
		case o.Op == OpMemoryGrow:
			b.small(depth)
		default:
			b.expression(l, depth)
		}
	}
}

// encode emits an operation with immediates.
func (b *body) encode(o Operation) {
	b.emit(o.Op.Encode())
	switch o.Imm {
	case ImmMemarg, ImmMemargLane:
		b.emit(u(b.n(int(o.Align)+1)), u(b.offset()))
		if o.Imm == ImmMemargLane {
			b.emit(raw(byte(b.n(int(o.Lanes)))))
		}
	case ImmLane:
		b.emit(raw(byte(b.n(int(o.Lanes)))))
	case ImmShuffle:
		for range 16 {
			b.emit(raw(byte(b.n(int(o.Lanes)))))
		}
	case ImmMemory:
		b.emit(raw(0))
	case ImmI32, ImmI64, ImmF32, ImmF64, ImmV128:
		b.out = b.out[:len(b.out)-len(o.Op.Encode())]
		b.emit(b.constant(o.Results[0]))
	}
}

func (b *body) offset() int {
	if b.one(12) {
		return 1<<32 - 1 - b.n(16)
	}
	return b.n(300)
}

// address pushes an address that is mostly within the memory.
func (b *body) address(depth int) {
	b.expression('i', depth)
	switch b.n(6) {
	case 0, 1:
		b.emit(wasmtest.I32(0xff), raw(0x71))
	case 2, 3:
		b.emit(wasmtest.I32(0xfff0), raw(0x71))
	case 4:
		b.emit(wasmtest.I32(0xfffff), raw(0x71))
	}
}

// small pushes a number below 8, seldom any number.
func (b *body) small(depth int) {
	b.expression('i', depth)
	b.emit(wasmtest.I32(7), raw(0x71))
	if b.one(12) {
		b.emit(wasmtest.I32(-8), raw(0x72))
	}
}

// length pushes the length of a bulk operation.
func (b *body) length(depth int) {
	switch b.n(4) {
	case 0:
		b.emit(wasmtest.I32([]int{0, 1, 16, 1023, 1024, 1025, 4096}[b.n(7)]))
	case 1:
		b.emit(wasmtest.I32(1<<18 + b.n(600) - 300))
	case 2:
		b.small(depth)
	default:
		b.expression('i', depth)
		b.emit(wasmtest.I32(0xffff), raw(0x71))
	}
}

// index pushes a place in a table, mostly within it.
func (b *body) index(t int) {
	if b.one(16) {
		b.leaf('i')
		return
	}
	b.emit(wasmtest.I32(b.n(b.tables[t].size)))
}

// withoutNaN replaces NaN by 0: which bits a NaN has, engines may choose.
func (b *body) withoutNaN(o Operation, l byte) {
	local := b.scratchOf(l)
	b.op(OpLocalSet, local)
	b.op(OpLocalGet, local)
	if l == 'v' {
		b.op(OpLocalGet, local)
		b.op(OpLocalGet, local)
		if bytes.IndexByte([]byte{0x5f, 0x74, 0x75, 0x7a, 0x94}, byte(o.Op)) >= 0 || o.Op >= 0xfdef {
			b.op(0xfd47) // f64x2.eq
		} else {
			b.op(0xfd41) // f32x4.eq
		}
		b.op(0xfd4e)
		return
	}
	b.emit(Zero(l))
	b.op(OpLocalGet, local)
	b.op(OpLocalGet, local)
	if l == 'f' {
		b.op(0x5b)
	} else {
		b.op(0x61)
	}
	b.op(OpSelect)
}
