package module

import (
	"maps"
	"slices"
	"strings"

	"sluice/internal/nearest"
)

// HostModule is a list of functions that a host offers under one import module's name. It does not change,
// and is safe for concurrent use.
type HostModule struct {
	name      string
	functions map[string]FuncType
}

// NewHostModule makes a list. It keeps a copy of the map; the types in it are not to be changed.
func NewHostModule(name string, functions map[string]FuncType) *HostModule {
	return &HostModule{name: name, functions: maps.Clone(functions)}
}

// Name returns the import module's name.
func (h *HostModule) Name() string { return h.name }

// Function returns the type of the function of that name; false if it is not offered.
func (h *HostModule) Function(name string) (FuncType, bool) {
	t, ok := h.functions[name]
	return t, ok
}

// Functions returns the functions' names in alphabetical order.
func (h *HostModule) Functions() []string {
	return slices.Sorted(maps.Keys(h.functions))
}

// CheckImports checks that every import is a function that one of the hosts offers, with the same type.
// A module that passes links.
//
// # Errors
//
// CodeUnknownImport or CodeImportType, both naming the import.
func (m *Module) CheckImports(hosts ...*HostModule) error {
	for i := range m.Imports {
		if err := checkImport(&m.Imports[i], hosts); err != nil {
			return err
		}
	}
	return nil
}

func checkImport(imp *Import, hosts []*HostModule) error {
	if imp.Kind != KindFunction {
		return refusal(CodeUnknownImport, "The module imports the %s %s; only functions can be imported. %s",
			imp.Kind, imp.path(), adviceForKind(imp.Kind)).at(SectionImport, imp.Offset)
	}
	i := slices.IndexFunc(hosts, func(h *HostModule) bool { return h.name == imp.Module })
	if i < 0 {
		return unknownModule(imp, hosts...)
	}
	want, ok := hosts[i].functions[imp.Name]
	if !ok {
		return refusal(CodeUnknownImport, "The module imports %s, which this host does not offer.%s",
			imp.path(), didYouMean(imp.Name, hosts[i].Functions())).at(SectionImport, imp.Offset)
	}
	if !imp.Type.Equal(want) {
		return refusal(CodeImportType, "The module imports %s with the type %s; this host offers it as %s.",
			imp.path(), imp.Type, want).at(SectionImport, imp.Offset)
	}
	return nil
}

// path returns "module.name", fit for an error message.
func (i *Import) path() string { return show(i.Module) + "." + show(i.Name) }

func adviceForKind(k Kind) string {
	if k == KindMemory {
		return "Let the module define and export its own memory (without --import-memory)."
	}
	return "Let the module define it."
}

// unknownModule refuses an import from a module that is not offered.
func unknownModule(imp *Import, hosts ...*HostModule) error {
	advice := adviceForModule(imp.Module)
	if advice == "" {
		names := make([]string, len(hosts))
		for i, h := range hosts {
			names[i] = h.name
		}
		advice = didYouMean(imp.Module, names)
	}
	return refusal(CodeUnknownImport, "The module imports %s, and this host offers nothing from %s.%s",
		imp.path(), show(imp.Module), advice).at(SectionImport, imp.Offset)
}

// adviceForModule tells the author of a module for another kind of host what to build instead.
func adviceForModule(name string) string {
	switch {
	case name == "wasi_unstable":
		return " It is the predecessor of wasi_snapshot_preview1: rebuild with a current toolchain."
	case strings.HasPrefix(name, "wasi:"):
		return " It is WASI preview 2: build for preview 1 (wasm32-wasip1)."
	case name == "gojs" || name == "go":
		return " It is Go's build for browsers: use GOOS=wasip1 GOARCH=wasm."
	case strings.HasPrefix(name, "__wbindgen") || name == "wbg":
		return " It is wasm-bindgen's build for JavaScript: use the target wasm32-wasip1 without wasm-bindgen."
	case name == ModuleExtismUser:
		return " They are functions of one particular Extism host."
	case name == "env":
		return " Symbols that the linker did not find end up there: link what defines this one, and build without --allow-undefined."
	}
	return ""
}

// didYouMean returns a sentence with the name nearest to the wrong one, or nothing when none is near.
func didYouMean(wrong string, names []string) string {
	name := nearest.Name(wrong, names)
	if name == "" {
		return ""
	}
	return " Did you mean " + name + "?"
}
