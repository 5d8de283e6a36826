package catalog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
)

// Options are the settings of a Local store. The zero value has the defaults.
type Options struct {
	// LockTimeout is how long Open waits for another process to give up the directory. The default is 1 second.
	LockTimeout time.Duration

	// SweepGrace is how long a blob that no entry refers to is spared after it was put, counted in the life of the
	// process: what an earlier process put and no entry refers to is not spared. The default is 1 hour. Make it longer
	// if more time can pass between putting a blob and the entry that refers to it.
	SweepGrace time.Duration
}

// Local is a Store in a directory of a local file system. One Local at a time has the directory; the file system must
// offer hard links and advisory locks.
//
//	catalog.db            the entries, a bbolt database
//	blobs/sha256/ab/<hex> the blobs, by the first two digits of their digest
//	blobs/damaged/<hex>.n blobs that were found damaged, set aside for whoever wants to look
//
// Folders are made with mode 0700 and files with 0600.
type Local struct {
	dir   string
	grace time.Duration
	ops   ops
	now   func() time.Time
	db    *bbolt.DB

	// mu is held shared by every operation, and alone by what must not meet another: sweeping, setting a blob aside and
	// closing. While it is held alone no file is half-written, and no blob is between its check and its reference.
	mu     sync.RWMutex
	closed bool // protected by mu

	// folders is held while a folder is made and synced, so that nobody relies on one whose name is not durable yet.
	folders sync.Mutex

	// pendingMu protects pending: when each blob was put that no entry refers to yet.
	pendingMu sync.Mutex
	pending   map[string]time.Time

	// failure is the first failed sync of what can't be written anew. From then on nothing is acknowledged.
	failure atomic.Pointer[error]
}

// Open opens the store in dir, makes it where it does not exist, and removes what interrupted writes left behind. The
// store is the caller's to close.
//
// # Errors
//
// It returns [ErrLocked], [ErrNewerSchema], [ErrDamaged] for a directory whose database can't be understood,
// [ErrNoSpace] or [ErrStorage].
func Open(dir string, o Options) (*Local, error) {
	return open(dir, o, systemOps())
}

func open(dir string, o Options, system ops) (*Local, error) {
	if o.LockTimeout <= 0 {
		o.LockTimeout = time.Second
	}
	if o.SweepGrace <= 0 {
		o.SweepGrace = time.Hour
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, storageError("open the data directory", err)
	}
	l := &Local{dir: dir, grace: o.SweepGrace, ops: system, now: time.Now, pending: map[string]time.Time{}}
	if err := l.makeRoot(); err != nil {
		return nil, storageError("make the data directory", err)
	}
	if err := l.openDatabase(o.LockTimeout); err != nil {
		return nil, storageError("open the catalog's database", err)
	}
	if err := l.prepareFolders(); err != nil {
		return nil, errors.Join(storageError("prepare the data directory", err), l.db.Close())
	}
	return l, nil
}

// makeRoot makes the data directory and those above it. The name of a directory that was there before is synced too: a
// process that made it may have been killed before it could do so.
func (l *Local) makeRoot() error {
	var missing []string
	for path := l.dir; ; path = filepath.Dir(path) {
		info, err := os.Stat(path)
		if err == nil && !info.IsDir() {
			return &fs.PathError{Op: "open", Path: path, Err: errors.New("not a directory")}
		}
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		missing = append(missing, path)
	}
	if len(missing) == 0 {
		// It may stand in a folder that can't be read or synced, as the root of an image; only a lost write matters.
		err := l.ops.syncDir(filepath.Dir(l.dir))
		if errors.Is(err, syscall.EIO) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
			return err
		}
	}
	for i := len(missing) - 1; i >= 0; i-- {
		if err := l.makeFolder(missing[i]); err != nil {
			return err
		}
	}
	return nil
}

// prepareFolders makes the folders of the blobs, removes leftovers, and syncs every name on the way to the blobs' own
// folders, whoever made it.
func (l *Local) prepareFolders() error {
	for _, path := range []string{l.blobsFolder(), l.digestsFolder(), l.damagedFolder()} {
		if err := l.makeFolder(path); err != nil {
			return err
		}
	}
	if _, err := l.removeLeftovers(); err != nil {
		return err
	}
	for _, path := range []string{l.dir, l.blobsFolder(), l.digestsFolder()} {
		if err := l.ops.syncDir(path); err != nil {
			return err
		}
	}
	return nil
}

// makeFolder makes a folder, unless it is there, and its name durable.
func (l *Local) makeFolder(path string) error {
	l.folders.Lock()
	defer l.folders.Unlock()
	if err := l.ops.mkdir(path); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	}
	return l.syncFolder(filepath.Dir(path))
}

// syncFolder makes the names in a folder durable. A failure is final: the system reports it once and forgets it, so no
// later sync could vouch for these names.
func (l *Local) syncFolder(path string) error {
	err := l.ops.syncDir(path)
	if err != nil {
		l.fail(err)
	}
	return err
}

func (l *Local) fail(err error) { l.failure.CompareAndSwap(nil, &err) }

// begin starts an operation that reads: it takes mu, shared, for the caller to release if there is no error.
func (l *Local) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.RLock()
	if l.closed {
		l.mu.RUnlock()
		return ErrClosed
	}
	return nil
}

// beginWrite is begin for an operation that writes.
func (l *Local) beginWrite(ctx context.Context) error {
	if err := l.begin(ctx); err != nil {
		return err
	}
	if err := l.writable(); err != nil {
		l.mu.RUnlock()
		return err
	}
	return nil
}

// writable returns the error of a store that has failed.
func (l *Local) writable() error {
	if err := l.failure.Load(); err != nil {
		return fmt.Errorf("an earlier write could not be made durable: %w (%w)", ErrStorage, *err)
	}
	return nil
}

// removeLeftovers removes the files that interrupted writes left. Nothing may be writing.
func (l *Local) removeLeftovers() (removed int, err error) {
	folders, err := os.ReadDir(l.digestsFolder())
	if err != nil {
		return 0, err
	}
	paths := []string{l.dir}
	for _, f := range folders {
		if f.IsDir() {
			paths = append(paths, filepath.Join(l.digestsFolder(), f.Name()))
		}
	}
	for _, path := range paths {
		files, err := os.ReadDir(path)
		if err != nil {
			return removed, err
		}
		for _, f := range files {
			if !f.Type().IsRegular() || !strings.Contains(f.Name(), temporaryMark) {
				continue
			}
			if err := l.ops.remove(filepath.Join(path, f.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return removed, err
			}
			removed++
		}
	}
	return removed, nil
}

// Close waits for what is running and gives the directory back. A second Close does nothing.
func (l *Local) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	return storageError("close the catalog", l.db.Close())
}

var _ Store = (*Local)(nil)
