package main

import (
	"fmt"
	"strings"
	"unicode"
)

// shown is text from elsewhere, fit for one line of a terminal: line breaks, with which it could say things in Sluice's name,
// control characters, which act there, and marks that turn or hide what stands beside them are written as escapes.
func shown(text string) string { return escaped(text, "", terminalEscape) }

// shownLines is shown for text that may have lines of its own.
func shownLines(text string) string { return escaped(text, "\n\t", terminalEscape) }

// escaped replaces the characters of a text that are seen by nobody, but those that are allowed.
func escaped(text, allowed string, escape func(r rune) string) string {
	var out strings.Builder
	for _, r := range text {
		if unicode.IsGraphic(r) || strings.ContainsRune(allowed, r) {
			out.WriteRune(r)
		} else {
			out.WriteString(escape(r))
		}
	}
	return out.String()
}

func terminalEscape(r rune) string {
	switch {
	case r == '\n':
		return `\n`
	case r == '\t':
		return `\t`
	case r > 0xffff:
		return fmt.Sprintf(`\U%08x`, r)
	}
	return fmt.Sprintf(`\u%04x`, r)
}
