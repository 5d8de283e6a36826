package server

import (
	"sync"

	"sluice/runtime"
)

// bound is one call while it is in the server: the request's body, what was made of it, and room for both. It is taken
// by acquireBound and given back by release, and belongs to the goroutine in between. Everything in call points into
// body and params.
type bound struct {
	call    runtime.Call
	members []member
	// seen finds members by name where there are so many that looking through them would take long.
	seen map[string]int

	body   []byte // as it was sent
	params []byte // what the guest gets
	room   []byte // for values that had to be made, and for texts on their way into the log
	taken  int64  // what body holds of the budget, in bytes
}

type member struct{ name, value []byte }

// What is larger than these is not kept for the next call: one that was sent much would hold on to it.
const (
	keptBytes   = 64 << 10
	keptMembers = 256
)

var bounds = sync.Pool{New: func() any { return new(bound) }}

func acquireBound() *bound { return bounds.Get().(*bound) }

// release gives b back. Nothing that points into it may be used any more.
func (b *bound) release() {
	b.reset()
	bounds.Put(b)
}

// reset leaves nothing of a call in b but room. What was in the buffers is overwritten too, though nothing reads beyond
// a slice's length: the promise that calls see nothing of each other is not left to that.
func (b *bound) reset() {
	clear(b.members)
	*b = bound{
		members: b.members[:0],
		body:    emptied(b.body), params: emptied(b.params), room: emptied(b.room),
	}
	if cap(b.members) > keptMembers {
		b.members = nil
	}
}

func emptied(buffer []byte) []byte {
	if cap(buffer) > keptBytes {
		return nil
	}
	clear(buffer)
	return buffer[:0]
}
