package doctest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading  = regexp.MustCompile(`(?m)^#+ (.+)$`)
	noAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors are the fragments by which a page's headings are found.
func anchors(text string) map[string]bool {
	out := make(map[string]bool)
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		name := strings.ToLower(strings.TrimSpace(m[1]))
		out[strings.ReplaceAll(noAnchor.ReplaceAllString(name, ""), " ", "-")] = true
	}
	return out
}

// TestLinks follows the pages' links to other files of the repository, and to headings.
func TestLinks(t *testing.T) {
	for _, page := range pages(t) {
		text := readPage(t, page)
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			target := m[1]
			if strings.Contains(target, "://") {
				continue
			}
			file, fragment, _ := strings.Cut(target, "#")
			linked := page
			if file != "" {
				linked = filepath.Join(filepath.Dir(page), file)
			}
			if _, err := os.Stat(filepath.Join(root, linked)); err != nil {
				t.Errorf("%s links to %s, which is not there", page, target)
				continue
			}
			if fragment != "" && !anchors(readPage(t, linked))[fragment] {
				t.Errorf("%s links to %s, which has no such heading", page, target)
			}
		}
	}
}
