package secret

import (
	"bytes"
	"encoding/base64"
	"html"
	"iter"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"sluice/hostfuncs/egress"
)

// MaxMasked is how long a text may be for values to be looked for in it, in bytes. Longer ones are left as they are.
const MaxMasked = 1 << 20

// MinMasked is how long a value must be to be masked, in bytes: a shorter one is found in too much that has nothing to do
// with it.
const MinMasked = 4

// Mask is what stands in the place of a value.
const Mask = "[redacted]"

// Masker finds values in texts: as they are, percent-encoded, with the escapes of JSON and HTML, and within Base64. It is
// immutable.
type Masker struct {
	needles []needle
	spaces  bool    // a value holds a blank, which a form writes as a plus sign
	markup  bool    // a value holds what HTML is written with, or may be
	folded  *Masker // finds the values in whichever case their letters are; its needles are in lower case
	folds   bool    // it is such a one
}

type needle struct {
	text []byte
	// base64 says that the text is the part of an encoding that only the value decides. The characters beside it hold a
	// part of the value too: before and after are those that hold it, "" for any.
	base64        bool
	before, after string
}

// NewMasker returns a masker of values, nil where none is long enough. A nil Masker finds nothing.
func NewMasker(values []string) *Masker {
	m := &Masker{}
	for _, value := range values {
		if len(value) < MinMasked {
			continue
		}
		m.spaces = m.spaces || strings.IndexByte(value, ' ') >= 0
		m.markup = m.markup || strings.Trim(value, unreserved) != ""
		// As it is, and as it was sent: an origin can send back what it got without reading it, and that encoded once more.
		for _, form := range []string{value, inJSON(value), url.QueryEscape(value)} {
			m.add(needle{text: []byte(form)})
			for shift := range 3 {
				for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
					m.add(middle(encoding, form, shift))
				}
			}
		}
	}
	if len(m.needles) == 0 {
		return nil
	}
	for _, value := range values {
		if len(value) >= MinMasked && strings.IndexFunc(value, func(r rune) bool { return r >= utf8.RuneSelf }) >= 0 {
			m.addLatin1(value)
		}
	}
	m.folded = &Masker{spaces: m.spaces, markup: m.markup, folds: true}
	for _, n := range m.needles {
		n.text, n.before, n.after = asciiLower(n.text), string(asciiLower([]byte(n.before))), string(asciiLower([]byte(n.after)))
		m.folded.add(n)
	}
	return m
}

// unreserved are the characters that no encoding of a text as text changes.
const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

// addLatin1 adds a value as a service writes it in ISO 8859-1, where it can, and as its bytes come out of a header that holds
// others that are no UTF-8: [egress.Response] has that read as ISO 8859-1.
func (m *Masker) addLatin1(value string) {
	var read, written []byte
	for _, c := range []byte(value) {
		read = utf8.AppendRune(read, rune(c))
	}
	m.add(needle{text: read})
	for _, r := range value {
		if r > 0xff {
			return
		}
		written = append(written, byte(r))
	}
	m.add(needle{text: written})
}

// asciiLower is a copy of a text with the letters of ASCII in lower case, which leaves every byte in its place.
func asciiLower(text []byte) []byte {
	lower := bytes.Clone(text)
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c + 'a' - 'A'
		}
	}
	return lower
}

func (m *Masker) add(n needle) {
	same := func(o needle) bool { return bytes.Equal(o.text, n.text) && o.before == n.before && o.after == n.after }
	if !slices.ContainsFunc(m.needles, same) {
		m.needles = append(m.needles, n)
	}
}

// Response masks the values in a response's headers, and in its body up to MaxMasked. That takes a while for a large body
// and many values: look, unless nil, is called with about how many nanoseconds each step will take. If it panics, the
// response is of no use. The length of a body in which something was masked is not told.
func (m *Masker) Response(r *egress.Response, look func(n int)) {
	if m == nil || r == nil {
		return
	}
	for i, h := range r.Headers {
		r.Headers[i] = [2]string{m.anyCase(h[0], look), m.anyCase(h[1], look)} // names are in lower case, and hosts tend to be
	}
	if masked := m.bytes(r.Body, look); len(r.Body) > 0 && &masked[0] != &r.Body[0] {
		r.Body = masked
		r.Headers = slices.DeleteFunc(r.Headers, func(h [2]string) bool { return h[0] == "content-length" })
	}
}

// Message returns the message of a failure with the values in it masked. It can name a host, which is in lower case, whatever
// was written. locations are what peers wrote where they redirected the request: a host can have been made of a part of one,
// which can't be found any more, so that of a request whose redirects held a value nothing is told but that. look is as for
// Response.
func (m *Masker) Message(text string, locations []string, look func(n int)) string {
	if slices.ContainsFunc(locations, func(location string) bool { return m.anyCase(location, look) != location }) {
		return "the request failed where a redirect led it whose target repeats a secret: it is not named for that reason"
	}
	return m.anyCase(text, look)
}

// anyCase masks what may have lost its case.
func (m *Masker) anyCase(text string, look func(n int)) string {
	if m == nil {
		return text
	}
	return m.folded.text(text, look)
}

// Text returns a text with the values in it masked.
func (m *Masker) Text(text string) string { return m.text(text, nil) }

func (m *Masker) text(text string, look func(n int)) string {
	if m == nil {
		return text
	}
	b := []byte(text)
	masked := m.bytes(b, look)
	if len(b) == 0 || len(masked) > 0 && &masked[0] == &b[0] {
		return text
	}
	return string(masked)
}

// span is a part of a text, from its first byte to the one behind it.
type span struct{ from, to int }

// Bytes returns a text with the values in it masked: itself where there are none.
func (m *Masker) Bytes(b []byte) []byte { return m.bytes(b, nil) }

// perByte is what it takes to look for one value in one byte, in nanoseconds.
const perByte = 2

func (m *Masker) bytes(b []byte, look func(n int)) []byte {
	if m == nil || len(b) < MinMasked || len(b) > MaxMasked {
		return b
	}
	if look == nil {
		look = unpaid
	}
	var found []span
	for _, v := range m.views(b, look) {
		if m.folds {
			v.text = asciiLower(v.text)
		}
		for _, n := range m.needles {
			look(perByte * len(v.text))
			found = v.find(found, n)
		}
	}
	return covered(b, found)
}

// covered returns b with a mask in place of each of the spans, or of those together that overlap or touch: b itself where
// there are none.
func covered(b []byte, found []span) []byte {
	if len(found) == 0 {
		return b
	}
	out := make([]byte, 0, len(b))
	done := 0
	for s := range united(found) {
		out = append(append(out, b[done:s.from]...), Mask...)
		done = s.to
	}
	return append(out, b[done:]...)
}

// united are the spans in order, those in one that overlap or touch. It sorts them.
func united(found []span) iter.Seq[span] {
	slices.SortFunc(found, func(x, y span) int { return x.from - y.from })
	return func(yield func(span) bool) {
		for i := 0; i < len(found); {
			s := found[i]
			for i++; i < len(found) && found[i].from <= s.to; i++ {
				s.to = max(s.to, found[i].to)
			}
			if !yield(s) {
				return
			}
		}
	}
}

// view is one way to read a text.
type view struct {
	text []byte
	at   []int32 // where each byte of text is in the original, and the original's length; nil where it is the original
}

// views are the ways to read b: as it is, and decoded where something in it may be encoded.
func (m *Masker) views(b []byte, look func(n int)) []view {
	all := []view{{text: b}}
	if bytes.IndexByte(b, '%') >= 0 || m.spaces && bytes.IndexByte(b, '+') >= 0 {
		all = append(all, decode(b, percentEscape, look))
		if m.spaces {
			all = append(all, decode(b, formEscape, look))
		}
	}
	if bytes.IndexByte(b, '\\') >= 0 {
		all = append(all, decode(b, jsonEscape, look))
	}
	if m.markup && bytes.IndexByte(b, '&') >= 0 {
		all = append(all, decode(b, htmlEscape, look))
	}
	return all
}

// find appends where a needle is, in the original.
func (v view) find(found []span, n needle) []span {
	for from := 0; ; {
		i := bytes.Index(v.text[from:], n.text)
		if i < 0 {
			return found
		}
		s := span{from + i, from + i + len(n.text)}
		from = s.to
		if n.base64 {
			var ok bool
			if s, ok = n.beside(v.text, s); !ok {
				continue
			}
		}
		if v.at != nil {
			s = span{int(v.at[s.from]), int(v.at[s.to])}
		}
		found = append(found, s)
	}
}

// decodedPerByte is what it takes to decode a byte where all is escapes, in nanoseconds, and decodedPiece how many are between
// two calls of look.
const (
	decodedPerByte = 20
	decodedPiece   = 8 << 10
)

// decode reads b with one kind of escapes: escape returns what the one at the start of a text stands for, and how long
// it is, 0 where there is none.
func decode(b []byte, escape func(dst, b []byte) ([]byte, int), look func(n int)) view {
	v := view{text: make([]byte, 0, len(b)), at: make([]int32, 0, len(b)+1)}
	for i, looked := 0, 0; i < len(b); {
		if i >= looked {
			look(decodedPerByte * min(len(b)-i, decodedPiece))
			looked = i + decodedPiece
		}
		next, n := escape(v.text, b[i:])
		if n == 0 {
			next, n = append(v.text, b[i]), 1
		}
		for range len(next) - len(v.text) {
			v.at = append(v.at, int32(i))
		}
		v.text = next
		i += n
	}
	v.at = append(v.at, int32(len(b)))
	return v
}

func percentEscape(dst, b []byte) ([]byte, int) {
	if b[0] != '%' || len(b) < 3 {
		return dst, 0
	}
	c, err := strconv.ParseUint(string(b[1:3]), 16, 8)
	if err != nil {
		return dst, 0
	}
	return append(dst, byte(c)), 3
}

func formEscape(dst, b []byte) ([]byte, int) {
	if b[0] == '+' {
		return append(dst, ' '), 1
	}
	return percentEscape(dst, b)
}

// longestReference is longer than any character reference that is written for a character of its own, in bytes.
const longestReference = 12

// htmlEscape reads https://html.spec.whatwg.org/multipage/syntax.html#character-references
func htmlEscape(dst, b []byte) ([]byte, int) {
	if b[0] != '&' {
		return dst, 0
	}
	b = b[:min(len(b), longestReference)]
	end := bytes.IndexByte(b, ';')
	if end < 0 || bytes.IndexByte(b[1:end], '&') >= 0 {
		return dst, 0
	}
	reference := string(b[:end+1])
	text := html.UnescapeString(reference)
	if text == reference {
		return dst, 0
	}
	return append(dst, text...), end + 1
}

// jsonEscape reads https://www.rfc-editor.org/rfc/rfc8259#section-7
func jsonEscape(dst, b []byte) ([]byte, int) {
	if b[0] != '\\' || len(b) < 2 {
		return dst, 0
	}
	switch b[1] {
	case '"', '\\', '/':
		return append(dst, b[1]), 2
	case 'b':
		return append(dst, '\b'), 2
	case 'f':
		return append(dst, '\f'), 2
	case 'n':
		return append(dst, '\n'), 2
	case 'r':
		return append(dst, '\r'), 2
	case 't':
		return append(dst, '\t'), 2
	case 'u':
		first, ok := hexRune(b)
		if !ok {
			return dst, 0
		}
		if utf16.IsSurrogate(first) {
			if second, ok := hexRune(b[6:]); ok {
				return utf8.AppendRune(dst, utf16.DecodeRune(first, second)), 12
			}
		}
		return utf8.AppendRune(dst, first), 6
	}
	return dst, 0
}

// hexRune reads \uXXXX at the start of b.
func hexRune(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	r, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	return rune(r), err == nil
}
