package catalog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

// schema is the version of what the database holds. A change that an older program would misread raises it.
const schema = 1

var (
	bucketMeta    = []byte("meta")
	bucketEntries = []byte("entries") // name → record; its sequence is the last revision
	keySchema     = []byte("schema")
)

func (l *Local) databasePath() string { return filepath.Join(l.dir, "catalog.db") }

// openDatabase opens the database, having made it where there is none.
func (l *Local) openDatabase(lockTimeout time.Duration) error {
	if _, err := os.Stat(l.databasePath()); errors.Is(err, fs.ErrNotExist) {
		if err := l.installDatabase(); err != nil {
			return err
		}
	}
	db, err := openBolt(l.databasePath(), lockTimeout)
	if err != nil {
		return err
	}
	err = checkSchema(db)
	if err == nil {
		// A process that was killed within a commit may have left it readable but not durable. Make it so before a
		// sweep removes the blobs that only the state before it refers to.
		err = l.ops.syncDatabase(db)
	}
	if err != nil {
		return errors.Join(err, db.Close())
	}
	l.db = db
	return nil
}

// installDatabase makes a new database under another name and gives it its own when it is complete: a power cut can't
// leave a torn one that would keep the program from starting. A link, unlike a rename, never replaces the database that
// another process has just made and locked.
func (l *Local) installDatabase() error {
	temporary := temporaryName(l.databasePath())
	if err := l.ops.createDatabase(temporary); err != nil {
		return errors.Join(err, l.discard(temporary))
	}
	err := l.ops.link(temporary, l.databasePath())
	// ErrNotExist: another process has opened its own database and removed ours as a leftover.
	if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, l.discard(temporary))
}

// discard removes a file that may not be there.
func (l *Local) discard(path string) error {
	if err := l.ops.remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func createDatabase(path string) error {
	db, err := openBolt(path, time.Second)
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		meta, err := tx.CreateBucket(bucketMeta)
		if err != nil {
			return err
		}
		if _, err := tx.CreateBucket(bucketEntries); err != nil {
			return err
		}
		return meta.Put(keySchema, strconv.AppendUint(nil, schema, 10))
	})
	return errors.Join(err, db.Close())
}

// openBolt opens a database. bbolt answers some damage with a panic, and a page that can't be read or is missing is a
// fault in mapped memory; both become ErrDamaged here. bbolt then leaves its mapping behind, and with it the lock, until
// the process ends.
func openBolt(path string, lockTimeout time.Duration) (db *bbolt.DB, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			db, err = nil, fmt.Errorf("%w: the database can't be read: %v", ErrDamaged, p)
		}
	}()
	db, err = bbolt.Open(path, fileMode, &bbolt.Options{Timeout: lockTimeout})
	var fromSystem syscall.Errno
	switch {
	case err == nil:
		return db, nil
	case errors.Is(err, bbolterrors.ErrTimeout):
		return nil, ErrLocked
	case errors.As(err, &fromSystem):
		return nil, err
	}
	return nil, fmt.Errorf("%w: the database can't be read: %w", ErrDamaged, err)
}

func checkSchema(db *bbolt.DB) error {
	return guarded(func() error {
		return db.View(func(tx *bbolt.Tx) error {
			meta := tx.Bucket(bucketMeta)
			if meta == nil || tx.Bucket(bucketEntries) == nil {
				return fmt.Errorf("%w: the database is not a catalog", ErrDamaged)
			}
			found, err := strconv.ParseUint(string(meta.Get(keySchema)), 10, 32)
			switch {
			case err != nil || found == 0:
				return fmt.Errorf("%w: the database does not say which schema it has", ErrDamaged)
			case found > schema:
				return fmt.Errorf("%w (it has schema %d, this version knows up to %d)", ErrNewerSchema, found, schema)
			}
			return nil
		})
	})
}

// view runs f over the entries.
func (l *Local) view(f func(entries *bbolt.Bucket) error) error {
	return guarded(func() error {
		return l.db.View(func(tx *bbolt.Tx) error { return f(tx.Bucket(bucketEntries)) })
	})
}

// update runs f over the entries and makes durable what it changed.
func (l *Local) update(f func(entries *bbolt.Bucket) error) error {
	tx, err := l.db.Begin(true)
	if err != nil {
		return err
	}
	defer func() { _ = guarded(tx.Rollback) }() // after a commit there is nothing to roll back
	if err := guarded(func() error { return f(tx.Bucket(bucketEntries)) }); err != nil {
		return err
	}
	// Another writer may have failed while this one waited for its turn.
	if err := l.writable(); err != nil {
		return err
	}
	if err := guarded(func() error { return l.ops.commit(tx) }); err != nil {
		if !isFullOnWrite(err) {
			l.fail(err)
		}
		return err
	}
	return nil
}

// isFullOnWrite reports whether a commit failed because there was no room for its pages. Such a commit has changed nothing
// that counts, and the next may succeed. Of every other failure that is not known: it may have been the sync, and the
// database may show the change without its being durable.
func isFullOnWrite(err error) bool {
	var e *fs.PathError
	return errors.As(err, &e) && e.Op == "write" && (errors.Is(e, syscall.ENOSPC) || errors.Is(e, syscall.EDQUOT))
}

// guarded runs f and makes an error of a panic by which bbolt reports damage, and of a fault in the mapped file, which
// is how an I/O error shows there. The process has calls to serve.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: the database can't be read: %v", ErrStorage, p)
		}
	}()
	return f()
}
