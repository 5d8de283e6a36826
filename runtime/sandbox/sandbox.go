// Package sandbox compiles modules and runs them, each call in an instance that no call has used before. It is the
// one place that knows how wazero is set up; what a guest may import is handed in.
//
// Every call into wazero is guarded: a panic of the engine is an error here, never the end of the process.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// PageSize is the size of a page of linear memory in bytes.
const PageSize = 64 << 10

// HostFunction is one function that guests may import.
type HostFunction struct {
	Name            string
	Params, Results []api.ValueType
	// Func reads its parameters from the stack and leaves its results there. The context is the one given to
	// Instance.Call.
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
}

// Engine compiles modules. It is safe for concurrent use.
type Engine struct {
	runtime wazero.Runtime
	cache   wazero.CompilationCache
}

// NewEngine returns an engine that offers c.HostModules to guests. The caller closes it.
func NewEngine(ctx context.Context, c Config) (*Engine, error) {
	rc := wazero.NewRuntimeConfigCompiler()
	if c.Interpreter {
		rc = wazero.NewRuntimeConfigInterpreter()
	}
	cache := wazero.NewCompilationCache()
	if c.CacheDir != "" {
		if err := privateDir(c.CacheDir); err != nil {
			return nil, err
		}
		var err error
		if cache, err = wazero.NewCompilationCacheWithDir(c.CacheDir); err != nil {
			return nil, fmt.Errorf("the folder for compiled code: %w", err)
		}
	}
	rc = rc.WithCompilationCache(cache).WithCloseOnContextDone(true).WithCoreFeatures(api.CoreFeaturesV2)
	e := &Engine{runtime: wazero.NewRuntimeWithConfig(ctx, rc), cache: cache}
	for _, m := range c.HostModules {
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

// Close ends every instance and gives back the compiled code.
func (e *Engine) Close(ctx context.Context) error {
	return errors.Join(e.runtime.Close(ctx), e.cache.Close(ctx))
}

// Module is compiled code, ready to be instantiated. It is safe for concurrent use.
type Module struct {
	engine   *Engine
	compiled wazero.CompiledModule
}

// compilationWorkers bounds how many goroutines compile one module.
const compilationWorkers = 2

// Compile turns a module that passed the gate into code. The caller closes the module after its last instance.
func (e *Engine) Compile(ctx context.Context, wasm []byte) (m *Module, err error) {
	defer recovered(&err)
	ctx = experimental.WithCompilationWorkers(ctx, compilationWorkers)
	compiled, err := e.runtime.CompileModule(ctx, wasm)
	if err != nil {
		return nil, err
	}
	return &Module{engine: e, compiled: compiled}, nil
}

// Close gives the code back. No instance of the module may be running, nor any be made afterwards.
func (m *Module) Close() { _ = m.compiled.Close(context.Background()) }

// recovered turns a panic of the engine into an error. The stack names no guest data.
func recovered(err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("the WebAssembly engine failed: %v\n%s", v, debug.Stack())
	}
}
