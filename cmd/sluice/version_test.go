package main

import (
	"runtime"
	"testing"
)

func TestVersion(t *testing.T) {
	sluice(t, "version").want(t, exitOK, "sluice dev ("+runtime.Version()+", wazero ")
	v := decode[map[string]string](t, sluice(t, "version", "--json").want(t, exitOK))
	if v["sluice"] != version || v["go"] != runtime.Version() || v["wazero"] == "" {
		t.Errorf("got %v", v)
	}
}
