package fault

import "sync/atomic"

// The budget, in tenths of a retry: a destination may be retried ten times, and then once for every ten calls that
// succeed. A dead one earns nothing, so that N calls never come to more than N + 10 attempts; where some succeed, to no
// more than 1.1 N + 10.
const (
	burst    = 100
	retry    = 10
	earnings = 1
)

// Budget bounds the retries of one destination. Its methods may be called at once.
type Budget struct{ left atomic.Int64 }

// Take takes one retry, and reports whether there was one.
func (b *Budget) Take() bool {
	for {
		left := b.left.Load()
		if left < retry {
			return false
		}
		if b.left.CompareAndSwap(left, left-retry) {
			return true
		}
	}
}

// Earn is for a call that succeeded at once.
func (b *Budget) Earn() {
	for {
		left := b.left.Load()
		if left >= burst || b.left.CompareAndSwap(left, min(left+earnings, burst)) {
			return
		}
	}
}
