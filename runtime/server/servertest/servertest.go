// Package servertest serves real runtimes on real sockets for tests, and holds them to what a server owes its host: when
// a test ends, nothing that it started is left, and nothing secret is in the log.
//
// A package that uses it runs its tests through [Main]:
//
//	func TestMain(m *testing.M) { servertest.Main(m) }
//
//	func TestGreets(t *testing.T) {
//		s := servertest.MustServe(t, servertest.Install(guests.Module(t, "greeter")))
//		if a := s.Do("greeter/Greet", `{"name": "Ada"}`); a.Status != 200 {
//			t.Errorf("got %s", a)
//		}
//	}
package servertest

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"sluice/hostfuncs/egress/fault"
	"sluice/hostfuncs/secret"
	"sluice/internal/guests"
	"sluice/runtime"
	"sluice/runtime/catalog"
	"sluice/runtime/server"
)

// setup is what options change.
type setup struct {
	runtime runtime.Config
	server  server.Config
	bundled []string
	install [][]byte
	shared  bool
	level   slog.Level

	secretsKey *secret.Key
}

// Option changes how a server is made.
type Option func(*setup)

// Dev lets connectors reach what their manifests ask for, at loopback and private addresses too.
func Dev() Option {
	return func(s *setup) { s.runtime.Dev, s.server.Dev = true, true }
}

// Observe lets connectors reach what their manifests ask for, and records what their grants would have refused.
func Observe() Option {
	return func(s *setup) { s.runtime.Observe = true }
}

// Keys sets the key of /v1 and that of management; "" asks for none.
func Keys(api, admin string) Option {
	return func(s *setup) { s.server.APIKey, s.server.AdminKey = api, admin }
}

// CORS allows pages of these origins.
func CORS(origins ...string) Option {
	return func(s *setup) { s.server.CORSOrigins = origins }
}

// Limits changes the limits of all calls, which are [runtime.DefaultLimits] before.
func Limits(change func(*runtime.Limits)) Option {
	return func(s *setup) { change(&s.runtime.Limits) }
}

// Fault bounds what services that fail can do to their connectors.
func Fault(c fault.Config) Option {
	return func(s *setup) { s.runtime.Fault = c }
}

// Bodies bounds a request's body, and all bodies together, in bytes. Default 8 MiB and 64 MiB.
func Bodies(most, budget int64) Option {
	return func(s *setup) { s.server.BodyMax, s.server.BodyBudget = most, budget }
}

// ReadTimeout bounds how long a client may take to send a request. Default 10 s.
func ReadTimeout(d time.Duration) Option {
	return func(s *setup) { s.server.ReadTimeout = d }
}

// Grant is what a connector is allowed.
func Grant(connector string, g runtime.Grant) Option {
	return func(s *setup) { s.runtime.Grants[connector] = g }
}

// Secrets defines secrets, and gives the server a store for values where key is not nil.
func Secrets(definitions map[string]secret.Definition, key *secret.Key) Option {
	return func(s *setup) { s.runtime.Secrets, s.secretsKey = definitions, key }
}

// Bundled names the guests, of those that [guests.Module] knows, that come with the server. Default none.
func Bundled(names ...string) Option {
	return func(s *setup) { s.bundled = names }
}

// Install installs modules before the server takes requests.
func Install(modules ...[]byte) Option {
	return func(s *setup) { s.install = append(s.install, modules...) }
}

// LogLevel is from which level on is logged. Default: all.
func LogLevel(l slog.Level) Option {
	return func(s *setup) { s.level = l }
}

// Shared says that other tests run at the same time. Goroutines and file descriptors can't be told apart then, and are
// counted by [Main] only, after the last test.
func Shared() Option {
	return func(s *setup) { s.shared = true }
}

// Server is a server that listens on a port of 127.0.0.1. Its methods may be called at once.
type Server struct {
	// Addr is its host:port, URL the same with http:// before it.
	Addr, URL string
	// Runtime is what it serves.
	Runtime *runtime.Runtime
	// Data is the folder of its catalog.
	Data string
	// Logs is what it logged.
	Logs *Logs

	t        testing.TB
	adminKey string
	client   *http.Client
	server   *server.Server
	listener *listener
	served   chan error
	stopping sync.Once
	stopped  error
}

// MustServe serves until the test ends. Then it shuts down, and fails the test where a connection is open, a goroutine
// or file descriptor is left (see [Shared]), or a canary is in the log.
func MustServe(t testing.TB, options ...Option) *Server {
	t.Helper()
	if cacheDir == "" {
		t.Fatal("run this package's tests through servertest.Main")
	}
	c := setup{
		level: slog.LevelDebug,
		runtime: runtime.Config{
			CacheDir: cacheDir, Bundled: map[string][]byte{}, Limits: runtime.DefaultLimits(),
			Grants: map[string]runtime.Grant{}, Version: "test", MaxSockets: 4096,
		},
		server: server.Config{
			BodyMax: 8 << 20, BodyBudget: 64 << 20, ReadTimeout: 10 * time.Second, IdleTimeout: 30 * time.Second, Version: "test",
		},
	}
	for _, o := range options {
		o(&c)
	}
	if !c.shared {
		expectNothingLeft(t)
	}
	s := &Server{t: t, Data: t.TempDir(), Logs: &Logs{}, adminKey: c.server.AdminKey, served: make(chan error, 1)}
	t.Cleanup(func() { s.Logs.check(t) })
	logger := slog.New(slog.NewJSONHandler(s.Logs, &slog.HandlerOptions{Level: c.level}))
	c.runtime.Logger, c.server.Logger = logger, logger
	for _, name := range c.bundled {
		c.runtime.Bundled[name] = guests.Module(t, name)
	}
	s.open(c)
	for _, module := range c.install {
		if _, _, err := s.Runtime.Install(t.Context(), module, false); err != nil {
			t.Fatal(err)
		}
	}
	s.serve(c.server)
	return s
}

// open makes the runtime over an empty catalog.
func (s *Server) open(c setup) {
	s.t.Helper()
	store, err := catalog.Open(s.Data, catalog.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.cleanup(store.Close)
	c.runtime.Store = store
	if c.runtime.SecretStore, err = secret.OpenStore(s.t.Context(), store, c.secretsKey); err != nil {
		s.t.Fatal(err)
	}
	if s.Runtime, err = runtime.New(s.t.Context(), c.runtime); err != nil {
		s.t.Fatal(err)
	}
	s.cleanup(func() error { return s.Runtime.Close(context.Background()) })
}

func (s *Server) serve(c server.Config) {
	s.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	s.listener = &listener{Listener: s.Runtime.CountSockets(ln)}
	s.Addr = ln.Addr().String()
	s.URL = "http://" + s.Addr
	c.Runtime = s.Runtime
	s.server = server.New(c)
	s.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}}
	go func() { s.served <- s.server.Serve(s.listener) }()
	s.cleanup(func() error {
		s.client.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), shutdownTime)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			return err
		}
		return s.listener.allClosed()
	})
}

// shutdownTime bounds how long a test's server waits for calls in flight.
const shutdownTime = 20 * time.Second

func (s *Server) cleanup(f func() error) {
	s.t.Cleanup(func() {
		if err := f(); err != nil {
			s.t.Error(err)
		}
	})
}

// Shutdown shuts the server down, and returns its error once it serves no more. A test needs it only where that is what
// it tests; only the first call's ctx counts.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stopping.Do(func() {
		s.stopped = s.server.Shutdown(ctx)
		if err := <-s.served; err != nil && s.stopped == nil {
			s.stopped = fmt.Errorf("serving: %w", err)
		}
	})
	return s.stopped
}

// cacheDir holds the compiled code of all servers of the process, so that each guest is compiled once.
var cacheDir string

// Main runs the tests of a package, and exits. It fails them where goroutines or file descriptors are left.
func Main(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "servertest-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	cacheDir = dir
	before := descriptors()
	code := m.Run()
	if err := nothingLeft(before); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, "after all tests:", err)
		return 1
	}
	return code
}
