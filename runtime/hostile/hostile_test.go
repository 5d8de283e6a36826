package hostile_test

import (
	"errors"
	"regexp"
	"slices"
	"testing"

	"sluice/runtime"
	"sluice/runtime/hostile"
	"sluice/runtime/server/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }

// late are the codes of uploads that pass the gate.
var late = []string{runtime.RefusedCompilation, runtime.RefusedDescribe, runtime.RefusedManifest}

// TestModules checks that each module says what is expected of it, and that the gate stops those that it is to stop, and no
// others.
func TestModules(t *testing.T) {
	name := regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,49}$`)
	seen, phases := make(map[string]bool), make(map[hostile.Phase]int)
	for _, m := range hostile.Modules() {
		if !name.MatchString(m.Name) || seen[m.Name] {
			t.Errorf("%q is no name, or another's", m.Name)
		}
		seen[m.Name] = true
		phases[m.Phase]++
		if len(m.Refused)+len(m.Ends) == 0 {
			t.Errorf("%s: nothing is expected", m.Name)
		}
		_, err := runtime.Inspect(m.Bytes)
		var r *runtime.Refusal
		switch {
		case err == nil:
			if len(m.Ends) == 0 && !slices.ContainsFunc(m.Refused, func(code string) bool { return slices.Contains(late, code) }) {
				t.Errorf("%s: the gate lets it in", m.Name)
			}
		case !errors.As(err, &r) || !slices.Contains(m.Refused, r.Code):
			t.Errorf("%s: got %v, want one of %q", m.Name, err, m.Refused)
		}
	}
	t.Logf("%d modules: %v", len(seen), phases)
	for _, p := range []hostile.Phase{hostile.Upload, hostile.Start, hostile.Initialize, hostile.Describe, hostile.Warm, hostile.Execute} {
		if phases[p] < 8 {
			t.Errorf("%d modules do harm in the phase %s", phases[p], p)
		}
	}
}

func BenchmarkModules(b *testing.B) {
	for b.Loop() {
		hostile.Modules()
	}
}
