package compile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestNew_Errors(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("folders have no modes there")
	}
	mkdir := func(t *testing.T, path string, mode fs.FileMode) {
		if err := errors.Join(os.Mkdir(path, 0o700), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
	}
	codeDir := newCompiler(t, Config{}).compiler.dir
	tests := []struct {
		name        string
		make        func(t *testing.T, path string)
		expectedErr string
	}{
		{"others may read", func(t *testing.T, path string) { mkdir(t, path, 0o750) }, "must be a folder of this user's with mode 0700"},
		{"others may write", func(t *testing.T, path string) { mkdir(t, path, 0o702) }, "must be a folder of this user's with mode 0700"},
		{"a link", func(t *testing.T, path string) {
			mkdir(t, path+"-real", 0o700)
			if err := os.Symlink(path+"-real", path); err != nil {
				t.Fatal(err)
			}
		}, "must be a folder of this user's with mode 0700"},
		{"a file", func(t *testing.T, path string) {
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "not a directory"},
		{"others may write to the code", func(t *testing.T, path string) {
			mkdir(t, path, 0o700)
			mkdir(t, filepath.Join(path, codeDir), 0o777)
		}, "must be a folder of this user's with mode 0700"},
		{"the code is elsewhere", func(t *testing.T, path string) {
			mkdir(t, path, 0o700)
			mkdir(t, path+"-real", 0o700)
			if err := os.Symlink(path+"-real", filepath.Join(path, codeDir)); err != nil {
				t.Fatal(err)
			}
		}, "must be a folder of this user's with mode 0700"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			dir := cacheDir(t)
			tc.make(t, dir)
			if _, err := New(Config{CacheDir: dir}); err == nil || !strings.Contains(err.Error(), tc.expectedErr) {
				t.Errorf("the error is %v; wanted %q", err, tc.expectedErr)
			}
		})
	}
}

func TestNew_NoHelper(t *testing.T) {
	canHelp.Store(false)
	defer canHelp.Store(true)
	if _, err := New(Config{CacheDir: cacheDir(t)}); !errors.Is(err, ErrNoHelper) {
		t.Errorf("the error is %v", err)
	}
}

// TestCompile_CacheGone takes the folder away under a compiler.
func TestCompile_CacheGone(t *testing.T) {
	c := newCompiler(t, Config{})
	if err := os.RemoveAll(c.config.CacheDir); err != nil {
		t.Fatal(err)
	}
	_, err := c.Compile(t.Context(), answering(1))
	wantError(t, err, CodeUnavailable, "Check the disk")
}

func TestNew_RemovesWorkshops(t *testing.T) {
	dir := cacheDir(t)
	left, foreign := filepath.Join(dir, workshopPrefix+"1", "wazero-x"), filepath.Join(dir, "lost+found")
	if err := errors.Join(os.MkdirAll(left, 0o700), os.Mkdir(foreign, 0o700), os.WriteFile(filepath.Join(left, "code.1.tmp"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	newCompiler(t, Config{CacheDir: dir}) // which looks for workshops when the test ends
	if _, err := os.Lstat(foreign); err != nil {
		t.Error(err)
	}
}

func TestAdopt(t *testing.T) {
	dir := cacheDir(t)
	c := newCompiler(t, Config{CacheDir: dir})
	kept, dropped := mustCompile(t, c, answering(1)), mustCompile(t, c, answering(2))
	otherVersion := filepath.Join(dir, codePrefix+"v0.0.1-amd64-linux")
	err := errors.Join(
		os.Mkdir(otherVersion, 0o700),
		os.WriteFile(filepath.Join(otherVersion, kept.name()), nil, 0o600),
		os.WriteFile(filepath.Join(c.codeDir(), strings.Repeat("a", digestLength)), []byte("planted"), 0o600),
		os.WriteFile(filepath.Join(c.codeDir(), kept.name()+".123.tmp"), nil, 0o600),
		os.WriteFile(filepath.Join(dir, "README"), nil, 0o600),
	)
	if err != nil {
		t.Fatal(err)
	}
	otherProcessor := newRecord(strings.Repeat("b", digestLength), strings.Repeat("c", digestLength), kept.digest())

	next := newCompiler(t, Config{CacheDir: dir})
	removed, err := next.Adopt([]Record{"", "nonsense", kept, otherProcessor})
	if removed != 4 || err != nil {
		t.Errorf("%d files were removed, %v", removed, err)
	}
	wantFiles(t, next, kept)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if expected := []string{"README", next.compiler.dir}; !slices.Equal(names, expected) {
		t.Errorf("in the folder are %q; wanted %q", names, expected)
	}
	// What was kept is known, what was not is made again.
	good := next.config.Command
	next.config.Command = playing(t, "silent")
	if again := mustCompile(t, next, answering(1)); again != kept {
		t.Errorf("the record was %q, and is %q", kept, again)
	}
	if _, err := next.Compile(t.Context(), answering(2)); err == nil {
		t.Error("code without a record was taken")
	}
	next.config.Command = good
	if again := mustCompile(t, next, answering(2)); again != dropped {
		t.Errorf("the record was %q, and is %q", dropped, again)
	}
	wantFiles(t, next, kept, dropped)
}
