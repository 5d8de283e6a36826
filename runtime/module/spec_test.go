package module

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// wazeroDir returns the folder of wazero's sources, which carry the WebAssembly specification's tests.
func wazeroDir(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	dir := strings.TrimSpace(string(out))
	if dir == "" {
		t.Fatal("wazero's sources are not in the module cache; run: go mod download")
	}
	return dir
}

// specCase is one binary of the specification's tests.
type specCase struct {
	file, verdict string // verdict: module, assert_invalid and the like
	text          string // what the specification expects to be said
	wasm          []byte
}

// specCases reads all binaries of one suite.
func specCases(t testing.TB, suite string) []specCase {
	t.Helper()
	dir := filepath.Join(wazeroDir(t), "internal/integration_test/spectest", suite, "testdata")
	scripts, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no specification tests in %s (%v)", dir, err)
	}
	var cases []specCase
	for _, script := range scripts {
		raw, err := os.ReadFile(script)
		if err != nil {
			t.Fatal(err)
		}
		var parsed struct {
			Commands []struct {
				Type, Filename, Text string
				ModuleType           string `json:"module_type"`
			}
		}
		if err := json.Unmarshal(raw, &parsed); err != nil {
			t.Fatalf("%s: %v", script, err)
		}
		for _, c := range parsed.Commands {
			if c.Filename == "" || c.ModuleType == "text" || !strings.HasSuffix(c.Filename, ".wasm") {
				continue
			}
			wasm, err := os.ReadFile(filepath.Join(dir, c.Filename))
			if err != nil {
				t.Fatal(err)
			}
			cases = append(cases, specCase{file: suite + "/" + c.Filename, verdict: c.Type, text: c.Text, wasm: wasm})
		}
	}
	return cases
}

// TestSpec runs the binaries of the specification's tests for WebAssembly 1.0 and 2.0. Every valid module must be
// accepted, every malformed one refused. Invalid ones may pass if what is wrong is left to the engine's validator.
func TestSpec(t *testing.T) {
	// What valid modules need that a limit forbids.
	overLimit := map[string]string{
		"v1/br_table.0.wasm": "24615 br_table targets of one function",
	}
	// What is left to the engine: types of operands, and what hangs on them.
	left := map[string]bool{
		"type mismatch":                 true,
		"invalid result arity":          true,
		"undeclared function reference": true,
	}
	for _, suite := range []string{"v1", "v2"} {
		t.Run(suite, func(t *testing.T) {
			var valid, malformed, invalid, passed, missed int
			for _, c := range specCases(t, suite) {
				_, err := Parse(c.wasm, DefaultLimits())
				switch c.verdict {
				case "assert_malformed":
					malformed++
					if err == nil {
						missed++
						t.Errorf("%s: accepted, but it is malformed: %s", c.file, c.text)
					}
				case "assert_invalid":
					invalid++
					if err == nil {
						passed++
						// Version 1.0 allows one table only, version 2.0 more.
						if !left[c.text] && !(suite == "v1" && c.text == "multiple tables") {
							t.Errorf("%s: accepted, but it is invalid: %s", c.file, c.text)
						}
					}
				default: // module, assert_unlinkable, assert_uninstantiable: valid all of them
					valid++
					reason, over := overLimit[c.file]
					if over && (!errors.Is(err, CodeLimitExceeded) || !strings.Contains(err.Error(), reason)) {
						t.Errorf("%s: have %v, want the limit of %s", c.file, err, reason)
					}
					if !over && err != nil {
						t.Errorf("%s: %v", c.file, err)
					}
				}
			}
			if valid < 800 || malformed < 600 || invalid < 900 {
				t.Errorf("%d valid, %d malformed and %d invalid modules are too few: are these the right files?", valid, malformed, invalid)
			}
			t.Logf("%d valid; %d malformed, %d of them missed; %d invalid, %d of them left to the engine",
				valid, malformed, missed, invalid, passed)
		})
	}
}

// TestSpec_Proposals runs the tests of proposals that are switched off. A valid module either needs the proposal,
// and is refused by name, or does not.
func TestSpec_Proposals(t *testing.T) {
	suites := map[string]string{
		"extended-const": extendedConst.name, "tail-call": tailCalls.name, "threads": threads.name,
		"exception-handling": "", "typed-function-references": "", // these build on others
	}
	for suite, want := range suites {
		t.Run(suite, func(t *testing.T) {
			refused := 0
			for _, c := range specCases(t, suite) {
				if strings.HasPrefix(c.verdict, "assert_") {
					continue
				}
				_, err := Parse(c.wasm, DefaultLimits())
				if err == nil {
					continue
				}
				refused++
				if !errors.Is(err, CodeUnsupportedFeature) || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: have %v, want %q refused", c.file, err, want)
				}
			}
			if refused == 0 {
				t.Error("nothing was refused: are these the right files?")
			}
		})
	}
}

// TestParse_Guests parses what compilers make: the modules in wazero's tests and examples, and the bundled
// connectors where they are built.
func TestParse_Guests(t *testing.T) {
	dir := wazeroDir(t)
	files, _ := filepath.Glob("../../modules/*/*.wasm")
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if d.IsDir() && d.Name() == "spectest" {
			return filepath.SkipDir
		}
		if filepath.Ext(path) == ".wasm" {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	refused := map[string]Code{
		"hugestack.wasm":                                         CodeLimitExceeded, // 138 results, made for that
		"cpp_exceptions.wasm":                                    CodeUnsupportedFeature,
		"pthread.wasm":                                           CodeUnsupportedFeature,
		"experimental/testdata/fac.wasm":                         CodeUnsupportedFeature, // tail calls
		"experimental/testdata/memory.wasm":                      CodeUnsupportedFeature, // threads
		"internal/integration_test/engine/testdata/threads/":     CodeUnsupportedFeature,
		"internal/integration_test/engine/testdata/eh_":          CodeUnsupportedFeature,
		"internal/integration_test/fuzzcases/testdata/2131.wasm": CodeUnsupportedFeature, // threads
	}
	accepted := 0
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var want Code
		for part, code := range refused {
			if strings.Contains(file, part) {
				want = code
			}
		}
		m, err := Parse(b, DefaultLimits())
		if want != "" {
			if !errors.Is(err, want) {
				t.Errorf("%s: have %v, want %s", file, err, want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		accepted++
		checkModule(t, m)
	}
	if accepted < 80 {
		t.Errorf("only %d modules were accepted", accepted)
	}
	t.Logf("%d accepted", accepted)
}
