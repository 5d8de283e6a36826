package hostile

import w "sluice/runtime/sandbox/wasmtest"

// loops never end.
func loops() []Module {
	counter := []w.Locals{{Count: 4, Type: 'i'}}
	// until counts a local up to 2³⁰ in a loop around the code.
	until := func(local int, code ...[]byte) []byte {
		return w.Loop(w.Code(code...), w.LocalGet(local), w.I32(1), w.I32Add, w.LocalTee(local), w.I32(1<<30), w.I32LtS, w.BrIf(0))
	}
	table := func(entries ...int) w.Module {
		return w.Module{Types: []w.Type{{}}, Tables: []w.Table{{Type: 'r', Initial: len(entries)}}, Elements: []w.Element{{Functions: entries}}}
	}
	indirect := guest{Module: table(own), harm: w.Loop(w.I32(0), w.CallIndirect(0), w.Br(0))}
	indirect.Functions = []w.Function{{}}
	calls := guest{harm: w.Loop(w.Call(own), w.Br(0)), Module: w.Module{Functions: []w.Function{{Code: w.Call(own + 1)}, {}}}}
	shapes := []struct {
		name string
		guest
	}{
		{"loop-of-memory-sizes", guest{harm: w.Loop(w.MemorySize, w.Drop, w.Br(0))}},
		{"loop-conditional", guest{harm: w.Loop(w.I32(1), w.BrIf(0))}},
		{"loop-by-branch-table", guest{harm: w.Loop(w.Block(w.Block(w.MemorySize, w.BrTable(0, 1, 2))), w.Br(0))}},
		{"loop-of-branch-tables", guest{harm: w.Loop(w.I32(3), w.BrTable(0, 0, 0, 0))}},
		{"loops-nested", guest{harm: until(0, until(1, until(2, until(3)))), locals: counter}},
		{"loop-of-loops-that-end", guest{harm: w.Loop(w.Repeat(1_000, w.Loop()), w.Br(0))}},
		{"loop-at-the-bottom-of-blocks", guest{harm: w.Loop(deepest(1_990, w.Br(1_990)))}},
		{"loop-of-dead-code", guest{harm: w.Loop(w.Br(0), w.Repeat(300_000, w.I32(1), w.Drop))}},
		{"loop-of-straight-code", guest{harm: w.Loop(w.Repeat(300_000, w.MemorySize, w.Drop), w.Br(0))}},
		{"loop-of-nops", guest{harm: w.Loop(w.Repeat(1_000_000, []byte{0x01}), w.Br(0))}},
		{"loop-of-calls", calls},
		{"loop-of-indirect-calls", indirect},
		{"loop-of-now", guest{harm: w.Loop(w.Call(hostNow), w.Drop, w.Br(0))}},
		{"loop-of-yields", guest{harm: w.Loop(w.Call(wasiSchedYield), w.Drop, w.Br(0))}},
		{"loop-of-sleeps", guest{harm: w.Loop(w.I64(0), w.Call(hostSleep), w.Drop, w.Br(0))}},
		{"loop-with-naps", guest{harm: w.Loop(
			w.Loop(w.LocalGet(0), w.I32(1), w.I32Add, w.LocalTee(0), w.I32(1_000_000), w.I32RemU, w.BrIf(0)),
			w.I64(0), w.Call(hostSleep), w.Drop, w.Br(0)), locals: counter}},
		{"loop-of-refused-calls", guest{harm: w.Loop(w.I32(-1), w.I32(-1), w.Call(hostRandom), w.Drop, w.Br(0))}},
		{"loop-of-divisions", guest{harm: w.Loop(w.I64(-1), w.Repeat(10_000, w.I64(3), w.I64DivU), w.Drop, w.Br(0))}},
		{"loop-of-square-roots", guest{harm: w.Loop(w.F64(2), w.Repeat(100_000, w.F64Sqrt), w.Drop, w.Br(0))}},
	}
	forever := guest{harm: w.Forever}
	all := forever.inEveryPhase(forever.burning("loop"))
	for _, s := range shapes {
		all = append(all, s.burning(s.name))
	}
	return all
}

// deepest is code at the bottom of n blocks.
func deepest(n int, code []byte) []byte {
	return w.Code(w.Repeat(n, []byte{0x02, 0x40}), code, w.Repeat(n, []byte{0x0b}))
}

// pyramids have no loop and no recursion: functions that each call the next a few times. They run for longer than the world
// will last, at a depth of a few dozen frames.
func pyramids() []Module {
	// pyramid is height functions, each of which runs call times, for the next.
	pyramid := func(height, times int, call func(next int) []byte) []w.Function {
		functions := make([]w.Function, height)
		for n := range functions[:height-1] {
			functions[n].Code = w.Repeat(times, call(own+n+1))
		}
		return functions
	}
	direct := guest{harm: w.Call(own), Module: w.Module{Functions: pyramid(60, 2, w.Call)}}
	wide := guest{harm: w.Call(own), Module: w.Module{Functions: pyramid(16, 1_000, w.Call)}}
	heavy := guest{harm: w.Call(own), Module: w.Module{Functions: pyramid(40, 3, w.Call)}}
	heavy.Functions[39].Code = w.Code(w.I64(-1), w.Repeat(100_000, w.I64(3), w.I64DivU), w.Drop)
	indirect := guest{harm: w.Call(own), Module: w.Module{
		Types: []w.Type{{}}, Tables: []w.Table{{Type: 'r', Initial: 60}},
		Functions: pyramid(60, 2, func(next int) []byte { return w.Code(w.I32(next-own), w.CallIndirect(0)) })}}
	for n := range 60 {
		indirect.Elements = append(indirect.Elements, w.Element{At: n, Functions: []int{own + n}})
	}
	hosts := guest{harm: w.Call(own), Module: w.Module{Functions: pyramid(60, 2, func(next int) []byte {
		return w.Code(w.Call(hostNow), w.Drop, w.Call(next))
	})}}
	return append(direct.inEveryPhase(direct.burning("pyramid")),
		wide.burning("pyramid-wide"), heavy.burning("pyramid-of-divisions"),
		indirect.burning("pyramid-of-indirect-calls"), hosts.burning("pyramid-of-host-calls"))
}
