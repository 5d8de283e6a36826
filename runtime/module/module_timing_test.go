package module

import (
	"bytes"
	"testing"
)

// BenchmarkParse parses 3 MB of code as compilers make it: many functions of short instructions.
func BenchmarkParse(b *testing.B) {
	const functions = 3_000
	piece := raw(0x02, 0x40, 0x20, 0, 0x41, 0xe4, 0, 0x6a, 0x22, 0, 0x28, 2, 8, 0x45, 0x0d, 0, 0x10, 0, 0x0b)
	whole := bodyOf(vec(raw(1, byte(I32))), bytes.Repeat(piece, 55)...)
	file := wasm(
		types(), section(SectionFunction, repeat(functions, 0)), section(SectionMemory, vec(raw(0, 1))),
		section(SectionCode, u(functions), bytes.Repeat(whole, functions)),
	)
	limits := DefaultLimits()
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(file, limits); err != nil {
			b.Fatal(err)
		}
	}
}
