package permits

import (
	"testing"
	"time"
)

// A checkpoint that need not wait allocates nothing.
func TestGroup_Checkpoint_Allocations(t *testing.T) {
	g := New(1).NewGroup()
	deadline := time.Now().Add(time.Hour)
	allocations := testing.AllocsPerRun(1000, func() {
		var h Holder
		g.Begin(&h)
		for ran := range 3 * Quantum / time.Millisecond {
			if err := g.Checkpoint(&h, ran*time.Millisecond, deadline, nil); err != nil {
				t.Fatal(err)
			}
		}
		h.Release()
	})
	if allocations != 0 {
		t.Errorf("a call without waiting allocates %v times", allocations)
	}
}

func BenchmarkGroup_Checkpoint(b *testing.B) {
	deadline := time.Now().Add(time.Hour)
	for _, bc := range []struct {
		name string
		ran  time.Duration
	}{{"without", 0}, {"holding", 0}, {"taking", Allowance}} {
		b.Run(bc.name, func(b *testing.B) {
			g := New(1).NewGroup()
			var h Holder
			if bc.name == "holding" {
				if err := g.Checkpoint(&h, Allowance, deadline, nil); err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				holding := bc.name == "holding" || g.Begin(&h)
				if err := g.Checkpoint(&h, bc.ran, deadline, nil); err != nil || !holding {
					b.Fatal(err)
				}
				if bc.name != "holding" {
					h.Release()
				}
			}
		})
	}
}
