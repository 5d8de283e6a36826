package memory

import (
	"bytes"
)

// copied keeps a memory on Go's heap: for systems without a cheap way to know what was written.
type copied struct {
	source []byte // the image's
	limit  uint64
	bytes  []byte // beyond its length, up to its capacity, all 0
}

// spareBytes is how much more than its length a memory of this kind may keep allocated when it shrinks: enough for a
// guest that grows a little in each call.
const spareBytes = 4 << 20

func newCopied(i *Image, limit uint64) *copied {
	c := &copied{limit: limit}
	if i != nil {
		c.source = i.source
	}
	c.bytes = bytes.Clone(c.source)
	return c
}

func (c *copied) extend(size uint64) []byte {
	if size > uint64(cap(c.bytes)) {
		// A quarter more, because a guest that grows page by page would otherwise copy the square of its size.
		larger := make([]byte, size, min(c.limit, max(size, uint64(cap(c.bytes))/4*5)))
		copy(larger, c.bytes)
		c.bytes = larger
	}
	if size > uint64(len(c.bytes)) {
		c.bytes = c.bytes[:size]
	}
	return c.bytes[:size:size]
}

// reset compares before it copies: most pages are unchanged, and reading is cheaper than writing.
func (c *copied) reset(reached uint64) (pages int, err error) {
	image := min(reached, uint64(len(c.source)))
	for at := uint64(0); at < image; at += pageSize {
		to := min(at+pageSize, image)
		if !bytes.Equal(c.bytes[at:to], c.source[at:to]) {
			copy(c.bytes[at:to], c.source[at:to])
			pages++
		}
	}
	for at := image; at < reached; at += pageSize {
		beyond := c.bytes[at:min(at+pageSize, reached)]
		if !zero(beyond) {
			clear(beyond)
			pages++
		}
	}
	return pages, nil
}

// zero compares b with itself, moved by one: bytes.Equal reads many at a time.
func zero(b []byte) bool { return len(b) == 0 || b[0] == 0 && bytes.Equal(b[1:], b[:len(b)-1]) }

func (c *copied) shrink(size uint64) {
	if uint64(cap(c.bytes)) > size+spareBytes {
		c.bytes = append(make([]byte, 0, size), c.bytes[:size]...)
	}
	c.bytes = c.bytes[:size]
}

func (c *copied) free(uint64) { *c = copied{} }
