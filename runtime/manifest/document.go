package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"sluice/internal/nearest"
)

const (
	maxDocumentBytes = 1 << 20
	// maxDepth bounds how deep arrays and objects nest. The manifest's own members need 5.
	maxDepth = 16
)

// checkText tells, as a problem's message, why b is not one strict JSON text within the bounds; "" means it is. It is
// the gate before the document: what reads the members afterwards can rely on the syntax.
//
// https://www.rfc-editor.org/rfc/rfc8259
func checkText(b []byte) string {
	switch {
	case len(b) > maxDocumentBytes:
		return fmt.Sprintf("has %d bytes; shorten it to at most %d", len(b), maxDocumentBytes)
	case len(bytes.TrimSpace(b)) == 0:
		return "is empty; write one JSON object"
	case !utf8.Valid(b):
		return "is not valid UTF-8; encode it as UTF-8"
	}
	var text json.RawMessage
	if err := json.Unmarshal(b, &text); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return fmt.Sprintf("is not strict JSON: %s (byte %d); write one JSON object and nothing after it", syntax, syntax.Offset)
		}
		return "is not strict JSON; write one JSON object and nothing after it"
	}
	return checkStructure(b)
}

// checkStructure does for valid JSON what encoding/json does not: it bounds the depth, and refuses escapes that are half
// a surrogate pair, which would silently be read as another character.
func checkStructure(b []byte) string {
	depth, inString := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			inString = !inString
		case c == '\\':
			if b[i+1] != 'u' {
				i++
				continue
			}
			n := escapeLength(b[i:])
			if n == 0 {
				return fmt.Sprintf("has half of a surrogate pair (byte %d); write the character itself", i+1)
			}
			i += n - 1
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return fmt.Sprintf("nests deeper than %d levels (byte %d); a manifest needs 5", maxDepth, i+1)
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return ""
}

// escapeLength returns the length of the \u escape, or pair of them, at the start of b, and 0 for half a pair.
func escapeLength(b []byte) int {
	const single, pair = len(`\uffff`), len(`\uffff\uffff`)
	switch high := escapedUnit(b); {
	case high < 0xd800 || high > 0xdfff:
		return single
	case high > 0xdbff || len(b) < pair || b[single] != '\\' || b[single+1] != 'u':
		return 0
	}
	if low := escapedUnit(b[single:]); low < 0xdc00 || low > 0xdfff {
		return 0
	}
	return pair
}

func escapedUnit(b []byte) uint64 {
	u, _ := strconv.ParseUint(string(b[2:6]), 16, 16)
	return u
}

// document reads a JSON text that checkText has passed, token by token, knows where it is, and collects problems.
// Nothing is built that the manifest does not keep, so memory stays in proportion to the text.
type document struct {
	decoder  *json.Decoder
	rules    Rules
	path     []step
	problems []Problem
	omitted  int
	failed   bool // the decoder gave out before the text did
}

// step is one part of a path: a member, or where the name is empty an index.
type step struct {
	name  string
	index int
}

// member is one known member of an object. read gets the first token of the value and consumes the rest of it.
type member struct {
	name string
	// want completes "add …" where a required member is missing; it is empty for optional ones.
	want string
	read func(first json.Token)
}

func newDocument(b []byte) *document {
	d := &document{decoder: json.NewDecoder(bytes.NewReader(b))}
	d.decoder.UseNumber() // a number out of range is a problem with a path, not the end of reading
	return d
}

// next returns the next token. The text is valid, so an error can only be a defect here: it becomes a problem, never
// a manifest.
func (d *document) next() json.Token {
	t, err := d.decoder.Token()
	if err != nil && !d.failed {
		d.failed = true
		d.report("can't be read to its end")
	}
	return t
}

// skip consumes the rest of a value.
func (d *document) skip(first json.Token) {
	for depth := 0; ; first = d.next() {
		switch first {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 || d.failed {
			return
		}
	}
}

// object reads an object with exactly these members, each at most once.
func (d *document) object(first json.Token, members ...member) {
	if first != json.Delim('{') {
		d.mismatch(first, "an object")
		return
	}
	var seen uint64
	for d.decoder.More() {
		key, _ := d.next().(string)
		i := 0
		for i < len(members) && members[i].name != key {
			i++
		}
		if i == len(members) {
			d.report("has the unknown member " + quote(key) + "; " + suggest(key, members))
			d.skip(d.next())
			continue
		}
		d.path = append(d.path, step{name: key})
		if seen&(1<<i) != 0 {
			d.report("appears twice; keep one of them")
			d.skip(d.next())
		} else {
			members[i].read(d.next())
		}
		d.path = d.path[:len(d.path)-1]
		seen |= 1 << i
	}
	d.next()
	for i, m := range members {
		if m.want != "" && seen&(1<<i) == 0 {
			d.reportAt(m.name, "is missing; add "+m.want)
		}
	}
}

// suggest tells what an unknown member of an object was probably meant to be.
func suggest(key string, members []member) string {
	names := make([]string, len(members))
	for i, m := range members {
		names[i] = m.name
	}
	if n := nearest.Name(key, names); n != "" {
		return "did you mean " + quote(n) + "?"
	}
	return "known are " + strings.Join(names, ", ")
}

// array reads an array of at least least and at most most elements, and skips what is beyond.
func (d *document) array(first json.Token, least, most int, what string, read func(i int, first json.Token)) {
	if first != json.Delim('[') {
		d.mismatch(first, "an array of "+what)
		return
	}
	n := 0
	for ; d.decoder.More(); n++ {
		if n >= most {
			d.skip(d.next())
			continue
		}
		d.path = append(d.path, step{index: n})
		read(n, d.next())
		d.path = d.path[:len(d.path)-1]
	}
	d.next()
	switch {
	case n > most:
		d.report(fmt.Sprintf("has %d %s; keep at most %d", n, what, most))
	case n < least:
		d.report(fmt.Sprintf("has %d %s; add at least %d", n, what, least))
	}
}

// text reads a string; ok is false where the value is something else.
func (d *document) text(first json.Token) (s string, ok bool) {
	if s, ok = first.(string); !ok {
		d.mismatch(first, "a string")
	}
	return s, ok
}

func (d *document) boolean(first json.Token) bool {
	b, ok := first.(bool)
	if !ok {
		d.mismatch(first, "true or false")
	}
	return b
}

// mismatch reports a value of the wrong JSON type and consumes it.
func (d *document) mismatch(first json.Token, want string) {
	is, advice := "a string", ""
	switch t := first.(type) {
	case nil:
		is, advice = "null", ", or leave the member out where it is optional"
	case bool:
		is = "a boolean"
	case json.Number:
		is = "a number"
	case json.Delim:
		is = "an object"
		if t == '[' {
			is = "an array"
		}
	}
	d.report("is " + is + "; make it " + want + advice)
	d.skip(first)
}

func (d *document) report(message string) {
	if len(d.problems) == maxProblems {
		d.omitted++
		return
	}
	d.problems = append(d.problems, Problem{Path: d.pathText(), Message: message})
}

// reportAt reports a problem of a member of the current value.
func (d *document) reportAt(name, message string) {
	d.path = append(d.path, step{name: name})
	d.report(message)
	d.path = d.path[:len(d.path)-1]
}

func (d *document) pathText() string {
	var b strings.Builder
	for i, s := range d.path {
		switch {
		case s.name == "":
			fmt.Fprintf(&b, "[%d]", s.index)
		case i > 0:
			b.WriteString("." + s.name)
		default:
			b.WriteString(s.name)
		}
	}
	return b.String()
}
