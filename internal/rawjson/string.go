package rawjson

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

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
			out = append(out, inner[i])
			i++
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
func AppendString(dst []byte, text string) []byte {
	dst = append(dst, '"')
	clean := 0 // text[clean:i] needs no escape and is not yet in dst
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			if c >= 0x20 && c != '"' && c != '\\' {
				i++
				continue
			}
			dst = append(dst, text[clean:i]...)
			switch c {
			case '"', '\\':
				dst = append(dst, '\\', c)
			case '\n':
				dst = append(dst, '\\', 'n')
			case '\r':
				dst = append(dst, '\\', 'r')
			case '\t':
				dst = append(dst, '\\', 't')
			default:
				dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
			}
			i++
			clean = i
			continue
		}
		r, n := utf8.DecodeRuneInString(text[i:])
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
