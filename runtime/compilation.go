package runtime

import (
	"context"
	"errors"

	"sluice/runtime/catalog"
	"sluice/runtime/module"
	"sluice/runtime/sandbox"
	"sluice/runtime/sandbox/compile"
)

// admitted is a module that passed the gate and was compiled.
type admitted struct {
	abi    module.ABI
	module *sandbox.Module // the receiver closes it
	// compiled says where its code is kept, "" where that is nobody's business but the engine's.
	compiled compile.Record
}

// admit checks a module and compiles it. Nothing of it runs.
func (r *Runtime) admit(ctx context.Context, wasm []byte) (*admitted, error) {
	m, err := Inspect(wasm)
	if err != nil {
		return nil, err
	}
	a := &admitted{abi: m.ABI}
	rewritten := m.Module.Rewrite()
	if r.compiler != nil {
		if a.compiled, err = r.compiler.Compile(ctx, rewritten.Binary); err != nil {
			return nil, refusal(err)
		}
	}
	if a.module, err = r.engine.Compile(ctx, rewritten); err != nil {
		return nil, refuse(RefusedCompilation, "The module is not valid WebAssembly: "+err.Error()+". Build it again, and check it with `sluice inspect`.")
	}
	return a, nil
}

// adopt tells the compiler which code of the cache is known to the catalog. All else there is removed.
func (r *Runtime) adopt(entries []catalog.Entry) error {
	if r.compiler == nil {
		return nil
	}
	var records []compile.Record
	for _, e := range entries {
		for _, v := range e.Versions {
			records = append(records, compile.Record(v.Compiled))
		}
	}
	removed, err := r.compiler.Adopt(records)
	if removed > 0 {
		r.config.Logger.Info("compiled code that no installed connector has was removed", "files", removed)
	}
	return err
}

// keepCompiled notes in the catalog where the code of a version is that was compiled anew. Where that fails, the next
// start compiles it again. The caller holds r.changing.
func (r *Runtime) keepCompiled(ctx context.Context, e catalog.Entry, v catalog.Version, compiled compile.Record) catalog.Entry {
	if string(compiled) == v.Compiled {
		return e
	}
	next := e
	next.Versions = append([]catalog.Version(nil), e.Versions...)
	for i := range next.Versions {
		if next.Versions[i].SHA256 == v.SHA256 {
			next.Versions[i].Compiled = string(compiled)
		}
	}
	stored, err := r.config.Store.CompareAndSwap(ctx, next, e.Revision)
	if err != nil {
		if !errors.Is(err, context.Canceled) {
			r.config.Logger.Warn("where a connector's compiled code is could not be kept; the next start compiles it again", "connector", e.Name, "error", err.Error())
		}
		return e
	}
	return stored
}
