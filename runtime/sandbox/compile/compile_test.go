package compile

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/runtime/sandbox/wasmtest"

	"github.com/tetratelabs/wazero"
)

// engineResult compiles the module with an engine on the cache, as the server does, and returns what "run" returns.
func engineResult(t testing.TB, c *Compiler, wasm []byte) (uint64, error) {
	t.Helper()
	ctx := t.Context()
	cache, err := wazero.NewCompilationCacheWithDir(c.config.CacheDir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cache.Close(ctx) }()
	r := wazero.NewRuntimeWithConfig(ctx, EngineConfig().WithCompilationCache(cache))
	defer func() { _ = r.Close(ctx) }()
	m, err := r.Instantiate(ctx, wasm)
	if err != nil {
		return 0, err
	}
	results, err := m.ExportedFunction("run").Call(ctx)
	if err != nil {
		return 0, err
	}
	return results[0], nil
}

func TestCompile(t *testing.T) {
	c := newCompiler(t, Config{})
	wasm := answering(42)
	r := mustCompile(t, c, wasm)
	wantFiles(t, c, r)
	before, err := os.Lstat(c.pathOf(r))
	if err != nil {
		t.Fatal(err)
	}
	if before.Mode() != 0o600 {
		t.Errorf("the mode of the file is %s", before.Mode())
	}
	// The engine writes a new file for whatever it compiles itself.
	if n, err := engineResult(t, c, wasm); n != 42 || err != nil {
		t.Errorf("the module returns %d, %v", n, err)
	}
	wantFiles(t, c, r)
	after, err := os.Lstat(c.pathOf(r))
	if err != nil || !os.SameFile(before, after) || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("the engine did not take the file: %v", err)
	}
	// Whoever knows the record needs no helper any more.
	c.config.Command = []string{filepath.Join(t.TempDir(), "none")}
	if again := mustCompile(t, c, wasm); again != r {
		t.Errorf("the record was %q, and is %q", r, again)
	}
}

// TestCompile_EngineReadsCache shows that an engine does load what is in the cache: damaged code is an error of its.
func TestCompile_EngineReadsCache(t *testing.T) {
	c := newCompiler(t, Config{})
	wasm := answering(42)
	damage(t, c, mustCompile(t, c, wasm))
	if n, err := engineResult(t, c, wasm); err == nil || !strings.Contains(err.Error(), "checksum") {
		t.Errorf("the module returns %d, %v", n, err)
	}
}

// damage changes one bit of the native code.
func damage(t *testing.T, c *Compiler, r Record) {
	t.Helper()
	code, err := os.ReadFile(c.pathOf(r))
	if err != nil {
		t.Fatal(err)
	}
	code[len(code)/2] ^= 1
	if err := os.WriteFile(c.pathOf(r), code, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCompile_SameCodeEachTime(t *testing.T) {
	wasm := wasmtest.Module{Pages: 1, Functions: func() (f []wasmtest.Function) {
		for n := range 500 {
			f = append(f, wasmtest.Function{Results: "i", Code: wasmtest.I32(n)})
		}
		return f
	}()}.Bytes()
	first, second := newCompiler(t, Config{}), newCompiler(t, Config{})
	if a, b := mustCompile(t, first, wasm), mustCompile(t, second, wasm); a != b {
		t.Errorf("two compilations are recorded as %q and %q", a, b)
	}
}

func TestCompile_Errors(t *testing.T) {
	tests := []struct {
		name         string
		wasm         []byte
		limits       Limits
		command      string
		code, text   string
		expectedLogs string
	}{
		{name: "garbage", wasm: []byte("no module"), code: CodeInvalid, text: "not valid WebAssembly: invalid magic number. Build it again"},
		{name: "nothing", code: CodeInvalid, text: "not valid WebAssembly"},
		{name: "half a module", wasm: answering(1)[:40], code: CodeInvalid, text: "not valid WebAssembly"},
		{name: "a wrong type", code: CodeInvalid, text: "not valid WebAssembly",
			wasm: wasmtest.Module{Functions: []wasmtest.Function{{Results: "i", Code: wasmtest.I64(1)}}}.Bytes()},
		{name: "a count of 2³²", wasm: []byte("\x00asm\x01\x00\x00\x00\x03\x05\xff\xff\xff\xff\x0f"), code: CodeLimit, text: "more than 1024 MiB of memory"},
		{name: "much memory", wasm: long(1_000_000), limits: Limits{Data: 100 << 20}, code: CodeLimit, text: "more than 100 MiB of memory"},
		{name: "much processor time", wasm: nested(150_000), limits: Limits{CPU: time.Second}, code: CodeLimit, text: "more than 1s of processor time"},
		{name: "much time", wasm: answering(1), limits: Limits{Wall: 50 * time.Millisecond}, command: "hanging", code: CodeLimit, text: "longer than 50ms"},
		{name: "a large module", wasm: answering(1), limits: Limits{Module: 16}, code: CodeLimit, text: "larger than 0 MiB when it is compiled"},
		{name: "much code", wasm: answering(1), limits: Limits{Code: 64}, code: CodeLimit, text: "compiled code is larger than 0 MiB"},
		{name: "a panic", wasm: answering(1), command: "panicking", code: CodeInvalid, text: "The compiler failed on the module", expectedLogs: "a bug of the compiler"},
		{name: "a panic that was recovered", wasm: answering(1), command: "crashed", code: CodeInvalid, text: "The compiler failed on the module", expectedLogs: "index out of range"},
		{name: "a long explanation", wasm: answering(1), command: "picky", code: CodeInvalid, text: "ää…. Build it again"},
		{name: "no memory for the code", wasm: answering(1), command: "no-memory", code: CodeLimit, text: "of memory"},
		{name: "code beyond the limit", wasm: answering(1), command: "large-code", code: CodeLimit, text: "code is larger than 512 MiB"},
		{name: "a full disk", wasm: answering(1), command: "full-disk", code: CodeNoSpace, text: "Make room"},
		{name: "a broken disk", wasm: answering(1), command: "bad-disk", code: CodeUnavailable, text: "does not work: input/output error. Check"},
		{name: "a false digest", wasm: answering(1), command: "liar", code: CodeUnavailable, text: "another digest", expectedLogs: "another digest"},
		{name: "no digest", wasm: answering(1), command: "no-digest", code: CodeUnavailable, text: "the report has no digest", expectedLogs: "no digest"},
		{name: "an unknown cause", wasm: answering(1), command: "new-cause", code: CodeUnavailable, text: "an unknown cause"},
		{name: "no report", wasm: answering(1), command: "silent", code: CodeUnavailable, text: "the report can't be read"},
		{name: "a long report", wasm: answering(1), command: "talkative", code: CodeUnavailable, text: "the report can't be read"},
		{name: "two files", wasm: answering(1), command: "two-files", code: CodeUnavailable, text: "there are 2 files where one was to be"},
		{name: "another name", wasm: answering(1), command: "misnamed", code: CodeUnavailable, text: "not named as the engine names them"},
		{name: "another version", wasm: answering(1), command: "other-version", code: CodeUnavailable, text: "of another version"},
		{name: "a link", wasm: answering(1), command: "linked", code: CodeUnavailable, text: "where one was to be"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			logger, logged := loggedTo()
			config := Config{Limits: tc.limits, Logger: logger}
			if tc.command != "" {
				config.Command = playing(t, tc.command)
			}
			c := newCompiler(t, config)
			r, err := c.Compile(t.Context(), tc.wasm)
			if r != "" {
				t.Errorf("there is a record: %q", r)
			}
			wantError(t, err, tc.code, tc.text)
			if !strings.Contains(logged.String(), tc.expectedLogs) {
				t.Errorf("%q is not in the log: %s", tc.expectedLogs, logged)
			}
			wantFiles(t, c)
			if tc.command == "" && tc.limits == (Limits{}) {
				mustCompile(t, c, answering(2)) // it goes on
			}
		})
	}
}

func TestCompile_NoProgram(t *testing.T) {
	c := newCompiler(t, Config{Command: []string{filepath.Join(t.TempDir(), "none")}})
	_, err := c.Compile(t.Context(), answering(1))
	wantError(t, err, CodeUnavailable, "could not be started")
}

func TestCompile_Context(t *testing.T) {
	c := newCompiler(t, Config{Command: playing(t, "hanging")})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Compile(ctx, answering(1)); !errors.Is(err, context.DeadlineExceeded) { // in the helper
		t.Errorf("the error is %v", err)
	}
	c.one <- struct{}{}
	if _, err := c.Compile(ctx, answering(1)); !errors.Is(err, context.DeadlineExceeded) { // in the queue
		t.Errorf("the error is %v", err)
	}
	<-c.one
	if _, err := c.Compile(ctx, answering(1)); !errors.Is(err, context.DeadlineExceeded) { // before both
		t.Errorf("the error is %v", err)
	}
}

// TestCompile_Hammer compiles the same and other modules at once. The helper fails when it is not alone.
func TestCompile_Hammer(t *testing.T) {
	const callers, modules = 8, 3
	c := newCompiler(t, Config{Command: playing(t, "alone")})
	var records [callers][modules]Record
	var wait sync.WaitGroup
	for i := range callers {
		wait.Go(func() {
			for n := range modules {
				var err error
				if records[i][n], err = c.Compile(t.Context(), answering((i+n)%modules)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	distinct := map[Record]bool{}
	for i := range callers {
		for n := range modules {
			distinct[records[i][n]] = true
			if records[i][n] != records[0][(i+n)%modules] {
				t.Errorf("caller %d has another record of module %d", i, (i+n)%modules)
			}
		}
	}
	if len(distinct) != modules || len(files(t, c)) != modules {
		t.Errorf("there are %d records and %d files", len(distinct), len(files(t, c)))
	}
}

// TestCompile_Tampered changes what is in the cache in every way that there is: it is found and made anew.
func TestCompile_Tampered(t *testing.T) {
	elsewhere := filepath.Join(t.TempDir(), "code")
	if err := os.WriteFile(elsewhere, []byte("native code"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		tamper func(t *testing.T, c *Compiler, r Record)
		logs   bool
	}{
		{"a bit", damage, true},
		{"longer", func(t *testing.T, c *Compiler, r Record) {
			f, err := os.OpenFile(c.pathOf(r), os.O_APPEND|os.O_WRONLY, 0)
			if err == nil {
				_, err = f.Write([]byte{0})
				err = errors.Join(err, f.Close())
			}
			if err != nil {
				t.Fatal(err)
			}
		}, true},
		{"empty", func(t *testing.T, c *Compiler, r Record) {
			if err := os.Truncate(c.pathOf(r), 0); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"a link", func(t *testing.T, c *Compiler, r Record) {
			if err := errors.Join(os.Remove(c.pathOf(r)), os.Symlink(elsewhere, c.pathOf(r))); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"a folder", func(t *testing.T, c *Compiler, r Record) {
			if err := errors.Join(os.Remove(c.pathOf(r)), os.MkdirAll(filepath.Join(c.pathOf(r), "in"), 0o700)); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"missing", func(t *testing.T, c *Compiler, r Record) {
			if err := os.Remove(c.pathOf(r)); err != nil {
				t.Fatal(err)
			}
		}, false},
	}
	t.Cleanup(func() {
		if text, err := os.ReadFile(elsewhere); err != nil || string(text) != "native code" {
			t.Errorf("what the link points to is %q, %v", text, err)
		}
	})
	wasm := answering(42)
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			logger, logged := loggedTo()
			dir := cacheDir(t)
			r := mustCompile(t, newCompiler(t, Config{CacheDir: dir}), wasm)
			c := newCompiler(t, Config{CacheDir: dir, Logger: logger}) // the next start
			if removed, err := c.Adopt([]Record{r}); removed != 0 || err != nil {
				t.Errorf("adopting removed %d files, %v", removed, err)
			}
			tc.tamper(t, c, r)
			good := c.config.Command
			c.config.Command = playing(t, "silent")
			if _, err := c.Compile(t.Context(), wasm); err == nil {
				t.Fatal("the tampered code was taken")
			}
			if _, err := os.Lstat(c.pathOf(r)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the tampered code is still there: %v", err)
			}
			c.config.Command = good
			if again := mustCompile(t, c, wasm); again != r {
				t.Errorf("the record was %q, and is %q", r, again)
			}
			if n, err := engineResult(t, c, wasm); n != 42 || err != nil {
				t.Errorf("the module returns %d, %v", n, err)
			}
			if strings.Contains(logged.String(), "differed") != tc.logs {
				t.Errorf("the log says %s", logged)
			}
		})
	}
}

func TestCompile_ForgetsBeyondBound(t *testing.T) {
	c := newCompiler(t, Config{})
	for n := range knownMax + 1 {
		c.remember(c.compiler.key([]byte{byte(n), byte(n >> 8), byte(n >> 16)}), "")
	}
	if n := len(c.known.records); n > knownMax {
		t.Errorf("%d records are remembered", n)
	}
}
