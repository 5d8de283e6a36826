package secret

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Records is where sealed values are kept by name, durably: *catalog.Local.
type Records interface {
	// Secrets returns all records; one that is damaged is nil.
	Secrets(ctx context.Context) (map[string][]byte, error)
	// PutSecret keeps a record, in place of the one of that name. When it returns, the record is durable.
	PutSecret(ctx context.Context, name string, record []byte) error
	// DeleteSecret removes a record, durably.
	DeleteSecret(ctx context.Context, name string) error
}

// KeyBytes is how long a key is.
const KeyBytes = 32

// Key seals values. It comes from the operator and is kept nowhere.
type Key [KeyBytes]byte

// ParseKey reads a key: 32 bytes in Base64, as `openssl rand -base64 32` writes them. The error holds no part of it.
func ParseKey(text string) (*Key, error) {
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(b) != KeyBytes {
		return nil, fmt.Errorf("is not %d bytes in Base64, as `openssl rand -base64 %d` writes them", KeyBytes, KeyBytes)
	}
	return (*Key)(b), nil
}

// These are why the store does not do what it is asked for.
var (
	// ErrNoKey: the server has no key.
	ErrNoKey = errors.New("there is no key: set SLUICE_SECRETS_KEY or secrets.key_file, and restart")
	// ErrInvalid: a name or a value that can't be kept. What wraps it says why.
	ErrInvalid = errors.New("the secret can't be kept")
	// ErrUnknown: the store has no value of that name.
	ErrUnknown = errors.New("the store holds no value of that name")
)

// Store keeps values sealed by AES-256-GCM. Neither names nor how long values are is hidden. It may be used by any
// number of goroutines.
type Store struct {
	records Records
	aead    cipher.AEAD // nil without a key
	keyID   string

	// changing is held while the records and sealed are changed together.
	changing sync.Mutex
	mu       sync.RWMutex
	sealed   map[string][]byte // protected by mu
}

// record is how a sealed value is kept. A key's id says which key seals it, and nothing of the key.
type record struct {
	Version int    `json:"version"`
	Key     string `json:"key"`
	Sealed  []byte `json:"sealed"` // the nonce, the value, and the tag
}

const recordVersion = 1

// OpenStore reads what is kept. Without a key, values can be listed and removed, and neither read nor set.
func OpenStore(ctx context.Context, records Records, key *Key) (*Store, error) {
	s := &Store{records: records}
	if key != nil {
		derive := func(what string, n int) ([]byte, error) {
			return hkdf.Key(sha256.New, key[:], nil, "sluice secrets v1 "+what, n)
		}
		sealing, err := derive("seal", KeyBytes)
		if err != nil {
			return nil, err
		}
		id, err := derive("id", 8)
		if err != nil {
			return nil, err
		}
		block, err := aes.NewCipher(sealing)
		if err != nil {
			return nil, err
		}
		if s.aead, err = cipher.NewGCMWithRandomNonce(block); err != nil {
			return nil, err
		}
		s.keyID = hex.EncodeToString(id)
	}
	var err error
	if s.sealed, err = records.Secrets(ctx); err != nil {
		return nil, fmt.Errorf("reading the sealed secrets: %w", err)
	}
	return s, nil
}

// Set seals a value and keeps it, in place of an older one. One line break at its end is cut. When it returns without
// error the value is durable and counts.
func (s *Store) Set(ctx context.Context, name, value string) error {
	if s == nil || s.aead == nil {
		return ErrNoKey
	}
	if !ValidName(name) {
		return fmt.Errorf("%w: %w", ErrInvalid, errName)
	}
	value, err := clean(value)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	text, err := json.Marshal(record{recordVersion, s.keyID, s.aead.Seal(nil, nil, []byte(value), boundTo(name))})
	if err != nil {
		return err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	if err := s.records.PutSecret(ctx, name, text); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sealed == nil {
		s.sealed = make(map[string][]byte)
	}
	s.sealed[name] = text
	return nil
}

// Remove removes a value, durably.
func (s *Store) Remove(ctx context.Context, name string) error {
	if s == nil {
		return ErrUnknown
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	if !slices.Contains(s.Names(), name) {
		return ErrUnknown
	}
	if err := s.records.DeleteSecret(ctx, name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sealed, name)
	return nil
}

// Names are the names of all values, sorted.
func (s *Store) Names() []string {
	if s == nil {
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.sealed))
}

// HasKey says whether values can be set and read.
func (s *Store) HasKey() bool { return s != nil && s.aead != nil }

var (
	errOtherKey = errors.New("the store's value is sealed by another key: set it again, or bring that key back")
	errDamaged  = errors.New("the store's value is damaged: set it again")
)

// value unseals one value.
func (s *Store) value(name string) (string, error) {
	if s == nil {
		return "", errNotStored
	}
	s.mu.RLock()
	text, ok := s.sealed[name]
	s.mu.RUnlock()
	var r record
	switch {
	case !ok:
		return "", errNotStored
	case s.aead == nil:
		return "", ErrNoKey
	case json.Unmarshal(text, &r) != nil || r.Version != recordVersion:
		return "", errDamaged
	case r.Key != s.keyID:
		return "", errOtherKey
	}
	value, err := s.aead.Open(nil, nil, r.Sealed, boundTo(name))
	if err != nil {
		return "", errDamaged
	}
	return string(value), nil
}

// boundTo makes a record of one name none of another.
func boundTo(name string) []byte { return []byte("sluice secret " + name) }
