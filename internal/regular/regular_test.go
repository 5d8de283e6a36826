package regular

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for name, size := range map[string]int64{"empty": 0, "whole": 8, "more": 9, "endless": 1 << 40} {
		if err := os.WriteFile(at(name), []byte(strings.Repeat("x", int(min(size, 9)))), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(at(name), size); err != nil {
			t.Fatal(err)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(syscall.Mkfifo(at("pipe"), 0o600))
	must(os.Symlink("pipe", at("to the pipe")))
	must(os.Symlink("whole", at("to the whole")))
	must(os.Symlink("itself", at("itself")))
	for _, tc := range []struct {
		path, want string
		err        error
	}{
		{at("whole"), "xxxxxxxx", nil},
		{at("to the whole"), "xxxxxxxx", nil},
		{at("empty"), "", nil},
		{at("more"), "", ErrTooLarge},
		{at("endless"), "", ErrTooLarge},
		{at("pipe"), "", ErrNotRegular},
		{at("to the pipe"), "", ErrNotRegular},
		{"/dev/zero", "", ErrNotRegular},
		{dir, "", ErrNotRegular},
		{at("none"), "", os.ErrNotExist},
		{at("whole") + "/below", "", syscall.ENOTDIR},
		{at("itself"), "", syscall.ELOOP},
		{"", "", os.ErrNotExist},
		{"a\x00b", "", syscall.EINVAL},
	} {
		got, err := Read(tc.path, 8)
		if string(got) != tc.want || !errors.Is(err, tc.err) {
			t.Errorf("%q: got %q, %v; want %q, %v", tc.path, got, err, tc.want, tc.err)
		}
		if err != nil && tc.path != "" && strings.Contains(err.Error(), tc.path) {
			t.Errorf("the path is repeated: %v", err)
		}
	}
}
