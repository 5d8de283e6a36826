// Package moduletest runs a module twice, as its author uploaded it and as module.Rewrite made it, and says where the two
// differ: in what they return, how they trap, what they leave in memory and globals, and what they ask of the host.
//
// A World is one engine that runs modules in one form. Tests make several of them, have each do the same, and compare.
// The host's part of a rewritten module is done here once more, in the plainest way that keeps the rewriter's promise, and
// shares no code with the sandbox.
package moduletest

import (
	"context"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"sluice/runtime/module"
)

// Engine is one of the ways in which wazero runs a module.
type Engine int

// The engines.
const (
	Compiler Engine = iota
	Interpreter
)

// Form is what is run of a module.
type Form int

// The forms.
const (
	Original  Form = iota // the file, byte for byte
	Rewritten             // what module.Rewrite made of it
)

// Kind names a World.
type Kind struct {
	Engine Engine
	Form   Form
}

// String returns "original, compiler" and the like.
func (k Kind) String() string {
	return [...]string{"original", "rewritten"}[k.Form] + ", " + [...]string{"compiler", "interpreter"}[k.Engine]
}

// AllKinds lists every form on every engine, the original of each first: the rewritten form is compared with it.
func AllKinds() []Kind {
	return []Kind{{Compiler, Original}, {Compiler, Rewritten}, {Interpreter, Original}, {Interpreter, Rewritten}}
}

// CompilerKinds lists both forms on the compiler alone.
func CompilerKinds() []Kind { return AllKinds()[:2] }

// Subject is a module in all its forms. It is safe for concurrent use.
type Subject struct {
	File      []byte
	Module    *module.Module
	Rewritten *module.Rewritten
}

// NewSubject parses a file and rewrites it. The error is that of module.Parse.
func NewSubject(file []byte, limits module.Limits) (*Subject, error) {
	m, err := module.Parse(file, limits)
	if err != nil {
		return nil, err
	}
	return &Subject{File: file, Module: m, Rewritten: m.Rewrite()}, nil
}

// binary returns what an engine is given of a form.
func (s *Subject) binary(f Form) []byte {
	if f == Rewritten {
		return s.Rewritten.Binary
	}
	return s.File
}

// World runs modules of one form on one engine. It is not safe for concurrent use.
type World struct {
	Kind
	// Slice is the fuel that a guest is given at once, in units. It may be changed between calls. Default DefaultSlice.
	Slice int32
	// Budget is the fuel that one call may use before it is ended with TrapFuel, in units. 0, the default, for none.
	Budget int64
	// DepthMax is what Depth is set to before each call, in bytes of estimated stack. Default DefaultDepth.
	DepthMax int32
	// PagesMax is what a memory may grow to, whatever it declares, in pages of 64 KiB. Default 65,536.
	PagesMax uint32
	// OnCheckpoint, unless nil, is called at each checkpoint of a rewritten module.
	OnCheckpoint func(i *Instance)
	// Trace is where ProvideGenerated notes what guests ask.
	Trace []string

	runtime   wazero.Runtime
	instances map[api.Module]*Instance
	named     map[string]*Instance
}

// What a World has unless a test says otherwise.
const (
	// DefaultSlice is small, so that the tests see checkpoints in numbers.
	DefaultSlice = 20_000
	// DefaultDepth is what a call may take of the stack.
	DefaultDepth = 2 << 20
)

// NewWorld returns a World of that kind. cache, unless nil, keeps compiled code for other Worlds. The caller closes the
// World.
func NewWorld(ctx context.Context, k Kind, cache wazero.CompilationCache) (*World, error) {
	config := wazero.NewRuntimeConfigCompiler()
	if k.Engine == Interpreter {
		config = wazero.NewRuntimeConfigInterpreter()
	}
	config = config.WithCoreFeatures(api.CoreFeaturesV2).WithDebugInfoEnabled(false)
	if cache != nil {
		config = config.WithCompilationCache(cache)
	}
	w := &World{
		Kind: k, Slice: DefaultSlice, DepthMax: DefaultDepth, PagesMax: 1 << 16,
		runtime:   wazero.NewRuntimeWithConfig(ctx, config),
		instances: map[api.Module]*Instance{},
		named:     map[string]*Instance{},
	}
	_, err := w.runtime.NewHostModuleBuilder(module.ModuleMeter).
		NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(w.checkpoint), nil, nil).Export(module.FunctionCheckpoint).
		Instantiate(ctx)
	if err != nil {
		return nil, errors.Join(err, w.Close(ctx))
	}
	return w, nil
}

// Close ends all instances.
func (w *World) Close(ctx context.Context) error { return w.runtime.Close(ctx) }

// Provide adds a host module to what can be imported.
func (w *World) Provide(ctx context.Context, name string, functions func(wazero.HostModuleBuilder)) error {
	b := w.runtime.NewHostModuleBuilder(name)
	functions(b)
	_, err := b.Instantiate(ctx)
	return err
}

// Register gives an instance a name under which others can import from it.
func (w *World) Register(name string, i *Instance) { w.named[name] = i }

// Compile reports whether the engine takes the module.
func (w *World) Compile(ctx context.Context, s *Subject) error {
	compiled, err := w.compile(ctx, s.binary(w.Form))
	if err != nil {
		return err
	}
	return compiled.Close(ctx)
}

// CompileBinary reports whether the engine takes the binary as it is.
func (w *World) CompileBinary(ctx context.Context, binary []byte) error {
	compiled, err := w.compile(ctx, binary)
	if err != nil {
		return err
	}
	return compiled.Close(ctx)
}

// compile compiles, and turns a panic of the engine into an error.
func (w *World) compile(ctx context.Context, binary []byte) (c wazero.CompiledModule, err error) {
	defer recovered(&err)
	return w.runtime.CompileModule(ctx, binary)
}

func recovered(err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("the engine panicked: %v", v)
	}
}

// anonymous has no start functions: a test calls what it wants called.
var anonymous = wazero.NewModuleConfig().WithName("").WithStartFunctions()

// Instantiate makes an instance in the World's form, lays its data and runs its start function. TrapOf tells why it could
// not.
func (w *World) Instantiate(ctx context.Context, s *Subject) (*Instance, error) {
	return w.instantiate(ctx, s, w.Form)
}

// InstantiateOriginal makes an instance of the file as it is, whatever the World's form: of what stands for the host.
func (w *World) InstantiateOriginal(ctx context.Context, s *Subject) (*Instance, error) {
	return w.instantiate(ctx, s, Original)
}

func (w *World) instantiate(ctx context.Context, s *Subject, form Form) (*Instance, error) {
	compiled, err := w.compile(ctx, s.binary(form))
	if err != nil {
		return nil, err
	}
	limit := w.PagesMax
	if form == Rewritten {
		limit = min(limit, s.Rewritten.MemoryMax)
	}
	i := &Instance{world: w, subject: s, compiled: compiled}
	setup := experimental.WithMemoryAllocator(ctx, &memory{limit: uint64(limit) * PageSize})
	setup = experimental.WithImportResolver(setup, func(name string) api.Module {
		if named, ok := w.named[name]; ok {
			return named.guest
		}
		return nil
	})
	if i.guest, err = w.start(setup, compiled); err == nil {
		w.instances[i.guest] = i
		if form == Rewritten {
			err = i.begin(ctx)
		}
	}
	if err != nil {
		i.Close(ctx)
		return nil, err
	}
	return i, nil
}

// start has the engine instantiate, and turns a panic of it into an error.
func (w *World) start(ctx context.Context, c wazero.CompiledModule) (guest api.Module, err error) {
	defer recovered(&err)
	return w.runtime.InstantiateModule(ctx, c, anonymous)
}
