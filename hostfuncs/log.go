package hostfuncs

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// Level is how much a line of a guest's log matters.
type Level uint32

// The levels of the native ABI.
const (
	Debug Level = iota
	Info
	Warn
	Error
)

// A call's log is bounded, for all of it is sent to the caller: a line in bytes, the lines in number and together.
const (
	MaxLogLine  = 4 << 10
	MaxLogLines = 256
	MaxLogBytes = 64 << 10
)

type log struct {
	lines   []string
	bytes   int
	refused int
}

// Log adds a line, without a line break, to the call's log. Lines at Debug are checked and dropped. A line that does not
// fit is refused as a whole, and counted.
func (c *Call) Log(level Level, line []byte) Errno {
	switch {
	case len(line) > MaxLogLine:
		c.log.refused++
		return TooLarge
	case level > Error || !utf8.Valid(line) || bytes.ContainsAny(line, "\r\n"):
		return Invalid
	case level == Debug:
		return OK
	case len(c.log.lines) >= MaxLogLines, c.log.bytes+len(line) > MaxLogBytes:
		c.log.refused++
		return TooLarge
	}
	c.log.lines = append(c.log.lines, string(line))
	c.log.bytes += len(line)
	return OK
}

// LogLines is the call's log, oldest line first. Where lines were refused, a last one says how many.
func (c *Call) LogLines() []string {
	if c.log.refused == 0 {
		return c.log.lines
	}
	return append(c.log.lines[:len(c.log.lines):len(c.log.lines)],
		fmt.Sprintf("(%d more lines were refused: a call may log %d lines of %d bytes, %d bytes in all)",
			c.log.refused, MaxLogLines, MaxLogLine, MaxLogBytes))
}
