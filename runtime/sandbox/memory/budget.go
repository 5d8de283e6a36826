package memory

import "sync/atomic"

// Budget bounds the bytes that all memories sharing it have grown by, and whatever else is taken from it. It is safe for concurrent use, and a nil Budget
// has no bound.
type Budget struct {
	total int64
	used  atomic.Int64
}

// NewBudget returns a budget of so many bytes.
func NewBudget(bytes uint64) *Budget {
	return &Budget{total: int64(min(bytes, 1<<62))} // so that adding to what is used cannot overflow
}

// Used is how many bytes are taken now.
func (b *Budget) Used() uint64 {
	if b == nil {
		return 0
	}
	return uint64(b.used.Load())
}

// Take returns false, and takes nothing, where less than n bytes are left.
func (b *Budget) Take(n uint64) bool {
	if b == nil {
		return true
	}
	for {
		used := b.used.Load()
		if used+int64(n) > b.total {
			return false
		}
		if b.used.CompareAndSwap(used, used+int64(n)) {
			return true
		}
	}
}

// Give gives back what Take took.
func (b *Budget) Give(n uint64) {
	if b != nil {
		b.used.Add(-int64(n))
	}
}
