package runtime

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/internal/guests"
	"sluice/runtime/catalog"
	"sluice/runtime/envelope"
	"sluice/runtime/sandbox/wasmtest"

	"go.uber.org/goleak"
)

// cacheDir is where the guests of all tests are compiled to, once a process.
var cacheDir string

func TestMain(m *testing.M) {
	var err error
	if cacheDir, err = os.MkdirTemp("", "sluice-runtime-"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(cacheDir)
		os.Exit(code)
	}))
}

// logBuffer is what a runtime logged.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// harness is a runtime with what a test wants to see of it.
type harness struct {
	*Runtime
	t    testing.TB
	log  *logBuffer
	stop func()
}

// start returns a runtime over the store, closed at the end of the test at the latest.
func start(t testing.TB, store catalog.Store, change func(*Config)) *harness {
	t.Helper()
	h := &harness{t: t, log: &logBuffer{}}
	c := Config{
		Store: store, CacheDir: cacheDir, Limits: DefaultLimits(), Version: "test", MaxSockets: 64,
		Logger: slog.New(slog.NewTextHandler(h.log, nil)),
	}
	if change != nil {
		change(&c)
	}
	r, err := New(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	h.Runtime = r
	h.stop = sync.OnceFunc(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	t.Cleanup(h.stop)
	return h
}

// open returns a store in dir. It is closed at the end of the test at the latest.
func open(t testing.TB, dir string) *catalog.Local {
	t.Helper()
	s, err := catalog.Open(dir, catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// install installs a module that must not be refused.
func (h *harness) install(wasm []byte) Connector {
	h.t.Helper()
	c, changed, err := h.Install(context.Background(), wasm, false)
	if err != nil || !changed {
		h.t.Fatalf("Install: %t, %v", changed, err)
	}
	return c
}

// execute runs connector/command with these parameters.
func (h *harness) execute(ctx context.Context, id, params string) (*envelope.Answer, error) {
	connector, name, _ := strings.Cut(id, "/")
	cmd, ok := h.Command(connector, name)
	if !ok {
		return nil, fmt.Errorf("there is no command %s", id)
	}
	return h.Execute(ctx, cmd, &Call{ID: "call-1", Params: []byte(params)})
}

// wantBody executes a command and checks the body of its answer.
func (h *harness) wantBody(id, params, want string) {
	h.t.Helper()
	a, err := h.execute(context.Background(), id, params)
	if err != nil || string(a.Body) != want {
		h.t.Errorf("%s: got %+v, %v; want %s", id, a, err, want)
	}
}

// wantFailure executes a command that must fail.
func (h *harness) wantFailure(id, params string, want envelope.Code) *envelope.Failure {
	h.t.Helper()
	a, err := h.execute(context.Background(), id, params)
	return h.checkFailure(id, a, err, want)
}

func (h *harness) checkFailure(id string, a *envelope.Answer, err error, want envelope.Code) *envelope.Failure {
	h.t.Helper()
	var f *envelope.Failure
	if !errors.As(err, &f) || f.Code != want || a != nil {
		h.t.Errorf("%s: got %+v, %v; want %s", id, a, err, want)
		return &envelope.Failure{}
	}
	return f
}

// ids are the commands in service.
func (h *harness) ids() string {
	commands, _ := h.Commands()
	var ids []string
	for _, c := range commands {
		ids = append(ids, c.ID)
	}
	return strings.Join(ids, " ")
}

// manifestText is a manifest with these commands.
func manifestText(name, version string, commands ...string) string {
	type command struct {
		Name string `json:"name"`
	}
	m := struct {
		Name     string    `json:"name"`
		Version  string    `json:"version"`
		Commands []command `json:"commands"`
	}{Name: name, Version: version}
	for _, c := range commands {
		m.Commands = append(m.Commands, command{c})
	}
	text, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// tiny is a guest with one command, Say, whose answer is word as a JSON string.
func tiny(name, version, word string) []byte {
	m := wasmtest.Native(manifestText(name, version, "Say"), wasmtest.Answer(wasmtest.NativeFree, len(word)+2))
	m.Data = append(m.Data, wasmtest.Data{At: wasmtest.NativeFree, Text: `"` + word + `"`})
	return m.Bytes()
}

// described is a guest whose describe runs this code.
func described(code ...[]byte) []byte {
	m := wasmtest.Native("{}")
	m.Functions[0].Code = wasmtest.Code(code...)
	return m.Bytes()
}

// misbehave starts a runtime in which misbehave is installed and may reach this machine.
func misbehave(t testing.TB, change func(*Config)) *harness {
	t.Helper()
	h := start(t, open(t, t.TempDir()), func(c *Config) {
		c.Dev = true
		if change != nil {
			change(c)
		}
	})
	h.install(guests.Module(t, "misbehave"))
	return h
}

// gate is a service that answers when it is told to.
type gate struct {
	url     string
	arrived chan struct{} // one for each request
	open    func()
}

func newGate(t testing.TB) *gate {
	arrived, opened := make(chan struct{}, 64), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		select {
		case <-opened:
		case <-r.Context().Done():
		}
		fmt.Fprint(w, "through")
	}))
	g := &gate{s.URL, arrived, sync.OnceFunc(func() { close(opened) })}
	t.Cleanup(func() {
		g.open()
		s.CloseClientConnections()
		s.Close()
	})
	return g
}

func (g *gate) params() string { return `{"url":"` + g.url + `"}` }

// wait waits until a request has come.
func (g *gate) wait(t testing.TB) {
	t.Helper()
	select {
	case <-g.arrived:
	case <-time.After(20 * time.Second):
		t.Fatal("no request came")
	}
}

// outcome is what became of a call.
type outcome struct {
	answer *envelope.Answer
	err    error
}

// begin starts a call and returns where its outcome will be.
func (h *harness) begin(ctx context.Context, id, params string) <-chan outcome {
	done := make(chan outcome, 1)
	go func() {
		a, err := h.execute(ctx, id, params)
		done <- outcome{a, err}
	}()
	return done
}

// end waits for a call's outcome.
func end(t testing.TB, done <-chan outcome) outcome {
	t.Helper()
	select {
	case o := <-done:
		return o
	case <-time.After(20 * time.Second):
		t.Fatal("the call did not end")
		return outcome{}
	}
}

// eventually waits for a condition that nothing signals.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come to be", what)
		}
	}
}

// faultyStore is a store whose methods fail when told to, and which counts writes.
type faultyStore struct {
	catalog.Store
	mu     sync.Mutex
	errs   map[string]error // by method; before it is done
	after  map[string]error // by method; after it was done
	counts map[string]int
}

func newFaultyStore(s catalog.Store) *faultyStore {
	return &faultyStore{Store: s, errs: map[string]error{}, after: map[string]error{}, counts: map[string]int{}}
}

func (s *faultyStore) set(method string, before, after error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs[method], s.after[method] = before, after
}

func (s *faultyStore) count(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[method]
}

func (s *faultyStore) enter(method string) (before, after error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[method]++
	return s.errs[method], s.after[method]
}

func (s *faultyStore) List(ctx context.Context) ([]catalog.Entry, error) {
	if err, _ := s.enter("List"); err != nil {
		return nil, err
	}
	return s.Store.List(ctx)
}

func (s *faultyStore) Get(ctx context.Context, name string) (catalog.Entry, error) {
	if err, _ := s.enter("Get"); err != nil {
		return catalog.Entry{}, err
	}
	return s.Store.Get(ctx, name)
}

func (s *faultyStore) CompareAndSwap(ctx context.Context, e catalog.Entry, revision uint64) (catalog.Entry, error) {
	before, after := s.enter("CompareAndSwap")
	if before != nil {
		return catalog.Entry{}, before
	}
	e, err := s.Store.CompareAndSwap(ctx, e, revision)
	return e, errors.Join(err, after)
}

func (s *faultyStore) Delete(ctx context.Context, name string, revision uint64) error {
	before, after := s.enter("Delete")
	if before != nil {
		return before
	}
	return errors.Join(s.Store.Delete(ctx, name, revision), after)
}

func (s *faultyStore) PutBlob(ctx context.Context, b []byte) (string, error) {
	if err, _ := s.enter("PutBlob"); err != nil {
		return "", err
	}
	return s.Store.PutBlob(ctx, b)
}

func (s *faultyStore) Blob(ctx context.Context, digest string) ([]byte, error) {
	if err, _ := s.enter("Blob"); err != nil {
		return nil, err
	}
	return s.Store.Blob(ctx, digest)
}
