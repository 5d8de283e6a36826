package module_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/tetratelabs/wazero/api"

	"sluice/runtime/module/moduletest"
)

// generatedWorlds are worlds that one test uses for many generated modules.
type generatedWorlds struct {
	all []*moduletest.World
	// calls and traps count what was compared; disputed are programs on whose originals the two engines do not agree.
	calls, traps, disputed int
}

func newGeneratedWorlds(t testing.TB, kinds []moduletest.Kind) *generatedWorlds {
	t.Helper()
	g := &generatedWorlds{}
	for _, k := range kinds {
		w, err := moduletest.NewWorld(context.Background(), k, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = w.Close(context.Background()) })
		if err := w.ProvideGenerated(context.Background()); err != nil {
			t.Fatal(err)
		}
		w.Slice, w.PagesMax = 500, 64
		g.all = append(g.all, w)
	}
	return g
}

// run runs a program in all worlds and compares the two forms on each engine after every step.
func (g *generatedWorlds) run(t testing.TB, p moduletest.Program) {
	t.Helper()
	s := checkRewrite(t, p.File)
	instances := make([]*moduletest.Instance, len(g.all))
	var traps [2]*moduletest.Trap // of the originals, by engine
	for n, w := range g.all {
		w.Trace = nil
		i, err := w.Instantiate(context.Background(), s)
		if err == nil {
			defer i.Close(context.Background())
		}
		trap := moduletest.TrapOf(err)
		if reference := traps[w.Engine]; reference == nil {
			traps[w.Engine] = &trap
		} else if *reference != trap {
			t.Fatalf("instantiating (%s): have %q, want %q (%v)", w.Kind, trap, *reference, err)
		}
		instances[n] = i
	}
	if instances[0] == nil {
		g.traps++
		return
	}
	g.compare(t, "instantiating", instances, nil, nil)
	for _, c := range p.Calls {
		g.calls++
		outcomes := make([]moduletest.Outcome, len(g.all))
		for n, i := range instances {
			g.all[n].Trace = nil
			if _, ok := s.Module.Export(moduletest.GasExport); ok {
				i.SetGlobal(moduletest.GasExport, moduletest.Gas)
			}
			outcomes[n] = i.Call(context.Background(), c.Export, c.Args...)
		}
		if outcomes[0].Trap != "" {
			g.traps++
		}
		step, types := fmt.Sprintf("%s%#x", c.Export, c.Args), instances[0].ResultTypes(c.Export)
		if !g.compare(t, step, instances, outcomes, types) {
			g.disputed++
			return
		}
	}
}

// compare compares each rewritten instance with the original on the same engine, and reports whether the engines agree.
// outcomes are of a call whose results are of these types; nil where there was none.
func (g *generatedWorlds) compare(
	t testing.TB, step string, instances []*moduletest.Instance, outcomes []moduletest.Outcome, types []api.ValueType,
) (agree bool) {
	t.Helper()
	agree = true
	originals := map[moduletest.Engine]int{}
	for n, w := range g.all {
		first, ok := originals[w.Engine]
		if !ok {
			originals[w.Engine] = n
			if n == 0 {
				continue
			}
			first = 0 // the other engine
		}
		problem := firstDifference(w.Trace, g.all[first].Trace)
		if outcomes != nil && !outcomes[first].Equal(outcomes[n], types) {
			problem = fmt.Sprintf("have %s, want %s\n%s", outcomes[n], outcomes[first], outcomes[n].Detail)
		}
		if problem == "" {
			problem = moduletest.DiffState(instances[first], instances[n])
		}
		switch {
		case problem == "":
		case g.all[first].Engine != w.Engine:
			agree = false
			t.Logf("%s: the engines do not agree on the original (%s): %s", step, w.Kind, problem)
		default:
			t.Fatalf("%s (%s): %s", step, w.Kind, problem)
		}
	}
	return agree
}

// seedBytes makes bytes for Generate from a number.
func seedBytes(n uint64) []byte {
	r := rand.New(rand.NewPCG(n, 0x5eed))
	b := make([]byte, 200+r.IntN(3000))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// TestRewrite_Generated compares both forms of some generated modules.
func TestRewrite_Generated(t *testing.T) {
	serial(t)
	runGenerated(t, 0, 100)
}

// runGenerated compares both forms of generated modules, by number.
func runGenerated(t *testing.T, from, to uint64) {
	g := newGeneratedWorlds(t, moduletest.AllKinds())
	for n := from; n < to; n++ {
		for _, p := range []moduletest.Program{moduletest.Generate(seedBytes(n)), moduletest.GenerateControl(seedBytes(n))} {
			ok := t.Run("", func(t *testing.T) {
				defer func() {
					if t.Failed() {
						t.Logf("program %d: %x", n, p.File)
					}
				}()
				g.run(t, p)
			})
			if !ok {
				return
			}
		}
	}
	t.Logf("%d modules, %d calls, %d traps; the engines do not agree on %d originals", 2*(to-from), g.calls, g.traps, g.disputed)
}

// serial skips a test of one goroutine that takes long where the race detector runs, which has nothing to find there.
func serial(t *testing.T) {
	t.Helper()
	if raceDetector {
		t.Skip("there is but one goroutine in this test")
	}
}
