package sandbox

import (
	"testing"
	"time"
)

func TestPace_Learn(t *testing.T) {
	const full = largestSlice
	tests := []struct {
		name                  string
		slice, first, largest int32 // before
		took                  time.Duration
		next, firstThen, most int32 // after
	}{
		{"quick", firstSlice, firstSlice, full, quickSlice - 1, 2 * firstSlice, firstSlice, full},
		{"quick at the top", full, firstSlice, full, 0, full, firstSlice, full},
		{"quick at a lower top", 20_000, 20_000, 20_000, 0, 20_020, 20_020, 20_020},
		{"as expected", firstSlice, firstSlice, full, quickSlice, firstSlice, firstSlice, full},
		{"still as expected", firstSlice, firstSlice, full, slowSlice, firstSlice, firstSlice, full},
		{"slow", full, firstSlice, full, slowSlice + 1, full / 2, firstSlice, full},
		{"slow from the beginning", firstSlice, firstSlice, full, endlessSlice, firstSlice / 2, firstSlice / 2, full},
		{"endless", full, firstSlice, full, endlessSlice + 1, smallestSlice, smallestSlice, full / 4},
		{"always endless", smallestSlice, smallestSlice, lowestLargest, time.Hour, smallestSlice, smallestSlice, lowestLargest},
		{"slower than ever", smallestSlice + 1, smallestSlice, full, slowSlice + 1, smallestSlice, smallestSlice, full},
		{"a clock that goes back", smallestSlice, smallestSlice, full, -time.Second, 2 * smallestSlice, 2 * smallestSlice, full},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			var p pace
			p.first.Store(tc.first)
			p.largest.Store(tc.largest)
			if next := p.learn(tc.took, tc.slice); next != tc.next || p.first.Load() != tc.firstThen || p.largest.Load() != tc.most {
				t.Errorf("next %d, first %d, largest %d; want %d, %d, %d", next, p.first.Load(), p.largest.Load(), tc.next, tc.firstThen, tc.most)
			}
		})
	}
}

// A module that was slow once has its large slices again, after a while.
func TestPace_Recovers(t *testing.T) {
	var p pace
	p.begin()
	slice := int32(firstSlice)
	for range 20 {
		slice = p.learn(time.Hour, slice)
	}
	if slice != smallestSlice || p.first.Load() != smallestSlice || p.largest.Load() != lowestLargest {
		t.Fatalf("a module that is always slow: %d, %d, %d", slice, p.first.Load(), p.largest.Load())
	}
	n := 0
	for ; slice < largestSlice && n < 10_000; n++ {
		slice = p.learn(0, slice)
	}
	if n < 1000 || n == 10_000 || p.first.Load() != firstSlice {
		t.Errorf("after %d quick slices %d, and %d first", n, slice, p.first.Load())
	}
}
