package fault

import "sync/atomic"

// retry is what one retry costs. A call that succeeds at once earns [Config.RetryPercent].
const retry = 100

// Budget bounds the retries of one destination: to [Config.RetryBurst] of them, and then to a share of the calls that
// succeed. A dead one earns nothing, so that N calls never come to more than N and the burst; where some succeed, to no more
// than the share on top. Its methods may be called at once.
type Budget struct {
	left        atomic.Int64
	most, earns int64
}

// init fills the budget.
func (b *Budget) init(c Config) {
	b.most, b.earns = int64(c.RetryBurst)*retry, int64(c.RetryPercent)
	b.left.Store(b.most)
}

func (b *Budget) full() bool { return b.left.Load() == b.most }

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
		if left >= b.most || b.left.CompareAndSwap(left, min(left+b.earns, b.most)) {
			return
		}
	}
}
