package catalog

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"go.etcd.io/bbolt"

	"sluice/runtime/manifest"
)

// bucketSecrets holds sealed secrets: name → record. It is made with the first of them, and programs that know nothing of
// it leave it alone.
var bucketSecrets = []byte("secrets")

// maxSecretRecord bounds a sealed secret, in bytes: the longest value, sealed, in Base64, with what stands around it.
const maxSecretRecord = 256 << 10

// Secrets returns the sealed secrets by name. What seals them is the caller's. One that is not what was written is nil.
//
// # Errors
//
// [ErrStorage].
func (l *Local) Secrets(ctx context.Context) (map[string][]byte, error) {
	if err := l.begin(ctx); err != nil {
		return nil, err
	}
	defer l.mu.RUnlock()
	all := make(map[string][]byte)
	err := l.view(func(entries *bbolt.Bucket) error {
		b := entries.Tx().Bucket(bucketSecrets)
		if b == nil {
			return nil
		}
		return b.ForEach(func(name, text []byte) error {
			if len(text) < checksumBytes || binary.BigEndian.Uint32(text) != crc32.Checksum(text[checksumBytes:], castagnoli) {
				all[string(name)] = nil
				return nil
			}
			all[string(name)] = bytes.Clone(text[checksumBytes:])
			return nil
		})
	})
	if err != nil {
		return nil, storageError("read the sealed secrets", err)
	}
	return all, nil
}

// PutSecret keeps a sealed secret, in place of the one of that name. When it returns, it is durable.
//
// # Errors
//
// [ErrInvalid], [ErrNoSpace] or [ErrStorage].
func (l *Local) PutSecret(ctx context.Context, name string, sealed []byte) error {
	if !manifest.ValidName(name) || len(sealed) > maxSecretRecord {
		return fmt.Errorf("the sealed secret %.64q: %w", name, ErrInvalid)
	}
	text := binary.BigEndian.AppendUint32(make([]byte, 0, checksumBytes+len(sealed)), crc32.Checksum(sealed, castagnoli))
	return l.changeSecrets(ctx, "keep a sealed secret", func(b *bbolt.Bucket) error {
		return b.Put([]byte(name), append(text, sealed...))
	})
}

// DeleteSecret removes a sealed secret, durably.
//
// # Errors
//
// [ErrNotFound], [ErrNoSpace] or [ErrStorage].
func (l *Local) DeleteSecret(ctx context.Context, name string) error {
	return l.changeSecrets(ctx, "remove a sealed secret", func(b *bbolt.Bucket) error {
		if b.Get([]byte(name)) == nil {
			return fmt.Errorf("the sealed secret %.64q: %w", name, ErrNotFound)
		}
		return b.Delete([]byte(name))
	})
}

func (l *Local) changeSecrets(ctx context.Context, doing string, change func(*bbolt.Bucket) error) error {
	if err := l.beginWrite(ctx); err != nil {
		return err
	}
	defer l.mu.RUnlock()
	return storageError(doing, l.update(func(entries *bbolt.Bucket) error {
		b, err := entries.Tx().CreateBucketIfNotExists(bucketSecrets)
		if err != nil {
			return err
		}
		return change(b)
	}))
}
