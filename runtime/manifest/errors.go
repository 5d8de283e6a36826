package manifest

import (
	"fmt"
	"strconv"
	"strings"
)

// maxProblems bounds how many problems one Error lists: enough to mend a manifest in a round or two, and not a way for
// a guest to make the host write a megabyte.
const maxProblems = 20

// Error is returned when a document is not a manifest. It lists what is wrong in the order of the document.
type Error struct {
	// Problems holds the first 20 problems, at least one.
	Problems []Problem
	// Omitted counts the problems that were found beyond those.
	Omitted int
}

// Problem is one rule that a manifest breaks.
type Problem struct {
	// Path leads to the member, as in commands[2].parameters[0].type. It is empty for the document itself.
	Path string
	// Message says what is wrong and what to do, as the rest of a sentence that begins with the path.
	Message string
}

// Code returns the error's stable code.
func (e *Error) Code() string { return "invalid_manifest" }

// Error returns all problems in one line of text.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("the manifest is not valid: ")
	for i, p := range e.Problems {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(p.String())
	}
	if e.Omitted > 0 {
		fmt.Fprintf(&b, "; and %d more", e.Omitted)
	}
	return b.String()
}

// String returns the path and the message.
func (p Problem) String() string {
	if p.Path == "" {
		return "the document " + p.Message
	}
	return p.Path + " " + p.Message
}

// maxQuotedRunes bounds what a problem repeats of a text that is wrong; a longer one ends with an ellipsis.
const maxQuotedRunes = 64

// quote repeats a text of the manifest in a message, escaped so that it can't forge lines of a log.
func quote(s string) string {
	n := 0
	for i := range s {
		if n == maxQuotedRunes {
			return strconv.QuoteToGraphic(s[:i]) + "…"
		}
		n++
	}
	return strconv.QuoteToGraphic(s)
}
