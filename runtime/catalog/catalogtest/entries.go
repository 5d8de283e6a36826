package catalogtest

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/runtime/catalog"
)

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
