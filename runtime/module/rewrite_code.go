package module

import (
	"math"
	"slices"
)

// plan is what is added to one function.
type plan struct {
	typ FuncType
	// code is where the instructions begin in the file, behind the locals.
	code int
	// charges are in the order of the code; the first is the function's entry.
	charges []charge
	// frame is the estimated size of the function's frame on the stack, in bytes; 0 where it can't take part in a
	// recursion, since it calls nothing but imports and functions that call nothing else.
	frame int32
	// late is what is paid, and checked, when the function returns: once more for the code behind its calls, which was paid
	// before them. 0 where it is so little that the frame's size is measure enough.
	late int32
	// leaf says that the function has neither loops nor calls, so that it takes no more than its own length.
	leaf bool
}

// code is the module's functions and the helpers, rewritten.
func (w *rewriter) code() []byte {
	n := w.at(SectionCode)
	begin := w.pos
	w.paid, w.quiet = make([]int32, len(w.m.Functions)), make([]bool, len(w.m.Functions))
	for i := range w.quiet[:w.m.ImportedFunctions] {
		w.quiet[i] = true
	}
	paid, quiet := slices.Clone(w.paid), slices.Clone(w.quiet) // what is being found out does not count yet
	for i := range n {
		size := int(w.u32())
		next := w.pos + size
		p := w.plan(i, size)
		if units := total(p.charges); p.leaf && units <= freeUnits {
			paid[w.m.ImportedFunctions+i] = units
		}
		quiet[w.m.ImportedFunctions+i] = p.frame == 0
		w.pos = next
	}
	w.paid, w.quiet = paid, quiet
	w.pos = begin
	var bodies, body []byte
	for i := range n {
		size := int(w.u32())
		from := w.pos
		p := w.plan(i, size)
		if w.paid[w.m.ImportedFunctions+i] > 0 {
			p.charges = nil
		}
		w.pos = from
		body = w.function(body[:0], p)
		bodies = appendVector(bodies, body)
	}
	if w.m.HasStart {
		w.start = w.helper(helper{op: opCall, x: w.moved(w.m.Start)})
	}
	for _, h := range w.helpers {
		bodies = appendVector(bodies, w.helperBody(h))
	}
	return append(appendU32(nil, uint32(n+len(w.helpers))), bodies...)
}

func total(charges []charge) int32 {
	var units int32
	for _, c := range charges {
		units += c.units
	}
	return units
}

// The estimate of a frame: what every call takes, and a slot for each local and operand. The engine may keep a value in
// several slots, for which the size of the code is a measure.
const (
	frameBytes       = 64
	slotBytes        = 8
	vectorSlotBytes  = 16
	codePerFrameByte = 4
	// Frames that return one after the other run what is behind their calls without a check. Counting it into the frame
	// bounds the sum by the depth; where it is more than maxLateUnits, the function pays when it returns.
	bytesPerLateUnit = 2
	maxLateUnits     = 256
)

// plan decides what is added to the i-th function that the module defines. The reader stands at its locals; the plan is
// valid until the next one is made.
func (w *rewriter) plan(i, size int) plan {
	p := plan{leaf: true, typ: w.m.Types[w.m.Functions[w.m.ImportedFunctions+i]]}
	w.end = w.pos + size
	locals := len(p.typ.Params)
	for range w.u32() {
		locals += int(w.u32())
		w.byte()
	}
	p.code = w.pos
	w.planner.begin(w.pos)
	w.heights = heights{open: w.heights.open[:0]}
	w.heights.enter(0, len(p.typ.Results))
	slot, recursive, call := slotBytes, false, false
	var in instruction
	length := int64(math.MaxInt64) // of a bulk operation, where it is a constant
	for {
		w.instruction(&in)
		units := unitsOf(&in)
		call = false
		switch {
		case in.op == opCall:
			p.leaf = false
			units += w.paid[in.x]
			call = !w.quiet[in.x]
		case in.imm == immIndirect:
			p.leaf, call = false, true
		case in.op == opLoop, in.op == opMemoryGrow, in.op == opTableGrow:
			p.leaf = false
		case isBulk(in.op):
			if isInline(in.op, length) {
				units += int32(length) / bulkUnitBytes
			} else {
				p.leaf = false
			}
		case in.imm == immLabel:
			w.planner.jump(in.x)
		case in.imm == immBrTable:
			w.planner.jumpTable(in.x)
		case in.op>>8 == prefixVector:
			slot = vectorSlotBytes
		}
		length = constantOf(&in)
		w.measure(&in)
		recursive = recursive || call
		w.planner.pay(units, w.pos)
		w.planner.follow(&in, w.pos)
		if call {
			w.planner.call(w.pos)
		}
		if len(w.planner.blocks) == 0 {
			break
		}
	}
	w.planner.settle()
	p.charges = w.planner.charges
	if recursive {
		p.frame = int32(frameBytes + slot*(locals+w.heights.most) + size/codePerFrameByte)
		if p.late = w.planner.late; p.late <= maxLateUnits {
			p.frame += p.late * bytesPerLateUnit
			p.late = 0
		}
	}
	w.end = len(w.b)
	return p
}

// constantOf is the value that an instruction pushes, if it is an i32.const, as the length of a bulk operation.
func constantOf(in *instruction) int64 {
	if in.op != opI32Const {
		return math.MaxInt64
	}
	return int64(uint32(in.k))
}

// measure follows the operand stack over an instruction.
func (w *rewriter) measure(in *instruction) {
	h := &w.heights
	switch in.op {
	case opBlock, opLoop, opIf:
		if in.op == opIf {
			h.apply(effect{pops: 1})
		}
		params, results := 0, 0
		if in.k >= 0 {
			t := w.m.Types[in.k]
			params, results = len(t.Params), len(t.Results)
		} else if in.k != blockEmpty {
			results = 1
		}
		h.enter(params, results)
	case opElse:
		h.otherwise()
	case opEnd:
		h.leave()
	default:
		h.apply(w.m.effectOf(in))
	}
}

// function writes the function that the plan is for. The reader stands at its locals.
//
// A function that could take part in a recursion is wrapped into a block that every return jumps out of, so that its
// frame is given back in one place. Labels stay as they are: that block stands where the function's own did.
func (w *rewriter) function(out []byte, p plan) []byte {
	out = append(out, w.b[w.pos:p.code]...)
	w.pos = p.code
	charges := p.charges
	if len(charges) > 0 {
		out = w.entry(out, charges[0], p.frame)
		charges = charges[1:]
	}
	if p.frame > 0 {
		out = append(append(out, byte(opBlock)), w.blockType(p.typ.Results)...)
	}
	length := int64(math.MaxInt64)
	var in instruction
	for open := 1; open > 0; {
		for len(charges) > 0 && charges[0].at == w.pos {
			out = w.charge(out, charges[0])
			charges = charges[1:]
		}
		w.instruction(&in)
		switch {
		case in.imm == immBlock:
			open++
		case in.op == opEnd:
			open--
		}
		switch {
		case in.op == opReturn && p.frame > 0:
			out = appendU32(append(out, byte(opBr)), uint32(open-1))
		case in.imm == immFunc:
			out = appendU32(append(out, byte(in.op)), w.moved(in.x))
		case isBulk(in.op) && !isInline(in.op, length):
			out = appendU32(append(out, byte(opCall)), w.helper(helper{op: in.op, x: in.x, y: in.y}))
		default:
			out = append(out, w.b[in.at:w.pos]...)
		}
		length = constantOf(&in)
	}
	if p.frame > 0 {
		out = w.count(out, w.depthGlobal(), opI32Add, p.frame)
		out = w.charge(out, charge{units: p.late})
		out = append(out, byte(opEnd))
	}
	return out
}

// entry writes what stands in front of a function.
func (w *rewriter) entry(out []byte, c charge, frame int32) []byte {
	if frame == 0 {
		return w.charge(out, c)
	}
	out = w.count(out, w.fuelGlobal(), opI32Sub, c.units)
	out = w.count(out, w.depthGlobal(), opI32Sub, frame)
	out = appendU32(append(out, byte(opGlobalGet)), w.fuelGlobal())
	out = appendU32(append(out, byte(opGlobalGet)), w.depthGlobal())
	return w.check(append(out, byte(opI32Or))) // negative if either is
}

// charge writes the instructions that take fuel, none for none.
func (w *rewriter) charge(out []byte, c charge) []byte {
	if c.units == 0 {
		return out
	}
	out = w.count(out, w.fuelGlobal(), opI32Sub, c.units)
	return w.check(appendU32(append(out, byte(opGlobalGet)), w.fuelGlobal()))
}

// count writes the instructions that add to a global or take from it.
func (w *rewriter) count(out []byte, global uint32, op opcode, n int32) []byte {
	out = appendU32(append(out, byte(opGlobalGet)), global)
	out = appendS32(append(out, byte(opI32Const)), n)
	return appendU32(append(out, byte(op), byte(opGlobalSet)), global)
}

// check writes the instructions that call the checkpoint where the value on the stack is negative.
func (w *rewriter) check(out []byte) []byte {
	out = append(out, byte(opI32Const), 0, byte(opI32LtS), byte(opIf), blockEmpty&0x7f)
	return append(appendU32(append(out, byte(opCall)), w.checkpoint()), byte(opEnd))
}
