// Package quantity reads and writes sizes and durations as settings and grants have them.
package quantity

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// units are what may stand behind a size, the largest first.
var units = []struct {
	name  string
	shift int
}{{"GiB", 30}, {"MiB", 20}, {"KiB", 10}}

// Size reads a number of bytes, with KiB, MiB or GiB behind it or nothing. The error is the rest of a sentence that
// begins with a name.
func Size(v string, least, most int64) (int64, error) {
	number, shift := v, 0
	for _, unit := range units {
		if n, ok := strings.CutSuffix(v, unit.name); ok {
			number, shift = strings.TrimSpace(n), unit.shift
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > most>>shift || n<<shift < least {
		return 0, fmt.Errorf("is not a size from %d to %d bytes, such as 512KiB, 64MiB or 1GiB", least, most)
	}
	return n << shift, nil
}

// FormatSize writes a number of bytes as [Size] reads it, in the largest unit that needs no fraction.
func FormatSize(n int64) string {
	for _, unit := range units {
		if whole := n >> unit.shift; whole > 0 && whole<<unit.shift == n {
			return strconv.FormatInt(whole, 10) + unit.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// Duration reads a duration of at least least and at most most. The error is the rest of a sentence that begins with a
// name.
func Duration(v string, least, most time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(v)
	if err != nil || d < least || d > most {
		return 0, fmt.Errorf("is not a duration from %s to %s, such as 40s or 1m30s", FormatDuration(least), FormatDuration(most))
	}
	return d, nil
}

// FormatDuration writes a duration as [Duration] reads it, without the units of which there are none behind larger ones.
func FormatDuration(d time.Duration) string {
	s := d.String()
	for _, none := range []struct{ zero, unit string }{{"0s", "m"}, {"0m", "h"}} {
		if whole, ok := strings.CutSuffix(s, none.zero); ok && strings.HasSuffix(whole, none.unit) {
			s = whole
		}
	}
	return s
}
