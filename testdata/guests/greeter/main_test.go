package main

import (
	"testing"

	"sluice/guest-sdk/go/sluicetest"
)

func TestGreet(t *testing.T) {
	got := sluicetest.Run(t, "Greet", sluicetest.Call{Params: `{"name": "Ada"}`})
	if want := `{"greeting":"Hello, Ada","version":"1.0.0"}`; string(got.Body) != want {
		t.Errorf("got %+v, want %s", got, want)
	}
	if m := sluicetest.Manifest(t); m.Version != "1.0.0" {
		t.Errorf("the manifest says %s", m.Version)
	}
}
