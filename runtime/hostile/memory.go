package hostile

import (
	"strings"

	w "sluice/runtime/sandbox/wasmtest"
)

// full is the memory of a call in pages of 64 KiB, where nothing else is granted, and fullBytes in bytes.
const (
	full      = 1024
	fullBytes = full * page
)

// bulk are instructions that move megabytes each, in code without loops: an engine that looks at the clock in loops does not
// look for a long time.
func bulk() []Module {
	large := w.Module{Pages: full}
	fill := w.Code(w.I32(0), w.I32(1), w.I32(fullBytes), w.MemoryFill)
	slide := w.Code(w.I32(1), w.I32(0), w.I32(fullBytes-1), w.MemoryCopy)
	const segment = 8 << 20
	initialize := w.Code(w.I32(free), w.I32(0), w.I32(segment), w.MemoryInit(3)) // behind the three that every guest has
	passive := w.Module{Pages: full, Passive: []string{strings.Repeat("x", segment)}}
	// dropped has a segment that is gone when it is copied from.
	dropped := w.Module{Passive: []string{"x"}}
	fills := guest{Module: large, harm: w.Repeat(5_000, fill)}
	return append(fills.inEveryPhase(fills.burning("bulk-fill")),
		guest{Module: large, harm: w.Loop(fill, w.Br(0))}.burning("bulk-fill-loop"),
		guest{Module: large, harm: w.Repeat(5_000, slide)}.burning("bulk-copy"),
		guest{Module: large, harm: w.Repeat(5_000, w.I32(0), w.I32(fullBytes/2), w.I32(fullBytes/2), w.MemoryCopy)}.burning("bulk-copy-far"),
		guest{Module: passive, harm: w.Repeat(10_000, initialize)}.burning("bulk-init"),
		guest{Module: large, harm: w.Loop(w.Repeat(2_000, w.I32(0), w.I32(0), w.I32(0), w.MemoryFill), w.Br(0))}.burning("bulk-fill-nothing"),
		guest{harm: w.Code(w.I32(free), w.I32(1), w.I32(-1), w.MemoryFill)}.module("bulk-fill-out-of-bounds", crashed),
		guest{harm: w.Code(w.I32(-1), w.I32(1), w.I32(2), w.MemoryFill)}.module("bulk-fill-around-the-end", crashed),
		guest{harm: w.Code(w.I32(pages*page), w.I32(0), w.I32(1), w.MemoryCopy)}.module("bulk-copy-to-out-of-bounds", crashed),
		guest{harm: w.Code(w.I32(0), w.I32(-4), w.I32(8), w.MemoryCopy)}.module("bulk-copy-from-out-of-bounds", crashed),
		guest{Module: dropped, harm: w.Code(w.I32(free), w.I32(0), w.I32(2), w.MemoryInit(3))}.module("bulk-init-out-of-bounds", crashed),
		guest{Module: dropped, harm: w.Code(w.DataDrop(3), w.I32(free), w.I32(0), w.I32(1), w.MemoryInit(3))}.module("bulk-init-dropped", crashed),
		guest{Module: dropped, harm: w.Loop(w.DataDrop(3), w.Br(0))}.burning("bulk-drop-loop"),
	)
}

// memories take all that they can get, or are after what others left there.
func memories() []Module {
	counter := []w.Locals{{Count: 2, Type: 'i'}}
	// growing grows by so many pages until it fails.
	growing := func(by int) []byte { return w.Loop(w.I32(by), w.MemoryGrow, w.I32(0), w.I32GeS, w.BrIf(0)) }
	// writing stores 1 in every step of the memory from free on, then runs code with the memory's size in local 0.
	writing := func(step int) []byte {
		return w.Code(w.I32(free), w.LocalSet(0), w.Loop(
			w.LocalGet(0), w.I32(1), w.I32Store(0),
			w.LocalGet(0), w.I32(step), w.I32Add, w.LocalTee(0), w.MemorySize, w.I32(page), w.I32Mul, w.I32LtU, w.BrIf(0)))
	}
	// chase goes to an address that depends on what it found at the last one: nothing that a processor could foresee.
	chase := w.Code(
		w.LocalGet(0), w.I32Load(0), w.LocalGet(0), w.I32(1664525), w.I32Mul, w.I32(1013904223), w.I32Add, w.I32Add,
		w.I32(fullBytes-4), w.I32And, w.LocalSet(0))
	// train has the host take fuel at once, for a line that it refuses, so that the checkpoint finds little time spent.
	train := w.Code(w.I32(1), w.I32(0), w.I32(fullBytes), w.Call(hostLog), w.Drop)
	nap := w.Code(w.I64(0), w.Call(hostSleep), w.Drop)
	most := w.Module{Pages: full}
	grow := guest{harm: w.Code(growing(1), w.Unreachable)}
	return append(grow.inEveryPhase(grow.module("memory-grow", memory)),
		guest{harm: growing(1)}.module("memory-grow-and-answer", OK),
		guest{harm: w.Code(growing(1), writing(4096)), locals: counter}.module("memory-grow-and-write", OK),
		guest{harm: w.Code(w.I32(1<<16), w.MemoryGrow, w.I32(0), w.I32GeS, w.If(w.Unreachable))}.module("memory-grow-to-4-gib", OK),
		guest{harm: w.Code(w.I32(-1), w.MemoryGrow, w.I32(0), w.I32GeS, w.If(w.Unreachable))}.module("memory-grow-by-256-tib", OK),
		guest{harm: w.Loop(w.I32(0), w.MemoryGrow, w.Drop, w.Br(0))}.burning("memory-grow-by-nothing-for-ever"),
		guest{harm: w.Loop(w.I32(-1), w.MemoryGrow, w.Drop, w.Br(0))}.burning("memory-grow-in-vain-for-ever"),
		guest{harm: w.Repeat(5_000, w.I32(1), w.MemoryGrow, w.Drop)}.module("memory-grow-without-a-loop", OK),
		guest{Module: w.Module{MaxPages: 1 << 16}, harm: w.Code(growing(1), w.Unreachable)}.module("memory-with-a-maximum-of-4-gib", memory),
		guest{Module: w.Module{MaxPages: pages}, harm: w.Code(growing(1), w.MemorySize, w.I32(pages), w.I32Sub, w.If(w.Unreachable))}.module("memory-at-its-maximum", OK),
		guest{Module: w.Module{Pages: full + 1}}.refused("memory-too-large", "limit_exceeded"),
		guest{Module: most, harm: writing(4096), locals: counter}.module("memory-every-page", OK),
		guest{Module: most, harm: w.Loop(writing(4096), w.Br(0)), locals: counter}.burning("memory-every-page-for-ever"),
		guest{Module: most, harm: w.Code(writing(4), w.Unreachable), locals: counter}.module("memory-every-word-then-trap", crashed),
		guest{Module: most, harm: writing(4096), locals: counter, phase: Start}.module("memory-every-page-at-start", OK),
		guest{Module: most, harm: w.Loop(chase, w.Br(0)), locals: counter}.burning("memory-chase"),
		guest{Module: most, harm: w.Loop(w.Repeat(20_000, chase), w.Br(0)), locals: counter}.burning("memory-chase-in-straight-code"),
		// Cheap code that asks for larger slices, and a nap of no length behind which the dear code is to be hidden.
		guest{Module: most, harm: w.Loop(w.Repeat(12, train), w.Repeat(20_000, chase), nap, w.Br(0)), locals: counter}.burning("memory-chase-behind-naps"),
		guest{Module: most, harm: w.Loop(w.Repeat(20_000, w.LocalGet(0), w.LocalGet(1), w.I32Store(0), chase), w.Br(0)), locals: counter}.burning("memory-scatter"),
		guest{harm: w.Code(w.I32(0), w.I32(0xff), w.I32(pages*page), w.MemoryFill)}.module("memory-overwritten", crashed),
		guest{Module: w.Module{Data: []w.Data{{At: pages * page, Text: "x"}}}}.refused("data-out-of-bounds", describeFailed),
		guest{Module: w.Module{Data: []w.Data{{At: -1, Text: "xy"}}}}.refused("data-around-the-end", describeFailed),
	)
}

// tables do to tables what memories do to memory. Calls of modules that change them can't start from an image.
func tables() []Module {
	const most = 100_000
	table := w.Module{Tables: []w.Table{{Type: 'r', Initial: most}}, Elements: []w.Element{{Functions: []int{funcHarm}}}}
	open := w.Module{Tables: []w.Table{{Type: 'r', Initial: 1}}, Elements: []w.Element{{Functions: []int{funcHarm}}}}
	passive := table
	passive.Elements = []w.Element{{Passive: true, Functions: make([]int, most)}}
	null := w.RefNull('r')
	fill := w.Code(w.I32(0), null, w.I32(most), w.TableFill(0))
	// An engine may leave out the elements that do not fit, or refuse the module.
	outside := guest{Module: w.Module{Tables: []w.Table{{Type: 'r', Initial: 1}}, Elements: []w.Element{{At: 1, Functions: []int{funcHarm}}}}}.
		module("elements-out-of-bounds", OK)
	outside.Refused = []string{describeFailed}
	return []Module{
		guest{Module: table, harm: w.Repeat(10_000, fill)}.burning("table-fill"),
		guest{Module: table, harm: w.Repeat(10_000, w.I32(1), w.I32(0), w.I32(most-1), w.TableCopy(0))}.burning("table-copy"),
		guest{Module: passive, harm: w.Repeat(10_000, w.I32(0), w.I32(0), w.I32(most), w.TableInit(0, 0))}.burning("table-init"),
		guest{Module: table, harm: w.Loop(w.I32(0), w.RefFunc(funcHarm), w.TableSet(0), w.Br(0))}.burning("table-set-loop"),
		guest{Module: open, harm: w.Code(null, w.I32(1<<27), w.TableGrow(0), w.I32(0), w.I32GeS, w.If(w.Unreachable))}.module("table-grow-by-billions", OK),
		guest{Module: open, harm: w.Code(w.Loop(null, w.I32(1), w.TableGrow(0), w.I32(0), w.I32GeS, w.BrIf(0)))}.module("table-grow-one-by-one", OK),
		guest{Module: open, harm: w.Loop(null, w.I32(0), w.TableGrow(0), w.Drop, w.Br(0))}.burning("table-grow-by-nothing-for-ever"),
		guest{Module: table, harm: w.Code(w.I32(1), null, w.I32(most), w.TableFill(0))}.module("table-fill-out-of-bounds", crashed),
		guest{Module: table, harm: w.Code(w.I32(-1), w.TableGet(0), w.Drop)}.module("table-get-out-of-bounds", crashed),
		guest{Module: table, harm: w.Code(w.I32(-1), null, w.TableSet(0))}.module("table-set-out-of-bounds", crashed),
		guest{Module: passive, harm: w.Code(w.ElemDrop(0), w.I32(0), w.I32(0), w.I32(1), w.TableInit(0, 0))}.module("table-init-dropped", crashed),
		outside,
		guest{Module: w.Module{Tables: []w.Table{{Type: 'r', Initial: most + 1}}}}.refused("table-too-large", "limit_exceeded"),
		guest{Module: w.Module{Tables: []w.Table{{Type: 'x', Initial: 1}}}, harm: w.Loop(w.RefNull('x'), w.I32(1000), w.TableGrow(0), w.Drop, w.Br(0))}.
			burning("table-of-host-references"),
		guest{Module: w.Module{Globals: []w.Global{{Type: 'v', Mutable: true, Init: zeroVector}, {Type: 'r', Mutable: true, Init: w.RefNull('r')}}},
			harm: w.Code(w.RefFunc(own), w.GlobalSet(1))}.withFunction().module("globals-that-no-image-holds", OK),
	}
}

// withFunction adds a function, which is exported so that it may be referred to.
func (g guest) withFunction() guest {
	g.Functions = append(g.Functions, w.Function{Export: "referred"})
	return g
}
