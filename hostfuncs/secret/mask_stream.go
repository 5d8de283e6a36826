package secret

import (
	"bytes"
	"html"
	"sort"
	"unicode/utf16"
)

// Stream masks the values in a text that comes in pieces, wherever it is cut: up to its first MaxMasked bytes; the rest
// goes out as it is. What may be the beginning of a value waits until what follows has come. It belongs to one goroutine.
type Stream struct {
	masker  *Masker
	pending []byte // what is not decided yet, from where an escape cannot have begun
	out     []byte // what may go out, of which so much is taken
	taken   int
	seen    int  // bytes of the text, up to MaxMasked
	covered int  // bytes of pending that belong to a value whose mask went out
	masked  bool // what went out last is a mask
}

// Stream returns what masks a text that comes in pieces, nil where m is nil.
func (m *Masker) Stream() *Stream {
	if m == nil {
		return nil
	}
	return &Stream{masker: m}
}

// Write takes the next piece, of which nothing is kept. look is as for [Masker.Response].
func (s *Stream) Write(p []byte, look func(n int)) {
	n := min(len(p), MaxMasked-s.seen)
	if n > 0 {
		s.seen += n
		s.pending = append(s.pending, p[:n]...)
		s.release(s.seen == MaxMasked, look)
	}
	s.out = append(s.out, p[n:]...)
}

// End says that nothing more comes.
func (s *Stream) End(look func(n int)) { s.release(true, look) }

// Take moves what may go out to p, and returns how much that is.
func (s *Stream) Take(p []byte) int {
	n := copy(p, s.out[s.taken:])
	if s.taken += n; s.taken == len(s.out) {
		s.out, s.taken = s.out[:0], 0
	}
	return n
}

// Done reports that the rest of the text can go out without coming by here.
func (s *Stream) Done() bool { return s.seen == MaxMasked && len(s.out) == 0 }

// Memory is about how much may wait here, in bytes, of pieces of so many.
func (s *Stream) Memory(piece int) int {
	longest := 0
	for _, n := range s.masker.needles {
		longest = max(longest, len(n.text))
	}
	return piece + min(longestReference*longest, MaxMasked) + piece*len(Mask)/MinMasked
}

// release decides on as much as can be: on all of it where nothing more comes.
func (s *Stream) release(final bool, look func(n int)) {
	if look == nil {
		look = unpaid
	}
	text := s.pending
	if !final {
		text = text[:s.masker.settled(text)]
	}
	views := s.masker.views(text, look)
	found := []span{{0, s.covered}}
	cut := len(text)
	for _, v := range views {
		for _, n := range s.masker.needles {
			look(perByte * len(v.text))
			found = v.find(found, n)
			if !final {
				cut = min(cut, v.original(v.open(n)))
			}
		}
	}
	for before := -1; cut != before; { // an escape of HTML can hold others
		before = cut
		for _, v := range views {
			cut = v.boundary(cut)
		}
	}
	if cut > 0 {
		s.emit(text[:cut], found)
		s.pending = append(s.pending[:0], s.pending[cut:]...)
	}
}

// emit lets text go out, with the values masked that begin in it.
func (s *Stream) emit(text []byte, found []span) {
	done := 0
	for v := range united(found) {
		if v.from >= len(text) {
			break
		}
		if v.to == 0 {
			continue // nothing is covered
		}
		s.out = append(s.out, text[done:v.from]...)
		if v.from > 0 || !s.masked {
			s.out = append(s.out, Mask...)
		}
		s.masked, done = true, v.to
	}
	s.covered = max(done-len(text), 0)
	if done < len(text) {
		s.out, s.masked = append(s.out, text[done:]...), false
	}
}

// settled is up to where a text, which does not begin within an escape, cannot end within one.
func (m *Masker) settled(b []byte) int {
	end := len(b)
	for i := max(0, end-2); i < end; i++ {
		if b[i] == '%' && (i+1 == end || isHex(b[i+1])) {
			end = i
		}
	}
	if i := bytes.LastIndexByte(b, '&'); m.markup && i >= 0 && startsReference(b[i:]) {
		end = min(end, i)
	}
	var scratch [8]byte
	for i := 0; i < end; {
		next := bytes.IndexByte(b[i:end], '\\')
		if next < 0 {
			break
		}
		i += next
		if startsEscape(b[i:]) {
			return i
		}
		_, n := jsonEscape(scratch[:0], b[i:])
		i += max(n, 1)
	}
	return end
}

// startsReference reports whether more has to come to tell what the ampersand at the start of b stands for.
func startsReference(b []byte) bool {
	if len(b) >= longestReference || bytes.IndexByte(b, ';') >= 0 {
		return false
	}
	if len(bytes.Trim(b[1:], referenceName)) == 0 {
		return true
	}
	ended := string(b) + ";"
	return html.UnescapeString(ended) != ended
}

// referenceName are the characters that a character reference has between ampersand and semicolon.
const referenceName = "#ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// startsEscape reports whether more has to come to tell what the backslash at the start of b stands for.
func startsEscape(b []byte) bool {
	first, ok := hexRune(b)
	return startsHexRune(b) || ok && utf16.IsSurrogate(first) && startsHexRune(b[6:])
}

// startsHexRune reports whether b is the beginning of \uXXXX.
func startsHexRune(b []byte) bool {
	if len(b) >= 6 {
		return false
	}
	for i, c := range b {
		if i == 0 && c != '\\' || i == 1 && c != 'u' || i > 1 && !isHex(c) {
			return false
		}
	}
	return true
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' }

// open is where, in the view, a needle can begin that ends beyond it; its length where none can.
func (v view) open(n needle) int {
	whole := len(n.text) - 1
	if n.base64 {
		whole++ // the character behind it has to be known
	}
	longest := 0
	// Suffix and prefix are compared by sums alone. Where two are the same by chance, more is held back.
	const prime = 16777619
	var suffix, prefix, power uint32 = 0, 0, 1
	for length := 1; length <= min(whole, len(v.text)); length++ {
		suffix += power * uint32(v.text[len(v.text)-length])
		prefix = prefix*prime + uint32(n.text[length-1])
		power *= prime
		if suffix == prefix {
			longest = length
		}
	}
	from := len(v.text) - longest
	if n.base64 && from > 0 && isBase64(v.text[from-1]) {
		from--
	}
	return from
}

// original is where a byte of the view is in the original.
func (v view) original(i int) int {
	if v.at == nil {
		return i
	}
	return int(v.at[i])
}

// boundary is the last place in the original, up to cut, that is not within one of the view's escapes.
func (v view) boundary(cut int) int {
	if v.at == nil {
		return cut
	}
	i := sort.Search(len(v.at), func(i int) bool { return int(v.at[i]) > cut })
	return int(v.at[i-1])
}
