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
