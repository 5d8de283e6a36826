//go:build long

package module_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/runtime/module"
	"sluice/runtime/module/moduletest"
)

// TestRewriteLong_Compilers runs what many compilers made in both forms: the modules of wazero's own tests and examples.
// Every exported function is called with zeros, in the order of the exports.
func TestRewriteLong_Compilers(t *testing.T) {
	var compared, endless, calls, left, refused int
	err := filepath.WalkDir(module.WazeroDir(t), func(path string, d fs.DirEntry, err error) error {
		if d.IsDir() && d.Name() == "spectest" {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".wasm" {
			return err
		}
		file, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if _, err := module.Parse(file, module.DefaultLimits()); err != nil {
			refused++
			return nil
		}
		_, name, _ := strings.Cut(path, "wazero@")
		t.Run(name, func(t *testing.T) {
			s := checkRewrite(t, file)
			if !ends(t, s) {
				endless++
				return
			}
			r := newGuestRun(t, file, moduletest.AllKinds())
			if !r.callAll() {
				left++
				return
			}
			compared++
			calls += r.calls
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d modules and %d calls compared; %d modules never return or can't be instantiated, %d import more than functions, %d were refused by the gate",
		compared, calls, endless, left, refused)
}

// exportsOf lists a module's exported functions, with a zero for each parameter. A vector takes two.
func exportsOf(m *module.Module) (names []string, args [][]uint64) {
	for _, e := range m.Exports {
		if e.Kind != module.KindFunction {
			continue
		}
		n := len(e.Type.Params)
		for _, p := range e.Type.Params {
			if p == module.V128 {
				n++
			}
		}
		names, args = append(names, e.Name), append(args, make([]uint64, n))
	}
	return names, args
}

// ends reports whether every exported function of the rewritten module returns or traps within a budget: the original could
// not be stopped.
func ends(t *testing.T, s *moduletest.Subject) bool {
	t.Helper()
	r := newGuestRun(t, s.File, []moduletest.Kind{{Engine: moduletest.Compiler, Form: moduletest.Rewritten}})
	w := r.worlds[0]
	w.Budget = 500_000_000
	if all, err := w.host.ProvideRest(t.Context(), w.World, s.Module); err != nil || !all {
		return err == nil // that of others is left to callAll
	}
	i, err := w.Instantiate(t.Context(), s)
	if err != nil {
		return moduletest.TrapOf(err) != moduletest.TrapFuel
	}
	names, args := exportsOf(s.Module)
	for n := range names {
		if i.Call(t.Context(), names[n], args[n]...).Trap == moduletest.TrapFuel {
			return false
		}
	}
	return true
}

// callAll calls every exported function, and reports whether the module could be linked at all.
func (r *guestRun) callAll() bool {
	r.t.Helper()
	for _, w := range r.worlds {
		all, err := w.host.ProvideRest(r.t.Context(), w.World, r.subject.Module)
		if err != nil {
			r.t.Fatal(err)
		}
		if !all {
			return false
		}
	}
	if !r.instantiateAll() {
		return true
	}
	names, args := exportsOf(r.subject.Module)
	for n := range names {
		r.call(names[n], args[n]...)
	}
	return true
}

// instantiateAll makes the instances, which no or every world must be able to.
func (r *guestRun) instantiateAll() bool {
	r.t.Helper()
	var first error
	for n, w := range r.worlds {
		i, err := w.Instantiate(r.t.Context(), w.subject)
		if n == 0 {
			first = err
		}
		if moduletest.TrapOf(err) != moduletest.TrapOf(first) {
			r.t.Fatalf("%s: have %v, want %v", w.Kind, err, first)
		}
		w.instance = i
	}
	return first == nil
}
