package compile

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/runtime/sandbox/wasmtest"

	"go.uber.org/goleak"
)

// TestMain makes the test binary the helper, or one of the others that tests start.
func TestMain(m *testing.M) {
	Helper()
	if len(os.Args) > 1 {
		if play, ok := roles[os.Args[1]]; ok {
			os.Exit(play(os.Args[2:]))
		}
	}
	goleak.VerifyTestMain(m)
}

// roles are what else the test binary may be started as: helpers that misbehave. Each gets the arguments behind its own.
var roles = map[string]func(args []string) int{
	"liar": func(args []string) int {
		return misreport(args, func(r *report) { r.SHA256 = strings.Repeat("0", digestLength) })
	},
	"no-digest": func(args []string) int {
		return misreport(args, func(r *report) { r.SHA256 = "../../" + strings.Repeat("0", digestLength-6) })
	},
	"new-cause": func(args []string) int { return misreport(args, func(r *report) { r.Cause = "mood" }) },
	"two-files": func(args []string) int {
		return misreport(args, func(r *report) { must(os.WriteFile("more", nil, 0o600)) })
	},
	"misnamed": func(args []string) int {
		return misreport(args, func(r *report) {
			dir, name, err := onlyFile(".")
			must(err)
			must(os.Rename(filepath.Join(dir, name), filepath.Join(dir, "code")))
		})
	},
	"other-version": func(args []string) int {
		return misreport(args, func(r *report) {
			dir, _, err := onlyFile(".")
			must(err)
			must(os.Rename(dir, codePrefix+"v0.0.1-amd64-linux"))
		})
	},
	"linked": func(args []string) int {
		return misreport(args, func(r *report) {
			dir, name, err := onlyFile(".")
			must(err)
			must(os.Rename(filepath.Join(dir, name), filepath.Join("..", "elsewhere")))
			must(os.Symlink(filepath.Join("..", "..", "elsewhere"), filepath.Join(dir, name)))
		})
	},
	"silent":     func([]string) int { return 0 },
	"talkative":  func([]string) int { fmt.Printf(`{"detail":%q}`, strings.Repeat("x", 2*reportMax)); return 0 },
	"panicking":  func([]string) int { panic("a bug of the compiler") },
	"picky":      func([]string) int { return refuseWith(causeInvalid, strings.Repeat("ä", detailMax)) },
	"crashed":    func([]string) int { return refuseWith(causeCrash, "index out of range") },
	"full-disk":  func([]string) int { return refuseWith(causeSpace, "") },
	"bad-disk":   func([]string) int { return refuseWith(causeStorage, "input/output error") },
	"no-memory":  func([]string) int { return refuseWith(causeMemory, "") },
	"large-code": func([]string) int { return refuseWith(causeCode, "") },
	"hanging":    func([]string) int { return hang() },
	"alone": func(args []string) int {
		f, err := os.OpenFile(filepath.Join("..", "alone"), os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return 1
		}
		must(f.Close())
		code := misreport(args, func(*report) {})
		must(os.Remove(filepath.Join("..", "alone")))
		return code
	},
}

// misreport is a helper that works, except that it changes something before it reports.
func misreport(args []string, change func(r *report)) int {
	l, err := parseArguments(args)
	must(err)
	wasm, err := readModule(os.Stdin, l.module)
	must(err)
	r := compileHere(wasm)
	change(&r)
	must(json.NewEncoder(os.Stdout).Encode(r))
	return 0
}

func refuseWith(why cause, detail string) int {
	must(json.NewEncoder(os.Stdout).Encode(report{Cause: why, Detail: detail}))
	return 0
}

// hang goes on until the process is killed.
func hang() int {
	for {
		time.Sleep(time.Hour) // a select without cases is a deadlock, which Go ends
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// playing returns the command that starts the test binary in a role.
func playing(t testing.TB, role ...string) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return append([]string{self}, role...)
}

// cacheDir returns a folder for compiled code that is not there yet.
func cacheDir(t testing.TB) string { return filepath.Join(t.TempDir(), "compiled") }

func newCompiler(t testing.TB, c Config) *Compiler {
	t.Helper()
	if c.CacheDir == "" {
		c.CacheDir = cacheDir(t)
	}
	k, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if left, err := filepath.Glob(filepath.Join(c.CacheDir, workshopPrefix+"*")); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	})
	return k
}

func mustCompile(t testing.TB, c *Compiler, wasm []byte) Record {
	t.Helper()
	r, err := c.Compile(t.Context(), wasm)
	if err != nil {
		t.Fatal(err)
	}
	if !r.valid() {
		t.Fatalf("the record %q is none", r)
	}
	return r
}

// wantError checks the code of an error, and that its sentence has a text.
func wantError(t testing.TB, err error, code, text string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Message, text) {
		t.Errorf("the error is %v; wanted %s with %q", err, code, text)
	}
}

// files returns the names of the files in the cache.
func files(t testing.TB, c *Compiler) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(c.codeDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// wantFiles checks that exactly the code of these records is in the cache.
func wantFiles(t testing.TB, c *Compiler, records ...Record) {
	t.Helper()
	names := make([]string, 0, len(records))
	for _, r := range records {
		names = append(names, r.name())
	}
	slices.Sort(names)
	if have := files(t, c); !slices.Equal(have, names) {
		t.Errorf("in the cache are %q; wanted %q", have, names)
	}
}

// answering is a module whose function "run" returns a number.
func answering(n int) []byte {
	return wasmtest.Module{Pages: 1, Functions: []wasmtest.Function{
		{Export: "run", Results: "i", Code: wasmtest.I32(n)},
	}}.Bytes()
}

// nested is a module with so many blocks in each other, for which the compiler takes more than their number in time.
func nested(blocks int) []byte {
	code := slices.Concat(slices.Repeat([]byte{0x02, 0x40}, blocks), slices.Repeat([]byte{0x0b}, blocks))
	return wasmtest.Module{Functions: []wasmtest.Function{{Export: "run", Code: code}}}.Bytes()
}

// long is a module of one function that adds so many numbers, for which the compiler takes a few hundred bytes each.
func long(additions int) []byte {
	code := wasmtest.I32(0)
	for n := range additions {
		code = append(append(code, wasmtest.I32(n)...), 0x6a)
	}
	return wasmtest.Module{Functions: []wasmtest.Function{{Export: "run", Results: "i", Code: code}}}.Bytes()
}

// loggedTo returns a logger and what it has logged.
func loggedTo() (*slog.Logger, *strings.Builder) {
	var b strings.Builder
	return slog.New(slog.NewTextHandler(&b, nil)), &b
}
