package module

import (
	"fmt"
	"unicode/utf8"
)

// reader is a bounds-checked cursor over a file. The first failure sticks: from then on every read
// returns zero, so that a caller may read a whole item and look at err once. Loops look at it each time.
type reader struct {
	b       []byte
	pos     int
	end     int    // where the part being read ends, ≤ len(b)
	section string // its name, for errors
	err     *Error
}

// fail records a refusal at the byte offset at, unless there is one already.
func (r *reader) fail(code Code, at int, format string, args ...any) {
	if r.err == nil {
		r.err = &Error{Code: code, Section: r.section, Offset: int64(at), Message: fmt.Sprintf(format, args...)}
	}
	r.pos = r.end
}

// over records that found is more than the limit allows. what names the thing in the plural.
func (r *reader) over(at int, found, limit uint64, what string) {
	first := r.err == nil
	r.fail(CodeLimitExceeded, at, "%d %s, the limit is %d.", found, what, limit)
	if first {
		r.err.Found, r.err.Limit = found, limit
	}
}

// left returns the number of bytes that remain in the part being read.
func (r *reader) left() int { return r.end - r.pos }

// byte reads one byte.
func (r *reader) byte() byte {
	if r.pos >= r.end {
		r.truncated(1)
		return 0
	}
	c := r.b[r.pos]
	r.pos++
	return c
}

// take reads n bytes and returns them without copying.
func (r *reader) take(n int) []byte {
	if n < 0 || n > r.left() {
		r.truncated(n)
		return nil
	}
	b := r.b[r.pos : r.pos+n : r.pos+n]
	r.pos += n
	return b
}

// truncated records that n more bytes were expected.
func (r *reader) truncated(n int) {
	first := r.err == nil
	found := uint64(r.left())
	r.fail(CodeMalformed, r.pos, "Unexpected end: %d more bytes are needed and %d are left.", n, found)
	if first {
		r.err.Found, r.err.Limit = uint64(n), found
	}
}

// u32 reads an unsigned LEB128 of 32 bits.
func (r *reader) u32() uint32 {
	if r.pos < r.end {
		if c := r.b[r.pos]; c < 0x80 {
			r.pos++
			return uint32(c)
		}
	}
	const bits = 32
	at := r.pos
	var v uint32
	for shift := 0; ; shift += 7 {
		c := r.byte()
		// The last byte that 32 bits can take may carry neither a continuation nor bits past the 32nd.
		if free := bits - shift; free < 7 && c>>free != 0 {
			r.fail(CodeMalformed, at, "An unsigned LEB128 number does not fit in %d bits.", bits)
			return 0
		}
		v |= uint32(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
}

// signed reads a signed LEB128 of 32, 33 or 64 bits.
func (r *reader) signed(bits int) int64 {
	if r.pos < r.end {
		if c := r.b[r.pos]; c < 0x80 {
			r.pos++
			return int64(c) << 57 >> 57
		}
	}
	at := r.pos
	var v int64
	for shift := 0; ; shift += 7 {
		c := r.byte()
		// The last byte may carry no continuation, and its unused bits must repeat the sign.
		if free := bits - shift; free <= 7 {
			if unused := c >> (free - 1); unused != 0 && unused != 0x7f>>(free-1) {
				r.fail(CodeMalformed, at, "A signed LEB128 number does not fit in %d bits.", bits)
				return 0
			}
		}
		v |= int64(c&0x7f) << shift
		if c < 0x80 {
			if c&0x40 != 0 && shift+7 < 64 {
				v |= -1 << (shift + 7)
			}
			return v
		}
	}
}

// count reads the length of a vector whose items take at least size bytes each. A count that the bytes
// left cannot hold is refused before anything is allocated, and so is one over the limit.
func (r *reader) count(size, limit int, what string) int {
	at := r.pos
	n := r.u32()
	if fit := r.left() / size; uint64(n) > uint64(fit) {
		first := r.err == nil
		r.fail(CodeMalformed, at, "A count of %d %s, but the bytes that follow hold %d at most.", n, what, fit)
		if first {
			r.err.Found, r.err.Limit = uint64(n), uint64(fit)
		}
		return 0
	}
	if uint64(n) > uint64(limit) {
		r.over(at, uint64(n), uint64(limit), what)
		return 0
	}
	return int(n)
}

// name reads a name: a length and that many bytes of UTF-8.
func (r *reader) name(limit int) string {
	n := r.count(1, limit, "bytes of a name")
	at := r.pos
	b := r.take(n)
	if !utf8.Valid(b) {
		r.fail(CodeMalformed, at, "A name is not valid UTF-8.")
		return ""
	}
	return string(b)
}
