package nearest

import (
	"strings"
	"testing"
)

func TestName(t *testing.T) {
	known := []string{"name", "description", "async", "task_data", "parameters"}
	for s, want := range map[string]string{
		"asnyc": "async", "Name": "name", "nmae": "name", "taskData": "task_data", "task-data": "task_data",
		"paramters": "parameters", "parameter": "parameters", "desc": "", "color": "", "": "",
		strings.Repeat("name", 1000): "",
	} {
		if got := Name(s, known); got != want {
			t.Errorf("Name(%.20q) = %q, want %q", s, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "abd", 1}, {"abc", "acb", 1},
		{"abc", "bca", 2}, {"kitten", "sitting", 3}, {"ca", "abc", 3},
	} {
		if got := distance(tc.a, tc.b); got != tc.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tc.a, tc.b, got, tc.want)
		}
	}
}
