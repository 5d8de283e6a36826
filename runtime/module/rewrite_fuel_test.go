package module_test

import (
	"context"
	"slices"
	"testing"

	"sluice/runtime/module/moduletest"
	"sluice/runtime/sandbox/wasmtest"
)

// TestRewrite_FuelCoversCode compares the fuel that generated modules spend with the instructions that the originals run.
func TestRewrite_FuelCoversCode(t *testing.T) {
	serial(t)
	runFuel(t, 0, 50)
}

// freeUnits is what a function without loops and calls may cost without paying, where the host calls it.
const freeUnits = 32

// runFuel makes the comparison for generated modules, by number.
func runFuel(t *testing.T, from, to uint64) {
	c := newFuelCheck(t)
	for n := from; n < to; n++ {
		c.run(t, moduletest.Generate(seedBytes(n)))
		c.run(t, moduletest.GenerateControl(seedBytes(n)))
	}
	t.Logf("%d modules ran %d instructions for %d units of fuel", 2*(to-from), c.instructions, c.units)
}

// tightCode is code in which every instruction costs one unit, as far as there are such, for the body of a loop. Local 1
// counts the passes down to 0. Functions 1 to 3 do nothing for long, for as long as callers may pay for, and for less.
var tightCode = map[string][]byte{
	"straight":           idle(100),
	"straight, long":     idle(20_000),
	"short calls":        bytesOf(wasmtest.Call(2), wasmtest.Call(3), wasmtest.Call(2)),
	"short calls, table": bytesOf(wasmtest.I32(2), wasmtest.CallIndirect(0), wasmtest.I32(3), wasmtest.CallIndirect(0)),
	"long calls":         bytesOf(wasmtest.Call(1), wasmtest.I32(1), wasmtest.CallIndirect(0)),
	"else":               bytesOf(wasmtest.I32(0), []byte{0x04, 0x40}, []byte{0x05}, idle(500), []byte{0x0b}),
	"then":               bytesOf(wasmtest.I32(1), []byte{0x04, 0x40}, idle(500), []byte{0x05, 0x0b}),
	"then and else":      bytesOf(pass(1), []byte{0x04, 0x40}, idle(200), []byte{0x05}, idle(210), []byte{0x0b}, idle(220)),
	"behind if":          bytesOf(wasmtest.I32(0), wasmtest.If(idle(1)), idle(300)),
	"behind a jump":      bytesOf(wasmtest.Block(wasmtest.Br(0), idle(5)), idle(300)),
	"behind a jump on a condition": bytesOf(
		wasmtest.Block(pass(1), wasmtest.BrIf(0), idle(200)), idle(300)),
	"behind a far jump": bytesOf(
		wasmtest.Block(wasmtest.Block(wasmtest.Block(wasmtest.Br(2), idle(5)), idle(5)), idle(5)), idle(300)),
	"behind a loop":      bytesOf(wasmtest.Loop(idle(50)), idle(300)),
	"loop that repeats":  bytesOf(wasmtest.I32(9), wasmtest.LocalSet(2), wasmtest.Loop(idle(50), countDown(2), wasmtest.BrIf(0)), idle(50)),
	"loop from within":   bytesOf(wasmtest.I32(9), wasmtest.LocalSet(2), wasmtest.Loop(wasmtest.Block(idle(50), countDown(2), wasmtest.BrIf(1), idle(50)), idle(50))),
	"table of jumps":     jumps(false),
	"table of far jumps": jumps(true),
	"small branches":     wasmtest.Repeat(30, pass(1), wasmtest.If(idle(20))),
	"nested branches":    bytesOf(pass(1), wasmtest.If(idle(90), pass(2), wasmtest.If(idle(90), pass(4), wasmtest.If(idle(90))), idle(90))),
}

// idle is n instructions that do nothing.
func idle(n int) []byte { return slices.Repeat([]byte{0x01}, n) }

// pass pushes some bits of the number of the pass.
func pass(mask int) []byte { return bytesOf(wasmtest.LocalGet(1), wasmtest.I32(mask), wasmtest.I32And) }

// countDown takes one from a local and pushes it.
func countDown(local int) []byte {
	return bytesOf(wasmtest.LocalGet(local), wasmtest.I32(1), wasmtest.I32Sub, wasmtest.LocalTee(local))
}

// jumps makes nested blocks, which a table chooses the end of, and code behind each end. The table names all of them, or
// the outermost alone.
func jumps(far bool) []byte {
	const n = 8
	targets := make([]int, n)
	for i := range targets {
		if targets[i] = i; far {
			targets[i] = n - 1
		}
	}
	code := bytesOf(pass(n-1), wasmtest.BrTable(targets...))
	for range n {
		code = bytesOf(wasmtest.Block(code), idle(300))
	}
	return code
}

// TestRewrite_TightCode compares fuel with instructions where the one is hardly more than the other, but for branches that
// are not taken.
func TestRewrite_TightCode(t *testing.T) {
	c := newFuelCheck(t)
	for name, code := range tightCode {
		t.Run(name, func(t *testing.T) {
			m := runs(bytesOf(
				wasmtest.I32(64), wasmtest.LocalSet(1), wasmtest.Loop(code, countDown(1), wasmtest.BrIf(0))))
			m.Functions[0].Locals = []wasmtest.Locals{{Count: 3, Type: 'i'}}
			for _, n := range []int{200, freeUnits, 20} {
				m.Functions = append(m.Functions, wasmtest.Function{Code: idle(n)})
			}
			m.Tables[0].Initial, m.Elements = 4, []wasmtest.Element{{Functions: []int{0, 1, 2, 3}}}
			c.instructions, c.units = 0, 0
			c.run(t, moduletest.Program{File: m.Bytes(), Calls: []moduletest.GeneratedCall{{Export: "run"}}})
			t.Logf("%d instructions, %d units", c.instructions, c.units)
			if c.units < c.instructions || c.units > 10*c.instructions {
				t.Errorf("%d instructions ran for %d units of fuel", c.instructions, c.units)
			}
		})
	}
}

// fuelCheck runs modules twice: rewritten, and as they came but with their instructions counted.
type fuelCheck struct {
	rewritten, counting *moduletest.World
	instructions, units uint64
}

func newFuelCheck(t testing.TB) *fuelCheck {
	t.Helper()
	kinds := []moduletest.Kind{{Form: moduletest.Rewritten}, {Form: moduletest.Original}}
	worlds := newGeneratedWorlds(t, kinds).all
	return &fuelCheck{rewritten: worlds[0], counting: worlds[1]}
}

func (c *fuelCheck) run(t testing.TB, p moduletest.Program) {
	t.Helper()
	ctx := context.Background()
	s := checkRewrite(t, p.File)
	counted, err := s.Counting(unlimited())
	if err != nil {
		t.Fatal(err)
	}
	a, errA := c.rewritten.Instantiate(ctx, s)
	if errA == nil {
		defer a.Close(ctx)
	}
	b, errB := c.counting.Instantiate(ctx, counted)
	if errB == nil {
		defer b.Close(ctx)
	}
	if errA != nil || errB != nil {
		return
	}
	for _, call := range p.Calls {
		if _, ok := s.Module.Export(moduletest.GasExport); ok {
			a.SetGlobal(moduletest.GasExport, moduletest.Gas)
			b.SetGlobal(moduletest.GasExport, moduletest.Gas)
		}
		spent, ran := a.Spent(), moduletest.Counted(b)
		a.Call(ctx, call.Export, call.Args...)
		b.Call(ctx, call.Export, call.Args...)
		spent, ran = a.Spent()-spent, moduletest.Counted(b)-ran
		if ran > uint64(spent)+freeUnits {
			t.Fatalf("%s%#x: %d instructions ran for %d units of fuel\n%x", call.Export, call.Args, ran, spent, p.File)
		}
		c.instructions, c.units = c.instructions+ran, c.units+uint64(spent)
	}
}
