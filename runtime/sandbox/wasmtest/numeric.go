package wasmtest

import (
	"encoding/binary"
	"math"
)

// F32 is f32.const.
func F32(x float32) []byte {
	return binary.LittleEndian.AppendUint32([]byte{0x43}, math.Float32bits(x))
}

// F64 is f64.const.
func F64(x float64) []byte {
	return binary.LittleEndian.AppendUint64([]byte{0x44}, math.Float64bits(x))
}

// These are instructions without operands of their own, by their names in the text format.
var (
	I32Eqz       = []byte{0x45}
	I32LtS       = []byte{0x48}
	I32LtU       = []byte{0x49}
	I32GeS       = []byte{0x4e}
	I64GeS       = []byte{0x59}
	I32Add       = []byte{0x6a}
	I32Sub       = []byte{0x6b}
	I32Mul       = []byte{0x6c}
	I32DivS      = []byte{0x6d}
	I32DivU      = []byte{0x6e}
	I32RemS      = []byte{0x6f}
	I32RemU      = []byte{0x70}
	I32And       = []byte{0x71}
	I64Eqz       = []byte{0x50}
	I64Add       = []byte{0x7c}
	I64DivS      = []byte{0x7f}
	I64DivU      = []byte{0x80}
	I64RemS      = []byte{0x81}
	F64Sqrt      = []byte{0x9f}
	I32TruncF32S = []byte{0xa8}
	I32TruncF64U = []byte{0xab}
	I64TruncF32U = []byte{0xaf}
	I64TruncF64S = []byte{0xb0}
)
