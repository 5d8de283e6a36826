package main

import (
	"os"
	"testing"
)

func TestIsTerminal(t *testing.T) {
	for path, want := range map[string]bool{os.DevNull: false, "/dev/zero": false, "main.go": false, "/dev/ptmx": true} {
		f, err := os.Open(path)
		if err != nil {
			t.Logf("%s is not tried: %v", path, err)
			continue
		}
		if got := isTerminal(f); got != want {
			t.Errorf("%s: got %t", path, got)
		}
		_ = f.Close()
	}
}
