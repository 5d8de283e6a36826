// Package runtime runs connectors: it installs their modules, keeps the catalog of what is installed, and executes
// calls, each in a sandbox of its own under the connector's grant. It is all that servers and the command line see of
// what is below.
package runtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	goruntime "runtime"
	"sync"
	"sync/atomic"
	"time"

	"sluice/hostfuncs/egress"
	"sluice/hostfuncs/egress/fault"
	"sluice/hostfuncs/secret"
	"sluice/runtime/abi"
	"sluice/runtime/catalog"
	"sluice/runtime/sandbox"
	"sluice/runtime/sandbox/compile"
	"sluice/runtime/sandbox/memory"
)

// Limits bound one call, and how many a connector may have at once.
type Limits struct {
	// Deadline is how long a call may take, waiting included. Default 40 s: Spiff Arena gives up after 45.
	Deadline time.Duration
	// Memory is how large a guest's memory may grow, in bytes. Default 64 MiB.
	Memory uint64
	// CPU is how long a guest may compute in a call, without its waiting. Default 10 s.
	CPU time.Duration
	// Output is how much a guest may write as its answer, in bytes. Default 16 MiB.
	Output int
	// Response is how large a response to a guest's HTTP request may be, in bytes. Default 8 MiB.
	Response int
	// Stream is the same for a response that the guest reads as it comes. Default 64 MiB.
	Stream int64
	// Concurrent is how many calls of one connector run at once. Default 1,024.
	Concurrent int
	// Queue is how many more may wait. Default 1,024.
	Queue int
	// Warm is how many sandboxes of one connector are kept ready. Default 64.
	Warm int
	// Total is how many calls run at once, of all connectors together. Default 4,096.
	Total int
	// Growth bounds what the memories of all guests together grow by beyond their images, in bytes. 0 is no bound.
	Growth uint64
}

// DefaultLimits are the limits where nothing else is said.
func DefaultLimits() Limits {
	return Limits{
		Deadline: 40 * time.Second, Memory: 64 << 20, CPU: 10 * time.Second, Output: 16 << 20, Response: 8 << 20, Stream: 64 << 20,
		Concurrent: 1024, Queue: 1024, Warm: 64, Total: 4096,
	}
}

// Config is how a Runtime is made.
type Config struct {
	// Store keeps what is installed. The runtime does not close it.
	Store catalog.Store
	// CacheDir is where compiled code is kept between starts; "" keeps it in memory.
	CacheDir string
	// CompileHelper compiles new modules in a process of its own, which a module that harms the compiler takes down alone.
	// The program must call compile.Helper first thing. CacheDir must be this runtime's alone then.
	CompileHelper bool
	// Bundled are the modules of the connectors that come with the binary, by connector name.
	Bundled map[string][]byte
	// Limits bound the calls of every connector.
	Limits Limits
	// Grants is what the operator allows, by connector name. It counts instead of what the catalog has, and of the grant a
	// bundled connector is shipped with.
	Grants map[string]Grant
	// Secrets is what the operator defines, by name; SecretStore holds the values of those that are from the store. Nil: it
	// holds none, and none can be set.
	Secrets     map[string]secret.Definition
	SecretStore *secret.Store
	// Dev lets every connector reach what its manifest asks for at public, private and loopback addresses, whatever its grant
	// says.
	Dev bool
	// Observe lets every connector reach what its manifest asks for, at public, private and loopback addresses, and keeps
	// what its grant alone would have refused.
	Observe bool
	// ShowGuests logs what a guest printed and logged when it fails. It can hold anything, so that it is for the eyes of
	// authors only.
	ShowGuests bool
	// Version is Sluice's own, sent as the User-Agent sluice/<version> where a guest sets none.
	Version string
	// Fault bounds what a service that fails can do to its connector and to others. The zero Config stands for the default.
	Fault fault.Config
	// MaxSockets bounds the connections that callers and guests have open together.
	MaxSockets int
	// Logger takes what operators should know.
	Logger *slog.Logger
}

// Runtime runs connectors. It is safe for concurrent use.
type Runtime struct {
	config   Config
	engine   *sandbox.Engine
	compiler *compile.Compiler // nil where the engine compiles
	guard    *egress.Guard
	sockets  *egress.Sockets
	secrets  *secret.Set
	// Shared by all connectors: how many calls run at once, and what guests grow by (nil for no bound).
	slots  *sandbox.Slots
	growth *memory.Budget

	// current is what is installed; calls read it without a lock.
	current atomic.Pointer[snapshot]
	// changing is held while the catalog and current are changed together.
	changing sync.Mutex

	// observing ends the goroutine that keeps what was observed; nil where none runs.
	observing func()
	// observations counts what is recorded of all connectors.
	observations atomic.Int64

	// calls are those in flight.
	calls sync.WaitGroup
	// running ends when calls in flight are to be given up.
	running context.Context
	giveUp  context.CancelFunc
}

// New opens what the store has, installs the bundled connectors, and returns a runtime that can take calls. A
// connector that can't be loaded is reported and answers connector_unavailable; it does not keep the others from
// serving. The caller closes the runtime.
func New(ctx context.Context, c Config) (*Runtime, error) {
	growth := growthBudget(c.Limits.Growth)
	engine, err := sandbox.NewEngine(ctx, sandbox.Config{
		CacheDir: c.CacheDir, HostModules: abi.HostModules(), Mode: memory.Probe(), Budget: growth,
	})
	if err != nil {
		return nil, err
	}
	r := &Runtime{
		config: c, engine: engine, guard: egress.NewGuard(), sockets: egress.NewSockets(c.MaxSockets),
		slots: sandbox.NewSlots(c.Limits.Total, c.Limits.Queue), growth: growth,
	}
	r.running, r.giveUp = context.WithCancel(context.Background())
	r.current.Store(&snapshot{})
	if err = checkGrants(c.Grants); err == nil {
		r.secrets, err = newSecrets(c, c.Grants)
	}
	if err == nil && c.CompileHelper {
		r.compiler, err = compile.New(compile.Config{CacheDir: c.CacheDir, Logger: c.Logger})
	}
	if err == nil {
		err = r.load(ctx)
	}
	if err == nil && c.Observe {
		r.observing = r.keepObserved()
	}
	if err != nil {
		return nil, errors.Join(err, r.Close(ctx))
	}
	return r, nil
}

// growthBudget is the budget of what all guests together grow by, nil for none.
func growthBudget(bytes uint64) *memory.Budget {
	if bytes == 0 {
		return nil
	}
	return memory.NewBudget(bytes)
}

// load brings everything installed and bundled into service.
func (r *Runtime) load(ctx context.Context) error {
	r.changing.Lock()
	defer r.changing.Unlock()
	entries, err := r.config.Store.List(ctx)
	if err != nil && !errors.Is(err, catalog.ErrDamaged) {
		return fmt.Errorf("reading the catalog: %w", err)
	}
	if err != nil {
		r.config.Logger.Error("a part of the catalog is damaged: those connectors are not served", "error", err.Error())
	}
	if err := r.adopt(entries); err != nil {
		return err
	}
	// Few at a time: each has a bounded time to become ready in, which is not to pass while the others compute.
	var wait sync.WaitGroup
	turns := make(chan struct{}, 2*goruntime.GOMAXPROCS(0))
	inTurn := func(open func()) {
		wait.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			open()
		})
	}
	next := &snapshot{connectors: make(map[string]*connector)}
	var adding sync.Mutex
	add := func(c *connector) {
		adding.Lock()
		defer adding.Unlock()
		next.connectors[c.name] = c
	}
	known := make(map[string]catalog.Entry, len(entries))
	for _, e := range entries {
		known[e.Name] = e
		if _, bundled := r.config.Bundled[e.Name]; bundled {
			continue
		}
		e.Bundled = false // it came with another binary, and is the operator's to replace and remove now
		inTurn(func() { add(r.open(ctx, e)) })
	}
	errs := make(chan error, len(r.config.Bundled))
	for name, wasm := range r.config.Bundled {
		inTurn(func() {
			c, err := r.openBundled(ctx, name, wasm, known[name])
			if err != nil {
				errs <- err
				return
			}
			add(c)
		})
	}
	wait.Wait()
	close(errs)
	if err := <-errs; err != nil {
		next.close()
		return err
	}
	r.publish(next)
	// Nothing is being installed yet, so what no entry refers to is of no use to anybody.
	if removed, err := r.config.Store.Sweep(ctx); err != nil {
		r.config.Logger.Warn("modules that are no longer installed could not be removed from the data folder", "error", err.Error())
	} else if removed > 0 {
		r.config.Logger.Info("modules that are no longer installed were removed from the data folder", "files", removed)
	}
	return nil
}

// Drain gives up the calls in flight; each is answered with shutting_down. It is called when they were given their
// time.
func (r *Runtime) Drain() { r.giveUp() }

// closing bounds how long Close waits for calls that were given up: a guest comes by a checkpoint, and a host function
// that waits ends with its call, well within it.
const closing = 10 * time.Second

// Close ends all calls and gives back what the runtime holds. No call may be made any more.
//
// # Errors
//
// Where a call does not end in time, what guests use is kept until the process ends: to take it away from one that runs
// would end the process.
func (r *Runtime) Close(ctx context.Context) error {
	r.giveUp()
	ended := make(chan struct{})
	go func() {
		r.calls.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(closing):
		return fmt.Errorf("calls go on %s after they were given up", closing)
	}
	if r.observing != nil {
		r.observing()
	}
	r.changing.Lock()
	defer r.changing.Unlock()
	r.publish(&snapshot{})
	return r.engine.Close(ctx)
}
