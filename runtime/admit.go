package runtime

import (
	"context"
	"fmt"
	"time"

	"sluice/hostfuncs"
	"sluice/runtime/abi"
	"sluice/runtime/manifest"
	"sluice/runtime/module"
	"sluice/runtime/sandbox"
)

// admitted is a module that passed the gate and was compiled.
type admitted struct {
	abi  module.ABI
	code *sandbox.Module // the receiver closes it
}

// admit checks a module and compiles it. Nothing of it runs.
func (r *Runtime) admit(ctx context.Context, wasm []byte) (*admitted, error) {
	m, err := Inspect(wasm)
	if err != nil {
		return nil, err
	}
	code, err := r.engine.Compile(ctx, m.Module.Bounded())
	if err != nil {
		return nil, refuse(RefusedCompilation, "The module is not valid WebAssembly: "+err.Error()+". Build it again, and check it with `sluice inspect`.")
	}
	return &admitted{abi: m.ABI, code: code}, nil
}

// Inspected is what can be known of a module without running it.
type Inspected struct {
	ABI    module.ABI
	Module *module.Module
}

// Inspect checks that a module may be installed as far as its bytes tell. The error is a Refusal or of package module.
func Inspect(wasm []byte) (*Inspected, error) {
	m, err := module.Parse(wasm, module.DefaultLimits())
	if err != nil {
		return nil, refusal(err)
	}
	kind, err := m.ABI()
	if err != nil {
		return nil, refusal(err)
	}
	if kind != module.ABINative {
		return nil, refuse(RefusedABI, fmt.Sprintf("The module speaks the ABI %q, which this version of Sluice does not run. "+
			"Build it with a Sluice kit for the native ABI (guest-sdk/ABI.md).", kind))
	}
	if err := m.CheckImports(module.NativeHost(), module.WASIHost()); err != nil {
		return nil, refusal(err)
	}
	if err := m.CheckExports(kind); err != nil {
		return nil, refusal(err)
	}
	_, start := m.Export("_start")
	if _, initialize := m.Export("_initialize"); start && !initialize {
		return nil, refuse(string(module.CodeMissingExport), "The module is a program: it exports _start, and no _initialize by which it could be made ready. "+
			"Build it as a library: in Go with -buildmode=c-shared, in C with -mexec-model=reactor.")
	}
	return &Inspected{ABI: kind, Module: m}, nil
}

// The bounds of asking a guest for its manifest.
const (
	describeDeadline = 10 * time.Second
	describeOutput   = 1 << 20 // bytes
)

// manifestOf asks a module what it is.
func (r *Runtime) manifestOf(ctx context.Context, m *admitted) (*manifest.Manifest, error) {
	ctx, cancel := context.WithTimeout(ctx, describeDeadline)
	defer cancel()
	call := &abi.Call{Host: &hostfuncs.Call{Describing: true}, OutputLimit: describeOutput}
	text, err := r.describeGuest(ctx, m.code, call)
	if err != nil {
		r.showGuest("describe", call)
		why := err.Error()
		if lines := call.Host.LogLines(); len(lines) > 0 { // no call was made: there are no parameters it could name
			why = lines[len(lines)-1] + " (" + why + ")"
		}
		return nil, refuse(RefusedDescribe, "The module failed while it was asked for its manifest: "+why+
			". `sluice inspect` shows what the guest said; describe must need nothing but memory.")
	}
	parsed, err := manifest.Parse(text)
	if err != nil {
		return nil, refuse(RefusedManifest, err.Error())
	}
	if _, err := requestedRules(parsed); err != nil {
		return nil, refuse(RefusedManifest, err.Error())
	}
	return parsed, nil
}

func (r *Runtime) describeGuest(ctx context.Context, m *sandbox.Module, call *abi.Call) ([]byte, error) {
	i, err := call.Instantiate(ctx, m, r.config.Limits.Memory)
	if err != nil {
		return nil, err
	}
	defer i.Close()
	text, err := call.Describe(ctx, i)
	if _, _, _, tooLarge := call.Output(); err == nil && tooLarge {
		err = fmt.Errorf("the manifest is larger than %d bytes", describeOutput)
	}
	return text, err
}

// showGuest shows a connector's author what the guest printed and logged before it failed.
func (r *Runtime) showGuest(what string, call *abi.Call) {
	if printed, logged := call.Stderr(), call.Host.LogLines(); r.config.ShowGuests && len(printed)+len(logged) > 0 {
		r.config.Logger.Warn("the guest said before it failed", "call", what, "printed", string(printed), "logged", logged)
	}
}
