package compile

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// EngineConfig is how the engine that runs guests is set up, without a cache. It is the same in the helper and in the
// server, or the server would not find the helper's code: most settings are part of the name it is kept under.
//
// The engine's own switch that ends a guest with its context stays off: guests are metered.
func EngineConfig() wazero.RuntimeConfig {
	return wazero.NewRuntimeConfigCompiler().WithCoreFeatures(api.CoreFeaturesV2)
}

// workers bounds how many goroutines compile one module.
const workers = 2

// WithWorkers bounds how many goroutines a compilation under the context takes.
func WithWorkers(ctx context.Context) context.Context {
	return experimental.WithCompilationWorkers(ctx, workers)
}

// compileInto compiles a module and leaves its code in a cache in the folder. A panic of the compiler on this goroutine
// is an error; one on another ends the process.
func compileInto(ctx context.Context, folder string, wasm []byte) (err error) {
	defer func() {
		if v := recover(); v != nil {
			if cause, ok := v.(error); ok {
				err = fmt.Errorf("%w: %w", errPanic, cause)
			} else {
				err = fmt.Errorf("%w: %v", errPanic, v)
			}
		}
	}()
	cache, err := wazero.NewCompilationCacheWithDir(folder)
	if err != nil {
		return err
	}
	r := wazero.NewRuntimeWithConfig(ctx, EngineConfig().WithCompilationCache(cache))
	_, err = r.CompileModule(WithWorkers(ctx), wasm)
	return errors.Join(err, r.Close(ctx), cache.Close(ctx)) // not after a panic, when the engine may hold its locks
}

// probeModule is the module of one function that does nothing.
var probeModule = []byte("\x00asm\x01\x00\x00\x00" + "\x01\x04\x01\x60\x00\x00" + "\x03\x02\x01\x00" + "\x0a\x04\x01\x02\x00\x0b")

// identify finds out which compiler this is.
func identify(cacheDir string) (identity, error) {
	workshop, err := newWorkshop(cacheDir)
	if err != nil {
		return identity{}, fmt.Errorf("the folder for compiled code: %w", err)
	}
	defer func() { _ = os.RemoveAll(workshop) }()
	if err := compileInto(context.Background(), workshop, probeModule); err != nil {
		return identity{}, fmt.Errorf("the compiler does not work here: %w", err)
	}
	dir, name, err := onlyFile(workshop)
	if err != nil {
		return identity{}, fmt.Errorf("the compiler does not work here: %w", err)
	}
	return identity{dir: dir, probe: name}, nil
}
