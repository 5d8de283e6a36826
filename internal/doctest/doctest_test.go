package doctest

import (
	"strings"
	"testing"
)

// fenced writes pages in Go, whose raw strings hold no back quotes.
func fenced(page string) string { return strings.ReplaceAll(page, "~~~", "```") }

func TestParse(t *testing.T) {
	tests := []struct {
		name, page string
		want       []Block
	}{
		{"no block", "# A page\n\ntext `code`\n", nil},
		{"commands", "text\n~~~sh\na\nb\n~~~\n", []Block{{Kind: Run, Line: 3, Text: "a\nb"}}},
		{"for the eye", "~~~console\na\n~~~\n~~~\nb\n~~~\n~~~json\n{}\n~~~", []Block{{Line: 2, Text: "a"}, {Line: 5, Text: "b"}, {Line: 8, Text: "{}"}}},
		{"server by make", "~~~sh\nmake run     # serves\n~~~", []Block{{Kind: Serve, Line: 2, Text: "make run     # serves"}}},
		{"server", "~~~sh\nA=b ./bin/sluice serve --dev\n~~~", []Block{{Kind: Serve, Line: 2, Text: "A=b ./bin/sluice serve --dev"}}},
		{"no server after all", "~~~sh\nA= ./bin/sluice serve # exits with 2\n~~~", []Block{{Kind: Run, Line: 2, Text: "A= ./bin/sluice serve # exits with 2"}}},
		{"help of the server", "~~~sh\n./bin/sluice serve --help\n~~~", []Block{{Kind: Run, Line: 2, Text: "./bin/sluice serve --help"}}},
		{
			"output", "~~~sh\na\n~~~\n~~~text\nb\n~~~\n~~~text\nc\n~~~",
			[]Block{{Kind: Run, Line: 2, Text: "a", Expected: &Expectation{Text: "b"}}, {Line: 8, Text: "c"}},
		},
		{
			"output after a colon", "~~~sh\na\n~~~\n\nIt prints:\n\n~~~json\n{}\n~~~",
			[]Block{{Kind: Run, Line: 2, Text: "a", Expected: &Expectation{Text: "{}", JSON: true}}},
		},
		{"another text", "~~~sh\na\n~~~\nSomething else.\n~~~json\n{}\n~~~", []Block{{Kind: Run, Line: 2, Text: "a"}, {Line: 6, Text: "{}"}}},
		{"no output of a server", "~~~sh\nmake run\n~~~\n~~~text\nb\n~~~", []Block{{Kind: Serve, Line: 2, Text: "make run"}, {Line: 5, Text: "b"}}},
		{"file", "~~~yaml\n# a/b.yaml\nc: d\n~~~", []Block{{Kind: Create, Line: 2, File: "a/b.yaml", Text: "c: d\n"}}},
		{"file of Go", "~~~go\n// a.go\npackage a\n~~~", []Block{{Kind: Create, Line: 2, File: "a.go", Text: "// a.go\n\npackage a\n"}}},
		{"no file", "~~~yaml\n# a comment\nc: d\n~~~", []Block{{Line: 2, Text: "# a comment\nc: d"}}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			got, err := Parse(fenced(tc.page))
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(tc.want) {
				t.Fatalf("got %d blocks, want %d", len(got), len(tc.want))
			}
			for i, b := range got {
				g, w := *b, tc.want[i]
				if (g.Expected == nil) != (w.Expected == nil) || g.Expected != nil && *g.Expected != *w.Expected {
					t.Errorf("block %d expects %+v, want %+v", i, g.Expected, w.Expected)
				}
				if g.Expected, w.Expected = nil, nil; g != w {
					t.Errorf("block %d is %+v, want %+v", i, g, w)
				}
			}
		})
	}
}

func TestParse_Errors(t *testing.T) {
	if _, err := Parse(fenced("~~~sh\na\n")); err == nil || err.Error() != "line 1: the block is not closed" {
		t.Errorf("got %v", err)
	}
}

func TestExitStatus(t *testing.T) {
	for text, want := range map[string]int{"a": 0, "a # exits with 1": 1, "a # exits with 1\nb": 0, "a\nb  # exits with 22": 22} {
		if got := (&Block{Text: text}).ExitStatus(); got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
	}
}

func TestMatches(t *testing.T) {
	tests := []struct {
		expected Expectation
		output   string
		want     bool
	}{
		{Expectation{Text: "a"}, "a\n", true},
		{Expectation{Text: "a"}, "ab\n", false},
		{Expectation{Text: "a.c"}, "abc", false},
		{Expectation{Text: "a  b"}, "a\tb  \n", true},
		{Expectation{Text: "a … c\nd"}, "a b c\nd", true},
		{Expectation{Text: "a\n…\nd"}, "a\nb\nc\nd\n", true},
		{Expectation{Text: "a\n…\nd"}, "a\nb\nc\n", false},
		{Expectation{Text: `{"a": [1, "x y"]}`, JSON: true}, "{\"a\":[1,\n\"x y\"]}\n", true},
		{Expectation{Text: `{"a": "x  y"}`, JSON: true}, `{"a":"x y"}`, false},
		{Expectation{Text: `{"a": "…", … }`, JSON: true}, `{"a":"\"b\\","c":1}`, true},
	}
	for _, tc := range tests {
		if got := tc.expected.Matches(tc.output); got != tc.want {
			t.Errorf("%q and %q: got %v, want %v", tc.expected.Text, tc.output, got, tc.want)
		}
	}
}
