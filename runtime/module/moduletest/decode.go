package moduletest

import (
	"encoding/binary"
	"fmt"

	"sluice/runtime/module"
)

// Instruction is one instruction of a body.
type Instruction struct {
	Operation *Operation
	At, End   int      // in the bytes that were decoded
	Indices   []uint32 // immediates that are indices, and all labels of a br_table with the default last
}

// cursor reads what was accepted by the engine, and panics where that can't be.
type cursor struct {
	b  []byte
	at int
}

func (c *cursor) byte() byte {
	c.at++
	return c.b[c.at-1]
}

func (c *cursor) u32() uint32 {
	n, size := binary.Uvarint(c.b[c.at:])
	if size <= 0 || n > 1<<32-1 {
		panic(fmt.Sprintf("no unsigned LEB128 at %d", c.at))
	}
	c.at += size
	return uint32(n)
}

// leb goes past a number of either sign.
func (c *cursor) leb() {
	for c.byte() >= 0x80 {
	}
}

// instruction decodes one instruction.
func (c *cursor) instruction() Instruction {
	in := Instruction{At: c.at}
	op := Opcode(c.byte())
	if op == 0xfc || op == 0xfd {
		op = op<<8 | Opcode(c.u32())
	}
	in.Operation = index[op]
	if in.Operation == nil {
		panic(fmt.Sprintf("unknown opcode %#x at %d", op, in.At))
	}
	switch in.Operation.Imm {
	case ImmBlock, ImmI32, ImmI64:
		c.leb()
	case ImmLabel, ImmFunc, ImmLocal, ImmGlobal, ImmTable, ImmElem, ImmData, ImmMemory:
		in.Indices = []uint32{c.u32()}
	case ImmIndirect, ImmTables, ImmTableInit, ImmMemoryInit, ImmMemories:
		in.Indices = []uint32{c.u32(), c.u32()}
	case ImmBrTable:
		for n := int(c.u32()) + 1; n > 0; n-- {
			in.Indices = append(in.Indices, c.u32())
		}
	case ImmMemarg:
		c.u32()
		c.u32()
	case ImmMemargLane:
		c.u32()
		c.u32()
		c.byte()
	case ImmLane, ImmRefType:
		c.byte()
	case ImmShuffle, ImmV128:
		c.at += 16
	case ImmF32:
		c.at += 4
	case ImmF64:
		c.at += 8
	case ImmSelect:
		c.at += 2
	}
	in.End = c.at
	return in
}

// Function is a function's body in a file.
type Function struct {
	Locals []byte // the declarations, encoded
	Code   []byte // instructions, with the end that closes the function
}

// Instructions decodes the code.
func (f Function) Instructions() []Instruction {
	c := cursor{b: f.Code}
	var all []Instruction
	for c.at < len(c.b) {
		all = append(all, c.instruction())
	}
	return all
}

// Functions returns the bodies of a module that was parsed from file.
func Functions(file []byte, m *module.Module) []Function {
	s, ok := m.Section(module.SectionCode)
	if !ok {
		return nil
	}
	c := cursor{b: file, at: s.Body}
	all := make([]Function, c.u32())
	for i := range all {
		end := int(c.u32())
		end += c.at
		locals := c.at
		for range c.u32() {
			c.u32()
			c.byte()
		}
		all[i] = Function{Locals: file[locals:c.at], Code: file[c.at:end]}
		c.at = end
	}
	return all
}
