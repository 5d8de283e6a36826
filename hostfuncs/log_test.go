package hostfuncs

import (
	"strings"
	"testing"
)

func TestCall_Log(t *testing.T) {
	tests := []struct {
		name  string
		level Level
		line  string
		want  Errno
		kept  bool
	}{
		{"info", Info, "line", OK, true},
		{"warn", Warn, "ü\t\x00", OK, true},
		{"error", Error, "", OK, true},
		{"debug", Debug, "line", OK, false},
		{"debug that is not UTF-8", Debug, "\xff", Invalid, false},
		{"no level", Error + 1, "line", Invalid, false},
		{"highest level", 1<<32 - 1, "line", Invalid, false},
		{"not UTF-8", Info, "a\xc3", Invalid, false},
		{"two lines", Info, "one\ntwo", Invalid, false},
		{"a line's end", Info, "one\r", Invalid, false},
		{"the longest line", Info, strings.Repeat("x", MaxLogLine), OK, true},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			var c Call
			line := []byte(tc.line)
			if got := c.Log(tc.level, line); got != tc.want {
				t.Errorf("got %d, want %d", got, tc.want)
			}
			if len(line) > 0 {
				line[0] = '!' // it is the guest's
			}
			lines := c.LogLines()
			if tc.kept && (len(lines) != 1 || lines[0] != tc.line) || !tc.kept && len(lines) != 0 {
				t.Errorf("got %q", lines)
			}
		})
	}
}

func TestCall_Log_Bounds(t *testing.T) {
	const notice = "(1 more lines were refused: a call may log 256 lines of 4096 bytes, 65536 bytes in all)"
	tests := []struct {
		name         string
		line         string
		fit, refused int
	}{
		{"one line", strings.Repeat("x", MaxLogLine+1), 0, 1},
		{"lines", "", MaxLogLines, 1},
		{"bytes", strings.Repeat("x", MaxLogLine), MaxLogBytes / MaxLogLine, 1},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			var c Call
			for range tc.fit {
				if got := c.Log(Info, []byte(tc.line)); got != OK {
					t.Fatalf("got %d", got)
				}
			}
			if len(c.LogLines()) != tc.fit {
				t.Errorf("%d lines", len(c.LogLines()))
			}
			if got := c.Log(Warn, []byte(tc.line)); got != TooLarge {
				t.Errorf("got %d", got)
			}
			for range 2 { // asking changes nothing
				lines := c.LogLines()
				if len(lines) != tc.fit+1 || lines[tc.fit] != notice {
					t.Errorf("got %d lines, the last %q", len(lines), lines[len(lines)-1])
				}
			}
		})
	}
	// What is short still fits after what was too long.
	var c Call
	c.Log(Info, []byte(strings.Repeat("x", MaxLogLine+1)))
	c.Log(Info, []byte("short"))
	if lines := c.LogLines(); len(lines) != 2 || lines[0] != "short" {
		t.Errorf("got %q", lines)
	}
}
