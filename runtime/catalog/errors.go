package catalog

import (
	"errors"
	"fmt"
	"syscall"
)

// These are returned when what was asked for does not fit what is kept. Nothing was changed.
var (
	// ErrNotFound is returned when there is no entry of that name or no blob of that digest.
	ErrNotFound error = &sentinel{"not_found", "not found; list the installed connectors, or install it first"}

	// ErrConflict is returned when the entry has another revision than the caller expected.
	ErrConflict error = &sentinel{"revision_conflict", "changed in the meantime; read it again and repeat the change"}

	// ErrInvalid is returned when a name, a digest or an entry breaks the rules of its type.
	ErrInvalid error = &sentinel{"invalid_entry", "not valid; correct it and try again"}
)

// These are returned when the data directory can't be opened.
var (
	// ErrLocked is returned by Open when the data directory is open already, in this process or another.
	ErrLocked error = &sentinel{"data_locked", "another process uses this data directory; stop it, or choose another directory"}

	// ErrNewerSchema is returned by Open when the data directory was written by a newer version of the program.
	ErrNewerSchema error = &sentinel{"newer_schema", "a newer version wrote this data directory; start that version, or restore a backup made before it"}
)

// These are returned when the storage fails.
var (
	// ErrDamaged is returned when a blob or an entry is not what was written. It is never used.
	ErrDamaged error = &sentinel{"damaged", "damaged on disk; install it again, and check the disk"}

	// ErrNoSpace is returned when the disk or a quota is full. Nothing was changed, and the store goes on working.
	ErrNoSpace error = &sentinel{"no_space", "no space left in the data directory; free some and try again"}

	// ErrStorage is returned when reading or writing fails otherwise: an I/O error, a read-only file system, a missing
	// permission. Once the system could not make a write durable every later write returns ErrStorage too, because a
	// sync that succeeds after one that failed proves nothing; reads go on.
	ErrStorage error = &sentinel{"storage_failed", "the data directory can't be read or written; check the disk and its permissions, then restart"}

	// ErrClosed is returned when the store is used after Close.
	ErrClosed error = &sentinel{"store_closed", "the store is closed; open it again"}
)

// sentinel is an error with a stable code.
type sentinel struct{ code, sentence string }

// Error returns the sentence.
func (s *sentinel) Error() string { return s.sentence }

// Code returns the stable code. An error of this package that wraps others yields it through errors.As with a target of
// type *interface{ Code() string }.
func (s *sentinel) Code() string { return s.code }

// storageError makes an error of the system one of this package, and leaves one of this package as it is. The system's
// error stays reachable for errors.Is.
func storageError(doing string, err error) error {
	var known *sentinel
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%s: %w (%w)", doing, ErrNoSpace, err)
	}
	return fmt.Errorf("%s: %w (%w)", doing, ErrStorage, err)
}
