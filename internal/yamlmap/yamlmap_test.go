package yamlmap

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]map[string]any{
		"":                          nil,
		"# nothing\n":               nil,
		"{}":                        {},
		"a: 1\nb: [x, {c: true}]\n": {"a": uint64(1), "b": []any{"x", map[string]any{"c": true}}},
		`{"a": "x"}`:                {"a": "x"},
		"---\na: b\n":               {"a": "b"},
	} {
		if got, err := Parse([]byte(text)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %#v, %v", text, got, err)
		}
	}
}

func TestParse_Errors(t *testing.T) {
	for text, want := range map[string]string{
		"http: [a]\nhttp: [b]\n":       `"http" stands there twice, in line 1 and in line 2: keep one of them`,
		"a:\n  b: 1\n\n  b: hunter2\n": `"b" stands there twice, in line 2 and in line 4: keep one of them`,
		"a: {b: 1, b: 2}":              `"b" stands there twice, in line 1 and in line 1: keep one of them`,
		strings.Repeat("x", 80) + ": 1\n" + strings.Repeat("x", 80) + ": 2": `"` + strings.Repeat("x", maxName) + `" stands there twice, in line 1 and in line 2: keep one of them`,
		"[":                 "it is not valid YAML: see line 1, column 1; texts with special characters need quotes",
		"a: 1\nb: @hunter2": "it is not valid YAML: see line 2, column 4; texts with special characters need quotes",
		"a: \"hunter2":      "it is not valid YAML: see line 1, column 4; texts with special characters need quotes",
		"a: *hunter2":       "it is not valid YAML: see line 1, column 5; texts with special characters need quotes",
		"a: 1\n---\nb: 2":   "it holds more than one document: keep one",
		"- a":               ErrNoMapping.Error(),
		"hunter2":           ErrNoMapping.Error(),
		"null":              ErrNoMapping.Error(),
		"7":                 ErrNoMapping.Error(),
	} {
		if _, err := Parse([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
	if _, err := Parse([]byte("[a]")); !errors.Is(err, ErrNoMapping) {
		t.Errorf("got %v", err)
	}
}

// FuzzParse: whatever people write, there is an answer, and it does not quote them.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"a: 1", "a: [", "? x\n: y", "a: *b", "a: &b 1\nc: *b", "<<: x", "a: 1\na: 2", "- - a", "%YAML 1.2\n---\na: b", "a: |\n  x\n\ty"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		members, err := Parse([]byte(text))
		if members != nil && err != nil {
			t.Errorf("%q: got %v, %v", text, members, err)
		}
	})
}
