package module

import "strings"

// isText reports whether the file begins like the WebAssembly text format: an opening parenthesis and a
// keyword, behind white space and comments.
func isText(b []byte) bool {
	const look = 4096
	s := string(b[:min(len(b), look)])
	s = strings.TrimPrefix(s, "\ufeff")
	for {
		s = strings.TrimLeft(s, " \t\r\n")
		switch {
		case strings.HasPrefix(s, ";;"):
			_, rest, found := strings.Cut(s, "\n")
			if !found {
				return true
			}
			s = rest
		case strings.HasPrefix(s, "(;"):
			_, rest, found := strings.Cut(s, ";)")
			if !found {
				return true
			}
			s = rest
		default:
			s, found := strings.CutPrefix(s, "(")
			s = strings.TrimLeft(s, " \t\r\n")
			return found && (strings.HasPrefix(s, "module") || strings.HasPrefix(s, "component"))
		}
	}
}
