package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/benchmarks/figures"
	"sluice/benchmarks/guests"
)

// committed is a folder of the guests that need no toolchain.
func committed(t *testing.T) string {
	dir := t.TempDir()
	for _, name := range []string{"c", "assemblyscript"} {
		wasm, err := os.ReadFile(filepath.Join("..", "guests", name, "order.wasm"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+".wasm"), wasm, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestMeasure measures a guest in all ways: each of them answers what the work comes to.
func TestMeasure(t *testing.T) {
	dir := committed(t)
	for _, name := range []string{"c", "assemblyscript", "http"} {
		out := filepath.Join(dir, name+".json")
		if err := measure(t.Context(), []string{"-guests", dir, "-only", name, "-rounds", "2", "-turn", "0", "-out", out}); err != nil {
			t.Fatal(err)
		}
		var got figures.PerCall
		if err := figures.Read(out, &got); err != nil {
			t.Fatal(err)
		}
		measured := append(got.Guests, got.Requests...)
		if len(measured) != 1 || measured[0].Name != name || got.Rounds != 2 {
			t.Fatalf("got %+v", got)
		}
		g := measured[0]
		for _, way := range []figures.Way{
			figures.Fresh, figures.Dirty, figures.Interrupted, figures.Metered, figures.Pristine, figures.PristineCold,
		} {
			if g.Times[way].Median <= 0 || g.ToDirty[way].Median <= 0 || g.ToFresh[way].Median <= 0 {
				t.Errorf("%s, %s: got %v and %v", name, way, g.Times[way], g.ToDirty[way])
			}
		}
	}
}

func TestMeasure_Errors(t *testing.T) {
	if err := measure(t.Context(), []string{"-guests", t.TempDir(), "-only", "c"}); err == nil || !strings.Contains(err.Error(), "not built") {
		t.Errorf("without guests: got %v", err)
	}
	for _, args := range []string{"-rounds 0", "-rounds 5000", "-turn -1s", "-turn 1m", "more"} {
		if err := measure(t.Context(), strings.Fields(args)); err == nil {
			t.Errorf("%s was taken", args)
		}
	}
}

// TestTurn_OtherAnswer refuses a guest that does not do the work.
func TestTurn_OtherAnswer(t *testing.T) {
	params, want := guests.Work()
	b, err := newBench(t.Context(), plan{dir: committed(t), rounds: 1}, work{params: params, want: want})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.close)
	wasm, err := guests.Read(b.plan.dir, "c")
	if err != nil {
		t.Fatal(err)
	}
	ways, err := b.plainWays(t.Context(), wasm, guests.Price)
	if err != nil {
		t.Fatal(err)
	}
	for way, call := range ways {
		if _, err := turn(t.Context(), call, time.Microsecond, want); err != nil {
			t.Errorf("%s: %v", way, err)
		}
		if _, err := turn(t.Context(), call, time.Microsecond, params); err == nil {
			t.Errorf("%s: another answer was taken", way)
		}
	}
}
