// Package wasmtest assembles small modules for tests, instruction by instruction: guests that no compiler would make, and
// ones that compile in no time.
package wasmtest

// Module is a module to assemble. Types are written as letters: i for i32, I for i64, f for f32, F for f64, v for v128, r
// for funcref, x for externref.
type Module struct {
	// Types are function types that are there whether a function has them or not, numbered from 0: CallIndirect needs them.
	Types     []Type
	Imports   []Import
	Functions []Function
	Tables    []Table
	// Pages is the initial size of the memory, which is exported as "memory"; MaxPages its declared maximum, 0 for none.
	Pages, MaxPages int
	Globals         []Global
	Elements        []Element
	// Data is copied to the memory when the module is instantiated. Passive segments are numbered after it.
	Data    []Data
	Passive []string
	// Exports are there beside the memory and the functions that name theirs.
	Exports []Export
	// Start, unless "", is the export that is the start function.
	Start string
}

// Type is the type of a function.
type Type struct{ Params, Results string }

// Import is an imported function. Imports are numbered from 0, and before all Functions.
type Import struct{ Module, Name, Params, Results string }

// Function is a function of the module, exported unless Export is "". Its parameters are the locals from 0 on, then come
// Locals.
type Function struct {
	Export, Params, Results string
	Locals                  []Locals
	Code                    []byte
}

// Locals is a run of local variables of one type.
type Locals struct {
	Count int
	Type  byte
}

// Table is a table of functions (r) or host references (x). Max is its declared maximum, 0 for none.
type Table struct {
	Type         byte
	Initial, Max int
}

// Global is a global. Init is the constant expression of its value, without the end.
type Global struct {
	Type    byte
	Mutable bool
	Init    []byte
}

// Element is a segment of functions, by index: for table 0 from At on, or passive.
type Element struct {
	At        int
	Passive   bool
	Functions []int
}

// Export is an export of any kind, as the binary encoding has it: 0 function, 1 table, 2 memory, 3 global.
type Export struct {
	Name  string
	Kind  byte
	Index int
}

// Data is a piece of the memory's first content.
type Data struct {
	At   int
	Text string
}
