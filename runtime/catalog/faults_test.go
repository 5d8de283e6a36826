package catalog

import (
	"errors"
	"io/fs"
	"os"
	"reflect"
	"sync/atomic"
	"syscall"
	"testing"

	"go.etcd.io/bbolt"
)

// write is an upload, an installation or a removal: what a fault can hit.
type write struct {
	name string
	run  func(t *testing.T, l *Local, e Entry) error
}

var (
	putNew = write{"PutBlob", func(t *testing.T, l *Local, _ Entry) error {
		_, err := l.PutBlob(t.Context(), []byte("new"))
		return err
	}}
	swap = write{"CompareAndSwap", func(t *testing.T, l *Local, e Entry) error {
		e.Bundled = true
		_, err := l.CompareAndSwap(t.Context(), e, e.Revision)
		return err
	}}
	remove = write{"Delete", func(t *testing.T, l *Local, e Entry) error { return l.Delete(t.Context(), e.Name, e.Revision) }}
	sweep  = write{"Sweep", func(t *testing.T, l *Local, _ Entry) error { _, err := l.Sweep(t.Context()); return err }}
)

func pathError(op string, err error) error { return &fs.PathError{Op: op, Path: "somewhere", Err: err} }

func TestLocal_Faults(t *testing.T) {
	for _, tc := range []struct {
		name        string
		hits        []write
		inject      func(o *ops)
		expectedErr error
		cause       error
		// final says that the store must not acknowledge anything afterwards.
		final bool
	}{
		{name: "no space for a folder", hits: []write{putNew}, expectedErr: ErrNoSpace, cause: syscall.ENOSPC,
			inject: func(o *ops) { o.mkdir = func(string) error { return pathError("mkdir", syscall.ENOSPC) } }},
		{name: "no space for a file", hits: []write{putNew}, expectedErr: ErrNoSpace, cause: syscall.ENOSPC,
			inject: func(o *ops) {
				o.create = func(string) (*os.File, error) { return nil, pathError("open", syscall.ENOSPC) }
			}},
		{name: "no space for the bytes", hits: []write{putNew}, expectedErr: ErrNoSpace, cause: syscall.ENOSPC,
			inject: func(o *ops) {
				o.write = func(f *os.File, b []byte) (int, error) {
					n, _ := f.Write(b[:len(b)/2])
					return n, pathError("write", syscall.ENOSPC)
				}
			}},
		{name: "quota reached", hits: []write{putNew}, expectedErr: ErrNoSpace, cause: syscall.EDQUOT,
			inject: func(o *ops) {
				o.write = func(*os.File, []byte) (int, error) { return 0, pathError("write", syscall.EDQUOT) }
			}},
		{name: "short write", hits: []write{putNew}, expectedErr: ErrStorage,
			inject: func(o *ops) {
				o.write = func(f *os.File, b []byte) (int, error) { return f.Write(b[:1]) }
			}},
		{name: "write fails", hits: []write{putNew}, expectedErr: ErrStorage, cause: syscall.EIO,
			inject: func(o *ops) {
				o.write = func(*os.File, []byte) (int, error) { return 0, pathError("write", syscall.EIO) }
			}},
		{name: "sync of a file fails", hits: []write{putNew}, expectedErr: ErrStorage, cause: syscall.EIO,
			inject: func(o *ops) { o.sync = func(*os.File) error { return pathError("sync", syscall.EIO) } }},
		{name: "sync of a file finds no space", hits: []write{putNew}, expectedErr: ErrNoSpace, cause: syscall.ENOSPC,
			inject: func(o *ops) { o.sync = func(*os.File) error { return pathError("sync", syscall.ENOSPC) } }},
		{name: "close fails", hits: []write{putNew}, expectedErr: ErrStorage, cause: syscall.EIO,
			inject: func(o *ops) {
				o.close = func(f *os.File) error { return errors.Join(pathError("close", syscall.EIO), f.Close()) }
			}},
		{name: "rename fails", hits: []write{putNew}, expectedErr: ErrStorage, cause: syscall.EROFS,
			inject: func(o *ops) { o.rename = func(string, string) error { return pathError("rename", syscall.EROFS) } }},
		{name: "read-only file system", hits: []write{putNew}, expectedErr: ErrStorage, cause: syscall.EROFS,
			inject: func(o *ops) {
				o.create = func(string) (*os.File, error) { return nil, pathError("open", syscall.EROFS) }
			}},
		{name: "sync of a folder fails", hits: []write{putNew}, expectedErr: ErrStorage, cause: syscall.EIO, final: true,
			inject: func(o *ops) { o.syncDir = func(string) error { return pathError("sync", syscall.EIO) } }},
		{name: "no space in the database", hits: []write{swap, remove}, expectedErr: ErrNoSpace, cause: syscall.ENOSPC,
			inject: func(o *ops) { o.commit = func(*bbolt.Tx) error { return pathError("write", syscall.ENOSPC) } }},
		{name: "sync of the database fails", hits: []write{swap, remove}, expectedErr: ErrStorage, cause: syscall.EIO, final: true,
			inject: func(o *ops) { o.commit = func(*bbolt.Tx) error { return syscall.EIO } }},
		{name: "sync of the database finds no space", hits: []write{swap, remove}, expectedErr: ErrNoSpace, cause: syscall.ENOSPC, final: true,
			inject: func(o *ops) { o.commit = func(*bbolt.Tx) error { return syscall.ENOSPC } }},
		{name: "commit panics", hits: []write{swap, remove}, expectedErr: ErrStorage, final: true,
			inject: func(o *ops) { o.commit = func(*bbolt.Tx) error { panic("page 7 is not what it was") } }},
	} {
		for _, hit := range tc.hits {
			t.Run(tc.name+"/"+hit.name, func(t *testing.T) {
				dir := t.TempDir()
				l := openTest(t, dir, Options{}, systemOps())
				e := install(t, l, "weather", "old", 0)
				healthy := l.ops
				tc.inject(&l.ops)
				err := hit.run(t, l, e)
				if !errors.Is(err, tc.expectedErr) || tc.cause != nil && !errors.Is(err, tc.cause) {
					t.Errorf("%v; want: %v", err, tc.expectedErr)
				}
				if found := leftovers(t, dir); len(found) > 0 {
					t.Errorf("left over: %q", found)
				}
				l.ops = healthy
				checkReadable(t, l, e)
				for _, w := range []write{putNew, swap, sweep} {
					err := w.run(t, l, e)
					if tc.final && !errors.Is(err, ErrStorage) {
						t.Errorf("%s afterwards: %v; want: %v", w.name, err, ErrStorage)
					}
					if !tc.final && err != nil {
						t.Errorf("%s afterwards: %v", w.name, err)
					}
				}
			})
		}
	}
}

// checkReadable checks that what was installed before a fault still serves.
func checkReadable(t *testing.T, l *Local, e Entry) {
	t.Helper()
	if got, err := l.Get(t.Context(), e.Name); err != nil || !reflect.DeepEqual(got, e) {
		t.Errorf("Get: %+v, %v; want %+v", got, err, e)
	}
	if all, err := l.List(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("List: %+v, %v", all, err)
	}
	if b, err := l.Blob(t.Context(), e.Active); err != nil || string(b) != "old" {
		t.Errorf("Blob: %q, %v", b, err)
	}
}

// A store that failed works again when it is opened anew, with what was acknowledged.
func TestLocal_ReopenAfterFailure(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, dir, Options{}, systemOps())
	e := install(t, l, "weather", "old", 0)
	l.ops.syncDir = func(string) error { return syscall.EIO }
	if err := putNew.run(t, l, e); !errors.Is(err, ErrStorage) {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = openTest(t, dir, Options{}, systemOps())
	checkReadable(t, l, e)
	if err := swap.run(t, l, e); err != nil {
		t.Error(err)
	}
}

func TestLocal_ReadFails(t *testing.T) {
	l := openTest(t, t.TempDir(), Options{}, systemOps())
	e := install(t, l, "weather", "old", 0)
	healthy := l.ops
	l.ops.readFile = func(string) ([]byte, error) { return nil, pathError("read", syscall.EIO) }
	if _, err := l.Blob(t.Context(), e.Active); !errors.Is(err, ErrStorage) || errors.Is(err, ErrDamaged) {
		t.Errorf("Blob: %v", err)
	}
	l.ops = healthy
	checkReadable(t, l, e) // an I/O error is no reason to set a blob aside
}

// What is acknowledged costs exactly the syncs that make it durable.
func TestLocal_CountsSyncs(t *testing.T) {
	var files, folders, commits atomic.Int64
	o := systemOps()
	o.sync = func(f *os.File) error { files.Add(1); return f.Sync() }
	o.syncDir = func(path string) error { folders.Add(1); return syncDir(path) }
	o.commit = func(tx *bbolt.Tx) error { commits.Add(1); return tx.Commit() }
	l := openTest(t, t.TempDir(), Options{}, o)
	digest := digestOf([]byte("one"))
	for _, tc := range []struct {
		name                    string
		run                     func() error
		files, folders, commits int64
	}{
		{"first blob of a folder", func() error { _, err := l.PutBlob(t.Context(), []byte("one")); return err }, 1, 2, 0},
		{"blob again", func() error { _, err := l.PutBlob(t.Context(), []byte("one")); return err }, 1, 1, 0},
		{"entry of a new version", func() error {
			_, err := l.CompareAndSwap(t.Context(), Entry{Name: "weather"}.WithVersion(newVersion(digest, 3), 0), 0)
			return err
		}, 0, 1, 1},
		{"entry of a known version", func() error {
			_, err := l.CompareAndSwap(t.Context(), Entry{Name: "weather"}.WithVersion(newVersion(digest, 3), 0), 1)
			return err
		}, 0, 0, 1},
		{"delete", func() error { return l.Delete(t.Context(), "weather", 2) }, 0, 0, 1},
		{"reads", func() error {
			_, err := l.List(t.Context())
			_, blobErr := l.Blob(t.Context(), digest)
			return errors.Join(err, blobErr)
		}, 0, 0, 0},
		{"sweep", func() error { _, err := l.Sweep(t.Context()); return err }, 0, 0, 0},
	} {
		files.Store(0)
		folders.Store(0)
		commits.Store(0)
		if err := tc.run(); err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		if files.Load() != tc.files || folders.Load() != tc.folders || commits.Load() != tc.commits {
			t.Errorf("%s: synced %d files, %d folders, %d commits; want %d, %d, %d",
				tc.name, files.Load(), folders.Load(), commits.Load(), tc.files, tc.folders, tc.commits)
		}
	}
}
