package catalog

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"time"
)

// Sweep removes what nothing refers to; see [Store]. It holds the store alone, so no blob is being written and no entry is
// being swapped; the blobs put within [Options.SweepGrace] that wait for their entry are spared.
//
// The removals are not synced: a file that a power cut brings back goes with the next Sweep.
func (l *Local) Sweep(ctx context.Context) (removed int, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return 0, ErrClosed
	}
	if err := l.writable(); err != nil {
		return 0, err
	}
	all, err := l.list()
	if err != nil {
		return 0, storageError("sweep the blobs", err)
	}
	referred := map[string]bool{}
	for _, e := range all {
		for _, v := range e.Versions {
			referred[v.SHA256] = true
		}
	}
	blobs, err := l.removeUnreferred(referred)
	if err != nil {
		return blobs, storageError("sweep the blobs", err)
	}
	leftovers, err := l.removeLeftovers()
	return blobs + leftovers, storageError("sweep the blobs", err)
}

// removeUnreferred removes blobs, and leaves alone whatever is not named like one of ours.
func (l *Local) removeUnreferred(referred map[string]bool) (removed int, err error) {
	folders, err := os.ReadDir(l.digestsFolder())
	if err != nil {
		return 0, err
	}
	l.endGrace()
	for _, folder := range folders {
		if !folder.IsDir() {
			continue
		}
		path := filepath.Join(l.digestsFolder(), folder.Name())
		files, readErr := os.ReadDir(path)
		if readErr != nil {
			err = errors.Join(err, readErr)
			continue
		}
		for _, f := range files {
			digest := f.Name()
			if !validDigest(digest) || digest[:2] != folder.Name() || referred[digest] || l.spared(digest) {
				continue
			}
			if removeErr := l.ops.remove(filepath.Join(path, digest)); removeErr != nil {
				err = errors.Join(err, removeErr)
				continue
			}
			removed++
		}
	}
	return removed, err
}

// startGrace spares a blob that has just been put.
func (l *Local) startGrace(digest string) {
	l.pendingMu.Lock()
	defer l.pendingMu.Unlock()
	l.pending[digest] = l.now()
}

// endGrace forgets the blobs whose entry did not come in time.
func (l *Local) endGrace() {
	l.pendingMu.Lock()
	defer l.pendingMu.Unlock()
	now := l.now()
	maps.DeleteFunc(l.pending, func(_ string, put time.Time) bool { return now.Sub(put) >= l.grace })
}

// referred ends the grace of the blobs of an entry: from here on the entry is what keeps them.
func (l *Local) referred(e Entry) {
	l.pendingMu.Lock()
	defer l.pendingMu.Unlock()
	for _, v := range e.Versions {
		delete(l.pending, v.SHA256)
	}
}

func (l *Local) spared(digest string) bool {
	l.pendingMu.Lock()
	defer l.pendingMu.Unlock()
	_, ok := l.pending[digest]
	return ok
}
