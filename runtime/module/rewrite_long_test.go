//go:build long

package module_test

import (
	"os"
	"path/filepath"
	"testing"

	"sluice/runtime/module"
	"sluice/runtime/module/moduletest"
)

// TestRewriteLong_Spec runs all scripts of both versions of the specification in both forms on both engines.
func TestRewriteLong_Spec(t *testing.T) {
	for suite, steps := range map[string]int{"v1": 18_000, "v2": 52_000} {
		t.Run(suite, func(t *testing.T) { runSuite(t, suite, moduletest.AllKinds(), steps, all) })
	}
}

// TestRewriteLong_Guests runs all guests of the repository in both forms on both engines.
func TestRewriteLong_Guests(t *testing.T) {
	for _, file := range guestFiles(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			m, err := module.Parse(b, module.DefaultLimits())
			if err != nil {
				t.Fatal(err)
			}
			if abi, err := m.ABI(); err != nil || abi != module.ABINative {
				t.Skipf("the guest speaks another ABI than the native one: %s (%v)", abi, err)
			}
			runGuest(t, b, moduletest.AllKinds())
		})
	}
}

// TestRewriteLong_Size checks the size of all guests, and that the original's instructions are found in their order.
func TestRewriteLong_Size(t *testing.T) { checkSizes(t, 1<<30) }

// TestRewriteLong_Generated compares both forms of many generated modules.
func TestRewriteLong_Generated(t *testing.T) { runGenerated(t, 1_000, 6_000) }

// TestRewriteLong_Fuel compares the fuel of many generated modules with the instructions that they run.
func TestRewriteLong_Fuel(t *testing.T) { runFuel(t, 1_000, 4_000) }

// TestRewriteLong_GuestFuel compares the fuel that guests spend with the instructions that they run.
func TestRewriteLong_GuestFuel(t *testing.T) {
	const most = 2 << 20 // bytes: what counts each instruction is several times larger than the instruction
	for _, file := range guestFiles(t) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > most {
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			r := newGuestRun(t, b, moduletest.CompilerKinds())
			if abi, err := r.subject.Module.ABI(); err != nil || abi != module.ABINative {
				t.Skipf("the guest speaks another ABI than the native one: %s (%v)", abi, err)
			}
			counted, err := r.subject.Counting(unlimited())
			if err != nil {
				t.Fatal(err)
			}
			original, rewritten := r.worlds[0], r.worlds[1]
			original.subject = counted
			var (
				last        *moduletest.Instance
				ran, before uint64
				spent, paid int64
				instrs      uint64
				units       int64
			)
			r.after = func() {
				if last != original.instance {
					last, before, paid = original.instance, 0, 0
				}
				ran, before = moduletest.Counted(original.instance)-before, moduletest.Counted(original.instance)
				spent, paid = rewritten.instance.Spent()-paid, rewritten.instance.Spent()
				if ran > uint64(spent)+freeUnits {
					t.Errorf("call %d: %d instructions ran for %d units of fuel", r.calls, ran, spent)
				}
				instrs, units = instrs+ran, units+spent
			}
			r.run()
			t.Logf("%d instructions ran for %d units of fuel", instrs, units)
		})
	}
}

func all(string) bool { return true }
