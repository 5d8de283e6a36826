package module_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"sluice/runtime/module"
	"sluice/runtime/module/moduletest"
)

// FuzzRewrite looks for modules that the gate accepts and the rewriter panics on, leaves out something of, or makes into what
// the engine does not take though it took the original, or takes though it did not.
func FuzzRewrite(f *testing.F) {
	f.Add(module.Everything())
	f.Add(module.ElementForms04())
	for n := range uint64(20) {
		f.Add(moduletest.Generate(seedBytes(n)).File)
	}
	scripts := scripts(f, "v2")
	for i, name := range slices.Sorted(maps.Keys(scripts)) {
		for j, c := range scripts[name].Commands {
			if (i+j)%48 == 0 && strings.HasSuffix(c.Filename, ".wasm") {
				if file := scripts[name].file(f, c.Filename); len(file) < 4096 {
					f.Add(file)
				}
			}
		}
	}
	w, err := moduletest.NewWorld(context.Background(), moduletest.Kind{Form: moduletest.Rewritten}, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		if _, err := module.Parse(file, module.DefaultLimits()); err != nil {
			return
		}
		s := checkRewrite(t, file)
		// Without custom sections, which the engine refuses a module for.
		original := w.CompileBinary(context.Background(), s.Module.Bounded())
		rewritten := w.CompileBinary(context.Background(), s.Rewritten.Binary)
		if (original == nil) != (rewritten == nil) {
			t.Fatalf("the engine says of the original: %v, and of the rewritten module: %v", original, rewritten)
		}
	})
}

// FuzzRewrite_Behaviour looks for modules that do not do the same in both forms. Its bytes are decisions of the generator, so
// that all of its modules are valid.
func FuzzRewrite_Behaviour(f *testing.F) {
	for n := range uint64(20) {
		f.Add(seedBytes(n))
	}
	g := newGeneratedWorlds(f, moduletest.AllKinds())
	f.Fuzz(func(t *testing.T, seed []byte) { g.run(t, moduletest.Generate(seed)) })
}

// FuzzRewrite_Fuel looks for modules that run more instructions than they spend fuel.
func FuzzRewrite_Fuel(f *testing.F) {
	for n := range uint64(20) {
		f.Add(seedBytes(n), n%2 == 0)
	}
	c := newFuelCheck(f)
	f.Fuzz(func(t *testing.T, seed []byte, controlOnly bool) {
		if controlOnly {
			c.run(t, moduletest.GenerateControl(seed))
		} else {
			c.run(t, moduletest.Generate(seed))
		}
	})
}
