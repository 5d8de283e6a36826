package servertest

import (
	"bytes"
	"strings"
	"sync"
	"testing"
)

// Logs keeps what a server logged. It is safe for concurrent use.
type Logs struct {
	mu       sync.Mutex // protects what follows
	text     bytes.Buffer
	canaries []string
}

// Write implements io.Writer.
func (l *Logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String is everything so far, a JSON object a line.
func (l *Logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Lines are the lines so far that have the text in them.
func (l *Logs) Lines(text string) []string {
	var out []string
	for line := range strings.Lines(l.String()) {
		if strings.Contains(line, text) {
			out = append(out, line)
		}
	}
	return out
}

// Canary registers values that must never be logged, whether before or after. Letters and digits only: they would be
// found in no other form.
func (l *Logs) Canary(values ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.canaries = append(l.canaries, values...)
}

func (l *Logs) check(t testing.TB) {
	t.Helper()
	l.mu.Lock()
	canaries := l.canaries
	l.mu.Unlock()
	for _, c := range canaries {
		for _, line := range l.Lines(c) {
			t.Errorf("the canary %q is in the log: %s", c, line)
		}
	}
}
