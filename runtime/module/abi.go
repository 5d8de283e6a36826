package module

import "strings"

// ABI names the way a call enters a module.
type ABI string

// The ABIs that this host speaks.
const (
	// ABINative: guest-sdk/ABI.md, version 1.
	ABINative ABI = "native"
	// ABIWASI: a WASI preview 1 command, request on standard input, answer on standard output.
	ABIWASI ABI = "wasi"
	// ABIExtism: an Extism plug-in.
	ABIExtism ABI = "extism"
)

// The import modules by which ABIs are told apart.
const (
	ModuleNative = "sluice:host/v1"
	ModuleWASI   = "wasi_snapshot_preview1"
	ModuleExtism = "extism:host/env"
	// ModuleExtismUser holds functions that an Extism host adds of its own.
	ModuleExtismUser = "extism:host/user"

	nativePrefix = "sluice:host/"
)

// The exports that ABIs name.
const (
	exportMemory     = "memory"
	exportDescribe   = "describe"
	exportExecute    = "execute"
	exportInitialize = "_initialize"
	exportStart      = "_start"
)

// ABI says which ABI the module speaks. Imports decide first, then exports:
//
//   - imports from sluice:host/v1: native
//   - imports from extism:host/env: Extism
//   - exports both describe and execute: native
//   - exports _start and imports nothing but WASI: a WASI command
//
// It does not check that imports and exports are complete or have the right types: see CheckImports
// and CheckExports.
//
// # Errors
//
// CodeUnknownABI when none or two of these fit, or another version of the native ABI is asked for;
// CodeUnknownImport when an import is in the way.
func (m *Module) ABI() (ABI, error) {
	native, extism, err := m.importedABIs()
	if err != nil {
		return "", err
	}
	_, describe := m.Export(exportDescribe)
	_, execute := m.Export(exportExecute)
	switch {
	case native && extism:
		return "", refusal(CodeUnknownABI, "The module imports from both %s and %s; build it against one of them.",
			ModuleNative, ModuleExtism)
	case native:
		return ABINative, nil
	case extism:
		return ABIExtism, nil
	case describe && execute:
		return ABINative, nil
	}
	if imp := m.foreignImport(); imp != nil {
		return "", unknownModule(imp, nativeHost, wasiHost)
	}
	if _, start := m.Export(exportStart); start {
		return ABIWASI, nil
	}
	return "", refusal(CodeUnknownABI, "The module speaks no ABI of this host. For the native one it must export %s and %s, or import from %s: "+
		"build it with a kit for connectors.", exportDescribe, exportExecute, ModuleNative)
}

// importedABIs says which ABIs the imports belong to.
func (m *Module) importedABIs() (native, extism bool, err error) {
	for i := range m.Imports {
		imp := &m.Imports[i]
		switch {
		case imp.Module == ModuleNative:
			native = true
		case imp.Module == ModuleExtism:
			extism = true
		case strings.HasPrefix(imp.Module, nativePrefix):
			e := refusal(CodeUnknownABI, "The module asks for version %s of the native ABI; this host offers v1 (%s). "+
				"Build it with a kit for v1, or run a newer host.", show(imp.Module[len(nativePrefix):]), ModuleNative)
			return false, false, e.at(SectionImport, imp.Offset)
		}
	}
	return native, extism, nil
}

// foreignImport returns the first import that is not from WASI, nil if there is none.
func (m *Module) foreignImport() *Import {
	for i := range m.Imports {
		if m.Imports[i].Module != ModuleWASI {
			return &m.Imports[i]
		}
	}
	return nil
}

// wanted is an export that an ABI names.
type wanted struct {
	name     string
	kind     Kind
	typ      FuncType // for functions
	optional bool
}

// CheckExports checks that the module exports what the ABI names, with the right types. Commands of an Extism
// plug-in have no fixed names and are not looked at.
//
// # Errors
//
// CodeMissingExport or CodeExportType, both naming the export.
func (m *Module) CheckExports(abi ABI) error {
	// WASI functions take pointers into the memory of that name.
	memory := wanted{name: exportMemory, kind: KindMemory, optional: !m.importsFrom(ModuleWASI)}
	initialize := wanted{name: exportInitialize, optional: true}
	var list []wanted
	switch abi {
	case ABINative:
		memory.optional = false
		list = []wanted{
			memory, initialize,
			{name: exportDescribe},
			{name: exportExecute, typ: FuncType{Params: []ValueType{I32}}},
		}
	case ABIWASI:
		list = []wanted{memory, {name: exportStart}}
	case ABIExtism:
		list = []wanted{memory, initialize}
	}
	for _, w := range list {
		if err := m.checkExport(abi, w); err != nil {
			return err
		}
	}
	return nil
}

func (m *Module) checkExport(abi ABI, w wanted) error {
	e, ok := m.Export(w.name)
	if !ok {
		if w.optional {
			return nil
		}
		return refusal(CodeMissingExport, "The module does not export %s, which the %s ABI needs.", w, abi)
	}
	if e.Kind != w.kind {
		return refusal(CodeExportType, "The export %s is a %s; the %s ABI needs %s.", w.name, e.Kind, abi, w).
			at(SectionExport, e.Offset)
	}
	if e.Kind == KindFunction && !e.Type.Equal(w.typ) {
		return refusal(CodeExportType, "The export %s has the type %s; the %s ABI needs %s.", w.name, e.Type, abi, w.typ).
			at(SectionExport, e.Offset)
	}
	return nil
}

// String describes what is wanted: "the memory memory", "the function execute: (i32) -> ()".
func (w wanted) String() string {
	if w.kind == KindFunction {
		return "the function " + w.name + ": " + w.typ.String()
	}
	return "the " + w.kind.String() + " " + w.name
}

// importsFrom reports whether the module imports anything from the import module of that name.
func (m *Module) importsFrom(name string) bool {
	for i := range m.Imports {
		if m.Imports[i].Module == name {
			return true
		}
	}
	return false
}

// at gives a refusal its place in the file.
func (e *Error) at(section SectionID, offset int) *Error {
	e.Section, e.Offset = section.String(), int64(offset)
	return e
}
