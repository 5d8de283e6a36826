//go:build unix

package doctest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "curl" { // see workplace.path
		os.Exit(curl(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// TestPages runs the commands of every page, as [Parse] reads it.
func TestPages(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and starts the server")
	}
	var w *workplace
	for _, page := range pages(t) {
		blocks, err := Parse(readPage(t, page))
		if err != nil {
			t.Errorf("%s: %v", page, err)
			continue
		}
		if !anythingToDo(blocks) {
			continue
		}
		if w == nil {
			w = newWorkplace(t)
		}
		t.Run(page, func(t *testing.T) { w.follow(t, page, blocks) })
	}
}

func anythingToDo(blocks []*Block) bool {
	for _, b := range blocks {
		if b.Kind != Shown && !foreign.MatchString(b.Text) {
			return true
		}
	}
	return false
}

// foreign are commands of other languages' toolchains. A page of one of them is for those who have it.
var foreign = regexp.MustCompile(`(?m)^(?:cargo|rustup|npm|pip|zig) `)

// follow does what a page says.
func (w *workplace) follow(t *testing.T, page string, blocks []*Block) {
	w.begin(t)
	defer w.stop(t)
	for _, b := range blocks {
		at := fmt.Sprintf("%s:%d", page, b.Line)
		switch {
		case b.Kind == Create:
			w.write(t, b.File, b.Text)
		case b.Kind == Shown:
		case foreign.MatchString(b.Text):
			t.Logf("%s needs another language's tools and is not run", at)
		case b.Kind == Serve:
			w.serve(t, at, serverScript(b.Text))
		default:
			w.run(t, at, b)
		}
		if t.Failed() {
			return // the rest builds on it
		}
	}
}

var makeLine = regexp.MustCompile(`(?m)^make ([a-z-]+)(.*)$`)

// makeTargets checks that the targets that a text calls exist, and returns the text without them.
func makeTargets(t *testing.T, at, text string) string {
	t.Helper()
	makefile := readPage(t, "Makefile")
	for _, m := range makeLine.FindAllStringSubmatch(text, -1) {
		if !strings.Contains(makefile, "\n"+m[1]+":") {
			t.Errorf("%s: the Makefile has no target %q", at, m[1])
		}
	}
	return makeLine.ReplaceAllString(text, "")
}

var makeRun = regexp.MustCompile(`(?m)^make run(?: ARGS=(?:'([^']*)'|"([^"]*)"|(\S+)))?[ \t]*(#.*)?$`)

// serverScript is a block that starts a server as a script that becomes that server. `make run` is what it does once
// everything is built.
func serverScript(text string) string {
	return serverCommand.ReplaceAllString(makeRun.ReplaceAllString(text, "./bin/sluice serve $1$2$3"), "exec env $0")
}

var serverCommand = regexp.MustCompile(`(?m)^(?:[A-Z_]+=\S* )*\./bin/sluice serve\b`)

func TestServerScript(t *testing.T) {
	for text, want := range map[string]string{
		"make run     # serves":          "exec env ./bin/sluice serve ",
		"make run ARGS=--dev":            "exec env ./bin/sluice serve --dev",
		"a\nmake run ARGS='--dev --x y'": "a\nexec env ./bin/sluice serve --dev --x y",
		"A=b ./bin/sluice serve --dev":   "exec env A=b ./bin/sluice serve --dev",
	} {
		if got := serverScript(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
