package guests

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/runtime/module"
)

// Committed guests are those of their locks, and small.
func TestCommitted(t *testing.T) {
	const most = 60 << 10
	for _, name := range []string{"c", "assemblyscript"} {
		wasm, err := os.ReadFile(filepath.Join(name, "order.wasm"))
		if err != nil {
			t.Fatal(err)
		}
		var lock struct {
			SHA256 string `json:"wasm_sha256"`
			Bytes  int    `json:"wasm_bytes"`
		}
		text, err := os.ReadFile(filepath.Join(name, "order.lock.json"))
		if err == nil {
			err = json.Unmarshal(text, &lock)
		}
		if err != nil {
			t.Fatal(err)
		}
		if digest := sha256.Sum256(wasm); hex.EncodeToString(digest[:]) != lock.SHA256 || len(wasm) != lock.Bytes {
			t.Errorf("%s is not the module of its lock: run benchmarks/guests/build.sh lock", name)
		}
		if len(wasm) > most {
			t.Errorf("%s has %d bytes, more than %d: build it, and don't commit it", name, len(wasm), most)
		}
	}
}

func TestLoop(t *testing.T) {
	m, err := module.Parse(Loop(), module.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	if m.Rewrite() == nil {
		t.Error("it is not rewritten")
	}
}

func TestWork(t *testing.T) {
	params, body := Work()
	if !json.Valid(params) || !json.Valid(body) || len(params) < 1000 || len(body) <= len(params) {
		t.Errorf("got %d and %d bytes", len(params), len(body))
	}
	if !strings.HasPrefix(string(params), `{"order":{"id":4711,`) || strings.Contains(string(params), "total_cents") {
		t.Errorf("got %s", params)
	}
	for _, want := range []string{`"total_cents":1299`, `"items":30,`, `"gross_cents":`} {
		if !strings.Contains(string(body), want) {
			t.Errorf("the body has no %s: %s", want, body)
		}
	}
}

func TestRead_Errors(t *testing.T) {
	if _, err := Read(t.TempDir(), "c"); err == nil || !strings.Contains(err.Error(), "build.sh") {
		t.Errorf("got %v", err)
	}
}
