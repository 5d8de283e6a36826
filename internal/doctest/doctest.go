// Package doctest reads the documentation's pages as what a reader would do with them. Its tests run every command of
// README.md, docs and the kits' READMEs against a server, and hold the pages' tables against the sources.
//
// What a fenced block means goes by the word behind its fence:
//
//   - sh: commands, run in the order of the page, in one working copy of the repository. They have to succeed, or to end
//     with the status that the last line names in a comment "# exits with 1". Lines that call make are not run: their
//     target has to exist.
//   - sh, where a line is "make run" or begins with "./bin/sluice serve": the server that the following blocks speak to,
//     instead of the one before it. It is stopped by SIGTERM at the page's end.
//   - text or json, directly after sh or after a paragraph that ends with a colon: what the commands print. "…" stands
//     for any text; in json white space does not count.
//   - go, yaml or sh with a first line that is a comment and a file's name, such as "# sluice.yaml": that file.
//   - anything else, console among them: for the eye only.
package doctest

import (
	"fmt"
	"regexp"
	"strings"
)

// Kind is what a reader does with a block.
type Kind int

// The kinds of blocks.
const (
	Shown  Kind = iota // nothing
	Run                // runs its commands
	Serve              // runs its commands, the last of which is a server
	Create             // writes its text into a file
)

// Block is a fenced block of a page.
type Block struct {
	Kind Kind
	// Line is the number of the line after the opening fence, from 1.
	Line int
	// Text is what stands between the fences.
	Text string
	// File is what Create writes, a path below the working directory.
	File string
	// Expected is what the commands print, where the page says so.
	Expected *Expectation
}

// Expectation is what a page says that commands print.
type Expectation struct {
	Text string
	JSON bool
}

var (
	fileComment = regexp.MustCompile(`^(?://|#) ([A-Za-z0-9_][A-Za-z0-9_./-]*\.[a-z]+)$`)
	serveLine   = regexp.MustCompile(`(?m)^(?:[A-Z_]+=\S* )*\./bin/sluice serve\b|^make run\b`)
	helpFlag    = regexp.MustCompile(`(?:^|\s)(?:-h|--help)(?:\s|$)`)
)

// Parse returns the blocks of a page in Markdown.
//
// # Errors
//
// A fence that is not closed, and an expectation that follows no commands directly, where it may be meant as one.
func Parse(page string) ([]*Block, error) {
	var blocks []*Block
	var last *Block // commands whose output may follow
	before := ""    // the last line of text since
	lines := strings.Split(page, "\n")
	for i := 0; i < len(lines); i++ {
		language, ok := strings.CutPrefix(lines[i], "```")
		if !ok {
			if strings.TrimSpace(lines[i]) != "" {
				before = lines[i]
			}
			continue
		}
		b := &Block{Line: i + 2}
		end := i + 1
		for end < len(lines) && lines[end] != "```" {
			end++
		}
		if end == len(lines) {
			return nil, fmt.Errorf("line %d: the block is not closed", i+1)
		}
		b.Text = strings.Join(lines[i+1:end], "\n")
		i = end
		switch expects := language == "text" || language == "json"; {
		case expects && last != nil && last.Expected == nil && (before == "" || strings.HasSuffix(before, ":")):
			last.Expected = &Expectation{Text: b.Text, JSON: language == "json"}
			continue
		case language == "sh":
			b.Kind = Run
			if serveLine.MatchString(b.Text) && !helpFlag.MatchString(b.Text) && b.ExitStatus() == 0 {
				b.Kind = Serve
			}
		}
		first, rest, _ := strings.Cut(b.Text, "\n")
		if m := fileComment.FindStringSubmatch(first); m != nil && (language == "go" || language == "yaml" || language == "sh") {
			b.Kind, b.File, b.Text = Create, m[1], rest+"\n"
			if language == "go" {
				b.Text = first + "\n\n" + rest + "\n" // apart from the package's comment
			}
		}
		last, before = nil, ""
		if b.Kind == Run {
			last = b
		}
		blocks = append(blocks, b)
	}
	return blocks, nil
}

var exitComment = regexp.MustCompile(`# exits with (\d+)\s*$`)

// ExitStatus is the status that the block's commands end with.
func (b *Block) ExitStatus() int {
	status := 0
	if m := exitComment.FindStringSubmatch(b.Text); m != nil {
		_, _ = fmt.Sscan(m[1], &status) // digits
	}
	return status
}

// Matches says whether a program's output is what is expected.
func (e *Expectation) Matches(output string) bool {
	normalise := lines
	if e.JSON {
		normalise = compact
	}
	var pattern strings.Builder
	for i, part := range strings.Split(normalise(e.Text), "…") {
		if i > 0 {
			pattern.WriteString(`(?s:.*?)`)
		}
		pattern.WriteString(regexp.QuoteMeta(part))
	}
	return regexp.MustCompile(`^` + pattern.String() + `$`).MatchString(normalise(output))
}

var blanks = regexp.MustCompile(`[ \t]+`)

// lines is text whose columns may be of any width.
func lines(text string) string {
	var out []string
	for line := range strings.Lines(strings.TrimSpace(text)) {
		out = append(out, strings.TrimSpace(blanks.ReplaceAllString(line, " ")))
	}
	return strings.Join(out, "\n")
}

// compact is JSON without the white space between its tokens. The text need not be JSON: a page may leave parts out.
func compact(text string) string {
	var b strings.Builder
	quoted, escaped := false, false
	for _, r := range text {
		switch {
		case escaped:
			escaped = false
		case quoted && r == '\\':
			escaped = true
		case r == '"':
			quoted = !quoted
		case !quoted && (r == ' ' || r == '\t' || r == '\n' || r == '\r'):
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}
