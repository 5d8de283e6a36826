package module

// effect is what an instruction does to the operand stack.
type effect struct {
	pops, pushes int
	// leaves says that control never goes on behind the instruction: what follows, up to the block's end, is dead.
	leaves bool
}

// effectOf returns the effect of an instruction that is neither block, loop, if, else nor end.
func (m *Module) effectOf(in *instruction) effect {
	switch in.imm {
	case immLabel:
		return effect{leaves: in.op == opBr, pops: bit(in.op == opBrIf)}
	case immBrTable:
		return effect{leaves: true}
	case immFunc:
		if in.op == opRefFunc {
			return effect{pushes: 1}
		}
		t := m.Types[m.Functions[in.x]]
		return effect{pops: len(t.Params), pushes: len(t.Results)}
	case immIndirect:
		t := m.Types[in.x]
		return effect{pops: len(t.Params) + 1, pushes: len(t.Results)}
	case immI32, immI64, immF32, immF64, immV128, immRefType:
		return effect{pushes: 1}
	case immSelect:
		return effect{pops: 3, pushes: 1}
	case immMemories, immMemoryInit, immTables, immTableInit:
		return effect{pops: 3}
	case immData, immElem:
		return effect{}
	}
	switch in.op >> 8 {
	case 0:
		return plainEffect(in.op)
	case prefixMisc:
		return miscEffect(in.op)
	}
	return vectorEffect(in)
}

// The shapes that most instructions have.
var (
	push    = effect{pushes: 1}
	convert = effect{pops: 1, pushes: 1}
	combine = effect{pops: 2, pushes: 1}
	store   = effect{pops: 2}
)

func plainEffect(op opcode) effect {
	switch {
	case op == opUnreachable, op == opReturn:
		return effect{leaves: true}
	case op == opDrop, op == opLocalSet, op == opGlobalSet:
		return effect{pops: 1}
	case op == opSelect:
		return effect{pops: 3, pushes: 1}
	case op == opLocalGet, op == opGlobalGet, op == opMemorySize:
		return push
	case op == opLocalTee, op == opTableGet, op == opMemoryGrow, op == opRefIsNull:
		return convert
	case op == opTableSet:
		return store
	case op >= opFirstLoad && op <= opLastLoad:
		return convert
	case op >= opFirstStore && op <= opLastStore:
		return store
	case isUnary(op):
		return convert
	case op >= opFirstNumeric && op <= opLastNumeric:
		return combine
	}
	return effect{} // nop
}

// isUnary says whether a numeric instruction takes one operand: tests, counts of bits, rounding and conversions.
func isUnary(op opcode) bool {
	switch {
	case op == 0x45, op == 0x50: // eqz
	case op >= 0x67 && op <= 0x69, op >= 0x79 && op <= 0x7b: // clz, ctz, popcnt
	case op >= 0x8b && op <= 0x91, op >= 0x99 && op <= 0x9f: // abs … sqrt
	case op >= 0xa7 && op <= opLastNumeric: // conversions and sign extension
	default:
		return false
	}
	return true
}

func miscEffect(op opcode) effect {
	switch number := op & 0xff; {
	case number < 8: // saturating conversions
		return convert
	case op == opTableGrow:
		return combine
	case op == opTableSize:
		return push
	}
	return effect{pops: 3} // memory.fill, table.fill
}

// vectorEffect returns the effect of a vector instruction.
func vectorEffect(in *instruction) effect {
	number := byte(in.op)
	switch {
	case in.imm == immMemarg:
		if in.op == opV128Store {
			return store
		}
		return convert
	case in.imm == immMemargLane:
		if number >= 0x58 {
			return store
		}
		return combine
	case number == 0x52: // bitselect
		return effect{pops: 3, pushes: 1}
	case unaryVector[number]:
		return convert
	}
	return combine
}

// unaryVector holds the vector instructions without memory that take one operand: splats, lanes extracted, tests,
// rounding, absolute values, extensions and conversions.
var unaryVector = func() (set [256]bool) {
	for _, r := range [][2]int{
		{0x0f, 0x16}, {0x18, 0x19}, {0x1b, 0x1b}, {0x1d, 0x1d}, {0x1f, 0x1f}, {0x21, 0x21}, {0x4d, 0x4d}, {0x53, 0x53},
		{0x5e, 0x64}, {0x67, 0x6a}, {0x74, 0x75}, {0x7a, 0x7a}, {0x7c, 0x81}, {0x83, 0x84}, {0x87, 0x8a}, {0x94, 0x94},
		{0xa0, 0xa4}, {0xa7, 0xaa}, {0xc0, 0xc4}, {0xc7, 0xca}, {0xe0, 0xe3}, {0xec, 0xef}, {0xf8, 0xff},
	} {
		for i := r[0]; i <= r[1]; i++ {
			set[i] = true
		}
	}
	return set
}()

// heights follows the operand stack through a function, by numbers of values.
type heights struct {
	now, most int
	open      []heightsBlock
}

// heightsBlock is an open block: how high the stack is below its parameters, and how many of them and of results
// there are.
type heightsBlock struct{ base, params, results int }

func (h *heights) apply(e effect) {
	base := h.open[len(h.open)-1].base
	h.now = max(h.now-e.pops, base) + e.pushes
	h.most = max(h.most, h.now)
	if e.leaves {
		h.now = base
	}
}

func (h *heights) enter(params, results int) {
	base := 0
	if len(h.open) > 0 {
		base = h.open[len(h.open)-1].base
	}
	h.now = max(h.now-params, base) + params // in dead code there may be fewer values than an instruction takes
	h.open = append(h.open, heightsBlock{base: h.now - params, params: params, results: results})
	h.most = max(h.most, h.now)
}

// otherwise begins the second branch of an if.
func (h *heights) otherwise() {
	b := h.open[len(h.open)-1]
	h.now = b.base + b.params
}

func (h *heights) leave() {
	b := h.open[len(h.open)-1]
	h.open = h.open[:len(h.open)-1]
	h.now = b.base + b.results
	h.most = max(h.most, h.now)
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}
