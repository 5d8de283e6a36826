package figures

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestSpreads(t *testing.T) {
	for _, tc := range []struct {
		figures []float64
		want    string
	}{
		{nil, "0.0 (0.0–0.0)"},
		{[]float64{3}, "3.0 (3.0–3.0)"},
		{[]float64{3, 1, 2}, "2.0 (1.0–3.0)"},
		{[]float64{4, 1, 2, 3}, "2.5 (1.0–4.0)"},
	} {
		if got := Spreads(tc.figures).Text("%.1f"); got != tc.want {
			t.Errorf("%v: got %s, want %s", tc.figures, got, tc.want)
		}
	}
}

func TestRatios(t *testing.T) {
	if got, want := Ratios([]float64{10, 1, 50}, []float64{20, 4}), (Spread{Median: .375, Min: .25, Max: .5}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "on", "the", "way.json")
	want := PerCall{Rounds: 3, Guests: []Guest{{Name: "c", Times: map[Way]Spread{Dirty: {1, 2, 3}}}}}
	if err := Write(path, want); err != nil {
		t.Fatal(err)
	}
	var got PerCall
	if err := Read(path, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestRead_Errors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	var got PerCall
	if err := Read(path, &got); err == nil {
		t.Error("a file that is not there was read")
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Read(path, &got); err == nil {
		t.Error("half a file was read")
	}
}

func TestThisMachine(t *testing.T) {
	if m := ThisMachine(); m.Cores < 1 || m.CPU == "" || m.Go == "" || m.Date == "" {
		t.Errorf("got %+v", m)
	}
}
