package moduletest

import (
	"slices"

	"sluice/runtime/sandbox/wasmtest"
)

// statements makes some code that takes nothing and yields nothing.
func (b *body) statements(depth int) {
	for range b.n(5) {
		if b.left <= 0 {
			return
		}
		b.statement(depth)
	}
}

func (b *body) statement(depth int) {
	if depth <= 0 || b.left <= 0 {
		return
	}
	depth--
	switch b.n(16) {
	case 0, 1:
		b.assign(depth)
	case 2, 3:
		b.store(depth)
	case 4:
		b.expression('i', depth)
		b.emit(OpIf.Encode(), raw(0x40))
		b.labels = append(b.labels, "")
		b.statements(depth)
		if b.n(2) == 1 {
			b.op(OpElse)
			b.statements(depth)
		}
		b.labels = b.labels[:len(b.labels)-1]
		b.op(OpEnd)
	case 5:
		b.blockStatement(OpBlock, depth)
	case 6, 7:
		b.blockStatement(OpLoop, depth)
	case 8:
		b.conditionalBranch(depth)
	case 9:
		b.leave(depth)
	case 10:
		b.call(depth)
	case 11:
		b.callIndirect(depth)
	case 12:
		b.bulk(depth)
	case 13:
		b.tableStatement(depth)
	case 14:
		l := b.letter("iIfFvrx")
		b.expression(l, depth)
		b.op(OpNop) // nop
		b.pop(string(l))
	case 15:
		b.switchStatement(depth)
	}
}

// assign sets a local or global.
func (b *body) assign(depth int) {
	var fit []int
	for i, g := range b.globals {
		if g.mutable {
			fit = append(fit, i)
		}
	}
	if len(fit) > 0 && b.n(2) == 1 {
		i := fit[b.n(len(fit))]
		b.expression(b.globals[i].letter, depth)
		b.op(OpGlobalSet, i)
		return
	}
	i := b.n(len(b.locals))
	b.expression(b.locals[i], depth)
	if b.one(3) {
		b.op(OpLocalTee, i)
		b.op(OpDrop)
		return
	}
	b.op(OpLocalSet, i)
}

func (b *body) store(depth int) {
	if !b.memory {
		return
	}
	o := noResult[b.n(len(noResult))]
	b.operands(o, depth)
	b.encode(o)
}

// blockStatement makes a block or loop, with parameters and results.
func (b *body) blockStatement(op Opcode, depth int) {
	t := funcType{b.letters("iIfFvrx", 4), b.letters("iIfFvrx", 4)}
	b.push(t.params, depth)
	b.block(op, t, func() {
		b.statements(depth)
		b.push(t.results, depth)
	})
	b.pop(t.results)
}

// conditionalBranch makes a br_if to any enclosing label.
func (b *body) conditionalBranch(depth int) {
	label := b.n(len(b.labels))
	types := b.labels[len(b.labels)-1-label]
	b.push(types, depth)
	b.expression('i', depth)
	b.op(OpBrIf, label)
	b.pop(types)
}

// branchValue makes a br_if that yields the value that it would take along.
func (b *body) branchValue(l byte, depth int) {
	for label := range b.labels {
		if b.labels[len(b.labels)-1-label] == string(l) {
			b.expression(l, depth)
			b.expression('i', depth)
			b.op(OpBrIf, label)
			return
		}
	}
	b.leaf(l)
}

// leave makes code that goes elsewhere, mostly on a condition, and dead code behind it.
func (b *body) leave(depth int) {
	conditional := !b.one(4)
	if conditional {
		b.expression('i', depth)
		b.emit(OpIf.Encode(), raw(0x40))
		b.labels = append(b.labels, "")
	}
	switch b.n(4) {
	case 0:
		b.push(b.results, depth)
		b.op(OpReturn)
	case 1:
		label := b.n(len(b.labels))
		b.push(b.labels[len(b.labels)-1-label], depth)
		b.op(OpBr, label)
	case 2:
		b.brTable(depth)
	case 3:
		if b.one(3) {
			b.op(OpUnreachable)
		} else {
			b.push("I"+b.results, depth) // with a value that is left behind
			b.op(OpReturn)
		}
	}
	b.dead(depth)
	if conditional {
		b.labels = b.labels[:len(b.labels)-1]
		b.op(OpEnd)
	}
}

// brTable makes a br_table to labels that take the same.
func (b *body) brTable(depth int) {
	fallback := b.n(len(b.labels))
	types := b.labels[len(b.labels)-1-fallback]
	var fit []int
	for label := range b.labels {
		if b.labels[len(b.labels)-1-label] == types {
			fit = append(fit, label)
		}
	}
	b.push(types, depth)
	b.small(depth)
	targets := make([]int, b.n(6), 6)
	for i := range targets {
		targets[i] = fit[b.n(len(fit))]
	}
	b.emit(wasmtest.BrTable(append(targets, fallback)...))
}

// switchStatement makes nested blocks and a br_table that chooses from them.
func (b *body) switchStatement(depth int) {
	cases := 1 + b.n(4)
	for range cases {
		b.emit(OpBlock.Encode(), raw(0x40))
		b.labels = append(b.labels, "")
	}
	b.small(depth)
	targets := make([]int, cases)
	for i := range targets {
		targets[i] = i
	}
	b.emit(wasmtest.BrTable(targets...))
	for range cases {
		b.labels = b.labels[:len(b.labels)-1]
		b.op(OpEnd)
		b.statements(depth)
	}
}

// dead makes instructions behind a jump, where operands may come from nowhere.
func (b *body) dead(depth int) {
	switch b.n(9) {
	case 1:
		b.emit(raw(0x6a, 0x1a)) // i32.add, drop
	case 2:
		b.emit(raw(0x1b, 0x1a)) // select, drop
	case 3:
		b.op(OpLocalSet, b.n(len(b.locals)))
	case 4:
		f := b.function()
		b.op(OpCall, f)
		b.pop(b.functions[f].results)
	case 5:
		b.op(OpReturn)
	case 6:
		b.emit(OpLoop.Encode(), raw(0x40))
		b.labels = append(b.labels, "")
		b.statements(depth)
		b.op(OpBr, 0)
		b.labels = b.labels[:len(b.labels)-1]
		b.op(OpEnd)
	case 7:
		if b.memory {
			b.emit(raw(0xfc, 0x0b, 0)) // memory.fill
		}
	case 8:
		b.statements(depth)
	}
}

// call makes a call of a function and does something with its results.
func (b *body) call(depth int) {
	f := b.n(len(b.functions))
	b.push(b.functions[f].params, depth)
	b.op(OpCall, f)
	b.pop(b.functions[f].results)
}

// callFor makes a call whose last result is of a type, for its value.
func (b *body) callFor(l byte, depth int) {
	for i, f := range b.functions {
		if last := len(f.results) - 1; last >= 0 && f.results[last] == l {
			b.push(f.params, depth)
			b.op(OpCall, i)
			b.op(OpLocalSet, b.scratchOf(l))
			b.pop(f.results[:last])
			b.op(OpLocalGet, b.scratchOf(l))
			return
		}
	}
	b.leaf(l)
}

func (b *body) callIndirect(depth int) {
	t := b.tableOf('r')
	if t < 0 {
		return
	}
	f := b.functions[b.n(len(b.functions))]
	b.push(f.params, depth)
	b.index(t)
	b.op(OpCallIndirect, b.typeIndex(f), t)
	b.pop(f.results)
}

// bulk makes operations on memory and data.
func (b *body) bulk(depth int) {
	if !b.memory {
		return
	}
	switch b.n(6) {
	case 0, 1:
		b.address(depth)
		b.address(depth)
		b.length(depth)
		b.op(OpMemoryCopy, 0, 0)
	case 2:
		b.address(depth)
		b.expression('i', depth)
		b.length(depth)
		b.op(OpMemoryFill, 0)
	case 3:
		// The engine lets memory.init read active segments after they were dropped, which the specification does not.
		if len(b.passive) > 0 {
			b.address(depth)
			b.small(depth)
			b.small(depth)
			b.op(OpMemoryInit, b.passive[b.n(len(b.passive))], 0)
		}
	case 4:
		if b.data > 0 {
			b.op(OpDataDrop, b.n(b.data))
		}
	case 5:
		b.emit(wasmtest.I32(b.n(14)))
		b.op(OpMemoryGrow, 0)
		b.op(OpDrop)
	}
}

// few pushes the length of an operation on tables, mostly one that fits.
func (b *body) few() {
	if b.one(12) {
		b.leaf('i')
		return
	}
	b.emit(wasmtest.I32(b.n(3)))
}

// tableStatement makes operations on tables and element segments.
func (b *body) tableStatement(depth int) {
	if len(b.tables) == 0 {
		return
	}
	t := b.n(len(b.tables))
	l := b.tables[t].letter
	switch b.n(7) {
	case 0:
		b.index(t)
		b.expression(l, depth)
		b.op(OpTableSet, t)
	case 1:
		// The original of a table without a maximum would be grown past all memory.
		b.expression(l, depth)
		if b.small(depth); t%2 == 0 {
			b.emit(wasmtest.I32(7), raw(0x71))
		}
		b.op(OpTableGrow, t)
		b.op(OpLocalSet, b.scratchOf('i'))
	case 2:
		b.index(t)
		b.expression(l, depth)
		b.few()
		b.op(OpTableFill, t)
	case 3:
		other := b.tableOf(l)
		b.index(t)
		b.index(other)
		b.few()
		b.op(OpTableCopy, t, other)
	case 4:
		if i := slices.Index(b.elements, l); i >= 0 {
			b.index(t)
			b.few()
			b.few()
			b.op(OpTableInit, i, t)
		}
	case 5:
		if len(b.elements) > 0 {
			b.op(OpElemDrop, b.n(len(b.elements)))
		}
	case 6:
		b.op(OpTableSize, t)
		b.op(OpLocalSet, b.scratchOf('i'))
	}
}
