package secret

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"
)

const pem = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0B\n==\n-----END KEY-----\n"

func TestLogMasker(t *testing.T) {
	m, ok := NewLogMasker([]string{"hunter22", pem, "ab\ncd\r\n", "abc", "  key: 4711\n    a"})
	if !ok {
		t.Fatal("there are too many lines")
	}
	wrapped := base64.StdEncoding.EncodeToString([]byte(pem))
	for _, tc := range []struct {
		name        string
		lines, want []string
	}{
		{"nothing", []string{"a", "", "b"}, []string{"a", "", "b"}},
		{"one line", []string{"it is hunter22", "b"}, []string{"it is [redacted]", "b"}},
		{"over two lines", []string{"it is hunt", "er22"}, []string{"it is [redacted]"}},
		{"its end is a line's", []string{"hunter22", "b"}, []string{"[redacted]", "b"}},
		{"line by line", append(append([]string{"before"}, strings.Split("token "+strings.TrimSuffix(pem, "\n"), "\n")...), "after"),
			[]string{"before", "token [redacted]", "after"}},
		{"a prefix before each", []string{"1: -----BEGIN KEY-----", "2: MIIEvQIBADANBgkq", "3: hkiG9w0B."}, []string{"1: [redacted]", "2: [redacted]", "3: [redacted]."}},
		{"cut off by a limit", []string{"-----BEGIN KEY-----", "MIIEvQIBADANBgkq", "(1 more lines were refused)"}, []string{"[redacted]", "[redacted]", "(1 more lines were refused)"}},
		{"short lines", []string{"it is ab", "cd", "ab"}, []string{"it is [redacted]", "ab"}},
		{"without its indentation", []string{"key: 4711"}, []string{"[redacted]"}},
		{"escaped in one line", []string{"x" + jsonOf(pem) + "x", url.QueryEscape(pem)}, []string{"x[redacted]x", "[redacted]"}},
		{"base64 in lines", []string{wrapped[:40], wrapped[40:]}, []string{"[redacted]=="}},
	} {
		lines := append([]string{}, tc.lines...)
		if got := m.Lines(lines); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
		if !reflect.DeepEqual(lines, tc.lines) {
			t.Errorf("%s: what it was given became %q", tc.name, lines)
		}
	}
	if got := m.Text("printed " + pem + "."); got != "printed [redacted]\n." {
		t.Errorf("got %q", got)
	}
}

func TestLogMasker_None(t *testing.T) {
	for _, values := range [][]string{nil, {"abc"}, {"\n\n\n\n"}} {
		m, ok := NewLogMasker(values)
		if got := m.Lines([]string{"abc", "d"}); !ok || !reflect.DeepEqual(got, []string{"abc", "d"}) || m.Lines(nil) != nil {
			t.Errorf("%q: got %q, %t", values, got, ok)
		}
	}
}

func TestLogMasker_Bound(t *testing.T) {
	var b strings.Builder
	for i := range maxValueLines {
		fmt.Fprintf(&b, "line%d\nline%d\nx\n", i, i)
	}
	if _, ok := NewLogMasker([]string{b.String(), "one line"}); !ok {
		t.Error("lines are counted that are there twice, or too short")
	}
	if m, ok := NewLogMasker([]string{b.String(), "one more line\n"}); ok || m != nil {
		t.Error("there is no bound")
	}
}
