package main

import (
	"math"
	"math/bits"
	"time"
)

// The buckets of a histogram: 128 of equal width for each power of two, so that a value is told to within 0.8 %.
const (
	subBits    = 7
	subBuckets = 1 << subBits
	maxShift   = 29 // of values up to 2³⁷ ns, 137 s
	buckets    = (maxShift + 2) * subBuckets
)

// histogram counts durations. The zero value is ready to use.
type histogram struct {
	counts [buckets]uint32
	n      uint64
	max    time.Duration
}

// bucketOf is the bucket of a duration; the last one has everything that is longer than it can tell.
func bucketOf(d time.Duration) int {
	v := uint64(max(d, 0))
	shift := max(bits.Len64(v)-subBits-1, 0)
	if shift > maxShift {
		return buckets - 1
	}
	return shift*subBuckets + int(v>>shift)
}

// longest is the longest duration of a bucket.
func longest(bucket int) time.Duration {
	shift := max(bucket/subBuckets-1, 0)
	return time.Duration(bucket-shift*subBuckets+1)<<shift - 1
}

func (h *histogram) record(d time.Duration) {
	h.counts[bucketOf(d)]++
	h.n++
	h.max = max(h.max, d)
}

func (h *histogram) add(other *histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.n += other.n
	h.max = max(h.max, other.max)
}

// quantile is the duration that the fraction q of all did not exceed, rounded up to its bucket's longest; 0 where
// nothing was recorded.
func (h *histogram) quantile(q float64) time.Duration {
	left := uint64(math.Ceil(q * float64(h.n)))
	for i, n := range h.counts {
		if uint64(n) >= left && left > 0 {
			return min(longest(i), h.max)
		}
		left -= uint64(n)
	}
	return h.max
}
