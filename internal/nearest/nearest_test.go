package nearest

import (
	"strings"
	"testing"
)

func TestName(t *testing.T) {
	names := []string{"listen", "data", "call.deadline", "call.memory"}
	for wrong, want := range map[string]string{
		"lisen": "listen", "listen": "listen", "call.dedline": "call.deadline", "dat": "data",
		"xyz": "", "": "", strings.Repeat("a", 1<<20): "",
	} {
		if got := Name(wrong, names); got != want {
			t.Errorf("Name(%.20q) = %q, want %q", wrong, got, want)
		}
	}
}
