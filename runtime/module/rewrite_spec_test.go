package module_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero/api"

	"sluice/runtime/module"
	"sluice/runtime/module/moduletest"
)

// specRun runs one script in several worlds at once, step by step, and compares them after each.
type specRun struct {
	t      *testing.T
	script *script
	tally  *tally
	worlds []*specWorld
	// compared are the modules whose state is compared after each step, by position in each world's made.
	compared map[int]bool
}

// specWorld is one world and what a script has made in it.
type specWorld struct {
	*moduletest.World
	made    []*moduletest.Instance
	named   map[string]int // position in made
	current int
}

// tally counts what was compared.
type tally struct {
	modules, commands, equal, text int
	traps, exhaustions             int
	// refused are the modules that the gate refuses, deviations what the engine does otherwise than the specification
	// with a module as it came; each by reason.
	refused, deviations map[string]int
}

func newTally() *tally { return &tally{refused: map[string]int{}, deviations: map[string]int{}} }

func (c *tally) add(o *tally) {
	c.modules += o.modules
	c.commands += o.commands
	c.equal += o.equal
	c.text += o.text
	c.traps += o.traps
	c.exhaustions += o.exhaustions
	for _, pair := range [][2]map[string]int{{c.refused, o.refused}, {c.deviations, o.deviations}} {
		for reason, n := range pair[1] {
			pair[0][reason] += n
		}
	}
}

func (c *tally) log(t *testing.T) {
	t.Helper()
	t.Logf("%d modules; %d steps, %d of them equal in all forms (%d traps, %d exhaustions); %d in text format left out",
		c.modules, c.commands, c.equal, c.traps, c.exhaustions, c.text)
	for _, list := range []struct {
		title   string
		reasons map[string]int
	}{{"over the gate's limits, run all the same", c.refused}, {"the engine deviates", c.deviations}} {
		for _, reason := range slices.Sorted(maps.Keys(list.reasons)) {
			t.Logf("%s: %d × %s", list.title, list.reasons[reason], reason)
		}
	}
}

// TestRewrite_Spec runs the scripts of the specification for WebAssembly 2.0 in both forms on the compiler, without the many
// about single numeric instructions and two that fill the engine's stack ten times. TestRewriteLong_Spec runs all.
func TestRewrite_Spec(t *testing.T) {
	serial(t)
	runSuite(t, "v2", moduletest.CompilerKinds(), 10_000, func(name string) bool {
		numeric := slices.ContainsFunc([]string{"i32", "i64", "f32", "f64", "float_", "const", "conversions", "simd_", "skip-stack"},
			func(prefix string) bool { return strings.HasPrefix(name, prefix) })
		return !numeric && name != "call" || name == "simd_load" || name == "simd_store"
	})
}

// runSuite runs the scripts of a suite whose names are chosen, which must have so many steps at least.
func runSuite(t *testing.T, suite string, kinds []moduletest.Kind, steps int, chosen func(string) bool) {
	t.Helper()
	sum := newTally()
	scripts := scripts(t, suite)
	for _, name := range slices.Sorted(maps.Keys(scripts)) {
		if chosen(name) {
			t.Run(name, func(t *testing.T) { sum.add(runScript(t, scripts[name], kinds)) })
		}
	}
	sum.log(t)
	if !t.Failed() && (sum.commands < steps || sum.equal != sum.commands) {
		t.Errorf("%d steps, %d of them equal, want at least %d", sum.commands, sum.equal, steps)
	}
}

// unlimited are limits that refuse nothing of the specification's tests.
func unlimited() module.Limits {
	l := module.DefaultLimits()
	l.ModuleBytes, l.BranchTargets, l.Branches = 1<<30, 1<<20, 1<<20
	l.MemoryPages, l.TableInitial, l.Tables = 1<<16, 10_000_000, 100
	l.Params, l.Results, l.Nesting, l.Locals = 1<<16, 1<<16, 1<<16, 1<<20
	return l
}

// runScript runs a script in worlds of these kinds.
func runScript(t *testing.T, s *script, kinds []moduletest.Kind) *tally {
	ctx := t.Context()
	r := &specRun{t: t, script: s, tally: newTally(), compared: map[int]bool{}}
	spectest, err := moduletest.NewSubject(spectestModule(t), unlimited())
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range kinds {
		w, err := moduletest.NewWorld(ctx, k, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = w.Close(ctx) }()
		// The module that scripts import from stands for the host: no form of it is rewritten.
		host, err := w.InstantiateOriginal(ctx, spectest)
		if err != nil {
			t.Fatal(err)
		}
		w.Register("spectest", host)
		r.worlds = append(r.worlds, &specWorld{World: w, named: map[string]int{}})
	}
	for n := range s.Commands {
		r.step(&s.Commands[n])
	}
	return r.tally
}

func (r *specRun) step(c *command) {
	switch c.Type {
	case "module":
		r.module(c)
	case "register":
		for _, w := range r.worlds {
			n := w.position(c.Name)
			r.compared[n] = true
			w.Register(c.As, w.made[n])
		}
	case "action", "assert_return", "assert_trap", "assert_exhaustion":
		r.action(c)
	case "assert_unlinkable", "assert_uninstantiable":
		r.uninstantiable(c)
	case "assert_invalid", "assert_malformed":
		r.invalid(c)
	default:
		r.t.Errorf("line %d: unknown command %s", c.Line, c.Type)
	}
}

// position finds a module by its name in the script, "" for the latest.
func (w *specWorld) position(name string) int {
	if name == "" {
		return w.current
	}
	return w.named[name]
}

// subject reads a valid module. One that is over the gate's limits is run all the same.
func (r *specRun) subject(c *command) *moduletest.Subject {
	file := r.script.file(r.t, c.Filename)
	_, err := module.Parse(file, module.DefaultLimits())
	if err != nil && !errors.Is(err, module.CodeLimitExceeded) {
		r.t.Fatalf("line %d: %s: %v", c.Line, c.Filename, err)
	}
	if err != nil {
		r.tally.refused[c.Filename+": "+err.Error()]++
	}
	s, err := moduletest.NewSubject(file, unlimited())
	if err != nil {
		r.t.Fatalf("line %d: %s: %v", c.Line, c.Filename, err)
	}
	if d := moduletest.CheckStructure(s, unlimited()); d != "" {
		r.t.Errorf("line %d: %s: %s", c.Line, c.Filename, d)
	}
	return s
}

func (r *specRun) module(c *command) {
	r.tally.modules++
	r.tally.commands++
	s := r.subject(c)
	for _, w := range r.worlds {
		i, err := w.Instantiate(r.t.Context(), s)
		w.made = append(w.made, i)
		w.current = len(w.made) - 1
		if c.Name != "" {
			w.named[c.Name] = w.current
		}
		if err != nil {
			r.t.Fatalf("line %d: %s (%s): %v", c.Line, c.Filename, w.Kind, err)
		}
	}
	r.sameState(c, true)
}

// action runs a function, or reads a global, in each world. Both forms must give the same bits on one engine; the bits of
// a NaN may differ from engine to engine, as far as the script lets them.
func (r *specRun) action(c *command) {
	r.tally.commands++
	var first [2]*moduletest.Outcome // by engine
	for _, w := range r.worlds {
		i := w.made[w.position(c.Action.Module)]
		var (
			out   moduletest.Outcome
			types []api.ValueType
		)
		if c.Action.Type == "get" {
			g := i.Guest().ExportedGlobal(c.Action.Field)
			out.Results, types = []uint64{g.Get()}, []api.ValueType{g.Type()}
		} else {
			out = i.Call(r.t.Context(), c.Action.Field, c.Action.encoded(r.t)...)
			types = i.ResultTypes(c.Action.Field)
		}
		if reference := first[w.Engine]; reference == nil {
			first[w.Engine] = &out
			r.expect(c, out, types)
		} else if !reference.Equal(out, types) {
			r.t.Errorf("line %d: %s (%s): have %s, want %s\n%s", c.Line, c.Action.Field, w.Kind, out, reference, out.Detail)
			return
		}
	}
	trap := first[0].Trap
	if trap == moduletest.TrapExhaustion {
		r.tally.exhaustions++
	} else if trap != "" {
		r.tally.traps++
	}
	// How deep a guest can go before it is stopped is not the same in all worlds, nor is what it leaves on the way.
	r.sameState(c, trap != moduletest.TrapExhaustion)
}

// expect compares the engine's outcome for the original with what the script says.
func (r *specRun) expect(c *command, out moduletest.Outcome, types []api.ValueType) {
	var problem string
	switch c.Type {
	case "action", "assert_return":
		if out.Trap != "" {
			problem = "trap: " + string(out.Trap)
		} else if c.Type == "assert_return" {
			problem = mismatch(r.t, out.Results, c.Expected, types)
		}
	default:
		if want := c.expectedTrap(); out.Trap != want {
			problem = fmt.Sprintf("have %s, want the trap %s", out, want)
		}
	}
	if problem != "" {
		r.deviates(c, problem)
	}
}

// deviations are where the engine does otherwise than a script of version 1.0 has it, with a module as it came: what that
// version forbids and version 2.0 allows, and what is left behind by a module that does not fit.
var deviations = []string{
	"v1/func:493", "v1/func:497", "v1/type:53", "v1/type:57", // more than one result
	"v1/imports:318",           // more than one table
	"v1/unreached-invalid:539", // a select of values of no type
	"v1/linking:236", "v1/linking:248", "v1/linking:342", "v1/linking:354",
}

// deviates notes where an engine does not do what the specification says, with a module as it came.
func (r *specRun) deviates(c *command, problem string) {
	place := fmt.Sprintf("%s/%s:%d", r.script.suite, r.script.name, c.Line)
	// The engine takes modules whose element segments do not fit, and leaves out what does not.
	segments := c.Text == "out of bounds table access" || c.Text == "elements segment does not fit"
	if !segments && !slices.Contains(deviations, place) {
		r.t.Errorf("%s: the engine does otherwise than the specification: %s", place, problem)
	}
	r.tally.deviations[problem]++
}

// sameState compares the modules that the step can have changed, and counts it.
func (r *specRun) sameState(c *command, compare bool) {
	positions := map[int]bool{r.worlds[0].position(c.Action.Module): true}
	maps.Copy(positions, r.compared)
	var originals [2]*specWorld // by engine
	for _, w := range r.worlds {
		first := originals[w.Engine]
		if first == nil {
			originals[w.Engine] = w
			continue
		}
		for n := range positions {
			if !compare || n >= len(w.made) {
				continue
			}
			if d := moduletest.DiffState(first.made[n], w.made[n]); d != "" {
				r.t.Errorf("line %d: after %s %s (%s and %s): %s", c.Line, c.Type, c.Action.Field, first.Kind, w.Kind, d)
				return
			}
		}
	}
	r.tally.equal++
}

// uninstantiable checks that no form of a module can be instantiated, for the same reason where that is a trap.
func (r *specRun) uninstantiable(c *command) {
	if c.ModuleType == "text" {
		r.tally.text++
		return
	}
	r.tally.commands++
	s := r.subject(c)
	var first error
	for n, w := range r.worlds {
		i, err := w.Instantiate(r.t.Context(), s)
		if n == 0 {
			first = err
			if err == nil {
				r.deviates(c, "instantiated, but it is "+strings.TrimPrefix(c.Type, "assert_")+": "+c.Text)
			}
		}
		if err == nil {
			defer i.Close(r.t.Context())
		}
		if (err == nil) != (first == nil) {
			r.t.Errorf("line %d: %s (%s): have %v, want %v", c.Line, c.Filename, w.Kind, err, first)
			return
		}
		if c.Type == "assert_uninstantiable" && err != nil && moduletest.TrapOf(err) != moduletest.TrapOf(first) {
			r.t.Errorf("line %d: %s (%s): have the trap %s, want %s", c.Line, c.Filename, w.Kind, moduletest.TrapOf(err), moduletest.TrapOf(first))
			return
		}
	}
	r.sameState(c, true)
}

// invalid checks that what the gate lets pass of an invalid module is refused by the engine in both forms: no rewriting
// makes it valid.
func (r *specRun) invalid(c *command) {
	if c.ModuleType == "text" {
		r.tally.text++
		return
	}
	r.tally.commands++
	s, err := moduletest.NewSubject(r.script.file(r.t, c.Filename), unlimited())
	if err != nil {
		r.tally.equal++
		return
	}
	var first error
	for n, w := range r.worlds {
		err := w.Compile(r.t.Context(), s)
		if n == 0 {
			if first = err; err == nil {
				r.deviates(c, "compiled, but it is invalid: "+c.Text)
			}
		}
		if (err == nil) != (first == nil) {
			r.t.Errorf("line %d: %s (%s): have %v, want %v", c.Line, c.Filename, w.Kind, err, first)
			return
		}
	}
	r.tally.equal++
}
