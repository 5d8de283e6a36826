package catalog

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/runtime/manifest"
)

// openTest opens a store that is closed when the test ends.
func openTest(t testing.TB, dir string, o Options, system ops) *Local {
	t.Helper()
	l, err := open(dir, o, system)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return l
}

func newVersion(digest string, size int) Version {
	return Version{
		SHA256: digest, Size: int64(size), ABI: "native", InstalledAt: time.Date(2031, 5, 7, 11, 13, 17, 0, time.UTC),
		Manifest: &manifest.Manifest{Name: "weather", Version: "1.0.0", Commands: []manifest.Command{{Name: "GetForecast"}}},
	}
}

// install puts b and swaps an entry of that name that has it as its only version.
func install(t testing.TB, l *Local, name string, b string, revision uint64) Entry {
	t.Helper()
	digest, err := l.PutBlob(t.Context(), []byte(b))
	if err != nil {
		t.Fatal(err)
	}
	e, err := l.CompareAndSwap(t.Context(), Entry{Name: name}.WithVersion(newVersion(digest, len(b)), 0), revision)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// leftovers returns the files below dir that are not finished.
func leftovers(t testing.TB, dir string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if strings.Contains(path, temporaryMark) {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
