package secret

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sluice/hostfuncs/egress"
)

func TestSet_Value(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", MaxValue)
	for _, tc := range []struct{ name, from, env, want, err string }{
		{name: "environment", from: "env:X", env: "value", want: "value"},
		{name: "line break in the environment", from: "env:X", env: "value\n", want: "value"},
		{name: "empty in the environment", from: "env:X", env: "", err: "env:X: it is empty"},
		{name: "not set", from: "env:Y", err: "env:Y: it is not set"},
		{name: "file", from: "file:" + writeFile(t, "value\n"), want: "value"},
		{name: "Windows's line break", from: "file:" + writeFile(t, "value\r\n"), want: "value"},
		{name: "one is cut", from: "file:" + writeFile(t, "value\n\n"), want: "value\n"},
		{name: "no line break", from: "file:" + writeFile(t, " value "), want: " value "},
		{name: "just short enough", from: "file:" + writeFile(t, long+"\n"), want: long},
		{name: "too long", from: "file:" + writeFile(t, long+"x"), err: "it is longer than 65536 bytes"},
		{name: "much too long", from: "file:" + writeFile(t, long+long), err: "it is longer than 65536 bytes"},
		{name: "no text", from: "file:" + writeFile(t, "a\xff"), err: "it is no text"},
		{name: "a zero byte", from: "file:" + writeFile(t, "a\x00b"), err: "it is no text"},
		{name: "only a line break", from: "file:" + writeFile(t, "\n"), err: "it is empty"},
		{name: "no file", from: "file:/does/not/exist", err: "file:/does/not/exist: no such file"},
		{name: "a folder", from: "file:" + t.TempDir(), err: "it is no regular file"},
		{name: "a pipe", from: "file:" + pipe, err: "it is no regular file"},
		{name: "no store", from: "store", err: "store: the store holds no value of that name"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := NewSet(Config{
				Definitions: map[string]Definition{"a": {From: tc.from, Origins: []string{"api.example"}}},
				LookupEnv:   func(name string) (string, bool) { return tc.env, name == "X" },
			})
			if err != nil {
				t.Fatal(err)
			}
			c := &Call{Access: s.Access("weather", []string{"a"}, []Grant{{Name: "a"}})}
			r := &egress.Request{Method: "GET", URL: "https://api.example/?", Headers: [][2]string{{"x", ""}}}
			got, err := s.value(s.defined["a"])
			if got != tc.want || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("got %.20q, %v; want %.20q, %s", got, err, tc.want, tc.err)
			}
			if info := s.List()[0]; info.From != tc.from || info.Available != (tc.err == "") || !strings.Contains(tc.err, info.Problem) && !strings.HasSuffix(err.Error(), ": "+info.Problem) {
				t.Errorf("shown as %+v", info)
			}
			if tc.err == "" {
				return
			}
			r.Headers[0][1] = reference(t, c, "a")
			failure := c.Put(r)
			checkCode(t, "put", failure, egress.CodeSecretUnavailable)
			c.Put(r)
			if noted := c.Unavailable(); strings.Contains(failure.Message, tc.from) || len(noted) != 1 || noted[0].Name != "a" || !strings.Contains(noted[0].Error(), tc.err) {
				t.Errorf("the guest is told %s, the operator %v", failure.Message, noted)
			}
		})
	}
}

// A file counts as it is when a request leaves.
func TestSet_FileChanges(t *testing.T) {
	path := writeFile(t, "one")
	c, ref := calling(t, Definition{From: "file:" + path, Origins: []string{"api.example"}})
	for _, want := range []string{"one", "two", "six"} {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		r := &egress.Request{Method: "GET", URL: "https://api.example/", Headers: [][2]string{{"x", ref}}}
		if failure := c.Put(r); failure != nil || r.Headers[0][1] != want {
			t.Errorf("got %q, %v; want %s", r.Headers, failure, want)
		}
	}
}

func TestNewSet(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"api.example", "https://api.example"}, {"https://API.example:443", "https://api.example"}, {"http://api.example", "http://api.example"},
		{"http://127.0.0.1:8080", "http://127.0.0.1:8080"}, {"[fd12::5]:8443", "https://[fd12::5]:8443"}, {"bücher.example", "https://xn--bcher-kva.example"},
		{"api.example/", ""}, {"https://api.example?x", ""}, {"https://user@api.example", ""}, {"ftp://api.example", ""}, {"", ""}, {"*.example", ""}, {"https://*", ""},
	} {
		got, err := parseOrigin(tc.text)
		if got != tc.want || (err == nil) != (tc.want != "") {
			t.Errorf("%q: got %q, %v; want %q", tc.text, got, err, tc.want)
		}
	}
	if _, err := NewSet(Config{Definitions: map[string]Definition{"a": {From: "nowhere"}}}); err == nil || !strings.Contains(err.Error(), `the secret "a": from: write env:NAME`) {
		t.Errorf("got %v", err)
	}
}
