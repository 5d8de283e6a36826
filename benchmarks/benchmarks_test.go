package benchmarks

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
)

func TestOpen_Errors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(t.Context(), Setup{Dir: file, Logger: slog.New(slog.DiscardHandler), Connectors: []string{"http"}}); err == nil || s != nil {
		t.Errorf("a file as the folder: got %v, %v", s, err)
	}
}
