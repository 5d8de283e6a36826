package doctest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sluice/hostfuncs/egress"
	"sluice/runtime/envelope"
)

// row is a row of a table: its cells.
type row []string

// codes are what stands between back quotes in the first cell.
func (r row) codes() []string {
	var out []string
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(r[0], -1) {
		out = append(out, m[1])
	}
	return out
}

// sections are the rows of a page's tables by the heading that they stand under.
func sections(page string) map[string][]row {
	out := make(map[string][]row)
	heading := ""
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		if title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
			heading = title
		}
		if strings.HasPrefix(line, "| `") {
			var r row
			for cell := range strings.SplitSeq(strings.Trim(line, "|"), " | ") {
				r = append(r, strings.TrimSpace(cell))
			}
			out[heading] = append(out[heading], r)
		}
	}
	return out
}

// strings in a Go file that fit a pattern, from its constants, or everywhere.
func literals(t *testing.T, file string, constantsOnly bool, pattern string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	fits := regexp.MustCompile(pattern)
	var out []string
	ast.Inspect(parsed, func(n ast.Node) bool {
		if d, ok := n.(*ast.GenDecl); ok && constantsOnly && d.Tok != token.CONST || isFunction(n) && constantsOnly {
			return false
		}
		if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
			if text, err := strconv.Unquote(l.Value); err == nil && fits.MatchString(text) {
				out = append(out, text)
			}
		}
		return true
	})
	if len(out) == 0 {
		t.Fatalf("%s holds no codes", file)
	}
	return out
}

func isFunction(n ast.Node) bool { _, ok := n.(*ast.FuncDecl); return ok }

// matches are the first groups of a pattern in files of other languages.
func matches(t *testing.T, pattern, files string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, files))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: there is no such file (%v)", files, err)
	}
	var out []string
	for _, path := range paths {
		name, err := filepath.Rel(root, path)
		if err != nil {
			t.Fatal(err)
		}
		text, _, _ := strings.Cut(readPage(t, name), "#[cfg(test)]")
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			out = append(out, m[1])
		}
	}
	return out
}

const lowerSnake = `^[a-z][a-z0-9]*(_[a-z0-9]+)*$`

// TestErrors holds docs/ERRORS.md against the sources: every code there is, and no other, under its heading.
func TestErrors(t *testing.T) {
	crashes := []string{string(envelope.Trap), string(envelope.Exit), string(envelope.BadOutput)}
	calls := without(literals(t, "runtime/envelope/code.go", true, lowerSnake), crashes...)
	http := append(without(literals(t, "hostfuncs/egress/errors.go", true, lowerSnake),
		string(egress.CodeEnded), egress.FieldMethod, egress.FieldURL, egress.FieldHeaders), "request_too_large")
	connections := literals(t, "hostfuncs/egress/conn.go", true, lowerSnake)
	const rust = `(?:Error::new\(|=> (?:\{\s*)?\(?)"([a-z]+_[a-z_]+|invalid)"`
	kits := slices.Concat(
		literals(t, "guest-sdk/go/errors.go", true, lowerSnake),
		without(matches(t, rust, "guest-sdk/rust/src/*.rs"), http...),
		without(matches(t, rust, "guest-sdk/rust/src/tcp/*.rs"), slices.Concat(http, connections)...),
	)
	connector := append(matches(t, `"([A-Z][A-Za-z_]{5,})"`, "modules/http/src/v[12].rs"), "HttpError<status>")
	management := slices.Concat(
		without(literals(t, "runtime/refusal.go", true, lowerSnake)),
		without(literals(t, "runtime/module/errors.go", true, lowerSnake), "header"),
		[]string{"unauthorized", "operator_only"},
	)
	got := sections(readPage(t, "docs/ERRORS.md"))
	for heading, want := range map[string][]string{
		"Requests and calls":          calls,
		"Why a connector crashed":     crashes,
		"HTTP requests of connectors": http,
		"Connections":                 connections,
		"The connector http":          connector,
		"The kits":                    kits,
		"Management":                  management,
	} {
		there := make(map[string]bool)
		for _, r := range got[heading] {
			for _, code := range r.codes() {
				there[code] = true
				if !slices.Contains(want, code) {
					t.Errorf("%q lists %s, which the sources do not have", heading, code)
				}
			}
		}
		for _, code := range slices.Compact(slices.Sorted(slices.Values(want))) {
			if !there[code] {
				t.Errorf("%q lacks %s", heading, code)
			}
		}
		delete(got, heading)
	}
	if len(got) > 0 {
		t.Errorf("codes stand under headings that nothing is held against: %q", slices.Sorted(maps.Keys(got)))
	}
}

// TestErrors_Rules compares the statuses and retries that the page names with those that the code has.
func TestErrors_Rules(t *testing.T) {
	page := sections(readPage(t, "docs/ERRORS.md"))
	for _, r := range slices.Concat(page["Requests and calls"], page["Why a connector crashed"]) {
		code := envelope.Code(r.codes()[0])
		retry := map[bool]string{true: "yes", false: "no"}[code.Retryable()]
		if r[1] != strconv.Itoa(code.Status()) || r[2] != retry {
			t.Errorf("%s is documented with %s and retry %s, want %d and %s", code, r[1], r[2], code.Status(), retry)
		}
	}
}

func without(all []string, some ...string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return slices.Contains(some, s) })
}
