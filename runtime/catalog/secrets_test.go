package catalog

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

func TestLocal_Secrets(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	l, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	all := func() map[string]string {
		t.Helper()
		records, err := l.Secrets(ctx)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for name, text := range records {
			out[name] = string(text)
		}
		return out
	}
	if got := all(); len(got) != 0 {
		t.Errorf("a new catalog has %v", got)
	}
	if err := l.DeleteSecret(ctx, "a"); !errors.Is(err, ErrNotFound) {
		t.Errorf("Delete from a new catalog: %v", err)
	}
	if err := errors.Join(l.PutSecret(ctx, "a", []byte("1")), l.PutSecret(ctx, "b", []byte("2")), l.PutSecret(ctx, "a", []byte("3"))); err != nil {
		t.Fatal(err)
	}
	for name, sealed := range map[string]string{"A": "x", "": "x", "a/b": "x", "c": strings.Repeat("x", maxSecretRecord+1)} {
		if err := l.PutSecret(ctx, name, []byte(sealed)); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.PutSecret(ctx, "a", nil); !errors.Is(err, ErrClosed) {
		t.Errorf("Put after Close: %v", err)
	}
	if l, err = Open(dir, Options{}); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if got := all(); !maps.Equal(got, map[string]string{"a": "3", "b": "2"}) {
		t.Errorf("after it was opened again: %v", got)
	}
	if entries, err := l.List(ctx); err != nil || len(entries) != 0 {
		t.Errorf("secrets are listed as connectors: %v, %v", entries, err)
	}
	if err := errors.Join(l.DeleteSecret(ctx, "a")); err != nil {
		t.Fatal(err)
	}
	if err := l.DeleteSecret(ctx, "a"); !errors.Is(err, ErrNotFound) {
		t.Errorf("Delete again: %v", err)
	}
	// A damaged one is known to be there, and the others are as they were.
	if err := l.PutSecret(ctx, "c", []byte("4")); err != nil {
		t.Fatal(err)
	}
	if err := l.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketSecrets).Put([]byte("c"), []byte("torn")) }); err != nil {
		t.Fatal(err)
	}
	records, err := l.Secrets(ctx)
	if text, there := records["c"]; err != nil || !there || text != nil || string(records["b"]) != "2" {
		t.Errorf("got %q, %v", records, err)
	}
}

// What could not be made durable is not acknowledged.
func TestLocal_SecretFaults(t *testing.T) {
	ctx := context.Background()
	broken := errors.New("broken")
	system := systemOps()
	fails := false
	commit := system.commit
	system.commit = func(tx *bbolt.Tx) error {
		if fails {
			return broken
		}
		return commit(tx)
	}
	l, err := open(t.TempDir(), Options{}, system)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if err := l.PutSecret(ctx, "a", []byte("1")); err != nil {
		t.Fatal(err)
	}
	fails = true
	if err := l.PutSecret(ctx, "a", []byte("2")); !errors.Is(err, ErrStorage) || !errors.Is(err, broken) {
		t.Errorf("Put: %v", err)
	}
	fails = false
	if err := l.DeleteSecret(ctx, "a"); !errors.Is(err, ErrStorage) {
		t.Errorf("a later change: %v", err)
	}
	if records, err := l.Secrets(ctx); err != nil || string(records["a"]) != "1" {
		t.Errorf("got %q, %v", records, err)
	}
}
