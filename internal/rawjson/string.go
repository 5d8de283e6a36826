package rawjson

import (
	"bytes"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// plain returns the index, from i on, of the first byte that does not stand for itself in a JSON string (a control
// character, a quote, a backslash, a byte outside ASCII), or len(text). It looks at eight bytes at a time: texts are
// most of what is scanned.
func plain[T string | []byte](text T, i int) int {
	rest := text[i:]
	for ; len(rest) >= 8; rest = rest[8:] {
		if at := special(eight(rest)); at != 0 {
			return len(text) - len(rest) + bits.TrailingZeros64(at)/8
		}
	}
	for len(rest) > 0 && isPlain(rest[0]) {
		rest = rest[1:]
	}
	return len(text) - len(rest)
}

func isPlain(c byte) bool { return c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf }

// eight returns the first eight bytes, the first of all in the lowest bits. The compiler makes one load of it.
func eight[T string | []byte](text T) uint64 {
	_ = text[7]
	return uint64(text[0]) | uint64(text[1])<<8 | uint64(text[2])<<16 | uint64(text[3])<<24 |
		uint64(text[4])<<32 | uint64(text[5])<<40 | uint64(text[6])<<48 | uint64(text[7])<<56
}

// special sets the highest bit of each byte of w that is not plain. Borrows can set it for bytes above such a byte too;
// the lowest one is right.
//
// See https://graphics.stanford.edu/~seander/bithacks.html#HasLessInWord
func special(w uint64) uint64 {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	quote, backslash := w^ones*'"', w^ones*'\\'
	control := (w - ones*0x20) &^ w
	return (w | control | (quote-ones)&^quote | (backslash-ones)&^backslash) & highs
}

// Unquote returns the text of a JSON string, given with its quotes and already checked by Value or Members. A lone
// surrogate becomes U+FFFD. The result aliases quoted unless there are escapes in it.
func Unquote(quoted []byte) []byte {
	inner := quoted[1 : len(quoted)-1]
	i := bytes.IndexByte(inner, '\\')
	if i < 0 {
		return inner
	}
	out := make([]byte, i, len(inner))
	copy(out, inner)
	for i < len(inner) {
		if inner[i] != '\\' {
			rest := inner[i:]
			if n := bytes.IndexByte(rest, '\\'); n >= 0 {
				rest = rest[:n]
			}
			out = append(out, rest...)
			i += len(rest)
			continue
		}
		switch c := inner[i+1]; c {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r := unit(inner[i:])
			i += 6
			if utf16.IsSurrogate(r) {
				if low := unit(inner[i:]); utf16.DecodeRune(r, low) != utf8.RuneError {
					r = utf16.DecodeRune(r, low)
					i += 6
				}
			}
			out = utf8.AppendRune(out, r) // a lone surrogate is appended as U+FFFD
			continue
		default:
			out = append(out, c)
		}
		i += 2
	}
	return out
}

// unit returns the UTF-16 code unit of the \uXXXX that b begins with, or -1.
func unit(b []byte) rune {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return -1
	}
	return hexValue(b[2])<<12 | hexValue(b[3])<<8 | hexValue(b[4])<<4 | hexValue(b[5])
}

const hexDigits = "0123456789abcdef"

// AppendString appends text as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD. Only what JSON
// demands is escaped, and U+2028 and U+2029, which would end a line in older JavaScript.
func AppendString[T string | []byte](dst []byte, text T) []byte {
	dst = append(dst, '"')
	clean := 0 // text[clean:i] needs no escape and is not yet in dst
	for i := plain(text, 0); i < len(text); i = plain(text, i) {
		c := text[i]
		if c < utf8.RuneSelf {
			dst = append(dst, text[clean:i]...)
			dst = appendEscape(dst, c)
			i++
			clean = i
			continue
		}
		// What is converted is short, and stays on the stack.
		r, n := utf8.DecodeRuneInString(string(text[i:min(i+utf8.UTFMax, len(text))]))
		if (r == utf8.RuneError && n == 1) || r == '\u2028' || r == '\u2029' {
			dst = append(dst, text[clean:i]...)
			switch r {
			case '\u2028':
				dst = append(dst, `\u2028`...)
			case '\u2029':
				dst = append(dst, `\u2029`...)
			default:
				dst = append(dst, "\ufffd"...)
			}
			clean = i + n
		}
		i += n
	}
	dst = append(dst, text[clean:]...)
	return append(dst, '"')
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
}
