package moduletest

import "sluice/runtime/sandbox/wasmtest"

// choices makes decisions from bytes. When they are used up every decision is the first.
type choices struct{ b []byte }

// n chooses from 0 to n−1.
func (c *choices) n(n int) int {
	if len(c.b) == 0 || n <= 1 {
		return 0
	}
	v := int(c.b[0])
	c.b = c.b[1:]
	if n > 256 && len(c.b) > 0 {
		v |= int(c.b[0]) << 8
		c.b = c.b[1:]
	}
	return v % n
}

// one decides with a chance of one in n.
func (c *choices) one(n int) bool { return c.n(n) == n-1 }

// word takes up to eight bytes.
func (c *choices) word() uint64 {
	var v uint64
	for range 1 + c.n(8) {
		v = v<<8 | uint64(c.n(256))
	}
	return v
}

// letter chooses one of a string.
func (c *choices) letter(from string) byte { return from[c.n(len(from))] }

// letters chooses up to n−1 of them.
func (c *choices) letters(from string, n int) string {
	out := make([]byte, c.n(n))
	for i := range out {
		out[i] = c.letter(from)
	}
	return string(out)
}

// constant is an instruction that yields a number.
func (c *choices) constant(l byte) []byte {
	switch l {
	case 'i':
		return wasmtest.I32(int(int32(uint32(c.interesting()))))
	case 'I':
		return wasmtest.I64(int64(c.interesting()))
	}
	code := Zero(l)
	if first, ok := map[byte]int{'f': 1, 'F': 1, 'v': 2}[l]; ok && c.n(2) == 1 {
		for i := first; i < len(code); i++ {
			code[i] = byte(c.n(256))
		}
	}
	return code
}

// interesting makes numbers near the edges of things.
func (c *choices) interesting() uint64 {
	edges := []uint64{0, 1, 2, 7, 255, 1024, 1025, 65535, 65536, 1<<18 - 1, 1 << 18, 1<<18 + 1, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 63}
	if c.n(3) == 0 {
		return edges[c.n(len(edges))]
	}
	return c.word()
}
