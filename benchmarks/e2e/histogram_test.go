package main

import (
	"math"
	"testing"
	"time"
)

func TestHistogram(t *testing.T) {
	var h, other histogram
	if got := h.quantile(.5); got != 0 {
		t.Errorf("an empty one: got %s", got)
	}
	for i := 1; i <= 500; i++ {
		h.record(time.Duration(i) * time.Microsecond)
		other.record(time.Duration(500+i) * time.Microsecond)
	}
	h.add(&other)
	for _, tc := range []struct {
		q    float64
		want time.Duration
	}{
		{0.001, time.Microsecond}, {.5, 500 * time.Microsecond}, {.99, 990 * time.Microsecond}, {1, time.Millisecond},
	} {
		got := h.quantile(tc.q)
		if off := math.Abs(float64(got-tc.want)) / float64(tc.want); off > .008 {
			t.Errorf("quantile %v: got %s, want %s", tc.q, got, tc.want)
		}
	}
	if h.n != 1000 || h.max != time.Millisecond {
		t.Errorf("got %d, at most %s", h.n, h.max)
	}
}

// TestBuckets walks the whole range: buckets have no gaps, and none is wider than it may be.
func TestBuckets(t *testing.T) {
	next := time.Duration(0)
	for b := range buckets {
		last := longest(b)
		if bucketOf(next) != b || bucketOf(last) != b {
			t.Fatalf("bucket %d is from %d to %d, but these are in %d and %d", b, next, last, bucketOf(next), bucketOf(last))
		}
		if width := last - next; float64(width) > .008*float64(next) && width > 0 {
			t.Fatalf("bucket %d is %d wide at %d", b, width, next)
		}
		next = last + 1
	}
	for _, d := range []time.Duration{next, math.MaxInt64} {
		if bucketOf(d) != buckets-1 {
			t.Errorf("%d is in bucket %d", d, bucketOf(d))
		}
	}
	if bucketOf(-1) != 0 {
		t.Errorf("a clock that goes back is in bucket %d", bucketOf(-1))
	}
}
