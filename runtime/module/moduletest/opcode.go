package moduletest

// Immediate is the shape of what follows an opcode.
type Immediate byte

// The shapes.
const (
	ImmUnknown    Immediate = iota // no such instruction
	ImmNone                        //
	ImmBlock                       // block type
	ImmLabel                       // label
	ImmBrTable                     // vector of labels, label
	ImmFunc                        // function
	ImmIndirect                    // type, table
	ImmLocal                       // local
	ImmGlobal                      // global
	ImmTable                       // table
	ImmTables                      // table, table
	ImmTableInit                   // element segment, table
	ImmElem                        // element segment
	ImmMemory                      // memory
	ImmMemories                    // memory, memory
	ImmMemoryInit                  // data segment, memory
	ImmData                        // data segment
	ImmMemarg                      // alignment, offset
	ImmMemargLane                  // alignment, offset, lane
	ImmLane                        // lane
	ImmShuffle                     // 16 lanes
	ImmI32                         // signed LEB128
	ImmI64                         // signed LEB128
	ImmF32                         // 4 bytes
	ImmF64                         // 8 bytes
	ImmV128                        // 16 bytes
	ImmSelect                      // vector of one value type
	ImmRefType                     // reference type
)

// Opcode is an instruction's number: one byte, or a prefix byte and the number behind it.
type Opcode uint16

// The instructions that this package treats by name.
const (
	OpUnreachable  Opcode = 0x00
	OpNop          Opcode = 0x01
	OpBlock        Opcode = 0x02
	OpLoop         Opcode = 0x03
	OpIf           Opcode = 0x04
	OpElse         Opcode = 0x05
	OpEnd          Opcode = 0x0b
	OpBr           Opcode = 0x0c
	OpBrIf         Opcode = 0x0d
	OpBrTable      Opcode = 0x0e
	OpReturn       Opcode = 0x0f
	OpCall         Opcode = 0x10
	OpCallIndirect Opcode = 0x11
	OpDrop         Opcode = 0x1a
	OpSelect       Opcode = 0x1b
	OpSelectTyped  Opcode = 0x1c
	OpLocalGet     Opcode = 0x20
	OpLocalSet     Opcode = 0x21
	OpLocalTee     Opcode = 0x22
	OpGlobalGet    Opcode = 0x23
	OpGlobalSet    Opcode = 0x24
	OpTableGet     Opcode = 0x25
	OpTableSet     Opcode = 0x26
	OpMemoryGrow   Opcode = 0x40
	OpRefNull      Opcode = 0xd0
	OpRefIsNull    Opcode = 0xd1
	OpRefFunc      Opcode = 0xd2
	OpMemoryInit   Opcode = 0xfc08
	OpDataDrop     Opcode = 0xfc09
	OpMemoryCopy   Opcode = 0xfc0a
	OpMemoryFill   Opcode = 0xfc0b
	OpTableInit    Opcode = 0xfc0c
	OpElemDrop     Opcode = 0xfc0d
	OpTableCopy    Opcode = 0xfc0e
	OpTableGrow    Opcode = 0xfc0f
	OpTableSize    Opcode = 0xfc10
	OpTableFill    Opcode = 0xfc11
)

// Operation describes an opcode whose operands are always of the same types. Control, and what depends on locals, globals
// and tables, is ad hoc.
type Operation struct {
	Op              Opcode
	Imm             Immediate
	Params, Results string // as letters
	AdHoc           bool
	Align           byte // natural alignment, as an exponent of 2
	Lanes           byte // how many lanes a lane index chooses from
	Float           bool // yields floats whose NaN bits the specification leaves open
}

// opRange gives the opcodes from first to last one description.
type opRange struct {
	first, last Opcode
	Operation
}

// adHoc describes an instruction with operands that the table can't know.
func adHoc(imm Immediate) Operation { return Operation{Imm: imm, AdHoc: true} }

func plain(params, results string) Operation {
	return Operation{Imm: ImmNone, Params: params, Results: results}
}

// float is plain, and yields floats of unspecified NaNs.
func float(params, results string) Operation {
	return Operation{Imm: ImmNone, Params: params, Results: results, Float: true}
}

func access(align byte, params, results string) Operation {
	return Operation{Imm: ImmMemarg, Align: align, Params: params, Results: results}
}

func laneAccess(align, lanes byte, params, results string) Operation {
	return Operation{Imm: ImmMemargLane, Align: align, Lanes: lanes, Params: params, Results: results}
}

func lane(lanes byte, params, results string) Operation {
	return Operation{Imm: ImmLane, Lanes: lanes, Params: params, Results: results}
}

func with(imm Immediate, params, results string) Operation {
	return Operation{Imm: imm, Params: params, Results: results}
}

// ranges lists every instruction of WebAssembly 2.0. It was written from the specification's index, apart from the table of
// package module, so that a mistake there shows here.
//
// https://www.w3.org/TR/wasm-core-2/#a7-index-of-instructions
var ranges = []opRange{
	{0x00, 0x01, adHoc(ImmNone)}, // unreachable, nop
	{0x02, 0x04, adHoc(ImmBlock)},
	{0x05, 0x05, adHoc(ImmNone)}, {0x0b, 0x0b, adHoc(ImmNone)},
	{0x0c, 0x0d, adHoc(ImmLabel)}, {0x0e, 0x0e, adHoc(ImmBrTable)}, {0x0f, 0x0f, adHoc(ImmNone)},
	{0x10, 0x10, adHoc(ImmFunc)}, {0x11, 0x11, adHoc(ImmIndirect)},
	{0x1a, 0x1b, adHoc(ImmNone)}, {0x1c, 0x1c, adHoc(ImmSelect)},
	{0x20, 0x22, adHoc(ImmLocal)}, {0x23, 0x24, adHoc(ImmGlobal)}, {0x25, 0x26, adHoc(ImmTable)},

	{0x28, 0x28, access(2, "i", "i")}, {0x29, 0x29, access(3, "i", "I")},
	{0x2a, 0x2a, access(2, "i", "f")}, {0x2b, 0x2b, access(3, "i", "F")},
	{0x2c, 0x2d, access(0, "i", "i")}, {0x2e, 0x2f, access(1, "i", "i")},
	{0x30, 0x31, access(0, "i", "I")}, {0x32, 0x33, access(1, "i", "I")}, {0x34, 0x35, access(2, "i", "I")},
	{0x36, 0x36, access(2, "ii", "")}, {0x37, 0x37, access(3, "iI", "")},
	{0x38, 0x38, access(2, "if", "")}, {0x39, 0x39, access(3, "iF", "")},
	{0x3a, 0x3a, access(0, "ii", "")}, {0x3b, 0x3b, access(1, "ii", "")},
	{0x3c, 0x3c, access(0, "iI", "")}, {0x3d, 0x3d, access(1, "iI", "")}, {0x3e, 0x3e, access(2, "iI", "")},
	{0x3f, 0x3f, with(ImmMemory, "", "i")}, {0x40, 0x40, with(ImmMemory, "i", "i")},

	{0x41, 0x41, with(ImmI32, "", "i")}, {0x42, 0x42, with(ImmI64, "", "I")},
	{0x43, 0x43, with(ImmF32, "", "f")}, {0x44, 0x44, with(ImmF64, "", "F")},
	{0x45, 0x45, plain("i", "i")}, {0x46, 0x4f, plain("ii", "i")},
	{0x50, 0x50, plain("I", "i")}, {0x51, 0x5a, plain("II", "i")},
	{0x5b, 0x60, plain("ff", "i")}, {0x61, 0x66, plain("FF", "i")},
	{0x67, 0x69, plain("i", "i")}, {0x6a, 0x78, plain("ii", "i")},
	{0x79, 0x7b, plain("I", "I")}, {0x7c, 0x8a, plain("II", "I")},
	{0x8b, 0x8c, plain("f", "f")}, {0x8d, 0x91, float("f", "f")}, {0x92, 0x97, float("ff", "f")}, {0x98, 0x98, plain("ff", "f")},
	{0x99, 0x9a, plain("F", "F")}, {0x9b, 0x9f, float("F", "F")}, {0xa0, 0xa5, float("FF", "F")}, {0xa6, 0xa6, plain("FF", "F")},
	{0xa7, 0xa7, plain("I", "i")}, {0xa8, 0xa9, plain("f", "i")}, {0xaa, 0xab, plain("F", "i")},
	{0xac, 0xad, plain("i", "I")}, {0xae, 0xaf, plain("f", "I")}, {0xb0, 0xb1, plain("F", "I")},
	{0xb2, 0xb3, plain("i", "f")}, {0xb4, 0xb5, plain("I", "f")}, {0xb6, 0xb6, float("F", "f")},
	{0xb7, 0xb8, plain("i", "F")}, {0xb9, 0xba, plain("I", "F")}, {0xbb, 0xbb, float("f", "F")},
	{0xbc, 0xbc, plain("f", "i")}, {0xbd, 0xbd, plain("F", "I")}, {0xbe, 0xbe, plain("i", "f")}, {0xbf, 0xbf, plain("I", "F")},
	{0xc0, 0xc1, plain("i", "i")}, {0xc2, 0xc4, plain("I", "I")},
	{0xd0, 0xd0, adHoc(ImmRefType)}, {0xd1, 0xd1, adHoc(ImmNone)}, {0xd2, 0xd2, adHoc(ImmFunc)},

	{0xfc00, 0xfc01, plain("f", "i")}, {0xfc02, 0xfc03, plain("F", "i")},
	{0xfc04, 0xfc05, plain("f", "I")}, {0xfc06, 0xfc07, plain("F", "I")},
	{0xfc08, 0xfc08, with(ImmMemoryInit, "iii", "")}, {0xfc09, 0xfc09, with(ImmData, "", "")},
	{0xfc0a, 0xfc0a, with(ImmMemories, "iii", "")}, {0xfc0b, 0xfc0b, with(ImmMemory, "iii", "")},
	{0xfc0c, 0xfc0c, adHoc(ImmTableInit)}, {0xfc0d, 0xfc0d, with(ImmElem, "", "")}, {0xfc0e, 0xfc0e, adHoc(ImmTables)},
	{0xfc0f, 0xfc11, adHoc(ImmTable)},

	{0xfd00, 0xfd00, access(4, "i", "v")}, {0xfd01, 0xfd06, access(3, "i", "v")},
	{0xfd07, 0xfd07, access(0, "i", "v")}, {0xfd08, 0xfd08, access(1, "i", "v")},
	{0xfd09, 0xfd09, access(2, "i", "v")}, {0xfd0a, 0xfd0a, access(3, "i", "v")}, {0xfd0b, 0xfd0b, access(4, "iv", "")},
	{0xfd0c, 0xfd0c, with(ImmV128, "", "v")},
	{0xfd0d, 0xfd0d, Operation{Imm: ImmShuffle, Lanes: 32, Params: "vv", Results: "v"}},
	{0xfd0e, 0xfd0e, plain("vv", "v")}, {0xfd0f, 0xfd11, plain("i", "v")}, {0xfd12, 0xfd12, plain("I", "v")},
	{0xfd13, 0xfd13, plain("f", "v")}, {0xfd14, 0xfd14, plain("F", "v")},
	{0xfd15, 0xfd16, lane(16, "v", "i")}, {0xfd17, 0xfd17, lane(16, "vi", "v")},
	{0xfd18, 0xfd19, lane(8, "v", "i")}, {0xfd1a, 0xfd1a, lane(8, "vi", "v")},
	{0xfd1b, 0xfd1b, lane(4, "v", "i")}, {0xfd1c, 0xfd1c, lane(4, "vi", "v")},
	{0xfd1d, 0xfd1d, lane(2, "v", "I")}, {0xfd1e, 0xfd1e, lane(2, "vI", "v")},
	{0xfd1f, 0xfd1f, lane(4, "v", "f")}, {0xfd20, 0xfd20, lane(4, "vf", "v")},
	{0xfd21, 0xfd21, lane(2, "v", "F")}, {0xfd22, 0xfd22, lane(2, "vF", "v")},
	{0xfd23, 0xfd4c, plain("vv", "v")}, // comparisons
	{0xfd4d, 0xfd4d, plain("v", "v")}, {0xfd4e, 0xfd51, plain("vv", "v")}, {0xfd52, 0xfd52, plain("vvv", "v")}, {0xfd53, 0xfd53, plain("v", "i")},
	{0xfd54, 0xfd54, laneAccess(0, 16, "iv", "v")}, {0xfd55, 0xfd55, laneAccess(1, 8, "iv", "v")},
	{0xfd56, 0xfd56, laneAccess(2, 4, "iv", "v")}, {0xfd57, 0xfd57, laneAccess(3, 2, "iv", "v")},
	{0xfd58, 0xfd58, laneAccess(0, 16, "iv", "")}, {0xfd59, 0xfd59, laneAccess(1, 8, "iv", "")},
	{0xfd5a, 0xfd5a, laneAccess(2, 4, "iv", "")}, {0xfd5b, 0xfd5b, laneAccess(3, 2, "iv", "")},
	{0xfd5c, 0xfd5c, access(2, "i", "v")}, {0xfd5d, 0xfd5d, access(3, "i", "v")},
	{0xfd5e, 0xfd5f, float("v", "v")},
	// i8x16
	{0xfd60, 0xfd62, plain("v", "v")}, {0xfd63, 0xfd64, plain("v", "i")}, {0xfd65, 0xfd66, plain("vv", "v")},
	{0xfd67, 0xfd6a, float("v", "v")}, // f32x4 rounding
	{0xfd6b, 0xfd6d, plain("vi", "v")}, {0xfd6e, 0xfd73, plain("vv", "v")},
	{0xfd74, 0xfd75, float("v", "v")}, // f64x2 rounding
	{0xfd76, 0xfd79, plain("vv", "v")}, {0xfd7a, 0xfd7a, float("v", "v")}, {0xfd7b, 0xfd7b, plain("vv", "v")},
	{0xfd7c, 0xfd7f, plain("v", "v")},
	// i16x8
	{0xfd80, 0xfd81, plain("v", "v")}, {0xfd82, 0xfd82, plain("vv", "v")}, {0xfd83, 0xfd84, plain("v", "i")},
	{0xfd85, 0xfd86, plain("vv", "v")}, {0xfd87, 0xfd8a, plain("v", "v")}, {0xfd8b, 0xfd8d, plain("vi", "v")},
	{0xfd8e, 0xfd93, plain("vv", "v")}, {0xfd94, 0xfd94, float("v", "v")}, {0xfd95, 0xfd99, plain("vv", "v")},
	{0xfd9b, 0xfd9f, plain("vv", "v")},
	// i32x4
	{0xfda0, 0xfda1, plain("v", "v")}, {0xfda3, 0xfda4, plain("v", "i")}, {0xfda7, 0xfdaa, plain("v", "v")},
	{0xfdab, 0xfdad, plain("vi", "v")}, {0xfdae, 0xfdae, plain("vv", "v")}, {0xfdb1, 0xfdb1, plain("vv", "v")},
	{0xfdb5, 0xfdba, plain("vv", "v")}, {0xfdbc, 0xfdbf, plain("vv", "v")},
	// i64x2
	{0xfdc0, 0xfdc1, plain("v", "v")}, {0xfdc3, 0xfdc4, plain("v", "i")}, {0xfdc7, 0xfdca, plain("v", "v")},
	{0xfdcb, 0xfdcd, plain("vi", "v")}, {0xfdce, 0xfdce, plain("vv", "v")}, {0xfdd1, 0xfdd1, plain("vv", "v")},
	{0xfdd5, 0xfddf, plain("vv", "v")},
	// f32x4 and f64x2
	{0xfde0, 0xfde1, plain("v", "v")}, {0xfde3, 0xfde3, float("v", "v")}, {0xfde4, 0xfdeb, float("vv", "v")},
	{0xfdec, 0xfded, plain("v", "v")}, {0xfdef, 0xfdef, float("v", "v")}, {0xfdf0, 0xfdf7, float("vv", "v")},
	{0xfdf8, 0xfdff, float("v", "v")},
}

// index is the table by opcode.
var index = func() map[Opcode]*Operation {
	m := make(map[Opcode]*Operation)
	for _, r := range ranges {
		for op := int(r.first); op <= int(r.last); op++ {
			o := r.Operation
			o.Op = Opcode(op)
			m[o.Op] = &o
		}
	}
	return m
}()

// Operations returns every instruction of WebAssembly 2.0, in the order of their numbers.
func Operations() []Operation {
	var all []Operation
	for _, r := range ranges {
		for op := int(r.first); op <= int(r.last); op++ {
			all = append(all, *index[Opcode(op)])
		}
	}
	return all
}

// Encode returns the opcode's bytes.
func (op Opcode) Encode() []byte {
	if op > 0xff {
		return join(raw(byte(op>>8)), u(int(op&0xff)))
	}
	return raw(byte(op))
}
