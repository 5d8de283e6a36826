package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"go.etcd.io/bbolt"
)

// flipBit changes one bit in the middle of a file.
func flipBit(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 0x10
	if err := os.WriteFile(path, b, fileMode); err != nil {
		t.Fatal(err)
	}
}

func TestLocal_DamagedBlob(t *testing.T) {
	l := openTest(t, t.TempDir(), Options{}, systemOps())
	e := install(t, l, "weather", "a module", 0)
	for n := 1; n <= 3; n++ {
		flipBit(t, l.blobPath(e.Active))
		damaged, err := os.ReadFile(l.blobPath(e.Active))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := l.Blob(t.Context(), e.Active); !errors.Is(err, ErrDamaged) || b != nil {
			t.Fatalf("Blob: %q, %v", b, err)
		}
		if b, err := l.Blob(t.Context(), e.Active); !errors.Is(err, ErrNotFound) || b != nil {
			t.Fatalf("Blob once more: %q, %v", b, err)
		}
		aside, err := os.ReadFile(filepath.Join(l.damagedFolder(), fmt.Sprintf("%s.%d", e.Active, n)))
		if err != nil || !bytes.Equal(aside, damaged) {
			t.Errorf("set aside: %q, %v", aside, err)
		}
		if _, err := l.PutBlob(t.Context(), []byte("a module")); err != nil {
			t.Fatal(err)
		}
		if b, err := l.Blob(t.Context(), e.Active); err != nil || string(b) != "a module" {
			t.Errorf("Blob after it was put again: %q, %v", b, err)
		}
	}
}

func TestLocal_TruncatedBlob(t *testing.T) {
	l := openTest(t, t.TempDir(), Options{}, systemOps())
	e := install(t, l, "weather", "a module", 0)
	if err := os.Truncate(l.blobPath(e.Active), 0); err != nil {
		t.Fatal(err)
	}
	if b, err := l.Blob(t.Context(), e.Active); !errors.Is(err, ErrDamaged) || b != nil {
		t.Errorf("Blob: %q, %v", b, err)
	}
}

func TestLocal_DamagedBlobThatCannotBeSetAside(t *testing.T) {
	l := openTest(t, t.TempDir(), Options{}, systemOps())
	e := install(t, l, "weather", "a module", 0)
	flipBit(t, l.blobPath(e.Active))
	l.ops.rename = func(string, string) error { return os.ErrPermission }
	for range 2 {
		if b, err := l.Blob(t.Context(), e.Active); !errors.Is(err, ErrDamaged) || !errors.Is(err, os.ErrPermission) || b != nil {
			t.Errorf("Blob: %q, %v", b, err)
		}
	}
}

// Readers that find a blob damaged while it is put again set aside only what is damaged.
func TestLocal_HammerDamagedBlob(t *testing.T) {
	l := openTest(t, t.TempDir(), Options{}, unsyncedOps())
	e := install(t, l, "weather", "a module", 0)
	for range 20 {
		flipBit(t, l.blobPath(e.Active))
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				if b, err := l.Blob(t.Context(), e.Active); err == nil && string(b) != "a module" {
					t.Errorf("Blob: %q", b)
				}
			})
		}
		group.Go(func() {
			if _, err := l.PutBlob(t.Context(), []byte("a module")); err != nil {
				t.Error(err)
			}
		})
		group.Wait()
		if b, err := l.Blob(t.Context(), e.Active); err != nil || string(b) != "a module" {
			t.Fatalf("Blob after it was put again: %q, %v", b, err)
		}
	}
}

func TestLocal_DamagedEntry(t *testing.T) {
	for name, damage := range map[string]func(record []byte) []byte{
		"bit":       func(r []byte) []byte { r[len(r)/2] ^= 1; return r },
		"checksum":  func(r []byte) []byte { r[0] ^= 1; return r },
		"cut short": func(r []byte) []byte { return r[:len(r)-1] },
		"empty":     func([]byte) []byte { return nil },
		"another's": func([]byte) []byte {
			r, err := encodeEntry(Entry{Name: "other", Revision: 1})
			if err != nil {
				panic(err)
			}
			return r
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			l := openTest(t, t.TempDir(), Options{}, systemOps())
			good := install(t, l, "good", "good", 0)
			bad := install(t, l, "bad", "bad", 0)
			err := l.update(func(entries *bbolt.Bucket) error {
				return entries.Put([]byte("bad"), damage(bytes.Clone(entries.Get([]byte("bad")))))
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := l.Get(ctx, "bad"); !errors.Is(err, ErrDamaged) {
				t.Errorf("Get: %v", err)
			}
			if all, err := l.List(ctx); !errors.Is(err, ErrDamaged) || len(all) != 1 || all[0].Name != "good" {
				t.Errorf("List: %+v, %v", all, err)
			}
			if _, err := l.CompareAndSwap(ctx, bad, bad.Revision); !errors.Is(err, ErrDamaged) {
				t.Errorf("CompareAndSwap: %v", err)
			}
			if n, err := l.Sweep(ctx); !errors.Is(err, ErrDamaged) || n != 0 {
				t.Errorf("Sweep: %d, %v", n, err)
			}
			if err := l.Delete(ctx, "bad", 0); err != nil {
				t.Errorf("Delete: %v", err)
			}
			install(t, l, "bad", "bad", 0)
			if all, err := l.List(ctx); err != nil || len(all) != 2 || all[1].Revision != good.Revision {
				t.Errorf("List: %+v, %v", all, err)
			}
		})
	}
}

// A database that lost its pages under the running process is an error, not the end of the process.
func TestLocal_DatabaseIsTruncated(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, dir, Options{}, systemOps())
	e := install(t, l, "weather", "old", 0)
	if err := os.Truncate(l.databasePath(), 2*int64(os.Getpagesize())); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := l.List(t.Context()); !errors.Is(err, ErrStorage) {
			t.Errorf("List: %v", err)
		}
		if err := swap.run(t, l, e); !errors.Is(err, ErrStorage) {
			t.Errorf("CompareAndSwap: %v", err)
		}
	}
	if b, err := l.Blob(t.Context(), e.Active); err != nil || string(b) != "old" {
		t.Errorf("Blob: %q, %v", b, err)
	}
}

func TestOpen_DamagedDatabase(t *testing.T) {
	page := int64(os.Getpagesize())
	for name, damage := range map[string]func(path string) error{
		"not a database": func(path string) error { return os.WriteFile(path, bytes.Repeat([]byte("x"), 32<<10), fileMode) },
		"zeros":          func(path string) error { return os.WriteFile(path, make([]byte, 32<<10), fileMode) },
		"first page":     func(path string) error { return os.Truncate(path, page) },
		"two pages":      func(path string) error { return os.Truncate(path, 2*page) },
		"empty":          func(path string) error { return os.Truncate(path, 0) },
		"few bytes":      func(path string) error { return os.WriteFile(path, []byte("bolt"), fileMode) },
		"another database": func(path string) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			db, err := bbolt.Open(path, fileMode, nil)
			return errors.Join(err, db.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l := openTest(t, dir, Options{}, systemOps())
			install(t, l, "weather", "old", 0)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if err := damage(l.databasePath()); err != nil {
				t.Fatal(err)
			}
			if l, err := Open(dir, Options{}); !errors.Is(err, ErrDamaged) {
				t.Errorf("%v, %v", l, err)
			}
		})
	}
}
