package runtime

import (
	"fmt"

	"sluice/runtime/module"
)

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
