// Package hostile is modules that mean harm: to the gate, to the compiler, to the sandbox, and to whoever shares a server
// with them. Tests and load tools run them against whole servers, and hold these to what each module may achieve: nothing
// but its own failure.
//
// The modules are assembled instruction by instruction, for no compiler would make them. They are the same each time.
package hostile

import (
	"slices"
	"strings"
)

// Phase is where a module does its harm.
type Phase string

// The phases, in the order in which a module meets them.
const (
	Upload     Phase = "upload" // while it is read, checked and compiled
	Start      Phase = "start"  // in its start function
	Initialize Phase = "_initialize"
	Describe   Phase = "describe"
	Warm       Phase = "warm"
	Execute    Phase = "execute"
)

// Module is one hostile module, and what a server may let it achieve.
type Module struct {
	// Name is of a-z, 0-9 and "-", at most 50 bytes, and no other module's.
	Name  string
	Phase Phase
	Bytes []byte
	// Refused are the codes with which its upload may be refused, Ends the outcomes that a call of Harm may have once it is
	// installed: OK, or an error_code. Where one of them is empty, the other has to happen; where neither is, either may.
	Refused, Ends []string
	// Burns says that Harm uses the processor for as long as it is let, and Slow that the compiler does.
	Burns, Slow bool
}

// OK is the outcome of a call that the connector answered.
const OK = "ok"

// The error codes that calls end with.
const (
	deadline = "deadline_exceeded"
	memory   = "memory_exceeded"
	depth    = "depth_exceeded"
	output   = "output_too_large"
	crashed  = "connector_crashed"
)

// describeFailed is the code of a module that is refused for what it did before it had described itself.
const describeFailed = "describe_failed"

// The commands of every module that is not refused. Fine answers with Answer, whatever Harm did before.
const (
	Harm   = "Harm"
	Fine   = "Fine"
	Answer = `"fine"`
)

// Connector is the name under which the module is installed.
func (m Module) Connector() string { return connector(m.Name) }

func connector(name string) string { return "hostile-" + name }

// Modules returns all of them, by phase and name. The slices are the caller's.
func Modules() []Module {
	all := slices.Concat(
		counts(), files(), structures(), foreign(), compilations(),
		loops(), pyramids(), recursions(), bulk(), memories(), tables(),
		pointers(), handles(), connections(), floods(), waits(), traps(), exits(), answers(), manifests(), names(),
	)
	slices.SortStableFunc(all, func(a, b Module) int {
		if a.Phase != b.Phase {
			return slices.Index(phases, a.Phase) - slices.Index(phases, b.Phase)
		}
		return strings.Compare(a.Name, b.Name)
	})
	return all
}

var phases = []Phase{Upload, Start, Initialize, Describe, Warm, Execute}
