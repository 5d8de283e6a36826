package catalog

import (
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func digests(e Entry) []string {
	var all []string
	for _, v := range e.Versions {
		all = append(all, v.SHA256)
	}
	return all
}

func TestEntry_WithVersion(t *testing.T) {
	for _, tc := range []struct {
		name   string
		before []string
		added  string
		keep   int
		want   []string
	}{
		{"first", nil, "a", 0, []string{"a"}},
		{"newest comes first", []string{"a"}, "b", 0, []string{"b", "a"}},
		{"the default keeps five", []string{"e", "d", "c", "b", "a"}, "f", 0, []string{"f", "e", "d", "c", "b"}},
		{"negative is the default", []string{"e", "d", "c", "b", "a"}, "f", -1, []string{"f", "e", "d", "c", "b"}},
		{"keep one", []string{"b", "a"}, "c", 1, []string{"c"}},
		{"keep more than there are", []string{"a"}, "b", 9, []string{"b", "a"}},
		{"again", []string{"c", "b", "a"}, "a", 3, []string{"a", "c", "b"}},
		{"again and fewer", []string{"c", "b", "a"}, "b", 2, []string{"b", "c"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := Entry{Name: "weather", Revision: 7, Bundled: true, Active: "a"}
			for _, d := range tc.before {
				before.Versions = append(before.Versions, Version{SHA256: d, ABI: "before"})
			}
			same := before
			same.Versions = slices.Clone(before.Versions)

			after := before.WithVersion(Version{SHA256: tc.added, ABI: "after"}, tc.keep)
			if got := digests(after); !slices.Equal(got, tc.want) {
				t.Errorf("versions %q; want %q", got, tc.want)
			}
			if after.Active != tc.added || after.Versions[0].ABI != "after" || after.Name != "weather" || after.Revision != 7 || !after.Bundled {
				t.Errorf("%+v", after)
			}
			if !reflect.DeepEqual(before, same) {
				t.Errorf("the original has become %+v", before)
			}
		})
	}
}

func TestEntry_Version(t *testing.T) {
	e := Entry{Versions: []Version{{SHA256: "a", Size: 1}, {SHA256: "b", Size: 2}}}
	if v, ok := e.Version("b"); !ok || v.Size != 2 {
		t.Errorf("%+v, %v", v, ok)
	}
	if v, ok := e.Version("c"); ok || v.SHA256 != "" {
		t.Errorf("%+v, %v", v, ok)
	}
}

func TestErrors_HaveCodesAndSentences(t *testing.T) {
	codes := map[string]bool{}
	for _, err := range []error{ErrNotFound, ErrConflict, ErrInvalid, ErrLocked, ErrNewerSchema, ErrDamaged, ErrNoSpace, ErrStorage, ErrClosed} {
		var coded interface{ Code() string }
		if !errors.As(fmt.Errorf("doing something: %w", err), &coded) {
			t.Fatalf("%v has no code", err)
		}
		code := coded.Code()
		if codes[code] || code == "" || strings.ToLower(code) != code {
			t.Errorf("the code of %v is %q", err, code)
		}
		codes[code] = true
		if !strings.Contains(err.Error(), ";") {
			t.Errorf("%q does not say what to do", err)
		}
	}
}

func TestStorageError(t *testing.T) {
	for _, tc := range []struct {
		err         error
		want        error
		expectedErr string
	}{
		{&fs.PathError{Op: "write", Path: "f", Err: syscall.ENOSPC}, ErrNoSpace, "try: no space left in the data directory; free some and try again (write f: no space left on device)"},
		{&fs.PathError{Op: "write", Path: "f", Err: syscall.EDQUOT}, ErrNoSpace, "try: no space left in the data directory; free some and try again (write f: disk quota exceeded)"},
		{syscall.EIO, ErrStorage, "try: the data directory can't be read or written; check the disk and its permissions, then restart (input/output error)"},
		{syscall.EROFS, ErrStorage, "try: the data directory can't be read or written; check the disk and its permissions, then restart (read-only file system)"},
		{ErrConflict, ErrConflict, "changed in the meantime; read it again and repeat the change"},
	} {
		err := storageError("try", tc.err)
		if !errors.Is(err, tc.want) || !errors.Is(err, tc.err) || err.Error() != tc.expectedErr {
			t.Errorf("%v became %v; want %s", tc.err, err, tc.expectedErr)
		}
	}
	if err := storageError("try", nil); err != nil {
		t.Error(err)
	}
}
