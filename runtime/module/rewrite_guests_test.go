package module_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"

	work "sluice/benchmarks/guests"
	"sluice/internal/guests"
	"sluice/runtime/module"
	"sluice/runtime/module/moduletest"
)

// guestRun runs one guest in several worlds, call by call, and compares them after each.
type guestRun struct {
	t       *testing.T
	subject *moduletest.Subject
	worlds  []*guestWorld
	calls   int
	traps   []string
	// after, unless nil, is called after each call.
	after func()
}

type guestWorld struct {
	*moduletest.World
	subject  *moduletest.Subject
	host     *moduletest.Host
	instance *moduletest.Instance
}

// guestManifest is what the test needs of a manifest.
type guestManifest struct {
	Commands []struct {
		Name       string
		Parameters []struct{ ID, Type string }
	}
}

// endless are commands that no original ever returns from, or only with all memory taken.
var endless = []string{"Spin", "Grow"}

// runGuest compares all that a guest of the native ABI does.
func runGuest(t *testing.T, file []byte, kinds []moduletest.Kind) { newGuestRun(t, file, kinds).run() }

// run has the guest describe itself twice, and run each of its commands.
func (r *guestRun) run() {
	r.restart()
	for range 2 {
		r.call("describe")
	}
	var manifest guestManifest
	if err := json.Unmarshal(r.worlds[0].host.Output, &manifest); err != nil {
		r.t.Fatalf("the manifest: %v", err)
	}
	for n, c := range manifest.Commands {
		if slices.Contains(endless, c.Name) {
			continue
		}
		params := parameters(r.t, c.Parameters)
		for range 2 {
			r.prepare(params)
			if out := r.call("execute", uint64(n)); out.Trap != "" {
				r.traps = append(r.traps, c.Name+": "+string(out.Trap))
				r.restart()
			}
		}
	}
	r.log()
}

func newGuestRun(t *testing.T, file []byte, kinds []moduletest.Kind) *guestRun {
	t.Helper()
	ctx := experimental.WithCompilationWorkers(t.Context(), 2)
	subject, err := moduletest.NewSubject(file, module.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	r := &guestRun{t: t, subject: subject}
	for _, k := range kinds {
		cache := wazero.NewCompilationCache()
		w, err := moduletest.NewWorld(ctx, k, cache)
		if err != nil {
			t.Fatal(err)
		}
		w.Slice, w.PagesMax = 100_000, 1024
		t.Cleanup(func() {
			_ = w.Close(context.WithoutCancel(ctx))
			_ = cache.Close(context.WithoutCancel(ctx))
		})
		g := &guestWorld{World: w, subject: subject, host: &moduletest.Host{}}
		if err := g.host.Provide(ctx, w); err != nil {
			t.Fatal(err)
		}
		r.worlds = append(r.worlds, g)
	}
	return r
}

// restart makes new instances and runs their initialisation.
func (r *guestRun) restart() {
	r.t.Helper()
	ctx := experimental.WithCompilationWorkers(r.t.Context(), 2)
	for _, w := range r.worlds {
		old := w.instance
		i, err := w.Instantiate(ctx, w.subject)
		if err != nil {
			r.t.Fatalf("%s: %v", w.Kind, err)
		}
		if w.instance = i; old != nil {
			old.Close(ctx)
		}
	}
	if _, ok := r.subject.Module.Export("_initialize"); ok {
		if out := r.call("_initialize"); out.Trap != "" {
			r.t.Fatalf("_initialize: %s", out)
		}
	}
}

// prepare gives all hosts the parameters of the next call.
func (r *guestRun) prepare(params []byte) {
	for _, w := range r.worlds {
		w.host.Params = params
		w.host.Context = []byte(`{"command": "x", "connector": "y", "call_id": "z", "deadline_ms": 1000}`)
		w.host.Response = []byte(`{"temperature": 21.5, "city": "Bergen"}`)
	}
}

// call calls an export in all worlds and compares what came of it.
func (r *guestRun) call(export string, args ...uint64) moduletest.Outcome {
	r.t.Helper()
	r.calls++
	ctx := r.t.Context()
	first := r.worlds[0]
	var want moduletest.Outcome
	for n, w := range r.worlds {
		w.host.Reset()
		out := w.instance.Call(ctx, export, args...)
		if n == 0 {
			want = out
			continue
		}
		where := fmt.Sprintf("%s%d (%s)", export, args, w.Kind)
		if !want.Equal(out, nil) {
			r.t.Fatalf("%s: have %s, want %s\n%s", where, out, want, out.Detail)
		}
		if d := firstDifference(w.host.Trace, first.host.Trace); d != "" {
			r.t.Fatalf("%s: host calls differ: %s", where, d)
		}
		if !bytes.Equal(w.host.Output, first.host.Output) || !bytes.Equal(w.host.Head, first.host.Head) {
			r.t.Fatalf("%s: the answer is %q %q, want %q %q", where, w.host.Head, w.host.Output, first.host.Head, first.host.Output)
		}
		if d := moduletest.DiffState(first.instance, w.instance); d != "" {
			r.t.Fatalf("%s: %s", where, d)
		}
	}
	if r.after != nil {
		r.after()
	}
	return want
}

func firstDifference(have, want []string) string {
	for n := range max(len(have), len(want)) {
		if n >= len(have) || n >= len(want) {
			return fmt.Sprintf("%d and %d calls", len(have), len(want))
		}
		if have[n] != want[n] {
			return fmt.Sprintf("call %d is %s, want %s", n, have[n], want[n])
		}
	}
	return ""
}

func (r *guestRun) log() {
	var checkpoints int
	var spent int64
	for _, w := range r.worlds {
		checkpoints = max(checkpoints, w.instance.Checkpoints())
		spent = max(spent, w.instance.Spent())
	}
	r.t.Logf("%d calls equal in %d worlds; the last instance spent %d units at %d checkpoints; traps in both forms: %q",
		r.calls, len(r.worlds), spent, checkpoints, r.traps)
}

// parameters makes a document with a value for each parameter, and those that the benchmarks' guests take.
func parameters(t *testing.T, declared []struct{ ID, Type string }) []byte {
	t.Helper()
	order, _ := work.Work()
	values := map[string]any{}
	if err := json.Unmarshal(order, &values); err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(declared, func(p struct{ ID, Type string }) bool { return values[p.ID] == nil }) && len(declared) > 0 {
		return order // as it is written, which the smallest of those guests rely on
	}
	for _, p := range declared {
		switch {
		case p.Type == "int":
			values[p.ID] = 7
		case p.Type == "bool":
			values[p.ID] = true
		case strings.Contains(strings.ToLower(p.ID), "url"):
			values[p.ID] = "https://api.example.com/v1/items?q=1"
		case p.Type == "any":
			values[p.ID] = map[string]any{"a": []int{1, 2, 3}, "b": "ü"}
		default:
			values[p.ID] = "a text with \"quotes\" and ünïcödé"
		}
	}
	params, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	return params
}

// TestRewrite_Guest runs a bundled connector in both forms. TestRewriteLong_Guests runs all guests.
func TestRewrite_Guest(t *testing.T) {
	serial(t)
	runGuest(t, guests.Module(t, "http"), moduletest.AllKinds())
}

// guestFiles returns the modules of the repository, by path: the bundled connectors, and of the others those that are built.
func guestFiles(t *testing.T) []string {
	t.Helper()
	files := []string{guests.Path(t, "http")}
	for _, pattern := range []string{"../../bin/guests/*.wasm", "../../bin/bench/*.wasm", "../../benchmarks/guests/*/*.wasm"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	seen := map[[sha256.Size]byte]bool{}
	return slices.DeleteFunc(files, func(file string) bool {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(b)
		twice := seen[sum]
		seen[sum] = true
		return twice
	})
}

// TestRewrite_Size checks the size of the guests of up to 1 MiB. TestRewriteLong_Size checks all, of which Go's are large.
func TestRewrite_Size(t *testing.T) {
	serial(t)
	checkSizes(t, 1<<20)
}

// checkSizes checks that what is compiled of a guest is not much larger than what was uploaded, for files of up to most
// bytes.
func checkSizes(t *testing.T, most int) {
	const constant = 256
	for _, path := range guestFiles(t) {
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(file) > most {
			continue
		}
		s := checkRewrite(t, file)
		code := len(s.Module.Bounded())
		for _, d := range s.Rewritten.Data {
			code -= len(d.Bytes)
		}
		size := len(s.Rewritten.Binary)
		r, err := module.Parse(s.Rewritten.Binary, unlimited())
		if err != nil {
			t.Fatal(err)
		}
		before, after := codeBytes(s.Module), codeBytes(r)
		if size > code*3/2+constant || after > before*3/2+constant {
			t.Errorf("%s: %d bytes became %d, %d of code %d", path, code, size, before, after)
		}
		t.Logf("%s: %d bytes; without data and custom sections %d, rewritten %d (× %.3f); code %d, rewritten %d (× %.3f)",
			filepath.Base(path), len(file), code, size, float64(size)/float64(code), before, after, float64(after)/float64(before))
	}
}

// codeBytes is the size of a module's code section.
func codeBytes(m *module.Module) int {
	s, _ := m.Section(module.SectionCode)
	return s.End - s.Body
}
