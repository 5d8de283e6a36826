package doctest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/internal/config"
)

var update = flag.Bool("update", false, "write what is made from the sources into the pages")

const (
	settingsBegin = "<!-- settings: made from internal/config by go test ./internal/doctest -run TestConfiguration -update -->\n"
	settingsEnd   = "<!-- end of settings -->"
)

// settingsTable is the table of all settings.
func settingsTable() string {
	var b strings.Builder
	b.WriteString("| in the file | flag | variable | default | is |\n|---|---|---|---|---|\n")
	for _, s := range config.Settings() {
		variables := "`" + strings.Join(append([]string{s.Variable()}, s.Also...), "`, `") + "`"
		def := ""
		if s.Default != "" {
			def = "`" + s.Default + "`"
		}
		fmt.Fprintf(&b, "| `%s` | `--%s` | %s | %s | %s |\n", s.Key, s.Flag(), variables, def, strings.ReplaceAll(s.Doc, "|", `\|`))
	}
	return b.String()
}

// TestConfiguration holds the table of docs/CONFIGURATION.md against the settings there are.
func TestConfiguration(t *testing.T) {
	const page = "docs/CONFIGURATION.md"
	text := readPage(t, page)
	before, rest, ok := strings.Cut(text, settingsBegin)
	present, after, ok2 := strings.Cut(rest, settingsEnd)
	if !ok || !ok2 {
		t.Fatalf("%s lacks the marks between which the settings stand", page)
	}
	want := settingsTable()
	if present == want {
		return
	}
	if !*update {
		t.Fatalf("%s is not what the settings are: run this test with -update", page)
	}
	if err := os.WriteFile(filepath.Join(root, page), []byte(before+settingsBegin+want+settingsEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
