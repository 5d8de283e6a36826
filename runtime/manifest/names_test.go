package manifest

import (
	"regexp"
	"strings"
	"testing"
)

var names = []string{
	"", "a", "A", "0", "_", ".", "-", "..", ".a", "-a", "_a", "a.", "a-", "a_", "a/b", "a b", "a\x00", "a\n", "ä", "aä",
	"weather", "Weather", "weather-2.io_x", "GetForecast", "http/GetRequest", "ａ",
	strings.Repeat("a", 64), strings.Repeat("a", 65), strings.Repeat("A", 64), strings.Repeat("A", 65),
}

func TestValidName(t *testing.T) {
	rule := regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)
	for _, s := range names {
		if got, want := ValidName(s), rule.MatchString(s); got != want {
			t.Errorf("ValidName(%q) = %v, want %v", s, got, want)
		}
	}
}

func TestValidIdentifier(t *testing.T) {
	rule := regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)
	for _, s := range names {
		if got, want := validIdentifier(s), rule.MatchString(s); got != want {
			t.Errorf("validIdentifier(%q) = %v, want %v", s, got, want)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"name", "description", "async", "task_data", "parameters"}
	for s, want := range map[string]string{
		"asnyc": "async", "Name": "name", "nmae": "name", "taskData": "task_data", "task-data": "task_data",
		"paramters": "parameters", "parameter": "parameters", "desc": "", "color": "", "": "",
		strings.Repeat("name", 1000): "",
	} {
		if got := nearest(s, known); got != want {
			t.Errorf("nearest(%.20q) = %q, want %q", s, got, want)
		}
	}
}

func TestEditDistance(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "abd", 1}, {"abc", "acb", 1},
		{"abc", "bca", 2}, {"kitten", "sitting", 3}, {"ca", "abc", 3},
	} {
		if got := editDistance(tc.a, tc.b); got != tc.want {
			t.Errorf("editDistance(%q, %q) = %d, want %d", tc.a, tc.b, got, tc.want)
		}
	}
}
