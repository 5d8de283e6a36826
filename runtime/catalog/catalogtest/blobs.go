package catalogtest

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"sluice/runtime/catalog"
)

func testMissingBlobs(t *testing.T, s catalog.Store) {
	ctx := t.Context()
	missing := PutVersion(t, s, []byte("one"))
	missing.SHA256 = digestOf([]byte("never put"))
	_, err := s.CompareAndSwap(ctx, catalog.Entry{Name: "weather"}.WithVersion(missing, 0), 0)
	wantError(t, "a new entry", err, catalog.ErrNotFound)

	e := Install(t, s, "weather", []byte("one"), 0)
	_, err = s.CompareAndSwap(ctx, e.WithVersion(missing, 0), e.Revision)
	wantError(t, "a new version", err, catalog.ErrNotFound)
	wantEntry(t, s, e)
}

func testBlobs(t *testing.T, s catalog.Store) {
	ctx := t.Context()
	for _, b := range [][]byte{nil, []byte("\x00asm"), bytes.Repeat([]byte("a blob of some size "), 100_000)} {
		given := slices.Clone(b)
		for range 2 {
			digest, err := s.PutBlob(ctx, given)
			if err != nil || digest != digestOf(b) {
				t.Fatalf("PutBlob: %q, %v", digest, err)
			}
		}
		if len(given) > 0 {
			given[0]++
		}
		for range 2 {
			got, err := s.Blob(ctx, digestOf(b))
			if err != nil || !bytes.Equal(got, b) {
				t.Fatalf("Blob: %d bytes, %v", len(got), err)
			}
			if len(got) > 0 {
				got[0]++
			}
		}
	}
}

func testInvalidDigests(t *testing.T, s catalog.Store) {
	for _, digest := range []string{"", "ab", "..", strings.Repeat("g", 64), strings.Repeat("A", 64), strings.Repeat("a", 65), strings.Repeat("../", 21) + "a"} {
		_, err := s.Blob(t.Context(), digest)
		wantError(t, digest, err, catalog.ErrInvalid)
	}
}

func testSweep(t *testing.T, s catalog.Store) {
	ctx := t.Context()
	kept := Install(t, s, "kept", []byte("kept, old"), 0)
	kept, err := s.CompareAndSwap(ctx, kept.WithVersion(PutVersion(t, s, []byte("kept, new")), 0), kept.Revision)
	if err != nil {
		t.Fatal(err)
	}
	gone := Install(t, s, "gone", []byte("gone"), 0)
	shared := Install(t, s, "shared", []byte("kept, old"), 0)
	for _, e := range []catalog.Entry{gone, shared} {
		if err := s.Delete(ctx, e.Name, e.Revision); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []int{1, 0} {
		if n, err := s.Sweep(ctx); n != want || err != nil {
			t.Errorf("Sweep %d: %d, %v; want %d", i, n, err, want)
		}
	}
	_, err = s.Blob(ctx, gone.Active)
	wantError(t, "Blob", err, catalog.ErrNotFound)
	for _, v := range kept.Versions {
		if _, err := s.Blob(ctx, v.SHA256); err != nil {
			t.Errorf("Blob: %v", err)
		}
	}
}

func testSweepSparesPendingBlobs(t *testing.T, s catalog.Store) {
	v := PutVersion(t, s, []byte("pending"))
	if n, err := s.Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("Sweep: %d, %v", n, err)
	}
	if _, err := s.CompareAndSwap(t.Context(), catalog.Entry{Name: "weather"}.WithVersion(v, 0), 0); err != nil {
		t.Errorf("CompareAndSwap: %v", err)
	}
}
