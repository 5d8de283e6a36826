// Package catalogtest is the conformance suite of catalog.Store: what every engine must do, whatever it keeps its data in.
package catalogtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/runtime/catalog"
	"sluice/runtime/manifest"
)

// Run runs the suite. open returns an empty store, a new one each time; the suite closes it.
func Run(t *testing.T, open func(t *testing.T) catalog.Store) {
	for _, tc := range []struct {
		name string
		run  func(t *testing.T, s catalog.Store)
	}{
		{"Empty", testEmpty},
		{"Entries", testEntries},
		{"EntryIsKeptWhole", testEntryIsKeptWhole},
		{"TextsAreKept", testTextsAreKept},
		{"EntriesAreSorted", testEntriesAreSorted},
		{"EntriesAreNotShared", testEntriesAreNotShared},
		{"Conflicts", testConflicts},
		{"RevisionsAreNotReused", testRevisionsAreNotReused},
		{"InvalidEntries", testInvalidEntries},
		{"MissingBlobs", testMissingBlobs},
		{"Blobs", testBlobs},
		{"InvalidDigests", testInvalidDigests},
		{"Sweep", testSweep},
		{"SweepSparesPendingBlobs", testSweepSparesPendingBlobs},
		{"DoneContext", testDoneContext},
		{"Closed", testClosed},
		{"HammerCompareAndSwap", testHammerCompareAndSwap},
		{"HammerInstallAndSweep", testHammerInstallAndSweep},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := open(t)
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
			tc.run(t, s)
		})
	}
}

// NewManifest returns a small manifest of this version.
func NewManifest(version string) *manifest.Manifest {
	return &manifest.Manifest{
		Name: "weather", Version: version, Description: "Forecasts\n<by> city & region",
		Capabilities: []manifest.Capability{{Name: "http", Reason: "asks", Hosts: []string{"https://api.weather.example"}}},
		Commands: []manifest.Command{
			{Name: "GetForecast", TaskData: true, Parameters: []manifest.Parameter{
				{ID: "city", Type: manifest.TypeString, Required: true}, {ID: "key", Type: manifest.TypeAny, Secret: true},
			}},
			{Name: "Alert", Async: true},
		},
	}
}

// PutVersion puts b and returns a version that refers to it.
func PutVersion(t testing.TB, s catalog.Store, b []byte) catalog.Version {
	t.Helper()
	v, err := putVersion(t.Context(), s, b)
	if err != nil {
		t.Fatalf("PutBlob: %v", err)
	}
	return v
}

// putVersion is PutVersion for goroutines, which must not end the test.
func putVersion(ctx context.Context, s catalog.Store, b []byte) (catalog.Version, error) {
	digest, err := s.PutBlob(ctx, b)
	return catalog.Version{
		SHA256: digest, Size: int64(len(b)), ABI: "native", Manifest: NewManifest("1.0.0"),
		InstalledAt: time.Date(2031, 5, 7, 11, 13, 17, 190, time.UTC),
	}, err
}

// Install puts b and swaps an entry of that name that has it as its only version from revision on.
func Install(t testing.TB, s catalog.Store, name string, b []byte, revision uint64) catalog.Entry {
	t.Helper()
	e, err := s.CompareAndSwap(t.Context(), catalog.Entry{Name: name}.WithVersion(PutVersion(t, s, b), 0), revision)
	if err != nil {
		t.Fatalf("CompareAndSwap: %v", err)
	}
	return e
}

func wantError(t testing.TB, doing string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v; want: %v", doing, err, want)
	}
}

func wantEntry(t testing.TB, s catalog.Store, want catalog.Entry) {
	t.Helper()
	got, err := s.Get(t.Context(), want.Name)
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Get returned %+v; want %+v", got, want)
	}
}

func testEmpty(t *testing.T, s catalog.Store) {
	ctx := t.Context()
	if all, err := s.List(ctx); err != nil || len(all) != 0 {
		t.Errorf("List: %v, %v", all, err)
	}
	for _, name := range []string{"weather", "", "..", "a/b", strings.Repeat("x", 100_000)} {
		_, err := s.Get(ctx, name)
		wantError(t, "Get", err, catalog.ErrNotFound)
		wantError(t, "Delete", s.Delete(ctx, name, 0), catalog.ErrNotFound)
	}
	_, err := s.Blob(ctx, digestOf(nil))
	wantError(t, "Blob", err, catalog.ErrNotFound)
	if n, err := s.Sweep(ctx); n != 0 || err != nil {
		t.Errorf("Sweep: %d, %v", n, err)
	}
}

func testEntries(t *testing.T, s catalog.Store) {
	ctx := t.Context()
	first := Install(t, s, "weather", []byte("one"), 0)
	if first.Revision == 0 {
		t.Error("the new entry has revision 0")
	}
	wantEntry(t, s, first)

	second, err := s.CompareAndSwap(ctx, first.WithVersion(PutVersion(t, s, []byte("two")), 0), first.Revision)
	if err != nil {
		t.Fatal(err)
	}
	if second.Revision <= first.Revision {
		t.Errorf("revision %d came after %d", second.Revision, first.Revision)
	}
	wantEntry(t, s, second)

	rollback := second
	rollback.Active = first.Active
	third, err := s.CompareAndSwap(ctx, rollback, second.Revision)
	if err != nil {
		t.Fatal(err)
	}
	wantEntry(t, s, third)
	if third.Active != first.Active || len(third.Versions) != 2 || third.Versions[0].SHA256 != second.Active {
		t.Errorf("after rolling back: %+v", third)
	}

	if err := s.Delete(ctx, "weather", third.Revision); err != nil {
		t.Fatal(err)
	}
	_, err = s.Get(ctx, "weather")
	wantError(t, "Get", err, catalog.ErrNotFound)
	wantError(t, "Delete", s.Delete(ctx, "weather", third.Revision), catalog.ErrNotFound)
}

func testEntryIsKeptWhole(t *testing.T, s catalog.Store) {
	v := PutVersion(t, s, []byte("one"))
	zone := time.FixedZone("somewhere", 2*60*60)
	v.InstalledAt = time.Date(2031, 5, 7, 11, 13, 17, 123456789, zone)
	e := catalog.Entry{Name: strings.Repeat("a", 64), Revision: 99, Bundled: true}.WithVersion(v, 0)
	got, err := s.CompareAndSwap(t.Context(), e, 0)
	if err != nil {
		t.Fatal(err)
	}
	wantEntry(t, s, got)

	e.Revision = got.Revision
	e.Versions[0].InstalledAt = v.InstalledAt.UTC()
	if !reflect.DeepEqual(got, e) {
		t.Errorf("CompareAndSwap returned %+v; want %+v", got, e)
	}
}

// testTextsAreKept: a grant stays with its connector through versions, and is gone with it.
func testTextsAreKept(t *testing.T, s catalog.Store) {
	ctx := t.Context()
	e := Install(t, s, "weather", []byte("one"), 0)
	e.Grant, e.Observed = []byte(`{"http":["https://a.example"]}`), []byte(`[1]`)
	e, err := s.CompareAndSwap(ctx, e, e.Revision)
	if err != nil {
		t.Fatal(err)
	}
	wantEntry(t, s, e)
	next, err := s.CompareAndSwap(ctx, e.WithVersion(PutVersion(t, s, []byte("two")), 0), e.Revision)
	if err != nil || string(next.Grant) != `{"http":["https://a.example"]}` || string(next.Observed) != `[1]` {
		t.Errorf("got %+v, %v", next, err)
	}
	for _, text := range []string{"", "{", "null", `"` + strings.Repeat("x", catalog.MaxText) + `"`} {
		broken := next
		broken.Grant = []byte(text)
		_, err := s.CompareAndSwap(ctx, broken, next.Revision)
		wantError(t, "CompareAndSwap with a broken grant", err, catalog.ErrInvalid)
	}
	if err := s.Delete(ctx, "weather", next.Revision); err != nil {
		t.Fatal(err)
	}
	if e := Install(t, s, "weather", []byte("one"), 0); e.Grant != nil || e.Observed != nil {
		t.Errorf("a new entry has %s, %s", e.Grant, e.Observed)
	}
}

func testEntriesAreSorted(t *testing.T, s catalog.Store) {
	names := []string{"smtp", "http", "a.b", "a-b", "http2", "0", "a_b", "z", "a"}
	for _, name := range names {
		Install(t, s, name, []byte(name), 0)
	}
	all, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range all {
		got = append(got, e.Name)
		wantEntry(t, s, e)
	}
	slices.Sort(names)
	if !slices.Equal(got, names) {
		t.Errorf("List: %q; want %q", got, names)
	}
}

func testEntriesAreNotShared(t *testing.T, s catalog.Store) {
	given := catalog.Entry{Name: "weather"}.WithVersion(PutVersion(t, s, []byte("one")), 0)
	swapped, err := s.CompareAndSwap(t.Context(), given, 0)
	if err != nil {
		t.Fatal(err)
	}
	want, err := s.Get(t.Context(), "weather")
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Get(t.Context(), "weather")
	if err != nil {
		t.Fatal(err)
	}
	given.Versions[0].Size, swapped.Versions[0].Size, got.Versions[0].Size = -1, -2, -3
	wantEntry(t, s, want)
}

func testConflicts(t *testing.T, s catalog.Store) {
	ctx := t.Context()
	first := Install(t, s, "weather", []byte("one"), 0)
	second, err := s.CompareAndSwap(ctx, first, first.Revision)
	if err != nil {
		t.Fatal(err)
	}
	for _, revision := range []uint64{0, first.Revision, second.Revision + 1, 1 << 63} {
		_, err := s.CompareAndSwap(ctx, first, revision)
		wantError(t, "CompareAndSwap", err, catalog.ErrConflict)
		wantError(t, "Delete", s.Delete(ctx, "weather", revision), catalog.ErrConflict)
	}
	other := first
	other.Name = "other"
	_, err = s.CompareAndSwap(ctx, other, first.Revision)
	wantError(t, "CompareAndSwap where there is none", err, catalog.ErrConflict)
	wantEntry(t, s, second)
}

func testRevisionsAreNotReused(t *testing.T, s catalog.Store) {
	first := Install(t, s, "weather", []byte("one"), 0)
	if err := s.Delete(t.Context(), "weather", first.Revision); err != nil {
		t.Fatal(err)
	}
	second := Install(t, s, "weather", []byte("one"), 0)
	if second.Revision <= first.Revision {
		t.Errorf("revision %d came after %d", second.Revision, first.Revision)
	}
}

func testInvalidEntries(t *testing.T, s catalog.Store) {
	v := PutVersion(t, s, []byte("one"))
	valid := catalog.Entry{Name: "weather"}.WithVersion(v, 0)
	for name, change := range map[string]func(e *catalog.Entry){
		"no name":          func(e *catalog.Entry) { e.Name = "" },
		"name of capitals": func(e *catalog.Entry) { e.Name = "Weather" },
		"name is a path":   func(e *catalog.Entry) { e.Name = "../weather" },
		"long name":        func(e *catalog.Entry) { e.Name = strings.Repeat("a", 65) },
		"no version":       func(e *catalog.Entry) { e.Versions = nil },
		"too many versions": func(e *catalog.Entry) {
			for i := range 64 {
				o := v
				o.SHA256 = digestOf([]byte{byte(i)})
				e.Versions = append(e.Versions, o)
			}
		},
		"nothing active":         func(e *catalog.Entry) { e.Active = "" },
		"another active":         func(e *catalog.Entry) { e.Active = digestOf(nil) },
		"digest of capitals":     func(e *catalog.Entry) { e.Versions[0].SHA256 = strings.ToUpper(v.SHA256) },
		"digest is a path":       func(e *catalog.Entry) { e.Versions[0].SHA256 = "../" + v.SHA256[3:] },
		"digest twice":           func(e *catalog.Entry) { e.Versions = append(e.Versions, v) },
		"negative size":          func(e *catalog.Entry) { e.Versions[0].Size = -1 },
		"no manifest":            func(e *catalog.Entry) { e.Versions[0].Manifest = nil },
		"year beyond the format": func(e *catalog.Entry) { e.Versions[0].InstalledAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
	} {
		e := valid
		e.Versions = slices.Clone(valid.Versions)
		change(&e)
		_, err := s.CompareAndSwap(t.Context(), e, 0)
		wantError(t, name, err, catalog.ErrInvalid)
	}
	if all, err := s.List(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("List: %v, %v", all, err)
	}
}

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

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
