package catalog

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"

	"go.etcd.io/bbolt"

	"sluice/runtime/manifest"
)

// maxVersions bounds what an entry may hold, whatever a caller keeps.
const maxVersions = 64

// List returns all entries, sorted by name; see [Store].
func (l *Local) List(ctx context.Context) ([]Entry, error) {
	if err := l.begin(ctx); err != nil {
		return nil, err
	}
	defer l.mu.RUnlock()
	all, err := l.list()
	return all, storageError("list the connectors", err)
}

func (l *Local) list() ([]Entry, error) {
	var all []Entry
	var damaged []error
	err := l.view(func(entries *bbolt.Bucket) error {
		return entries.ForEach(func(key, record []byte) error {
			e, err := decodeEntry(string(key), record)
			if err != nil {
				damaged = append(damaged, err)
				return nil
			}
			all = append(all, e)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return all, errors.Join(damaged...)
}

// Get returns one entry; see [Store].
func (l *Local) Get(ctx context.Context, name string) (Entry, error) {
	if err := l.begin(ctx); err != nil {
		return Entry{}, err
	}
	defer l.mu.RUnlock()
	var e Entry
	err := l.view(func(entries *bbolt.Bucket) (err error) {
		record := entries.Get([]byte(name))
		if record == nil {
			return fmt.Errorf("connector %.64q: %w", name, ErrNotFound)
		}
		e, err = decodeEntry(name, record)
		return err
	})
	return e, storageError("read a connector's entry", err)
}

// CompareAndSwap replaces one entry; see [Store].
func (l *Local) CompareAndSwap(ctx context.Context, e Entry, revision uint64) (Entry, error) {
	if err := checkEntry(e); err != nil {
		return Entry{}, err
	}
	if err := l.beginWrite(ctx); err != nil {
		return Entry{}, err
	}
	defer l.mu.RUnlock()
	var swapped Entry
	err := l.update(func(entries *bbolt.Bucket) error {
		before, err := current(entries, e.Name)
		if err != nil {
			return err
		}
		if before.Revision != revision {
			return fmt.Errorf("connector %q is at revision %d and not %d: %w", e.Name, before.Revision, revision, ErrConflict)
		}
		if err := l.checkBlobs(before, e); err != nil {
			return err
		}
		if e.Revision, err = entries.NextSequence(); err != nil {
			return err
		}
		record, err := encodeEntry(e)
		if err != nil {
			return err
		}
		// The caller gets what a later Get would return, and nothing that it shares with e.
		if swapped, err = decodeEntry(e.Name, record); err != nil {
			return err
		}
		return entries.Put([]byte(e.Name), record)
	})
	if err != nil {
		return Entry{}, storageError("write a connector's entry", err)
	}
	l.referred(swapped)
	return swapped, nil
}

// current returns the entry, and where there is none an entry of revision 0.
func current(entries *bbolt.Bucket, name string) (Entry, error) {
	record := entries.Get([]byte(name))
	if record == nil {
		return Entry{}, nil
	}
	return decodeEntry(name, record)
}

// checkBlobs makes sure that the versions that after adds to before, and the one that it activates, have their blobs.
// The others are not looked at: a damaged version must not stand in the way of replacing it.
func (l *Local) checkBlobs(before, after Entry) error {
	for _, v := range after.Versions {
		_, known := before.Version(v.SHA256)
		if known && (v.SHA256 != after.Active || v.SHA256 == before.Active) {
			continue
		}
		if err := l.checkBlob(v.SHA256); err != nil {
			return err
		}
	}
	return nil
}

// Delete removes one entry; see [Store].
func (l *Local) Delete(ctx context.Context, name string, revision uint64) error {
	if err := l.beginWrite(ctx); err != nil {
		return err
	}
	defer l.mu.RUnlock()
	err := l.update(func(entries *bbolt.Bucket) error {
		e, err := current(entries, name)
		switch {
		case errors.Is(err, ErrDamaged):
		case err != nil:
			return err
		case e.Revision == 0:
			return fmt.Errorf("connector %.64q: %w", name, ErrNotFound)
		case e.Revision != revision:
			return fmt.Errorf("connector %q is at revision %d and not %d: %w", name, e.Revision, revision, ErrConflict)
		}
		return entries.Delete([]byte(name))
	})
	return storageError("delete a connector's entry", err)
}

func checkEntry(e Entry) error {
	switch {
	case !manifest.ValidName(e.Name):
		return fmt.Errorf("name %.64q: %w", e.Name, ErrInvalid)
	case len(e.Versions) == 0 || len(e.Versions) > maxVersions:
		return fmt.Errorf("connector %q has %d versions, which must be 1 to %d: %w", e.Name, len(e.Versions), maxVersions, ErrInvalid)
	}
	for _, text := range []json.RawMessage{e.Grant, e.Observed} {
		if text != nil && (len(text) > MaxText || !json.Valid(text) || string(text) == "null") {
			return fmt.Errorf("connector %q: its grant, or what was observed of it, is no JSON value of at most %d bytes: %w", e.Name, MaxText, ErrInvalid)
		}
	}
	seen := make(map[string]bool, len(e.Versions))
	for i, v := range e.Versions {
		switch {
		case !validDigest(v.SHA256):
			return fmt.Errorf("connector %q, version %d: its sha256 is not 64 lower-case hexadecimal digits: %w", e.Name, i, ErrInvalid)
		case seen[v.SHA256]:
			return fmt.Errorf("connector %q, version %d: its sha256 appears twice: %w", e.Name, i, ErrInvalid)
		case v.Size < 0:
			return fmt.Errorf("connector %q, version %d: its size is negative: %w", e.Name, i, ErrInvalid)
		case v.Manifest == nil:
			return fmt.Errorf("connector %q, version %d: it has no manifest: %w", e.Name, i, ErrInvalid)
		case v.InstalledAt.Year() < 0 || v.InstalledAt.Year() > 9999:
			return fmt.Errorf("connector %q, version %d: the year of its installation can't be written: %w", e.Name, i, ErrInvalid)
		}
		seen[v.SHA256] = true
	}
	if !seen[e.Active] {
		return fmt.Errorf("connector %q: the active version is none of its versions: %w", e.Name, ErrInvalid)
	}
	return nil
}

// A record is the CRC-32C of an entry's JSON text, big endian, and the text. bbolt checks only its own first pages.
const checksumBytes = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func encodeEntry(e Entry) ([]byte, error) {
	versions := make([]Version, len(e.Versions))
	for i, v := range e.Versions {
		v.InstalledAt = v.InstalledAt.UTC().Round(0)
		versions[i] = v
	}
	e.Versions = versions
	text, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("connector %q: %w (%w)", e.Name, ErrInvalid, err)
	}
	record := binary.BigEndian.AppendUint32(make([]byte, 0, checksumBytes+len(text)), crc32.Checksum(text, castagnoli))
	return append(record, text...), nil
}

func decodeEntry(name string, record []byte) (Entry, error) {
	if len(record) < checksumBytes || binary.BigEndian.Uint32(record) != crc32.Checksum(record[checksumBytes:], castagnoli) {
		return Entry{}, fmt.Errorf("the entry of connector %.64q: %w", name, ErrDamaged)
	}
	var e Entry
	if err := json.Unmarshal(record[checksumBytes:], &e); err != nil || e.Name != name || e.Revision == 0 {
		return Entry{}, fmt.Errorf("the entry of connector %.64q: %w", name, ErrDamaged)
	}
	return e, nil
}
