package manifest

import (
	"encoding/json"
	"reflect"
	"testing"
)

func TestManifest_CommandIndex(t *testing.T) {
	m := &Manifest{Commands: []Command{{Name: "Zeta"}, {Name: "Alpha"}, {Name: "alpha"}}}
	for name, want := range map[string]int{"Zeta": 0, "Alpha": 1, "alpha": 2} {
		if i, ok := m.CommandIndex(name); !ok || i != want {
			t.Errorf("CommandIndex(%q) = %d, %v; want %d, true", name, i, ok, want)
		}
	}
	for _, name := range []string{"", "zeta", "Zet", "Zeta "} {
		if i, ok := m.CommandIndex(name); ok || i != 0 {
			t.Errorf("CommandIndex(%q) = %d, %v; want 0, false", name, i, ok)
		}
	}
}

// A manifest that was parsed can be written and parsed again: the catalog's and the console's copies are manifests too.
func TestManifest_RoundTrip(t *testing.T) {
	for _, text := range []string{minimal, complete} {
		m, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(b)
		if err != nil {
			t.Fatalf("%v in %s", err, b)
		}
		if !reflect.DeepEqual(m, again) {
			t.Errorf("%+v became %+v", m, again)
		}
	}
}
