// Package rawjson reads strict JSON (RFC 8259) without decoding it: it finds where values begin and end, so that
// they can be passed on byte for byte. Numbers keep their digits, strings their escapes, objects their order.
//
// It takes what encoding/json takes, and refuses two things more: strings that are not valid UTF-8, and nesting
// deeper than the caller allows. Nothing here allocates unless a string has escapes, and no error quotes the input,
// which may hold secrets.
package rawjson

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"
)

// MaxDepth is how deep arrays and objects may nest where a caller has no reason for another bound. Readers of other
// languages recurse on what we pass on; Python's gives up at about 1,000.
const MaxDepth = 512

// SyntaxError says where, never what: Offset counts bytes from the beginning of the text.
type SyntaxError struct {
	Offset int
	Reason string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("not valid JSON at byte %d: %s", e.Offset, e.Reason)
}

// ErrNotObject is returned by Members for a text whose value is something other than an object, ErrNotArray by Elements
// for one that is no array.
var (
	ErrNotObject = errors.New("not a JSON object")
	ErrNotArray  = errors.New("not a JSON array")
)

// Kind is the type of a JSON value, told by its first byte.
type Kind byte

// The kinds of JSON values. Invalid is what KindOf says of an empty slice.
const (
	Invalid Kind = 0
	Null    Kind = 'n'
	Bool    Kind = 't'
	Number  Kind = '0'
	String  Kind = '"'
	Array   Kind = '['
	Object  Kind = '{'
)

// KindOf returns the kind of a value without leading white space, as Members and Valid hand them out.
func KindOf(value []byte) Kind {
	if len(value) == 0 {
		return Invalid
	}
	switch c := value[0]; c {
	case '"', '[', '{', 'n':
		return Kind(c)
	case 't', 'f':
		return Bool
	default:
		return Number
	}
}

// Value checks that text is one JSON value, with nothing but white space around it, and returns that value trimmed.
// The result aliases text.
func Value(text []byte, maxDepth int) ([]byte, error) {
	s := scanner{b: text, max: maxDepth}
	start := s.space(0)
	end, err := s.value(start)
	if err != nil {
		return nil, err
	}
	if rest := s.space(end); rest != len(text) {
		return nil, s.fail(rest, "text after the value")
	}
	return text[start:end], nil
}

// Check is [Value] for those who must not be away for long: about every piece bytes, and at the end, it calls look with how
// many it has gone over since. A look that panics ends it.
func Check(text []byte, maxDepth, piece int, look func(n int)) error {
	s := scanner{b: text, max: maxDepth, piece: piece, look: look}
	end, err := s.value(s.space(0))
	if err == nil {
		if end = s.space(end); end != len(text) {
			err = s.fail(end, "text after the value")
		}
	}
	look(max(end-s.seen, 0))
	return err
}

// Trim returns text without the white space around its value. It aliases text.
func Trim(text []byte) []byte { return bytes.Trim(text, " \t\r\n") }

// Members calls visit for each member of the object that text is, in order, duplicates included. key is the member's
// name with escapes resolved, value its raw text; both are valid during the visit only if text stays unchanged, and
// alias it where they can. An error of visit ends the scan and is returned as it is.
func Members(text []byte, maxDepth int, visit func(key, value []byte) error) error {
	s := scanner{b: text, max: maxDepth}
	return s.whole('{', ErrNotObject, func(i int) (int, error) { return s.object(i, visit) })
}

// Elements calls visit for each element of the array that text is, in order. value is as Members hands it out.
func Elements(text []byte, maxDepth int, visit func(value []byte) error) error {
	s := scanner{b: text, max: maxDepth}
	return s.whole('[', ErrNotArray, func(i int) (int, error) { return s.array(i, visit) })
}

// whole scans a text that must be one value, begun by open, with nothing but white space around it.
func (s *scanner) whole(open byte, other error, scan func(i int) (int, error)) error {
	i := s.space(0)
	if i >= len(s.b) {
		return s.fail(i, "")
	}
	if s.b[i] != open {
		if _, err := Value(s.b, s.max); err != nil {
			return err
		}
		return other
	}
	end, err := scan(i)
	if err != nil {
		return err
	}
	if rest := s.space(end); rest != len(s.b) {
		return s.fail(rest, "text after the value")
	}
	return nil
}

type scanner struct {
	b     []byte
	depth int
	max   int

	look  func(n int) // or nil
	piece int
	seen  int // up to here look knows of it
}

// pass says that the scan has come to i.
func (s *scanner) pass(i int) {
	if s.look != nil && i-s.seen >= s.piece {
		n := i - s.seen
		s.seen = i
		s.look(n)
	}
}

func (s *scanner) fail(at int, reason string) error {
	if at >= len(s.b) {
		reason = "the text ends too early"
	}
	return &SyntaxError{Offset: at, Reason: reason}
}

func (s *scanner) space(i int) int {
	for i < len(s.b) && (s.b[i] == ' ' || s.b[i] == '\n' || s.b[i] == '\r' || s.b[i] == '\t') {
		i++
	}
	return i
}

// value returns the index after the value that begins at i.
func (s *scanner) value(i int) (int, error) {
	if i >= len(s.b) {
		return i, s.fail(i, "")
	}
	s.pass(i)
	switch c := s.b[i]; {
	case c == '"':
		return s.str(i)
	case c == '{':
		return s.object(i, nil)
	case c == '[':
		return s.array(i, nil)
	case c == '-' || (c >= '0' && c <= '9'):
		return s.number(i)
	case c == 't':
		return s.word(i, "true")
	case c == 'f':
		return s.word(i, "false")
	case c == 'n':
		return s.word(i, "null")
	}
	return i, s.fail(i, "no value begins here")
}

func (s *scanner) word(i int, word string) (int, error) {
	if len(s.b)-i < len(word) || string(s.b[i:i+len(word)]) != word {
		return i, s.fail(i, "no value begins here")
	}
	return i + len(word), nil
}

func (s *scanner) object(i int, visit func(key, value []byte) error) (int, error) {
	if s.depth++; s.depth > s.max {
		return i, s.fail(i, "nested too deeply")
	}
	i = s.space(i + 1)
	if i < len(s.b) && s.b[i] == '}' {
		s.depth--
		return i + 1, nil
	}
	for {
		if i >= len(s.b) || s.b[i] != '"' {
			return i, s.fail(i, "a member's name in double quotes is expected")
		}
		end, err := s.str(i)
		if err != nil {
			return end, err
		}
		quoted := s.b[i:end]
		if i = s.space(end); i >= len(s.b) || s.b[i] != ':' {
			return i, s.fail(i, "a colon is expected")
		}
		start := s.space(i + 1)
		if end, err = s.value(start); err != nil {
			return end, err
		}
		if visit != nil {
			if err := visit(Unquote(quoted), s.b[start:end]); err != nil {
				return end, err
			}
		}
		if i = s.space(end); i >= len(s.b) {
			return i, s.fail(i, "")
		}
		switch s.b[i] {
		case ',':
			i = s.space(i + 1)
		case '}':
			s.depth--
			return i + 1, nil
		default:
			return i, s.fail(i, "a comma or the object's end is expected")
		}
	}
}

func (s *scanner) array(i int, visit func(value []byte) error) (int, error) {
	if s.depth++; s.depth > s.max {
		return i, s.fail(i, "nested too deeply")
	}
	i = s.space(i + 1)
	if i < len(s.b) && s.b[i] == ']' {
		s.depth--
		return i + 1, nil
	}
	for {
		end, err := s.value(i)
		if err != nil {
			return end, err
		}
		if visit != nil {
			if err := visit(s.b[i:end]); err != nil {
				return end, err
			}
		}
		if i = s.space(end); i >= len(s.b) {
			return i, s.fail(i, "")
		}
		switch s.b[i] {
		case ',':
			i = s.space(i + 1)
		case ']':
			s.depth--
			return i + 1, nil
		default:
			return i, s.fail(i, "a comma or the array's end is expected")
		}
	}
}

// str returns the index after the string whose opening quote is at i.
func (s *scanner) str(i int) (int, error) {
	for i = plain(s.b, i+1); i < len(s.b); i = plain(s.b, i) {
		s.pass(i)
		switch c := s.b[i]; {
		case c == '"':
			return i + 1, nil
		case c == '\\':
			n, err := s.escape(i)
			if err != nil {
				return i, err
			}
			i += n
		case c < 0x20:
			return i, s.fail(i, "a control character in a string")
		default:
			r, n := utf8.DecodeRune(s.b[i:])
			if r == utf8.RuneError && n == 1 {
				return i, s.fail(i, "a string that is not UTF-8")
			}
			i += n
		}
	}
	return i, s.fail(i, "")
}

// escape returns the length of the escape sequence at i.
func (s *scanner) escape(i int) (int, error) {
	if i+1 >= len(s.b) {
		return 0, s.fail(i+1, "")
	}
	switch s.b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2, nil
	case 'u':
		for k := i + 2; k < i+6; k++ {
			if k >= len(s.b) || hexValue(s.b[k]) < 0 {
				return 0, s.fail(k, "four hexadecimal digits are expected")
			}
		}
		return 6, nil
	}
	return 0, s.fail(i+1, "no such escape sequence")
}

func (s *scanner) number(i int) (int, error) {
	if s.b[i] == '-' {
		i++
	}
	switch {
	case i >= len(s.b):
		return i, s.fail(i, "")
	case s.b[i] == '0':
		i++
	case s.b[i] >= '1' && s.b[i] <= '9':
		i = s.digits(i)
	default:
		return i, s.fail(i, "a digit is expected")
	}
	if i < len(s.b) && s.b[i] == '.' {
		after := s.digits(i + 1)
		if after == i+1 {
			return after, s.fail(after, "a digit is expected")
		}
		i = after
	}
	if i < len(s.b) && (s.b[i] == 'e' || s.b[i] == 'E') {
		i++
		if i < len(s.b) && (s.b[i] == '+' || s.b[i] == '-') {
			i++
		}
		after := s.digits(i)
		if after == i {
			return after, s.fail(after, "a digit is expected")
		}
		i = after
	}
	return i, nil
}

func (s *scanner) digits(i int) int {
	for i < len(s.b) && s.b[i] >= '0' && s.b[i] <= '9' {
		i++
	}
	return i
}

func hexValue(c byte) rune {
	switch {
	case c >= '0' && c <= '9':
		return rune(c - '0')
	case c >= 'a' && c <= 'f':
		return rune(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return rune(c-'A') + 10
	}
	return -1
}
