package module

import (
	"fmt"
	"testing"
)

// immediates gives, for each shape, bytes that are valid in the function of oneFunction.
var immediates = map[immediate][]byte{
	immNone:       {},
	immBlock:      {0x40, 0x0b},
	immLabel:      {0},
	immBrTable:    {2, 0, 0, 0},
	immFunc:       {0},
	immIndirect:   {0, 0},
	immLocal:      {0},
	immGlobal:     {0},
	immTable:      {0},
	immTables:     {0, 0},
	immTableInit:  {0, 0},
	immElem:       {0},
	immMemory:     {0},
	immMemories:   {0, 0},
	immMemoryInit: {1, 0},
	immData:       {1},
	immMemarg:     {0, 0xff, 0xff, 0xff, 0xff, 0x0f},
	immMemargLane: {0, 0, 1},
	immLane:       {1},
	immShuffle:    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 31},
	immI32:        {0x80, 0x80, 0x80, 0x80, 0x78},
	immI64:        {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f},
	immF32:        {1, 2, 3, 4},
	immF64:        {1, 2, 3, 4, 5, 6, 7, 8},
	immV128:       {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
	immSelect:     {1, byte(I64)},
	immRefType:    {byte(ExternRef)},
}

// eachOpcode calls f with the encoding of every opcode that could be in a table, and what the table says.
func eachOpcode(f func(encoded []byte, op operation)) {
	for first := range 256 {
		switch first {
		case prefixMisc:
			for n := range 256 {
				var op operation
				if n < len(misc) {
					op = misc[n]
				}
				f(join(raw(byte(first)), u(n)), op)
			}
		case prefixVector:
			for n := range 512 {
				var op operation
				if n < len(vector) {
					op = vector[n]
				}
				f(join(raw(byte(first)), u(n)), op)
			}
		default:
			f(raw(byte(first)), operations[first])
		}
	}
}

// TestInstruction walks every opcode: known ones are read to their last byte and refused when a byte is
// missing, all others are refused.
func TestInstruction(t *testing.T) {
	known := 0
	eachOpcode(func(encoded []byte, op operation) {
		t.Run(fmt.Sprintf("%x", encoded), func(t *testing.T) {
			if op.imm == immUnknown {
				_, err := Parse(code(join(encoded, make([]byte, 16))...), DefaultLimits())
				if err == nil {
					t.Fatal("an unknown instruction was accepted")
				}
				return
			}
			known++
			whole := join(encoded, immediates[op.imm])
			r := reader{b: whole, end: len(whole)}
			var in instruction
			r.instruction(&in)
			end := len(whole)
			if op.imm == immBlock {
				end-- // the block's own end
			}
			if r.err != nil || r.pos != end {
				t.Fatalf("read to %d of %d, error %v", r.pos, end, r.err)
			}
			for cut := range end {
				r := reader{b: whole[:cut], end: cut}
				if r.instruction(&in); r.err == nil {
					t.Fatalf("accepted when cut to %d of %d bytes", cut, end)
				}
			}
			switch opcode(encoded[0]) {
			case opElse:
				whole = raw(0x04, 0x40, 0x05, 0x0b)
			case opEnd:
				whole = raw(0x02, 0x40, 0x0b)
			}
			b := bodyOf(vec(raw(1, byte(I32))), whole...)
			if _, err := Parse(oneFunction(b), DefaultLimits()); err != nil {
				t.Fatal(err)
			}
		})
	})
	// Core 1.0 has 172, sign extension 5, reference types 6, saturation 8, bulk operations 10, SIMD 236.
	if want := 172 + 5 + 6 + 8 + 10 + 236; known != want {
		t.Errorf("the table has %d instructions, WebAssembly 2.0 has %d", known, want)
	}
}

func TestInstruction_fields(t *testing.T) {
	tests := []struct {
		name string
		b    []byte
		want instruction
	}{
		{"block", raw(0x02, 0x40), instruction{op: opBlock, imm: immBlock, k: blockEmpty}},
		{"loop with a value", raw(0x03, byte(F64)), instruction{op: opLoop, imm: immBlock, k: int64(F64) - 0x80}},
		{"if with a type", raw(0x04, 0x80, 0x01), instruction{op: opIf, imm: immBlock, k: 128}},
		{"br_table", raw(0x0e, 3, 5, 9, 1, 2), instruction{op: opBrTable, imm: immBrTable, x: 9, y: 3}},
		{"br_table, default", raw(0x0e, 0, 7), instruction{op: opBrTable, imm: immBrTable, x: 7}},
		{"call_indirect", raw(0x11, 3, 4), instruction{op: 0x11, imm: immIndirect, x: 3, y: 4}},
		{"i64.load", raw(0x29, 3, 16), instruction{op: 0x29, imm: immMemarg, x: 3, y: 16}},
		{"i32.const", raw(0x41, 0x7b), instruction{op: opI32Const, imm: immI32, k: -5}},
		{"table.copy", raw(0xfc, 14, 1, 2), instruction{op: 0xfc0e, imm: immTables, x: 1, y: 2}},
		{"table.init", raw(0xfc, 12, 1, 2), instruction{op: 0xfc0c, imm: immTableInit, x: 1, y: 2}},
		{"memory.init", raw(0xfc, 8, 1, 0), instruction{op: 0xfc08, imm: immMemoryInit, x: 1}},
		{"prefix, padded", raw(0xfc, 0x89, 0x00, 7), instruction{op: 0xfc09, imm: immData, x: 7}},
		{"v128.store64_lane", raw(0xfd, 0x5b, 3, 8, 1), instruction{op: 0xfd5b, imm: immMemargLane, x: 3, y: 8}},
		{"select", raw(0x1c, 1, byte(V128)), instruction{op: 0x1c, imm: immSelect, x: uint32(V128)}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			r := reader{b: tc.b, end: len(tc.b)}
			var in instruction
			r.instruction(&in)
			if r.err != nil || in != tc.want || r.left() != 0 {
				t.Fatalf("have %+v (error %v, %d bytes left), want %+v", in, r.err, r.left(), tc.want)
			}
		})
	}
}
