//go:build long

package runtime

import (
	"flag"
	"testing"

	"sluice/runtime/sandbox/memory"
)

var canaryCalls = flag.Int64("canary.calls", 120_000, "how many calls TestCanaryLong makes in all")

// TestCanaryLong is TestCanary with more calls.
func TestCanaryLong(t *testing.T) {
	modes := memory.Modes()
	var made int64
	for n, mode := range modes {
		calls := *canaryCalls / 10 // in the modes that servers use only where nothing better works
		if n == 0 {
			calls = *canaryCalls - int64(len(modes)-1)*calls
		}
		t.Run(mode.String(), func(t *testing.T) {
			c := newCanaries(t, mode)
			c.run(calls)
			made += c.calls.Load()
		})
	}
	t.Logf("%d calls in all", made)
}

// TestVerifyLong_Guests verifies every guest of the repository as `sluice inspect --verify` does.
func TestVerifyLong_Guests(t *testing.T) {
	for name, wasm := range builtGuests(t) {
		t.Run(name, func(t *testing.T) { checkPristine(t, wasm, verifyCalls, true) })
	}
}
