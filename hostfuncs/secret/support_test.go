package secret

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"sluice/hostfuncs/egress"
)

// value is what every test's secret is: it has what each encoding writes differently.
const value = `p"w/ä +&=%41\z`

// environment has the value in the variable VALUE.
func environment(name string) (string, bool) {
	if name == "VALUE" {
		return value, true
	}
	return "", false
}

func newSet(t testing.TB, definitions map[string]Definition, store *Store) *Set {
	t.Helper()
	s, err := NewSet(Config{Definitions: definitions, Store: store, LookupEnv: environment})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// everywhere is a secret that may be put into all places of requests to one origin.
var everywhere = Definition{From: "env:VALUE", Origins: []string{"api.example"}, Places: []Place{Header, Query, Body}}

// calling is a call of a connector that is granted the secret token, and refers to it.
func calling(t testing.TB, d Definition) (*Call, string) {
	t.Helper()
	set := newSet(t, map[string]Definition{"token": d}, nil)
	c := &Call{Access: set.Access("weather", []string{"token", "other"}, []Grant{{Name: "token"}})}
	return c, reference(t, c, "token")
}

func reference(t testing.TB, c *Call, name string) string {
	t.Helper()
	r, err := c.Reference(name)
	if err != nil || len(r) != ReferenceLength {
		t.Fatalf("%q, %v", r, err)
	}
	return r
}

func checkCode(t testing.TB, what string, failure *egress.Error, code egress.Code) {
	t.Helper()
	if failure == nil || failure.Code != code {
		t.Errorf("%s: got %v, want %s", what, failure, code)
	}
}

// records keeps records in memory.
type records struct {
	all map[string][]byte
	err error
}

func (r *records) Secrets(context.Context) (map[string][]byte, error) {
	out := map[string][]byte{}
	for name, text := range r.all {
		out[name] = text
	}
	return out, r.err
}

func (r *records) PutSecret(_ context.Context, name string, text []byte) error {
	if r.err == nil {
		r.all[name] = text
	}
	return r.err
}

func (r *records) DeleteSecret(_ context.Context, name string) error {
	if r.err == nil {
		delete(r.all, name)
	}
	return r.err
}

var errDisk = errors.New("the disk is broken")

func writeFile(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
