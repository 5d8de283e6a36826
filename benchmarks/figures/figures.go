// Package figures is what benchmarks find: each program writes its figures to a file of JSON, and the program
// benchmarks/report makes a page and a picture of them, whenever and as often as it is asked to.
package figures

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// The files that the programs write, in one folder.
const (
	PerCallFile  = "percall.json"
	ExtismFile   = "extism.json"
	EndToEndFile = "e2e.json"
	GuardFile    = "guard.json"
)

// Spread is the middle of some figures, and their ends.
type Spread struct{ Median, Min, Max float64 }

// SpreadOf is the spread of a figure of items; that of no items is zero.
func SpreadOf[T any](items []T, figure func(T) float64) Spread {
	all := make([]float64, len(items))
	for i, item := range items {
		all[i] = figure(item)
	}
	slices.Sort(all)
	n := len(all)
	if n == 0 {
		return Spread{}
	}
	return Spread{Median: (all[(n-1)/2] + all[n/2]) / 2, Min: all[0], Max: all[n-1]}
}

// Spreads is the spread of the figures themselves.
func Spreads(all []float64) Spread { return SpreadOf(all, func(f float64) float64 { return f }) }

// Ratios divides figures round by round: what slows the machine for a while slows both.
func Ratios(a, b []float64) Spread {
	all := make([]float64, min(len(a), len(b)))
	for i := range all {
		all[i] = a[i] / b[i]
	}
	return Spreads(all)
}

// Text is the spread as "median (min–max)", each in the format of fmt.
func (s Spread) Text(format string) string {
	return fmt.Sprintf(format+" ("+format+"–"+format+")", s.Median, s.Min, s.Max)
}

// Write puts figures into a file, and makes the folders on the way.
func Write(path string, figures any) error {
	text, err := json.MarshalIndent(figures, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// Read takes figures from a file.
func Read(path string, figures any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, figures); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
