// Package guests finds the modules that tests run. `make guests` builds them.
package guests

import (
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
	if name == "http" {
		return filepath.Join(root(t), "modules", "http", "http.wasm")
	}
	return filepath.Join(root(t), "bin", "guests", name+".wasm")
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
