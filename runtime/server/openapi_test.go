package server_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sluice/runtime/envelope"
	"sluice/runtime/module"
	"sluice/runtime/server"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// openAPIFile is the document as far as these tests look into it. What they don't is checked by its schemas.
type openAPIFile struct {
	OpenAPI    string                                `json:"openapi"`
	Paths      map[string]map[string]json.RawMessage `json:"paths"`
	Components struct {
		Responses       map[string]openAPIResponse `json:"responses"`
		Schemas         map[string]json.RawMessage `json:"schemas"`
		SecuritySchemes map[string]json.RawMessage `json:"securitySchemes"`
	} `json:"components"`
}

type openAPIOperation struct {
	OperationID string                     `json:"operationId"`
	Security    []map[string][]string      `json:"security"`
	Responses   map[string]openAPIResponse `json:"responses"`
}

type openAPIResponse struct {
	Ref     string                     `json:"$ref"`
	Content map[string]json.RawMessage `json:"content"`
}

func openAPIText(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func readOpenAPI(t *testing.T) *openAPIFile {
	t.Helper()
	f := decode[openAPIFile](t, openAPIText(t))
	return &f
}

// operations are the document's operations by "METHOD /path".
func (f *openAPIFile) operations(t *testing.T) map[string]openAPIOperation {
	t.Helper()
	out := make(map[string]openAPIOperation)
	for path, item := range f.Paths {
		for method, text := range item {
			if method == "parameters" {
				continue
			}
			out[strings.ToUpper(method)+" "+path] = decode[openAPIOperation](t, text)
		}
	}
	return out
}

func compileOpenAPI(t *testing.T) *jsonschema.Compiler {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(openAPIText(t)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	if err := c.AddResource(openAPIBase, document); err != nil {
		t.Fatal(err)
	}
	return c
}

const (
	openAPIBase = "mem:///openapi.json"
	contentJSON = "application/json"
)

// pointer is the URL of a place in the document.
func pointer(tokens ...string) string {
	var b strings.Builder
	b.WriteString(openAPIBase + "#")
	for _, token := range tokens {
		token = strings.NewReplacer("~", "~0", "/", "~1").Replace(token)
		b.WriteString("/" + url.PathEscape(token))
	}
	return b.String()
}

func TestOpenAPI_Routes(t *testing.T) {
	f := readOpenAPI(t)
	if !strings.HasPrefix(f.OpenAPI, "3.1.") {
		t.Errorf("the document is of OpenAPI %q, want 3.1", f.OpenAPI)
	}
	documented := f.operations(t)
	schemes := map[string][]string{"everybody": {}, "engine": {"", "spiffKey"}, "operator": {"adminKey", "thisMachine"}}
	ids := make(map[string]string)
	for _, r := range server.Routes() {
		name := r.Method + " " + r.Path
		op, ok := documented[name]
		if !ok {
			t.Errorf("%s is served and not documented", name)
			continue
		}
		delete(documented, name)
		if other, taken := ids[op.OperationID]; taken || op.OperationID == "" {
			t.Errorf("%s has the operationId %q, as has %q", name, op.OperationID, other)
		}
		ids[op.OperationID] = name
		got := []string{}
		for _, alternative := range op.Security {
			got = append(got, strings.Join(slices.Sorted(maps.Keys(alternative)), "+"))
		}
		if slices.Sort(got); !slices.Equal(got, schemes[r.Rule]) {
			t.Errorf("%s is documented with the security %q, want %q", name, got, schemes[r.Rule])
		}
	}
	for name := range documented {
		t.Errorf("%s is documented and not served", name)
	}
}

func TestOpenAPI_Schemas(t *testing.T) {
	c := compileOpenAPI(t)
	f := readOpenAPI(t)
	for name := range f.Components.Schemas {
		if _, err := c.Compile(pointer("components", "schemas", name)); err != nil {
			t.Errorf("the schema %s: %v", name, err)
		}
	}
	for name, op := range f.operations(t) {
		for status, response := range op.Responses {
			if response.Ref == "" {
				continue
			}
			if _, ok := f.Components.Responses[strings.TrimPrefix(response.Ref, responseRef)]; !ok {
				t.Errorf("%s, %s: there is no %s", name, status, response.Ref)
			}
		}
	}
}

const responseRef = "#/components/responses/"

// documentedCodes are the codes of a schema of codes, each with its status.
func (f *openAPIFile) documentedCodes(t *testing.T, schema string) map[string]int {
	t.Helper()
	s := decode[struct {
		OneOf []struct{ Const, Title, Description string } `json:"oneOf"`
	}](t, f.Components.Schemas[schema])
	out := make(map[string]int)
	for _, code := range s.OneOf {
		status, err := strconv.Atoi(code.Title)
		if _, twice := out[code.Const]; err != nil || twice || code.Description == "" {
			t.Errorf("%s: %q needs a status, a description, and to be there once", schema, code.Const)
		}
		out[code.Const] = status
	}
	return out
}

// constants are the string constants that a Go file declares with values, by name.
func constants(t *testing.T, file string) map[string]string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]string)
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for i, name := range spec.Names {
			if i >= len(spec.Values) {
				continue
			}
			if literal, ok := spec.Values[i].(*ast.BasicLit); ok && literal.Kind == token.STRING {
				out[name.Name], _ = strconv.Unquote(literal.Value)
			}
		}
		return true
	})
	if len(out) == 0 {
		t.Fatalf("%s declares no codes", file)
	}
	return out
}

func TestOpenAPI_Codes(t *testing.T) {
	f := readOpenAPI(t)
	want := make(map[string]int)
	for _, text := range constants(t, "../envelope/code.go") {
		code := envelope.Code(text)
		want[string(code.Public())] = code.Status()
	}
	dispatch := f.documentedCodes(t, "ErrorCode")
	if !maps.Equal(dispatch, want) {
		t.Errorf("ErrorCode documents\n%v, want\n%v", dispatch, want)
	}

	refusals := f.documentedCodes(t, "RefusalCode")
	own := map[string]bool{"unauthorized": true, "operator_only": true}
	for _, code := range constants(t, "../refusal.go") {
		own[code] = true
	}
	for _, code := range constants(t, "../module/errors.go") {
		if module.Code(code) == module.CodeTooLarge || refusals[code] == 422 {
			own[code] = true
		} else if code != "header" { // the name of a section
			t.Errorf("RefusalCode documents %s with %d, want 422", code, refusals[code])
		}
	}
	for code := range own {
		if refusals[code] == 0 {
			t.Errorf("RefusalCode lacks %s", code)
		}
	}
	for code, status := range refusals {
		if !own[code] && want[code] != status {
			t.Errorf("RefusalCode documents %s with %d, which nothing answers", code, status)
		}
	}
}

// TestOpenAPI_Statuses holds the codes that each response lists against the status under which it stands.
func TestOpenAPI_Statuses(t *testing.T) {
	f := readOpenAPI(t)
	codes := map[string]map[string]int{
		"DispatchError": f.documentedCodes(t, "ErrorCode"),
		"Refusal":       f.documentedCodes(t, "RefusalCode"),
	}
	listed := map[string]map[string]bool{"DispatchError": {}, "Refusal": {}}
	statusOf := make(map[string]int) // of the codes in a response
	for name, response := range f.Components.Responses {
		content := decode[struct {
			Schema struct {
				AllOf []struct {
					Ref        string `json:"$ref"`
					Properties struct {
						Error struct {
							Properties struct {
								Code struct{ Enum []string } `json:"error_code"`
							}
						}
					}
				}
			}
		}](t, response.Content[contentJSON])
		if len(content.Schema.AllOf) != 2 {
			continue
		}
		schema := strings.TrimPrefix(content.Schema.AllOf[0].Ref, "#/components/schemas/")
		for _, code := range content.Schema.AllOf[1].Properties.Error.Properties.Code.Enum {
			status := codes[schema][code]
			if before, ok := statusOf[name]; ok && before != status {
				t.Errorf("the response %s lists codes of %d and %d", name, before, status)
			}
			statusOf[name] = status
			listed[schema][code] = true
		}
	}
	for schema, all := range codes {
		for code := range all {
			if !listed[schema][code] {
				t.Errorf("%s: no response lists %s", schema, code)
			}
		}
	}
	for name, op := range f.operations(t) {
		for status, response := range op.Responses {
			if want, ok := statusOf[strings.TrimPrefix(response.Ref, responseRef)]; ok && strconv.Itoa(want) != status {
				t.Errorf("%s: %s stands under %s, want %d", name, response.Ref, status, want)
			}
		}
	}
}
