package secret

import (
	"encoding/base64"
	"strings"
)

// middle is the part of the Base64 of a text that holds a value, with so many bytes before it modulo 3, that is the same
// whatever stands around the value.
func middle(encoding *base64.Encoding, value string, shift int) needle {
	encoded := encoding.EncodeToString(append(make([]byte, shift), value...))
	from, to := (8*shift+5)/6, 8*(shift+len(value))/6
	n := needle{text: []byte(encoded[from:to]), base64: true}
	if bits := 6*from - 8*shift; bits > 0 { // of the value, the last of the character before
		n.before = endings[bits][sextet(encoded[from-1])]
	}
	if bits := 8*(shift+len(value)) - 6*to; bits > 0 { // the first of the one after
		n.after = beginnings[bits][sextet(encoded[to])]
	}
	return n
}

// alphabets are the characters of both encodings, those of the same number 64 apart.
const (
	alphabet  = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	alphabets = alphabet + "+/" + alphabet + "-_"
)

// sextet is the number of a character.
func sextet(c byte) int { return strings.IndexByte(alphabets, c) % 64 }

// endings are, by a count of bits and a number, the characters whose number ends with the same bits; beginnings those whose
// number begins with them. Two or four bits of a value can stand in a character. Both are read only.
var endings, beginnings = func() (ends, begins [5][64]string) {
	for _, bits := range []int{2, 4} {
		for number := range 64 {
			for i := range len(alphabets) {
				c, other := alphabets[i:i+1], i%64
				if (other^number)&(1<<bits-1) == 0 && !strings.Contains(ends[bits][number], c) {
					ends[bits][number] += c
				}
				if (other^number)>>(6-bits) == 0 && !strings.Contains(begins[bits][number], c) {
					begins[bits][number] += c
				}
			}
		}
	}
	return ends, begins
}()

// beside adds the characters beside the middle of an encoding, and reports whether they hold what the value has there. Where
// an encoding was cut off they do not tell.
func (n *needle) beside(text []byte, s span) (span, bool) {
	if s.from > 0 && isBase64(text[s.from-1]) {
		s.from--
		if n.before != "" && strings.IndexByte(n.before, text[s.from]) < 0 {
			return s, false
		}
	}
	if s.to < len(text) && isBase64(text[s.to]) {
		if n.after != "" && strings.IndexByte(n.after, text[s.to]) < 0 {
			return s, false
		}
		s.to++
	}
	return s, true
}

func isBase64(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/' || c == '-' || c == '_'
}
