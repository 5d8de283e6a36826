package hostile

import (
	"slices"
	"strconv"
	"strings"

	w "sluice/runtime/sandbox/wasmtest"
)

// compilations keep within every cap, and make as much work for a compiler as these let them. Whether they are compiled in
// the end or refused is the compiler's to say, as long as nobody else waits for it.
func compilations() []Module {
	const i64s = 'I'
	locals := func(n int) []w.Locals { return []w.Locals{{Count: n, Type: i64s}} }
	shapes := []struct {
		name string
		guest
	}{
		{"compile-nested-blocks", guest{harm: nest(2_000), locals: locals(2_499)}},
		{"compile-blocks-in-a-row", guest{harm: w.Repeat(19_000, w.Block())}},
		{"compile-blocks-in-many-functions", guest{Module: w.Module{Functions: slices.Repeat([]w.Function{{Code: w.Repeat(19_000, w.Block())}}, 250)}}},
		{"compile-loops-times-locals", guest{harm: w.Code(w.Repeat(480, w.Loop()), shuffle(9_999, 12)), locals: locals(9_999)}},
		{"compile-locals-through-loops", guest{harm: through(480, 1_000), locals: locals(9_999)}},
		{"compile-loops-around-locals", guest{harm: around(480, 9_999), locals: locals(9_999)}},
		{"compile-few-loops-around-locals", guest{harm: around(48, 9_999), locals: locals(9_999)}},
		{"compile-ifs", guest{harm: w.Code(w.I32(0), w.Repeat(1_000, w.I32(1), choose, w.I32Add), w.Drop)}},
		{"compile-many-ifs", guest{harm: w.Code(w.I32(0), w.Repeat(9_000, w.I32(1), choose, w.I32Add), w.Drop)}},
		{"compile-calls", guest{harm: w.Repeat(20_000, w.Call(own)), Module: w.Module{Functions: []w.Function{{}}}}},
		{"compile-branch-table", guest{harm: branches(1_990, 16_000)}},
		{"compile-branch-tables", guest{harm: w.Repeat(8, branches(1_900, 1_900))}},
		{"compile-branches-to-one-loop", guest{harm: w.Loop(w.Repeat(9_900, w.I32(0), w.BrIf(0))), locals: locals(400)}},
		{"compile-long-chain", guest{harm: w.Code(w.I32(0), w.Repeat(340_000, w.I32(1), w.I32Add), w.Drop)}},
		{"compile-deep-operands", guest{harm: w.Code(w.Repeat(200_000, w.MemorySize), w.Repeat(200_000, w.Drop))}},
		{"compile-deep-sums", guest{harm: w.Code(w.Repeat(200_000, w.MemorySize), w.Repeat(199_999, w.I32Add), w.Drop)}},
		{"compile-loads", guest{harm: w.Code(w.I32(free), w.Repeat(300_000, w.I32Load(0)), w.Drop)}},
		{"compile-stores", guest{harm: w.Repeat(110_000, w.I32(free), w.I32(0), w.I32Store(0))}},
		{"compile-divisions", guest{harm: w.Code(w.I64(1), w.Repeat(300_000, w.I64(7), w.I64DivS), w.Drop)}},
		{"compile-fills", guest{harm: w.Repeat(50_000, w.I32(0), w.I32(0), w.I32(0), w.MemoryFill)}},
		{"compile-grows", guest{harm: w.Repeat(100_000, w.I32(0), w.MemoryGrow, w.Drop)}},
		{"compile-wide-calls", wideCalls(256, 64, 1_500)},
		{"compile-many-functions", guest{Module: w.Module{Functions: make([]w.Function, 99_000)}}},
		{"compile-many-large-functions", guest{Module: w.Module{Functions: slices.Repeat([]w.Function{{Code: w.Code(
			w.I32(0), w.Repeat(300_000, w.I32(1), w.I32Add), w.Drop)}}, 14)}}},
		{"compile-many-types", guest{Module: w.Module{Types: manyTypes(19_000)}}},
		{"compile-many-globals", guest{Module: w.Module{Globals: slices.Repeat([]w.Global{{Type: 'I', Mutable: true, Init: w.I64(1)}}, 9_900)}}},
		{"compile-many-exports", guest{Module: w.Module{Exports: manyExports(9_900)}}},
		{"compile-many-data-segments", guest{Module: w.Module{Data: slices.Repeat([]w.Data{{At: free, Text: "x"}}, 99_000)}}},
		{"compile-many-elements", guest{Module: w.Module{
			Tables:   []w.Table{{Type: 'r', Initial: 99_000}},
			Elements: slices.Repeat([]w.Element{{Functions: slices.Repeat([]int{funcHarm}, 9_900)}}, 10)}}},
		{"compile-large-tables", guest{Module: w.Module{Tables: slices.Repeat([]w.Table{{Type: 'r', Initial: 100_000}}, 4)}}},
		{"compile-vectors", guest{harm: w.Code(zeroVector, w.Repeat(49_000, zeroVector, addVectors), w.Drop)}},
	}
	slow := []string{"compile-loops-around-locals", "compile-few-loops-around-locals", "compile-loads", "compile-divisions", "compile-blocks-in-many-functions",
		"compile-fills", "compile-grows", "compile-many-ifs", "compile-calls"}
	var all []Module
	for _, s := range shapes {
		m := s.module(s.name, OK, depth)
		m.Phase, m.Refused, m.Slow = Upload, []string{"does_not_compile"}, slices.Contains(slow, s.name)
		all = append(all, m)
	}
	return all
}

// nest is n blocks within each other.
func nest(n int) []byte {
	return w.Code(w.Repeat(n, []byte{0x02, 0x40}), w.Repeat(n, []byte{0x0b}))
}

// shuffle moves every local to the next, over and over.
func shuffle(locals, rounds int) []byte {
	var code []byte
	for n := range locals {
		code = append(code, w.Code(w.LocalGet(n), w.LocalSet((n+1)%locals))...)
	}
	return w.Repeat(rounds, code)
}

// through is loops in a row, each of which changes one local of those that live through all of them.
func through(loops, locals int) []byte {
	var code []byte
	for n := range loops {
		code = append(code, w.Loop(w.LocalGet(n%locals), w.I64(1), w.I64Add, w.LocalSet((n+7)%locals), w.I32(0), w.BrIf(0))...)
	}
	for n := range locals {
		code = append(code, w.Code(w.LocalGet(n), w.Drop)...)
	}
	return code
}

// around is loops within each other, and at the bottom code that needs and changes every local: each loop has to carry them
// all.
func around(loops, locals int) []byte {
	var code []byte
	for n := range locals {
		code = append(code, w.Code(w.LocalGet(n), w.LocalGet((n+1)%locals), w.I64Add, w.LocalSet(n))...)
	}
	return w.Code(w.Repeat(loops, []byte{0x03, 0x40}), code, w.Repeat(loops, w.MemorySize, w.I32Eqz, w.BrIf(0), []byte{0x0b}))
}

// choose takes a condition and leaves one of two numbers.
var choose = []byte{0x04, 0x7f, 0x41, 1, 0x05, 0x41, 2, 0x0b}

// branches is a br_table of so many targets, out of so many blocks.
func branches(blocks, targets int) []byte {
	list := make([]int, targets)
	for n := range list {
		list[n] = n % blocks
	}
	return w.Code(w.Repeat(blocks, []byte{0x02, 0x40}), w.MemorySize, w.BrTable(list...), w.Repeat(blocks, []byte{0x0b}))
}

// wideCalls calls a function with many parameters and results again and again.
func wideCalls(params, results, calls int) guest {
	wide := w.Function{Params: strings.Repeat("I", params), Results: strings.Repeat("I", results), Code: w.Repeat(results, w.I64(1))}
	call := w.Code(w.Repeat(params, w.I64(1)), w.Call(own), w.Repeat(results, w.Drop))
	return guest{harm: w.Repeat(calls, call), Module: w.Module{Functions: []w.Function{wide}}}
}

// manyTypes are n types, each another.
func manyTypes(n int) []w.Type {
	list := make([]w.Type, n)
	for i := range list {
		list[i] = w.Type{Params: strings.NewReplacer("0", "i", "1", "I", "2", "f", "3", "F").Replace(strconv.FormatInt(int64(i), 4))}
	}
	return list
}

// manyExports exports one function under n names.
func manyExports(n int) []w.Export {
	list := make([]w.Export, n)
	for i := range list {
		list[i] = w.Export{Name: strconv.Itoa(i), Index: funcHarm}
	}
	return list
}

// zeroVector is v128.const of zeros, and addVectors adds four lanes.
var (
	zeroVector = append([]byte{0xfd, 0x0c}, make([]byte, 16)...)
	addVectors = []byte{0xfd, 0xae, 0x01}
)
