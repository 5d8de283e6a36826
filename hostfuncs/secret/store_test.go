package secret

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"

	"sluice/hostfuncs/egress"
)

func openStore(t testing.TB, r *records, key *Key) *Store {
	t.Helper()
	s, err := OpenStore(context.Background(), r, key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	ctx := context.Background()
	r, key := &records{all: map[string][]byte{}}, &Key{1}
	s := openStore(t, r, key)
	if err := s.Set(ctx, "a", "hunter22\n"); err != nil {
		t.Fatal(err)
	}
	first := r.all["a"]
	if err := errors.Join(s.Set(ctx, "b", value), s.Set(ctx, "a", "hunter22")); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(first, r.all["a"]) {
		t.Error("sealing the same twice gives the same record: the nonce is not drawn anew")
	}
	for name, record := range r.all {
		if m := NewMasker([]string{"hunter22", value}); !bytes.Equal(m.Bytes(record), record) {
			t.Errorf("the record of %s holds the value: %s", name, record)
		}
	}
	s = openStore(t, r, key) // as after a restart
	if got := s.Names(); !reflect.DeepEqual(got, []string{"a", "b"}) || !s.HasKey() {
		t.Errorf("there are %q", got)
	}
	for name, want := range map[string]string{"a": "hunter22", "b": value} {
		if got, err := s.value(name); got != want || err != nil {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	set := newSet(t, map[string]Definition{"a": {From: "store", Origins: []string{"api.example"}}, "x": {From: "env:X"}}, s)
	want := []Info{
		{Name: "a", From: "store", Origins: []string{"https://api.example"}, Places: []Place{Header}, Stored: true, Available: true},
		{Name: "b", Origins: []string{}, Places: []Place{}, Stored: true},
		{Name: "x", From: "env:X", Origins: []string{}, Places: []Place{Header}, Problem: "it is not set"},
	}
	if got := set.List(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	if got, err := set.value(set.defined["a"]); got != "hunter22" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if err := s.Remove(ctx, "a"); err != nil || r.all["a"] != nil {
		t.Errorf("Remove: %v", err)
	}
	if err := s.Remove(ctx, "a"); err != ErrUnknown {
		t.Errorf("Remove again: %v", err)
	}
}

// A value is had only by its own name, its own key, and as it was written.
func TestStore_Sealed(t *testing.T) {
	ctx := context.Background()
	r, key := &records{all: map[string][]byte{}}, &Key{1}
	if err := openStore(t, r, key).Set(ctx, "a", "hunter22"); err != nil {
		t.Fatal(err)
	}
	record := r.all["a"]
	sealed := bytes.Index(record, []byte(`"sealed":"`)) + 20
	changed := bytes.Clone(record)
	changed[sealed] ^= 1
	for _, tc := range []struct {
		name, as string
		record   []byte
		key      *Key
		want     error
	}{
		{"as it is", "a", record, key, nil},
		{"under another name", "b", record, key, errDamaged},
		{"another key", "a", record, &Key{2}, errOtherKey},
		{"another key that claims to be the same", "a", bytes.Replace(record, []byte(openStore(t, r, key).keyID), []byte(openStore(t, r, &Key{2}).keyID), 1), &Key{2}, errDamaged},
		{"no key", "a", record, nil, ErrNoKey},
		{"changed", "a", changed, key, errDamaged},
		{"damaged", "a", nil, key, errDamaged},
		{"of a newer version", "a", bytes.Replace(record, []byte(`"version":1`), []byte(`"version":2`), 1), key, errDamaged},
		{"not there", "c", record, key, nil},
	} {
		name := tc.as
		if tc.name == "not there" {
			name, tc.want = "a", errNotStored
		}
		s := openStore(t, &records{all: map[string][]byte{tc.as: tc.record}}, tc.key)
		if got, err := s.value(name); !errors.Is(err, tc.want) || (err == nil) != (got == "hunter22") {
			t.Errorf("%s: got %q, %v; want %v", tc.name, got, err, tc.want)
		}
	}
}

func TestStore_Refused(t *testing.T) {
	ctx := context.Background()
	r := &records{all: map[string][]byte{}}
	s := openStore(t, r, &Key{1})
	for _, tc := range []struct {
		name, value string
		want        error
	}{
		{"A", "x", ErrInvalid}, {"a", "", ErrInvalid}, {"a", "\n", ErrInvalid}, {"a", "\xff", ErrInvalid}, {"a", strings.Repeat("x", MaxValue+1), ErrInvalid},
		{"a", strings.Repeat("x", MaxValue), nil},
	} {
		if err := s.Set(ctx, tc.name, tc.value); !errors.Is(err, tc.want) {
			t.Errorf("%s, %.10q: got %v, want %v", tc.name, tc.value, err, tc.want)
		}
	}
	r.err = errDisk
	if err := s.Set(ctx, "a", "new"); !errors.Is(err, errDisk) {
		t.Errorf("Set: %v", err)
	}
	if err := s.Remove(ctx, "a"); !errors.Is(err, errDisk) {
		t.Errorf("Remove: %v", err)
	}
	if got, _ := s.value("a"); len(got) != MaxValue {
		t.Error("a failed change counts")
	}
	if _, err := OpenStore(ctx, r, nil); !errors.Is(err, errDisk) {
		t.Errorf("OpenStore: %v", err)
	}
	keyless := openStore(t, &records{all: r.all}, nil)
	if err := keyless.Set(ctx, "a", "x"); err != ErrNoKey || keyless.HasKey() {
		t.Errorf("without a key: %v", err)
	}
	if err := keyless.Remove(ctx, "a"); err != nil {
		t.Errorf("Remove without a key: %v", err)
	}
	var none *Store
	if err := none.Set(ctx, "a", "x"); err != ErrNoKey || none.Remove(ctx, "a") != ErrUnknown || none.Names() != nil || none.HasKey() {
		t.Errorf("without a store: %v", err)
	}
}

func TestParseKey(t *testing.T) {
	good := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, KeyBytes))
	for _, text := range []string{good, good + "\n"} {
		if key, err := ParseKey(text); err != nil || key[31] != 7 {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{"", "hunter22", good[:40], base64.StdEncoding.EncodeToString(make([]byte, 33)), strings.ToLower(good) + "!"} {
		if _, err := ParseKey(text); err == nil || text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Values are read while others are set and removed.
func TestStore_Concurrent(t *testing.T) {
	ctx := context.Background()
	s := openStore(t, &records{all: map[string][]byte{}}, &Key{1})
	set := newSet(t, map[string]Definition{"a": {From: "store", Origins: []string{"api.example"}}}, s)
	access := set.Access("weather", []string{"a"}, []Grant{{Name: "a"}})
	if err := s.Set(ctx, "a", "hunter22"); err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for n := range 4 {
		wait.Go(func() {
			other := "b" + string(rune('0'+n))
			for range 100 {
				c := &Call{Access: access}
				r := &egress.Request{Method: "GET", URL: "https://api.example/", Headers: [][2]string{{"x", reference(t, c, "a")}}}
				if failure := c.Put(r); failure != nil || r.Headers[0][1] != "hunter22" {
					t.Errorf("got %q, %v", r.Headers, failure)
				}
				if err := errors.Join(s.Set(ctx, other, "value"), s.Remove(ctx, other)); err != nil || len(set.List()) < 1 {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
}
