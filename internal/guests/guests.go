// Package guests finds the modules that tests run, and has what was compiled of them used again. `make guests` builds
// those in Go; those in Rust are committed.
package guests

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// Module returns the bytes of a guest of testdata/guests or of a bundled connector, by name.
func Module(t testing.TB, name string) []byte {
	t.Helper()
	wasm, err := os.ReadFile(Path(t, name))
	if err != nil {
		t.Fatalf("the guest %q is not built: run `make guests` (%v)", name, err)
	}
	return wasm
}

// Path returns where the module of that name is.
func Path(t testing.TB, name string) string {
	t.Helper()
	switch name {
	case "http":
		return filepath.Join(root(t), "modules", "http", "http.wasm")
	case "lines":
		return filepath.Join(root(t), "testdata", "guests", "lines", "lines.wasm")
	}
	return filepath.Join(root(t), "bin", "guests", name+".wasm")
}

// CopyData makes a data folder from that of a server that has ended, so that what it compiled need not be compiled again.
func CopyData(t testing.TB, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, name)
		if d.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		if d.Name() != "catalog.db" {
			return os.Link(path, target) // written whole and never changed
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, text, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// root is the repository's folder.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("the tests do not run inside the repository")
		}
		dir = parent
	}
}
