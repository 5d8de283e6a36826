package main

import (
	"path/filepath"
	"strings"
	"testing"

	"sluice/benchmarks/figures"
)

func TestMeasure(t *testing.T) {
	out := filepath.Join(t.TempDir(), "guard.json")
	if err := measure(t.Context(), []string{"-rounds", "2", "-turn", "0", "-out", out}); err != nil {
		t.Fatal(err)
	}
	var got figures.Guard
	if err := figures.Read(out, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Judged) != len(judged) || got.Rounds != 2 {
		t.Fatalf("got %+v", got)
	}
	for _, j := range got.Judged {
		if j.Microseconds.Median <= 0 {
			t.Errorf("%s: got %v", j.Kind, j.Microseconds)
		}
	}
	for name, c := range map[string]figures.Compared{"a connection": got.Dial, "a request": got.Request} {
		if c.Plain.Median <= 0 || c.Guarded.Median <= 0 || c.Ratio.Median <= 0 || c.PlainAllocations <= 0 || c.GuardedAllocations <= 0 {
			t.Errorf("%s: got %+v", name, c)
		}
	}
}

// TestGuard holds that what is measured is a guard: it refuses what is not granted.
func TestGuard(t *testing.T) {
	r, err := newReach("127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	if err := r.judge("169.254.169.254:80")(t.Context()); err == nil || !strings.Contains(err.Error(), "metadata") {
		t.Errorf("got %v", err)
	}
}

func TestMeasure_Errors(t *testing.T) {
	for _, args := range []string{"-rounds 0", "-rounds 5000", "-turn -1s", "-turn 1m", "more", "-out"} {
		if err := measure(t.Context(), strings.Fields(args)); err == nil {
			t.Errorf("%s was taken", args)
		}
	}
}
