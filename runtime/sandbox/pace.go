package sandbox

import (
	"sync/atomic"
	"time"
)

// pace is what is known of how long a module's calls take for a slice of fuel. What makes one call slow, memory that is far
// from the processor or host functions that work for long, makes the others slow too, and when a thousand of them begin
// they are not each to find it out. It is safe for concurrent use; of two that learn at once, one may be forgotten.
type pace struct {
	first   atomic.Int32 // slice of a call
	largest atomic.Int32
}

func (p *pace) begin() {
	p.first.Store(firstSlice)
	p.largest.Store(largestSlice)
}

// learn returns the slice to follow one of that size, of which the longest stretch took so long.
func (p *pace) learn(took time.Duration, slice int32) int32 {
	largest := p.largest.Load()
	switch {
	case took > endlessSlice:
		largest = max(largest/4, lowestLargest)
		p.largest.Store(largest)
		slice = smallestSlice
	case took > slowSlice:
		slice = max(slice/2, smallestSlice)
	case took < quickSlice:
		if slice >= largest && largest < largestSlice {
			largest = min(largest+largest/recovery+1, largestSlice)
			p.largest.Store(largest)
		}
		slice = slice * 2
	}
	slice = min(slice, largest)
	if first := p.first.Load(); took > slowSlice && slice < first || took < quickSlice && first < slice && first < firstSlice {
		p.first.Store(min(slice, firstSlice))
	}
	return slice
}
