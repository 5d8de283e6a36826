// Package regular reads files whose paths somebody else chose: small regular ones, whole. It neither waits for what never
// comes, nor reads without end.
package regular

import (
	"errors"
	"io"
	"os"
	"syscall"
	"time"
)

// These are returned when a path leads to what is not read. Other errors are the system's, such as [os.ErrNotExist].
var (
	ErrNotRegular = errors.New("it is no regular file")
	ErrTooLarge   = errors.New("it is too large")
)

// patience is how long one file may take, where the system can tell that it has nothing to give yet.
const patience = 2 * time.Second

// Read returns what the file holds, at most so many bytes.
//
// # Errors
//
// [ErrNotRegular], [ErrTooLarge], or the system's without the path.
func Read(path string, most int) ([]byte, error) {
	// It is asked what it is before it is opened: to open a device can have an effect.
	info, err := os.Stat(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	if !info.Mode().IsRegular() {
		return nil, ErrNotRegular
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // it may be a pipe by now
	if err != nil {
		return nil, withoutPath(err)
	}
	defer func() { _ = f.Close() }()
	if info, err = f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, ErrNotRegular
	}
	// Some files of the kernel are regular and are waited for, as /proc/kmsg. All others refuse a deadline, and need none.
	_ = f.SetReadDeadline(time.Now().Add(patience))
	content, err := io.ReadAll(io.LimitReader(f, int64(most)+1))
	switch {
	case err != nil:
		return nil, withoutPath(err)
	case len(content) > most:
		return nil, ErrTooLarge
	}
	return content, nil
}

func withoutPath(err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	return err
}
