// Package catalogtest is the conformance suite of catalog.Store: what every engine must do, whatever it keeps its data in.
package catalogtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"reflect"
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

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
