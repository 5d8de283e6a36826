package egress

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxDecodings is how often a path may be encoded. What is encoded more often is meant for nobody.
const maxDecodings = 4

// plainPath reports whether every server reads a path's segments as they are written, however often it decodes them: a rule
// with a path holds only for such. Servers are known to resolve dot segments that are percent-encoded, overlong, or in
// full-width characters, and those that are left when path parameters, a query, blanks or control characters are cut off; to
// take an encoded slash or a backslash for a separator; and to end a request where an encoded line break is.
//
// See https://www.rfc-editor.org/rfc/rfc3986#section-5.2.4
func plainPath(path string) bool {
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c <= ' ' || c >= 0x7f:
			return false
		case c == '%' && !isEscape(path[i:]):
			return false
		}
	}
	separators, dots := strings.Count(path, "/"), strings.Count(path, ".")
	for range maxDecodings {
		if strings.Count(path, "/") != separators || !plainSegments(path) {
			return false
		}
		decoded := decodePath(path)
		if decoded == path {
			return true
		}
		if strings.Count(decoded, ".") != dots || !utf8.ValidString(decoded) || strings.ContainsFunc(decoded, misread) {
			return false
		}
		path = norm.NFKC.String(decoded)
		dots = strings.Count(path, ".")
	}
	return false
}

// plainSegments reports whether no segment of a path can be read as one of dots, and none holds what moves between them.
func plainSegments(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if strings.IndexByte(segment, '\\') >= 0 || hasUnicodeEscape(segment) {
			return false
		}
		if i := strings.IndexAny(segment, ";?#"); i >= 0 {
			segment = segment[:i]
		}
		dots := 0
		for _, c := range segment {
			if c != '.' && unicode.IsGraphic(c) && !unicode.IsSpace(c) {
				dots = 0
				break
			}
			if c == '.' {
				dots++
			}
		}
		if dots > 0 {
			return false
		}
	}
	return true
}

// misread reports whether some server takes a character of a decoded path for another one: control characters are cut off
// or end a line, and these become slashes in code pages of one byte, which normalising does not show.
func misread(c rune) bool {
	return unicode.IsControl(c) || c == '\u2044' || c == '\u2215' || c == '\u2216' || c == '\u29f8'
}

// decodePath decodes once. A percent sign that begins no encoding stays.
func decodePath(path string) string {
	if strings.IndexByte(path, '%') < 0 {
		return path
	}
	out := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		if path[i] == '%' && isEscape(path[i:]) {
			out = append(out, unhex(path[i+1])<<4|unhex(path[i+2]))
			i += 2
			continue
		}
		out = append(out, path[i])
	}
	return string(out)
}

// isEscape reports whether s begins with a percent-encoding.
func isEscape(s string) bool { return len(s) >= 3 && s[0] == '%' && isHex(s[1]) && isHex(s[2]) }

// hasUnicodeEscape reports whether s holds a %uXXXX, which some servers decode and no specification has.
func hasUnicodeEscape(s string) bool {
	for i := strings.IndexByte(s, '%'); i >= 0 && i+6 <= len(s); {
		if s[i+1]|0x20 == 'u' && isHex(s[i+2]) && isHex(s[i+3]) && isHex(s[i+4]) && isHex(s[i+5]) {
			return true
		}
		next := strings.IndexByte(s[i+1:], '%')
		if next < 0 {
			return false
		}
		i += 1 + next
	}
	return false
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

// steering reports whether services are known to take a request for one of another path or method because of a header of
// this name, or to read by it what is at another path, as stores of objects do (x-amz-copy-source, x-ms-copy-source …). What
// reads headers as CGI does takes an underscore for a hyphen.
func steering(name string) bool {
	name = strings.ToLower(strings.ReplaceAll(name, "_", "-"))
	switch name {
	case "x-original-url", "x-rewrite-url", "x-http-method-override", "x-http-method", "x-method-override", "x-copy-from":
		return true
	}
	return strings.HasSuffix(name, "-copy-source") || strings.HasSuffix(name, "-rename-source")
}

// Steered returns the name of a header by which a service could take a request past the rule's path or methods, "" where
// there is none.
func (r Rule) Steered(headers [][2]string) string {
	if r.path == "" && r.methods == 0 {
		return ""
	}
	for _, h := range headers {
		if steering(h[0]) {
			return h[0]
		}
	}
	return ""
}
