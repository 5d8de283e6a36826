package main

import (
	"math"
	"slices"
	"sync"
	"time"
)

// times collects durations. It is safe for concurrent use.
type times struct {
	mu   sync.Mutex // protects what follows
	list []time.Duration
	ends map[string]int
}

// add notes a duration, and how what took it ended.
func (t *times) add(d time.Duration, end string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ends == nil {
		t.ends = make(map[string]int)
	}
	t.list = append(t.list, d)
	t.ends[end]++
}

// summary is what durations come to.
type summary struct {
	N                   int
	P50, P99, P999, Max time.Duration
	// Ends counts how what took them ended: ok, a code, or what was wrong.
	Ends map[string]int
	// Within50 and Within250 count those of at most so many milliseconds.
	Within50, Within250 int
}

func (t *times) summary() summary {
	t.mu.Lock()
	defer t.mu.Unlock()
	slices.Sort(t.list)
	within := func(d time.Duration) int {
		n, _ := slices.BinarySearch(t.list, d+1)
		return n
	}
	return summary{
		N: len(t.list), P50: quantile(t.list, .5), P99: quantile(t.list, .99), P999: quantile(t.list, .999), Max: quantile(t.list, 1),
		Ends: t.ends, Within50: within(50 * time.Millisecond), Within250: within(250 * time.Millisecond),
	}
}

// quantile is the duration that the fraction q of a sorted list did not exceed; 0 where it is empty.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(int(math.Ceil(q*float64(len(sorted))))-1, 0)]
}

// failed is how many did not end by any of these.
func (s summary) failed(expected ...string) int {
	n := s.N
	for _, end := range expected {
		n -= s.Ends[end]
	}
	return n
}
