package doctest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/runtime"
)

// TestGrantSchema holds docs/grant.schema.json against the members that the parser takes, and the table of
// docs/CONFIGURATION.md too.
func TestGrantSchema(t *testing.T) {
	const file = "docs/grant.schema.json"
	want := runtime.GrantSchema()
	if *update {
		if err := os.WriteFile(filepath.Join(root, file), want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if readPage(t, file) != string(want) {
		t.Errorf("%s is not what the parser takes: run this test with -update", file)
	}
	var schema struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if err := json.Unmarshal(want, &schema); err != nil {
		t.Fatal(err)
	}
	_, grants, _ := strings.Cut(readPage(t, "docs/CONFIGURATION.md"), "\n## Grants\n")
	grants, _, _ = strings.Cut(grants, "\n### ")
	for name := range schema.Properties {
		if !strings.Contains(grants, "| `"+name+"` |") {
			t.Errorf("docs/CONFIGURATION.md, \"Grants\", lacks the member %s", name)
		}
	}
}
