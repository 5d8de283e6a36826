package catalogtest

import (
	"context"
	"testing"

	"sluice/runtime/catalog"
)

func testDoneContext(t *testing.T, s catalog.Store) {
	e := Install(t, s, "weather", []byte("one"), 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	each(t, s, ctx, e, context.Canceled)
	wantEntry(t, s, e)
}

func testClosed(t *testing.T, s catalog.Store) {
	e := Install(t, s, "weather", []byte("one"), 0)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	each(t, s, t.Context(), e, catalog.ErrClosed)
}

// each calls every method and expects this error of all of them.
func each(t *testing.T, s catalog.Store, ctx context.Context, e catalog.Entry, want error) {
	t.Helper()
	_, err := s.List(ctx)
	wantError(t, "List", err, want)
	_, err = s.Get(ctx, e.Name)
	wantError(t, "Get", err, want)
	_, err = s.CompareAndSwap(ctx, e, e.Revision)
	wantError(t, "CompareAndSwap", err, want)
	wantError(t, "Delete", s.Delete(ctx, e.Name, e.Revision), want)
	_, err = s.PutBlob(ctx, []byte("two"))
	wantError(t, "PutBlob", err, want)
	_, err = s.Blob(ctx, e.Active)
	wantError(t, "Blob", err, want)
	_, err = s.Sweep(ctx)
	wantError(t, "Sweep", err, want)
}
