package catalog

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

func TestOpen_KeepsWhatWasThere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there", "yet")
	l := openTest(t, dir, Options{}, systemOps())
	e := install(t, l, "weather", "old", 0)
	for range 2 {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	l = openTest(t, dir, Options{}, systemOps())
	checkReadable(t, l, e)
	if second := install(t, l, "second", "old", 0); second.Revision <= e.Revision {
		t.Errorf("revision %d came after %d", second.Revision, e.Revision)
	}
}

func TestOpen_Modes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	l := openTest(t, dir, Options{}, systemOps())
	install(t, l, "weather", "old", 0)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(fileMode)
		if d.IsDir() {
			want = folderMode
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o; want %o", path, got, want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestOpen_RemovesLeftovers(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, dir, Options{}, systemOps())
	e := install(t, l, "weather", "old", 0)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	stranger := filepath.Join(l.digestsFolder(), "README")
	for _, path := range []string{temporaryName(l.databasePath()), temporaryName(l.blobPath(e.Active)), stranger} {
		if err := os.WriteFile(path, []byte("torn"), fileMode); err != nil {
			t.Fatal(err)
		}
	}
	l = openTest(t, dir, Options{}, systemOps())
	if found := leftovers(t, dir); len(found) > 0 {
		t.Errorf("left over: %q", found)
	}
	if _, err := l.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(stranger); err != nil {
		t.Errorf("a file that is not ours is gone: %v", err)
	}
	checkReadable(t, l, e)
}

func TestOpen_Errors(t *testing.T) {
	t.Run("locked", func(t *testing.T) {
		dir := t.TempDir()
		openTest(t, dir, Options{}, systemOps())
		if l, err := Open(dir, Options{LockTimeout: time.Millisecond}); !errors.Is(err, ErrLocked) {
			t.Errorf("%v, %v", l, err)
		}
	})
	t.Run("newer schema", func(t *testing.T) {
		dir := t.TempDir()
		l := openTest(t, dir, Options{}, systemOps())
		err := l.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketMeta).Put(keySchema, []byte("2")) })
		if err := errors.Join(err, l.Close()); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the first attempt must not keep the lock
			l, err := Open(dir, Options{LockTimeout: time.Millisecond})
			if !errors.Is(err, ErrNewerSchema) || !strings.Contains(err.Error(), "schema 2, this version knows up to 1") {
				t.Errorf("%v, %v", l, err)
			}
		}
	})
	t.Run("schema is no number", func(t *testing.T) {
		dir := t.TempDir()
		l := openTest(t, dir, Options{}, systemOps())
		err := l.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketMeta).Put(keySchema, []byte("x")) })
		if err := errors.Join(err, l.Close()); err != nil {
			t.Fatal(err)
		}
		if l, err := Open(dir, Options{}); !errors.Is(err, ErrDamaged) {
			t.Errorf("%v, %v", l, err)
		}
	})
	t.Run("a file is in the way", func(t *testing.T) {
		for _, name := range []string{"data", "blobs"} {
			dir := filepath.Join(t.TempDir(), "data")
			path := filepath.Join(filepath.Dir(dir), name)
			if name == "blobs" {
				path = filepath.Join(dir, name)
				if err := os.Mkdir(dir, folderMode); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(path, nil, fileMode); err != nil {
				t.Fatal(err)
			}
			if l, err := Open(dir, Options{}); !errors.Is(err, ErrStorage) {
				t.Errorf("%s: %v, %v", name, l, err)
			}
		}
	})
}

// Another process may install its database while this one makes one: neither is lost.
func TestOpen_LosesTheRace(t *testing.T) {
	dir := t.TempDir()
	var winner *Local
	o := systemOps()
	o.link = func(from, to string) error {
		winner = openTest(t, dir, Options{}, systemOps())
		return os.Link(from, to)
	}
	if l, err := open(dir, Options{LockTimeout: time.Millisecond}, o); !errors.Is(err, ErrLocked) {
		t.Errorf("%v, %v", l, err)
	}
	install(t, winner, "weather", "old", 0)
	if found := leftovers(t, dir); len(found) > 0 {
		t.Errorf("left over: %q", found)
	}
}

func TestLocal_SweepGrace(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, dir, Options{SweepGrace: time.Minute}, systemOps())
	now := time.Now()
	l.now = func() time.Time { return now }
	sweep := func(want int) {
		t.Helper()
		if n, err := l.Sweep(t.Context()); n != want || err != nil {
			t.Errorf("Sweep: %d, %v; want %d", n, err, want)
		}
	}
	put := func() Version {
		t.Helper()
		digest, err := l.PutBlob(t.Context(), []byte("waiting"))
		if err != nil {
			t.Fatal(err)
		}
		return newVersion(digest, 7)
	}

	v := put()
	now = now.Add(time.Minute - 1)
	sweep(0)
	put() // again: its grace begins anew
	now = now.Add(time.Minute - 1)
	sweep(0)
	now = now.Add(1)
	sweep(1)
	if _, err := l.CompareAndSwap(t.Context(), Entry{Name: "weather"}.WithVersion(v, 0), 0); !errors.Is(err, ErrNotFound) {
		t.Errorf("CompareAndSwap after the grace: %v", err)
	}
	if len(l.pending) != 0 {
		t.Errorf("pending: %v", l.pending)
	}

	put()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = openTest(t, dir, Options{}, systemOps())
	sweep(1) // the grace ends with the process
}
