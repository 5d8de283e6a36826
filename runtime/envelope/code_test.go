package envelope

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"regexp"
	"strconv"
	"testing"
)

// declaredCodes are the constants of type Code, by name.
func declaredCodes(t *testing.T) map[string]Code {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "code.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]Code{}
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			if id, ok := v.Type.(*ast.Ident); !ok || id.Name != "Code" {
				t.Errorf("%s is no Code", v.Names[0].Name)
				continue
			}
			text, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			codes[v.Names[0].Name] = Code(text)
		}
	}
	return codes
}

func TestCodes_Complete(t *testing.T) {
	codes := declaredCodes(t)
	seen := map[Code]string{}
	for name, code := range codes {
		if other, twice := seen[code]; twice {
			t.Errorf("%s and %s are both %q", name, other, code)
		}
		seen[code] = name
		if !regexp.MustCompile(`^[a-z][a-z_]*[a-z]$`).MatchString(string(code)) {
			t.Errorf("%s is %q", name, code)
		}
		r, ok := rules[code]
		if !ok {
			t.Errorf("%s has no rule", name)
			continue
		}
		if http.StatusText(r.status) == "" || r.status < 400 || rules[r.public].public != r.public || rules[r.public].status != r.status {
			t.Errorf("%s has the rule %+v", name, r)
		}
		// A status that engines try again on must be one of a failure that may pass.
		if again := r.status == 503 || r.status == 504; again != r.retryable {
			t.Errorf("%s has status %d, and retryable is %t", name, r.status, r.retryable)
		}
	}
	if len(rules) != len(codes) {
		t.Errorf("%d rules for %d codes", len(rules), len(codes))
	}
}

func TestCode(t *testing.T) {
	tests := []struct {
		code      Code
		status    int
		public    Code
		retryable bool
	}{
		{InvalidBody, 400, "invalid_body", false}, {UnsupportedMediaType, 415, "unsupported_media_type", false},
		{BodyTooLarge, 413, "body_too_large", false}, {CommandNotFound, 404, "command_not_found", false},
		{MissingParameter, 400, "missing_parameter", false}, {InvalidParameter, 400, "invalid_parameter", false},
		{DeadlineExceeded, 504, "deadline_exceeded", true}, {MemoryExceeded, 500, "memory_exceeded", false},
		{DepthExceeded, 500, "depth_exceeded", false}, {OutputTooLarge, 500, "output_too_large", false},
		{Trap, 500, "connector_crashed", false}, {Exit, 500, "connector_crashed", false}, {BadOutput, 500, "connector_crashed", false},
		{Overloaded, 503, "overloaded", true}, {ShuttingDown, 503, "shutting_down", true},
		{ConnectorUnavailable, 503, "connector_unavailable", true}, {Crashed, 500, "connector_crashed", false},
		{"unheard_of", 500, "internal_error", false},
	}
	for _, tc := range tests {
		if s, p, r := tc.code.Status(), tc.code.Public(), tc.code.Retryable(); s != tc.status || p != tc.public || r != tc.retryable {
			t.Errorf("%s: got %d %s %t, want %d %s %t", tc.code, s, p, r, tc.status, tc.public, tc.retryable)
		}
	}
}

func TestFailure(t *testing.T) {
	var err error = fmt.Errorf("calling: %w", Fail(Overloaded, "Too much. Try again."))
	if !errors.Is(err, Fail(Overloaded, "")) || errors.Is(err, Fail(ShuttingDown, "")) || errors.Is(err, Fail(Overloaded, "other")) ||
		errors.Is(err, errors.New("x")) {
		t.Error("errors.Is is wrong")
	}
	if err.Error() != "calling: overloaded: Too much. Try again." {
		t.Errorf("got %v", err)
	}
}
