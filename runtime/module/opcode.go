package module

// opcode is an instruction's number: one byte, or a prefix byte in the upper half and the number behind it
// in the lower.
type opcode uint16

// The instructions that the walk over code treats by name.
const (
	opUnreachable opcode = 0x00
	opNop         opcode = 0x01
	opBlock       opcode = 0x02
	opLoop        opcode = 0x03
	opIf          opcode = 0x04
	opElse        opcode = 0x05
	opEnd         opcode = 0x0b
	opBr          opcode = 0x0c
	opBrIf        opcode = 0x0d
	opBrTable     opcode = 0x0e
	opReturn      opcode = 0x0f
	opCall        opcode = 0x10
	opDrop        opcode = 0x1a
	opSelect      opcode = 0x1b
	opLocalGet    opcode = 0x20
	opLocalSet    opcode = 0x21
	opLocalTee    opcode = 0x22
	opGlobalGet   opcode = 0x23
	opGlobalSet   opcode = 0x24
	opTableGet    opcode = 0x25
	opTableSet    opcode = 0x26
	opMemorySize  opcode = 0x3f
	opMemoryGrow  opcode = 0x40
	opI32Const    opcode = 0x41
	opI64Const    opcode = 0x42
	opF32Const    opcode = 0x43
	opF64Const    opcode = 0x44
	opI32LtS      opcode = 0x48
	opI32LtU      opcode = 0x49
	opI32GtU      opcode = 0x4b
	opI32LeU      opcode = 0x4d
	opI32Add      opcode = 0x6a
	opI32Sub      opcode = 0x6b
	opI32Mul      opcode = 0x6c
	opI32Or       opcode = 0x72
	opI32ShrU     opcode = 0x76
	opI64Add      opcode = 0x7c
	opI64Sub      opcode = 0x7d
	opI64Mul      opcode = 0x7e
	opRefNull     opcode = 0xd0
	opRefIsNull   opcode = 0xd1
	opRefFunc     opcode = 0xd2
	prefixGC             = 0xfb
	prefixMisc           = 0xfc
	prefixVector         = 0xfd
	prefixThreads        = 0xfe

	opMemoryInit opcode = prefixMisc<<8 | 8
	opDataDrop   opcode = prefixMisc<<8 | 9
	opMemoryCopy opcode = prefixMisc<<8 | 10
	opMemoryFill opcode = prefixMisc<<8 | 11
	opTableInit  opcode = prefixMisc<<8 | 12
	opElemDrop   opcode = prefixMisc<<8 | 13
	opTableCopy  opcode = prefixMisc<<8 | 14
	opTableGrow  opcode = prefixMisc<<8 | 15
	opTableSize  opcode = prefixMisc<<8 | 16
	opTableFill  opcode = prefixMisc<<8 | 17
	opV128Store  opcode = prefixVector<<8 | 0x0b
	opV128Const  opcode = prefixVector<<8 | 0x0c
)

// The instructions that come in runs.
const (
	opFirstLoad    opcode = 0x28
	opLastLoad     opcode = 0x35
	opFirstStore   opcode = 0x36
	opLastStore    opcode = 0x3e
	opFirstNumeric opcode = 0x45
	opLastNumeric  opcode = 0xc4
)

// immediate is the shape of what follows an opcode.
type immediate byte

const (
	immUnknown    immediate = iota // no such instruction
	immNone                        //
	immBlock                       // block type
	immLabel                       // label
	immBrTable                     // vector of labels, label
	immFunc                        // function
	immIndirect                    // type, table
	immLocal                       // local
	immGlobal                      // global
	immTable                       // table
	immTables                      // table, table
	immTableInit                   // element segment, table
	immElem                        // element segment
	immMemory                      // memory, always 0
	immMemories                    // memory, memory
	immMemoryInit                  // data segment, memory
	immData                        // data segment
	immMemarg                      // alignment, offset
	immMemargLane                  // alignment, offset, lane
	immLane                        // lane
	immShuffle                     // 16 lanes
	immI32                         // signed LEB128
	immI64                         // signed LEB128
	immF32                         // 4 bytes
	immF64                         // 8 bytes
	immV128                        // 16 bytes
	immSelect                      // vector of one value type
	immRefType                     // reference type
)

// operation is what the table knows of one opcode.
type operation struct {
	imm   immediate
	align uint8 // natural alignment of a memory access, as the exponent of 2
	lanes uint8 // number of lanes that a lane index chooses from
}

// operations describes one-byte opcodes, misc those behind 0xfc, vector those behind 0xfd.
// https://www.w3.org/TR/wasm-core-2/#a7-index-of-instructions
var (
	operations = expand(256, []opRange{
		{0x00, 0x01, operation{imm: immNone}}, // unreachable, nop
		{0x02, 0x04, operation{imm: immBlock}},
		{0x05, 0x05, operation{imm: immNone}}, // else
		{0x0b, 0x0b, operation{imm: immNone}}, // end
		{0x0c, 0x0d, operation{imm: immLabel}},
		{0x0e, 0x0e, operation{imm: immBrTable}},
		{0x0f, 0x0f, operation{imm: immNone}}, // return
		{0x10, 0x10, operation{imm: immFunc}}, // call
		{0x11, 0x11, operation{imm: immIndirect}},
		{0x1a, 0x1b, operation{imm: immNone}}, // drop, select
		{0x1c, 0x1c, operation{imm: immSelect}},
		{0x20, 0x22, operation{imm: immLocal}},
		{0x23, 0x24, operation{imm: immGlobal}},
		{0x25, 0x26, operation{imm: immTable}},            // table.get, table.set
		{0x28, 0x28, operation{imm: immMemarg, align: 2}}, // i32.load
		{0x29, 0x29, operation{imm: immMemarg, align: 3}}, // i64.load
		{0x2a, 0x2a, operation{imm: immMemarg, align: 2}}, // f32.load
		{0x2b, 0x2b, operation{imm: immMemarg, align: 3}}, // f64.load
		{0x2c, 0x2d, operation{imm: immMemarg, align: 0}}, // i32.load8
		{0x2e, 0x2f, operation{imm: immMemarg, align: 1}}, // i32.load16
		{0x30, 0x31, operation{imm: immMemarg, align: 0}}, // i64.load8
		{0x32, 0x33, operation{imm: immMemarg, align: 1}}, // i64.load16
		{0x34, 0x35, operation{imm: immMemarg, align: 2}}, // i64.load32
		{0x36, 0x36, operation{imm: immMemarg, align: 2}}, // i32.store
		{0x37, 0x37, operation{imm: immMemarg, align: 3}}, // i64.store
		{0x38, 0x38, operation{imm: immMemarg, align: 2}}, // f32.store
		{0x39, 0x39, operation{imm: immMemarg, align: 3}}, // f64.store
		{0x3a, 0x3a, operation{imm: immMemarg, align: 0}}, // i32.store8
		{0x3b, 0x3b, operation{imm: immMemarg, align: 1}}, // i32.store16
		{0x3c, 0x3c, operation{imm: immMemarg, align: 0}}, // i64.store8
		{0x3d, 0x3d, operation{imm: immMemarg, align: 1}}, // i64.store16
		{0x3e, 0x3e, operation{imm: immMemarg, align: 2}}, // i64.store32
		{0x3f, 0x40, operation{imm: immMemory}},           // memory.size, memory.grow
		{0x41, 0x41, operation{imm: immI32}},
		{0x42, 0x42, operation{imm: immI64}},
		{0x43, 0x43, operation{imm: immF32}},
		{0x44, 0x44, operation{imm: immF64}},
		{0x45, 0xc4, operation{imm: immNone}}, // arithmetic, conversions, sign extension
		{0xd0, 0xd0, operation{imm: immRefType}},
		{0xd1, 0xd1, operation{imm: immNone}}, // ref.is_null
		{0xd2, 0xd2, operation{imm: immFunc}}, // ref.func
	})

	misc = expand(18, []opRange{
		{0, 7, operation{imm: immNone}}, // saturating conversions
		{8, 8, operation{imm: immMemoryInit}},
		{9, 9, operation{imm: immData}}, // data.drop
		{10, 10, operation{imm: immMemories}},
		{11, 11, operation{imm: immMemory}}, // memory.fill
		{12, 12, operation{imm: immTableInit}},
		{13, 13, operation{imm: immElem}}, // elem.drop
		{14, 14, operation{imm: immTables}},
		{15, 17, operation{imm: immTable}}, // table.grow, table.size, table.fill
	})

	vector = expand(256, []opRange{
		{0x00, 0x00, operation{imm: immMemarg, align: 4}}, // v128.load
		{0x01, 0x06, operation{imm: immMemarg, align: 3}}, // loads of half a vector, extended
		{0x07, 0x07, operation{imm: immMemarg, align: 0}}, // v128.load8_splat and wider
		{0x08, 0x08, operation{imm: immMemarg, align: 1}},
		{0x09, 0x09, operation{imm: immMemarg, align: 2}},
		{0x0a, 0x0a, operation{imm: immMemarg, align: 3}},
		{0x0b, 0x0b, operation{imm: immMemarg, align: 4}}, // v128.store
		{0x0c, 0x0c, operation{imm: immV128}},
		{0x0d, 0x0d, operation{imm: immShuffle, lanes: 32}},
		{0x0e, 0x14, operation{imm: immNone}},            // swizzle, splats
		{0x15, 0x17, operation{imm: immLane, lanes: 16}}, // i8x16 extract and replace
		{0x18, 0x1a, operation{imm: immLane, lanes: 8}},
		{0x1b, 0x1c, operation{imm: immLane, lanes: 4}},
		{0x1d, 0x1e, operation{imm: immLane, lanes: 2}},
		{0x1f, 0x20, operation{imm: immLane, lanes: 4}},
		{0x21, 0x22, operation{imm: immLane, lanes: 2}},
		{0x23, 0x53, operation{imm: immNone}}, // comparisons, bitwise
		{0x54, 0x54, operation{imm: immMemargLane, align: 0, lanes: 16}},
		{0x55, 0x55, operation{imm: immMemargLane, align: 1, lanes: 8}},
		{0x56, 0x56, operation{imm: immMemargLane, align: 2, lanes: 4}},
		{0x57, 0x57, operation{imm: immMemargLane, align: 3, lanes: 2}},
		{0x58, 0x58, operation{imm: immMemargLane, align: 0, lanes: 16}},
		{0x59, 0x59, operation{imm: immMemargLane, align: 1, lanes: 8}},
		{0x5a, 0x5a, operation{imm: immMemargLane, align: 2, lanes: 4}},
		{0x5b, 0x5b, operation{imm: immMemargLane, align: 3, lanes: 2}},
		{0x5c, 0x5c, operation{imm: immMemarg, align: 2}}, // v128.load32_zero
		{0x5d, 0x5d, operation{imm: immMemarg, align: 3}}, // v128.load64_zero
		// Lane-wise arithmetic. The gaps are numbers that the proposal freed again.
		{0x5e, 0x99, operation{imm: immNone}},
		{0x9b, 0xa1, operation{imm: immNone}},
		{0xa3, 0xa4, operation{imm: immNone}},
		{0xa7, 0xae, operation{imm: immNone}},
		{0xb1, 0xb1, operation{imm: immNone}},
		{0xb5, 0xba, operation{imm: immNone}},
		{0xbc, 0xc1, operation{imm: immNone}},
		{0xc3, 0xc4, operation{imm: immNone}},
		{0xc7, 0xce, operation{imm: immNone}},
		{0xd1, 0xd1, operation{imm: immNone}},
		{0xd5, 0xe1, operation{imm: immNone}},
		{0xe3, 0xed, operation{imm: immNone}},
		{0xef, 0xff, operation{imm: immNone}},
	})
)

// opRange gives the opcodes from first to last one description.
type opRange struct {
	first, last int
	operation
}

func expand(size int, ranges []opRange) []operation {
	table := make([]operation, size)
	for _, r := range ranges {
		for i := r.first; i <= r.last; i++ {
			table[i] = r.operation
		}
	}
	return table
}
