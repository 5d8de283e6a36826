//go:build long

package hostile_test

import (
	"testing"
	"time"

	"sluice/runtime/hostile"
)

// TestServer_SlowCompilations uploads what a compiler does not come to an end with.
func TestServer_SlowCompilations(t *testing.T) {
	s := serve(t, short)
	watch(t, s)
	for _, m := range chosen(t, func(m hostile.Module) bool { return m.Slow }) {
		began := time.Now()
		for _, m := range install(t, s, []hostile.Module{m}) {
			harm(t, s, m, m.Ends...)
			fine(t, s, m)
		}
		t.Logf("%s: %s", m.Name, time.Since(began).Round(time.Millisecond))
	}
}
