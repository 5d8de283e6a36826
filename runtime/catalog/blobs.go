package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

func (l *Local) blobsFolder() string   { return filepath.Join(l.dir, "blobs") }
func (l *Local) digestsFolder() string { return filepath.Join(l.blobsFolder(), "sha256") }
func (l *Local) damagedFolder() string { return filepath.Join(l.blobsFolder(), "damaged") }

// blobPath returns where the blob of a valid digest is.
func (l *Local) blobPath(digest string) string {
	return filepath.Join(l.digestsFolder(), digest[:2], digest)
}

// validDigest reports whether s is a SHA-256 as it is written here, and so can be the name of a file.
func validDigest(s string) bool {
	if len(s) != hex.EncodedLen(sha256.Size) {
		return false
	}
	for i := range len(s) {
		if (s[i] < '0' || s[i] > '9') && (s[i] < 'a' || s[i] > 'f') {
			return false
		}
	}
	return true
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// PutBlob keeps a copy of b; see [Store].
func (l *Local) PutBlob(ctx context.Context, b []byte) (string, error) {
	if err := l.beginWrite(ctx); err != nil {
		return "", err
	}
	defer l.mu.RUnlock()
	digest := digestOf(b)
	if err := l.writeBlob(l.blobPath(digest), b); err != nil {
		return "", storageError("write a blob", err)
	}
	l.startGrace(digest) // in time: no sweep begins before mu is released
	return digest, nil
}

// writeBlob writes even a blob that is there: what a file that was not written by this call holds, and whether its name is
// durable, is not known.
func (l *Local) writeBlob(path string, b []byte) error {
	folder := filepath.Dir(path)
	if err := l.makeFolder(folder); err != nil {
		return err
	}
	temporary := temporaryName(path)
	if err := l.writeFile(temporary, b); err != nil {
		return err
	}
	if err := l.ops.rename(temporary, path); err != nil {
		return errors.Join(err, l.discard(temporary))
	}
	if err := l.syncFolder(folder); err != nil {
		return err
	}
	// A folder on the way may have failed to become durable for another caller, who made it.
	return l.writable()
}

// writeFile writes a new file and makes its content durable, or leaves no file. After a failed sync the file is not tried
// again: the next attempt writes another.
func (l *Local) writeFile(path string, b []byte) error {
	f, err := l.ops.create(path)
	if err != nil {
		return err
	}
	n, err := l.ops.write(f, b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err == nil {
		err = l.ops.sync(f)
	}
	if closeErr := l.ops.close(f); err == nil {
		err = closeErr
	}
	if err != nil {
		return errors.Join(err, l.discard(path))
	}
	return nil
}

// Blob returns the bytes with this digest; see [Store].
func (l *Local) Blob(ctx context.Context, digest string) ([]byte, error) {
	if !validDigest(digest) {
		return nil, fmt.Errorf("digest %.64q: %w", digest, ErrInvalid)
	}
	if err := l.begin(ctx); err != nil {
		return nil, err
	}
	b, err := l.readBlob(digest)
	l.mu.RUnlock()
	if errors.Is(err, ErrDamaged) {
		return l.setAside(digest)
	}
	return b, err
}

func (l *Local) readBlob(digest string) ([]byte, error) {
	b, err := l.ops.readFile(l.blobPath(digest))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("blob %s: %w", digest, ErrNotFound)
	case err != nil:
		return nil, storageError("read a blob", err)
	case digestOf(b) != digest:
		return nil, fmt.Errorf("blob %s: %w", digest, ErrDamaged)
	}
	return b, nil
}

// setAside moves a damaged blob out of the way. It looks once more when it is alone: meanwhile the blob may have been put
// again, or set aside by another.
func (l *Local) setAside(digest string) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	b, err := l.readBlob(digest)
	if errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("blob %s: %w", digest, ErrDamaged)
	}
	if !errors.Is(err, ErrDamaged) {
		return b, err
	}
	for n := 1; ; n++ {
		aside := filepath.Join(l.damagedFolder(), digest+"."+strconv.Itoa(n))
		if _, statErr := os.Lstat(aside); statErr == nil {
			continue
		}
		moveErr := l.ops.rename(l.blobPath(digest), aside)
		if moveErr == nil {
			moveErr = errors.Join(l.syncFolder(l.damagedFolder()), l.syncFolder(filepath.Dir(l.blobPath(digest))))
		}
		if moveErr != nil {
			return nil, fmt.Errorf("%w; it could not be set aside: %w", err, moveErr)
		}
		return nil, err
	}
}

// checkBlob makes sure that there is a durable blob before an entry refers to it. One that this process did not put may
// come from a process that was killed before it could sync the name; the content was synced before the file got its name.
func (l *Local) checkBlob(digest string) error {
	path := l.blobPath(digest)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("blob %s: %w", digest, ErrNotFound)
	} else if err != nil {
		return err
	}
	return l.syncFolder(filepath.Dir(path))
}
