package moduletest

import (
	"sluice/runtime/sandbox/wasmtest"
)

// GenerateControl makes a module of bytes as Generate does, of nothing but control: blocks, loops, branches and calls around
// runs of instructions that do nothing. Where each instruction costs one unit, fuel that is missing can't hide behind fuel
// that is too much.
func GenerateControl(seed []byte) Program {
	g := &generator{choices: choices{seed}, left: 800, names: map[string]bool{}}
	const (
		gas    = 0
		random = 1
	)
	large := 1 + g.n(4)
	n := large + 3
	g.functions = make([]funcType, n)
	g.typeIndex(funcType{})
	g.gas = gas
	globals := [][]byte{encodeGlobal('i', true, wasmtest.I32(Gas)), encodeGlobal('i', true, wasmtest.I32(int(g.word())))}
	g.globals = []global{{'i', true}}
	g.tables = []table{{'r', n}}
	var elements, bodies [][]byte
	for i := range n {
		elements = append(elements, u(i))
		c := &control{body: body{generator: g, labels: []string{""}}, random: random}
		if i < large {
			c.burn()
			c.some(5)
		} else { // so short that it may be left to callers to pay for
			for range g.n(40) {
				c.op(OpNop)
			}
		}
		bodies = append(bodies, join(u(len(c.out)+2), raw(0), c.out, raw(0x0b)))
	}
	g.makeExports()
	segment := join(raw(0), wasmtest.I32(0), raw(0x0b), wasmtest.Vector(elements...))
	return Program{File: g.file(globals, [][]byte{segment}, nil, bodies), Calls: g.makeCalls()}
}

// control makes the code of one function.
type control struct {
	body
	random int // the index of the global that conditions come from
}

// nothing makes a run of instructions that do nothing.
func (c *control) nothing() {
	for range c.n(120) {
		c.op(OpNop)
	}
}

// condition pushes a number below a power of 2 that differs from pass to pass.
func (c *control) condition(below int) {
	c.op(OpGlobalGet, c.random)
	c.emit(wasmtest.I32(1103515245), raw(0x6c), wasmtest.I32(12345), raw(0x6a))
	c.op(OpGlobalSet, c.random)
	c.op(OpGlobalGet, c.random)
	c.emit(wasmtest.I32(16), raw(0x76), wasmtest.I32(below-1), raw(0x71))
}

// some makes a few pieces of code.
func (c *control) some(depth int) {
	for range 1 + c.n(4) {
		c.nothing()
		if depth > 0 && c.left > -4000 {
			c.piece(depth - 1)
		}
	}
	c.nothing()
}

// inside makes a block with some code in it.
func (c *control) inside(op Opcode, depth int) {
	c.emit(op.Encode(), raw(0x40))
	c.labels = append(c.labels, "")
	if op == OpLoop {
		c.burn()
	}
	c.some(depth)
}

func (c *control) end() {
	c.labels = c.labels[:len(c.labels)-1]
	c.op(OpEnd)
}

func (c *control) piece(depth int) {
	label := c.n(len(c.labels))
	switch c.n(9) {
	case 0, 1:
		c.inside(OpBlock, depth)
		c.end()
	case 2:
		c.inside(OpLoop, depth)
		c.condition(2)
		c.op(OpBrIf, 0)
		c.end()
	case 3, 4:
		c.condition(2)
		c.inside(OpIf, depth)
		if c.n(3) > 0 {
			c.op(OpElse)
			c.some(depth)
		}
		c.end()
	case 5:
		c.condition(2)
		c.op(OpBrIf, label)
	case 6:
		c.condition(4)
		c.inside(OpIf, 0)
		if c.one(3) {
			c.op(OpReturn)
		} else {
			c.op(OpBr, label)
		}
		c.nothing()
		c.end()
	case 7:
		targets := []int{label, c.n(len(c.labels)), c.n(len(c.labels)), c.n(len(c.labels))}
		c.inside(OpBlock, depth)
		c.condition(8)
		c.emit(wasmtest.BrTable(targets...))
		c.nothing()
		c.end()
	case 8:
		f := c.function()
		if c.n(3) > 0 {
			f = len(c.functions) - 1 - c.n(3)
		}
		for range 1 + c.n(3) {
			if c.one(2) {
				c.emit(wasmtest.I32(f))
				c.op(OpCallIndirect, 0, 0)
			} else {
				c.op(OpCall, f)
			}
		}
	}
}
