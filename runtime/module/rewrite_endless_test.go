package module_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"sluice/runtime/module/moduletest"
	"sluice/runtime/sandbox/wasmtest"
)

// endlessGuest is a guest whose export "run" never returns, or not for ages.
type endlessGuest struct {
	name   string
	module wasmtest.Module
	// trap is how it ends; "" for out of fuel.
	trap moduletest.Trap
	// bulk is how many bytes at least the guest's operations work on within the budget; 0 where that is no matter.
	bulk int
	// deep says that the guest goes deeper than the interpreter can.
	deep bool
}

// runs makes a module of one function, exported as run.
func runs(code ...[]byte) wasmtest.Module {
	return wasmtest.Module{
		Types:     []wasmtest.Type{{}},
		Functions: []wasmtest.Function{{Export: "run", Code: wasmtest.Code(code...), Locals: []wasmtest.Locals{{Count: 2, Type: 'i'}}}},
		Pages:     1,
		Tables:    []wasmtest.Table{{Type: 'r', Initial: 1}},
		Elements:  []wasmtest.Element{{Functions: []int{0}}},
	}
}

// runsBulk makes a module as runs does that has enough memory, table and segments to take long over.
func runsBulk(code ...[]byte) wasmtest.Module {
	m := runs(code...)
	m.Pages = 256
	m.Tables[0].Initial = 90_000
	m.Elements = append(m.Elements, wasmtest.Element{Passive: true, Functions: slices.Repeat([]int{0}, 40_000)})
	m.Passive = []string{strings.Repeat("x", 300_000)}
	return m
}

// chain makes n functions, each of which calls the next one twice.
func chain(n int, call func(next int) []byte) wasmtest.Module {
	m := runs()
	m.Tables[0].Initial, m.Functions = n, nil
	elements := make([]int, n)
	for i := range n {
		f := wasmtest.Function{Code: wasmtest.Code(call(i+1), call(i+1))}
		if i == 0 {
			f.Export = "run"
		}
		if i == n-1 {
			f.Code = nil
		}
		m.Functions, elements[i] = append(m.Functions, f), i
	}
	m.Elements = []wasmtest.Element{{Functions: elements}}
	return m
}

var endlessGuests = []endlessGuest{
	{name: "loop", module: runs(wasmtest.Forever)},
	{name: "loop on a condition", module: runs(wasmtest.Loop(wasmtest.I32(1), wasmtest.BrIf(0)))},
	{name: "loop by table", module: runs(wasmtest.Loop(wasmtest.I32(9), wasmtest.BrTable(0, 0, 0)))},
	{name: "loop from within", module: runs(wasmtest.Loop(wasmtest.Block(wasmtest.Loop(wasmtest.Block(wasmtest.Br(3))))))},
	{name: "loop of small branches", module: runs(wasmtest.Loop(
		wasmtest.Repeat(20, wasmtest.LocalGet(0), wasmtest.If(wasmtest.I32(1), wasmtest.Drop)), wasmtest.Br(0)))},
	{name: "loop around a block that is left", module: runs(wasmtest.Loop(
		wasmtest.Block(wasmtest.Br(0)), wasmtest.I32(1), wasmtest.BrIf(0)))},
	{name: "loop with values", module: func() wasmtest.Module {
		m := runs(wasmtest.I32(1), wasmtest.I64(2), []byte{0x03, 1, 0x0c, 0, 0x0b}, wasmtest.Drop, wasmtest.Drop)
		m.Types = append(m.Types, wasmtest.Type{Params: "iI", Results: "iI"})
		return m
	}()},
	{name: "loop of short calls", module: func() wasmtest.Module {
		m := runs(wasmtest.Loop(wasmtest.Call(1), wasmtest.Br(0)))
		m.Functions = append(m.Functions, wasmtest.Function{Code: wasmtest.Repeat(10, wasmtest.I32(1), wasmtest.Drop)})
		return m
	}()},
	{name: "loop of short calls through the table", module: func() wasmtest.Module {
		m := runs(wasmtest.Loop(wasmtest.I32(0), wasmtest.CallIndirect(0), wasmtest.Br(0)))
		m.Functions = append(m.Functions, wasmtest.Function{Code: wasmtest.Repeat(15, wasmtest.I32(1), wasmtest.Drop)})
		m.Elements = []wasmtest.Element{{Functions: []int{1}}}
		return m
	}()},
	{name: "loop of long code", module: runs(wasmtest.Loop(wasmtest.Repeat(15_000, wasmtest.I32(1), wasmtest.Drop), wasmtest.Br(0)))},
	{name: "loop of loops that run once", module: runs(wasmtest.Loop(wasmtest.Repeat(50, wasmtest.Loop()), wasmtest.Br(0)))},
	{name: "loop that divides", module: runs(wasmtest.Loop(wasmtest.I64(-1), wasmtest.I64(3), wasmtest.I64DivS, wasmtest.Drop, wasmtest.Br(0)))},
	{name: "nested counted loops", module: runs(nested(8))},
	{name: "recursion", module: runs(wasmtest.Call(0)), trap: moduletest.TrapExhaustion},
	{name: "recursion through the table", module: runs(wasmtest.I32(0), wasmtest.CallIndirect(0)), trap: moduletest.TrapExhaustion},
	{name: "recursion of two", module: func() wasmtest.Module {
		m := runs(wasmtest.Call(1))
		m.Functions = append(m.Functions, wasmtest.Function{Code: wasmtest.Call(0)})
		return m
	}(), trap: moduletest.TrapExhaustion},
	{name: "recursion with a wide frame", module: func() wasmtest.Module {
		m := runs(wasmtest.Call(0))
		m.Functions[0].Locals = []wasmtest.Locals{{Count: 9_000, Type: 'v'}}
		return m
	}(), trap: moduletest.TrapExhaustion},
	{name: "returns from deep recursion, little code behind the call", module: unwinding(idle(30)), deep: true},
	{name: "returns from deep recursion, more code behind the call", module: unwinding(idle(300)), deep: true},
	{name: "returns from deep recursion, branches behind the call", module: unwinding(
		wasmtest.Repeat(10, wasmtest.LocalGet(0), wasmtest.If(idle(30)))), deep: true},
	{name: "returns from deep recursion, a loop around the call", module: func() wasmtest.Module {
		m := unwinding(idle(30))
		m.Functions[1].Code = wasmtest.Loop(m.Functions[1].Code, idle(30))
		return m
	}(), deep: true},
	{name: "60 functions that call the next twice", module: chain(60, wasmtest.Call)},
	{name: "60 functions that call the next twice through the table", module: chain(60, func(next int) []byte {
		return wasmtest.Code(wasmtest.I32(next), wasmtest.CallIndirect(0))
	})},
	{name: "memory.fill", module: runsBulk(wasmtest.Loop(
		wasmtest.I32(0), wasmtest.I32(7), wasmtest.I32(16<<20), wasmtest.MemoryFill, wasmtest.Br(0))), bulk: 4 << 20},
	{name: "memory.fill of a small constant", module: runsBulk(wasmtest.Loop(
		wasmtest.I32(0), wasmtest.I32(7), wasmtest.I32(1024), wasmtest.MemoryFill, wasmtest.Br(0)))},
	{name: "straight memory.fill", module: runsBulk(wasmtest.Repeat(2_000,
		wasmtest.I32(0), wasmtest.I32(7), wasmtest.I32(16<<20), wasmtest.MemoryFill)), bulk: 4 << 20},
	{name: "memory.copy", module: runsBulk(wasmtest.Loop(
		wasmtest.I32(1), wasmtest.I32(0), wasmtest.I32(16<<20-1), wasmtest.MemoryCopy, wasmtest.Br(0))), bulk: 4 << 20},
	{name: "memory.init", module: runsBulk(wasmtest.Loop(
		wasmtest.I32(0), wasmtest.I32(0), wasmtest.I32(300_000), wasmtest.MemoryInit(0), wasmtest.Br(0))), bulk: 4 << 20},
	{name: "table.fill", module: runsBulk(wasmtest.Loop(
		wasmtest.I32(0), wasmtest.RefNull('r'), wasmtest.I32(90_000), wasmtest.TableFill(0), wasmtest.Br(0))), bulk: 4 << 20},
	{name: "table.copy", module: runsBulk(wasmtest.Loop(
		wasmtest.I32(1), wasmtest.I32(0), wasmtest.I32(89_999), wasmtest.TableCopy(0), wasmtest.Br(0))), bulk: 4 << 20},
	{name: "table.init", module: runsBulk(wasmtest.Loop(
		wasmtest.I32(1), wasmtest.I32(0), wasmtest.I32(40_000), wasmtest.TableInit(1, 0), wasmtest.Br(0))), bulk: 4 << 20},
	{name: "memory.grow", module: runs(wasmtest.Loop(wasmtest.I32(0), wasmtest.MemoryGrow, wasmtest.Drop, wasmtest.Br(0)))},
	{name: "table.grow", module: runs(wasmtest.Loop(
		wasmtest.RefNull('r'), wasmtest.I32(0), wasmtest.TableGrow(0), wasmtest.Drop, wasmtest.Br(0)))},
	{name: "loop of host calls", module: func() wasmtest.Module {
		m := runs(wasmtest.Loop(wasmtest.Call(0), wasmtest.Br(0)))
		m.Imports = []wasmtest.Import{{Module: moduletest.GeneratedHost, Name: "0"}}
		m.Elements = nil
		return m
	}()},
}

// unwinding makes a module that for ever calls a function 5,000 frames deep, which runs the code when it returns.
func unwinding(behind []byte) wasmtest.Module {
	m := runs(wasmtest.Loop(wasmtest.I32(5_000), wasmtest.Call(1), wasmtest.Br(0)))
	m.Functions = append(m.Functions, wasmtest.Function{Params: "i", Code: wasmtest.Code(
		wasmtest.LocalGet(0), wasmtest.If(wasmtest.LocalGet(0), wasmtest.I32(1), wasmtest.I32Sub, wasmtest.Call(1)), behind)})
	return m
}

// nested makes loops in loops, each of 100 passes.
func nested(n int) []byte {
	if n == 0 {
		return nil
	}
	const counter = 0
	return wasmtest.Code(
		wasmtest.I32(100), wasmtest.LocalSet(counter),
		wasmtest.Loop(
			nested(n-1),
			wasmtest.LocalGet(counter), wasmtest.I32(1), wasmtest.I32Sub, wasmtest.LocalTee(counter), wasmtest.BrIf(0),
		),
	)
}

// The budget of the endless guests in units, and the fuel they are given at once.
const (
	endlessBudget = 600_000
	endlessSlice  = 1_000
)

// TestRewrite_Endless runs guests that never return: each comes to a checkpoint again and again, and ends. Between two
// checkpoints there are not many more instructions than there was fuel, which a second run counts.
func TestRewrite_Endless(t *testing.T) {
	serial(t)
	for _, g := range endlessGuests {
		t.Run(g.name, func(t *testing.T) {
			s := checkRewrite(t, g.module.Bytes())
			g.ends(t, moduletest.Kind{Engine: moduletest.Compiler, Form: moduletest.Rewritten}, s)
			if !g.deep {
				g.ends(t, moduletest.Kind{Engine: moduletest.Interpreter, Form: moduletest.Rewritten}, s)
			}
			g.counts(t, s)
		})
	}
}

// world makes a world for endless guests.
func (g *endlessGuest) world(t *testing.T, k moduletest.Kind) *moduletest.World {
	t.Helper()
	w, err := moduletest.NewWorld(t.Context(), k, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close(context.Background()) })
	if err := w.ProvideGenerated(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.Slice = endlessSlice; g.trap == "" {
		w.Budget = endlessBudget
	}
	return w
}

// ends checks that the guest comes to an end, and how many checkpoints there are.
func (g *endlessGuest) ends(t *testing.T, k moduletest.Kind, s *moduletest.Subject) {
	t.Helper()
	w := g.world(t, k)
	i, err := w.Instantiate(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	before := i.Spent()
	want := g.trap
	if want == "" {
		want = moduletest.TrapFuel
	}
	if out := i.Call(t.Context(), "run"); out.Trap != want {
		t.Fatalf("%s: have %s, want the trap %s", k, out, want)
	}
	// One checkpoint may come after as much as it takes to pay for a piece of a bulk operation, or for straight code.
	const most = 256<<10/8 + 8192
	if spent := i.Spent() - before; g.trap == "" && spent > endlessBudget+most {
		t.Errorf("%s: %d units were spent, the budget is %d", k, spent, endlessBudget)
	}
	if pieces := g.bulk >> 18; i.Checkpoints() < pieces {
		t.Errorf("%s: %d checkpoints, want one at least for each of %d pieces", k, i.Checkpoints(), pieces)
	}
}

// counts runs the guest with its instructions counted, those that were added included.
func (g *endlessGuest) counts(t *testing.T, s *moduletest.Subject) {
	t.Helper()
	// Taking a unit of fuel takes up to ten instructions itself, where a loop is as short as can be. Straight code is
	// checked every few thousand.
	most := uint64(12*endlessSlice + 2*8192)
	if g.deep {
		// Frames that return one after the other run what was paid before; their number is bounded by the depth.
		most += moduletest.DefaultDepth / 2
	}
	w := g.world(t, moduletest.Kind{Engine: moduletest.Compiler, Form: moduletest.Rewritten})
	counted, err := s.Counting(unlimited())
	if err != nil {
		t.Fatal(err)
	}
	var last, gap uint64
	w.OnCheckpoint = func(i *moduletest.Instance) {
		n := moduletest.Counted(i)
		gap, last = max(gap, n-last), n
	}
	i, err := w.Instantiate(t.Context(), counted)
	if err != nil {
		t.Fatal(err)
	}
	i.Call(t.Context(), "run")
	t.Logf("at most %d instructions between two checkpoints", gap)
	if gap > most {
		t.Errorf("%d instructions ran between two checkpoints, want at most %d for %d units of fuel", gap, most, endlessSlice)
	}
	if g.trap == "" && last == 0 {
		t.Error("nothing was counted")
	}
}

// TestRewrite_EndlessStart has the start function loop: the host calls it, so that it can end it.
func TestRewrite_EndlessStart(t *testing.T) {
	m := runs(wasmtest.Forever)
	m.Start = "run"
	g := endlessGuest{module: m}
	s := checkRewrite(t, m.Bytes())
	w := g.world(t, moduletest.Kind{Form: moduletest.Rewritten})
	if _, err := w.Instantiate(t.Context(), s); moduletest.TrapOf(err) != moduletest.TrapFuel {
		t.Fatalf("have %v, want the trap %s", err, moduletest.TrapFuel)
	}
}
