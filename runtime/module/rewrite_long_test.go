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
	for _, suite := range []string{"v1", "v2"} {
		t.Run(suite, func(t *testing.T) { runSuite(t, suite, moduletest.AllKinds(), all) })
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
