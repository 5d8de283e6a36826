package secret

import (
	"bytes"
	"slices"
	"strings"
)

// maxValueLines bounds how many lines of values are looked for: each is, in all that is logged.
const maxValueLines = 1024

// LogMasker keeps values out of what is logged of one call. It finds what a [Masker] finds, and a value of several lines
// also where it is logged line by line, or a line of it alone. It is immutable.
type LogMasker struct {
	values   *Masker
	unbroken []needle // values of several lines, without the line breaks
	lines    []needle // of such values
}

// NewLogMasker returns a masker of values, nil where none is long enough. It is false where they have too many lines to
// look for.
func NewLogMasker(values []string) (m *LogMasker, ok bool) {
	m = &LogMasker{values: NewMasker(values)}
	seen := make(map[string]bool)
	for _, value := range values {
		if len(value) < MinMasked || !strings.ContainsAny(value, lineBreaks) {
			continue
		}
		lines := strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(lineBreaks, r) })
		m.unbroken = append(m.unbroken, needle{text: []byte(strings.Join(lines, ""))})
		for _, line := range lines {
			if line = strings.TrimSpace(line); len(line) < MinMasked || seen[line] {
				continue
			}
			if len(seen) == maxValueLines {
				return nil, false
			}
			seen[line] = true
			m.lines = append(m.lines, needle{text: []byte(line)})
		}
	}
	m.unbroken = slices.DeleteFunc(m.unbroken, func(n needle) bool { return len(n.text) < MinMasked })
	if m.values == nil {
		return nil, true
	}
	return m, true
}

// lineBreaks are what a guest, or its kit, breaks a text at that it logs. None of them is part of a line.
const lineBreaks = "\r\n"

// Text returns a text with the values in it masked.
func (m *LogMasker) Text(text string) string {
	if m == nil || len(text) < MinMasked || len(text) > MaxMasked {
		return text
	}
	return string(m.mask([]byte(text)))
}

// Lines returns the lines of a log with the values in them masked. Lines that a value goes over become one.
func (m *LogMasker) Lines(lines []string) []string {
	if m == nil || len(lines) == 0 {
		return lines
	}
	return strings.Split(m.Text(strings.Join(lines, "\n")), "\n")
}

func (m *LogMasker) mask(b []byte) []byte {
	var found []span
	for _, v := range m.values.views(b, unpaid) {
		found = v.findAll(found, m.values.needles)
	}
	found = view{text: b}.findAll(found, m.lines)
	if bytes.ContainsAny(b, lineBreaks) {
		v := decode(b, lineBreak, unpaid)
		found = v.findAll(v.findAll(found, m.values.needles), m.unbroken)
	}
	// What stands before a value, and behind it, is in lines of its own.
	for i, s := range found {
		for ; s.to > s.from && strings.IndexByte(lineBreaks, b[s.to-1]) >= 0; s.to-- {
		}
		for ; s.from < s.to && strings.IndexByte(lineBreaks, b[s.from]) >= 0; s.from++ {
		}
		found[i] = s
	}
	return covered(b, slices.DeleteFunc(found, func(s span) bool { return s.from == s.to }))
}

// findAll appends where needles are, in the original.
func (v view) findAll(found []span, needles []needle) []span {
	for _, n := range needles {
		found = v.find(found, n)
	}
	return found
}

// lineBreak reads a line break as nothing.
func lineBreak(dst, b []byte) ([]byte, int) {
	if strings.IndexByte(lineBreaks, b[0]) >= 0 {
		return dst, 1
	}
	return dst, 0
}
