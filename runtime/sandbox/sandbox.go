// Package sandbox runs guests: each call in an instance of its connector's module that is in the state in which its
// initialisation left it, whatever the calls before it did.
//
// A module is compiled once (Module). Its first instance lays the data, runs the start function and whatever else makes
// the guest ready; its memory and globals are then kept as an Image. Every further instance maps the image copy-on-write,
// and is put back to it after a call by undoing what was written. A Pool keeps such instances at hand.
//
// Guests are metered: the module was rewritten so that it calls a checkpoint every fraction of a millisecond, where a
// call that is out of time, fuel or stack ends, and where a call that computes for long waits for its turn.
//
// Every call into the engine is guarded: a panic of it is an error here, never the end of the process.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"

	"sluice/runtime/module"
	"sluice/runtime/sandbox/compile"
	"sluice/runtime/sandbox/memory"
	"sluice/runtime/sandbox/permits"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// PageSize is the size of a page of linear memory in bytes.
const PageSize = 64 << 10

// HostFunction is one function that guests may import.
type HostFunction struct {
	Name            string
	Params, Results []api.ValueType
	// Func reads its parameters from the stack and leaves its results there. HostOf and ContextOf know the call that the
	// context belongs to; the context itself is not to be kept, since it serves the next call too.
	Func api.GoModuleFunc
}

// HostModule is a named group of functions that guests may import.
type HostModule struct {
	Name      string
	Functions []HostFunction
}

// Config is how an Engine is made.
type Config struct {
	// CacheDir is where compiled code is kept between starts, a folder that only this user may write: whoever writes
	// there runs native code. "" keeps it in memory.
	CacheDir string
	// Interpreter runs guests without compiling them: slow, and the second opinion on the compiler in tests.
	Interpreter bool
	// HostModules is what guests may import.
	HostModules []HostModule
	// Mode is how memory is put back to its image. memory.Probe finds the best one; the zero value works everywhere.
	Mode memory.Mode
	// Budget bounds what the memories of all guests together grow by; nil is no bound.
	Budget *memory.Budget
}

// Engine compiles modules. It is safe for concurrent use.
type Engine struct {
	runtime wazero.Runtime
	cache   wazero.CompilationCache
	mode    memory.Mode
	budget  *memory.Budget
	permits *permits.Permits
}

// NewEngine returns an engine that offers c.HostModules to guests. The caller closes it.
func NewEngine(ctx context.Context, c Config) (*Engine, error) {
	rc := compile.EngineConfig()
	if c.Interpreter {
		rc = wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(api.CoreFeaturesV2)
	}
	cache := wazero.NewCompilationCache()
	if c.CacheDir != "" {
		if err := compile.PrivateDir(c.CacheDir); err != nil {
			return nil, err
		}
		var err error
		if cache, err = wazero.NewCompilationCacheWithDir(c.CacheDir); err != nil {
			return nil, fmt.Errorf("the folder for compiled code: %w", err)
		}
	}
	e := &Engine{
		runtime: wazero.NewRuntimeWithConfig(ctx, rc.WithCompilationCache(cache)), cache: cache,
		mode: c.Mode, budget: c.Budget,
		permits: permits.New(runtime.GOMAXPROCS(0) - 1), // the server itself has to find a processor
	}
	for _, m := range append([]HostModule{meterModule}, c.HostModules...) {
		if err := e.provide(ctx, m); err != nil {
			return nil, errors.Join(err, e.Close(ctx))
		}
	}
	return e, nil
}

func (e *Engine) provide(ctx context.Context, m HostModule) error {
	b := e.runtime.NewHostModuleBuilder(m.Name)
	for _, f := range m.Functions {
		b = b.NewFunctionBuilder().WithGoModuleFunction(f.Func, f.Params, f.Results).Export(f.Name)
	}
	_, err := b.Instantiate(ctx)
	return err
}

// Mode is how memory is put back to its image.
func (e *Engine) Mode() memory.Mode { return e.mode }

// Waiting is how many calls wait for the processor at this moment.
func (e *Engine) Waiting() int { return e.permits.Waiting() }

// Close ends every instance and gives back the compiled code.
func (e *Engine) Close(ctx context.Context) error {
	return errors.Join(e.runtime.Close(ctx), e.cache.Close(ctx))
}

// Module is compiled code, ready to be instantiated. It is safe for concurrent use.
type Module struct {
	engine    *Engine
	compiled  wazero.CompiledModule
	rewritten module.Rewritten // without Binary
	group     *permits.Group
	pace      pace
}

// Compile turns a rewritten module into code, or loads the code where the cache has it. The caller closes the module
// after its last instance.
func (e *Engine) Compile(ctx context.Context, r *module.Rewritten) (m *Module, err error) {
	defer recovered(&err)
	compiled, err := e.runtime.CompileModule(compile.WithWorkers(ctx), r.Binary)
	if err != nil {
		return nil, err
	}
	m = &Module{engine: e, compiled: compiled, rewritten: *r, group: e.permits.NewGroup()}
	m.pace.begin()
	m.rewritten.Binary = nil
	return m, nil
}

// NotImageable says why every call needs an instance of its own, "" where instances can start from an image.
func (m *Module) NotImageable() string { return m.rewritten.NotImageable }

// Close gives the code back. No instance of the module may be running, nor any be made afterwards.
func (m *Module) Close() { _ = m.compiled.Close(context.Background()) }

// recovered turns a panic of the engine into an error. The stack names no guest data.
func recovered(err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("the WebAssembly engine failed: %v\n%s", v, debug.Stack())
	}
}
