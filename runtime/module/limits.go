package module

// Limits bound what Parse accepts. Start from DefaultLimits and change fields: a zero field allows none.
//
// Each cap is an order of magnitude above what real guests need (CPython, QuickJS, large Go programs)
// and below what makes a compiler slow.
type Limits struct {
	// ModuleBytes is the size of the file. Default 16 MiB.
	ModuleBytes int
	// Types is the number of function types; Params and Results bound each of them.
	// Defaults 20,000, 256 and 64.
	Types, Params, Results int
	// Imports is the number of imports of all kinds. Default 1,000.
	Imports int
	// Functions is the number of functions, imported ones included. Default 100,000.
	Functions int
	// BodyBytes is the size of one function's body. Default 1 MiB.
	BodyBytes int
	// Locals is the number of declared locals of one function, runs expanded. Default 10,000.
	Locals int
	// LocalsTimesBlocks bounds (parameters + locals) × blocks of one function: compilers keep a
	// value per local and block. Default 5,000,000.
	LocalsTimesBlocks int
	// Nesting is the depth of blocks within one function. Default 2,000.
	Nesting int
	// BranchTargets is the number of targets of all br_table instructions of one function.
	// Default 16,384.
	BranchTargets int
	// Branches is the number of blocks and branches of one function. Default 20,000.
	Branches int
	// Tables is the number of tables, TableInitial the initial number of elements of each.
	// Defaults 4 and 100,000.
	Tables, TableInitial int
	// TableMax is what a table may grow to, in elements. A larger maximum, or none, is no reason to refuse:
	// Bounded and Rewrite replace it. Default 100,000.
	TableMax int
	// MemoryPages is the initial size of the memory, in pages of 64 KiB. A larger declared maximum is
	// no reason to refuse: growth is bounded when the module runs. Default 1,024 (64 MiB).
	MemoryPages int
	// Globals, Exports and Elements (segments) are counts. Default 10,000 each.
	Globals, Exports, Elements int
	// ElementItems is the number of items of all element segments, which cost time in each new instance. Default 100,000.
	ElementItems int
	// DataSegments is a count. Default 100,000, which is what Go's linker emits for large programs.
	DataSegments int
	// InitTargets is the number of different segments and tables that memory.init and table.init name: each pair gets a
	// function of its own. Default 1,000.
	InitTargets int
	// NameBytes is the length of an import's, export's or custom section's name. Default 1,024.
	NameBytes int
	// CustomSections is a count. Default 1,000.
	CustomSections int
}

// DefaultLimits returns the limits for a module that nobody made an exception for.
func DefaultLimits() Limits {
	return Limits{
		ModuleBytes:       16 << 20,
		Types:             20_000,
		Params:            256,
		Results:           64,
		Imports:           1_000,
		Functions:         100_000,
		BodyBytes:         1 << 20,
		Locals:            10_000,
		LocalsTimesBlocks: 5_000_000,
		Nesting:           2_000,
		BranchTargets:     16_384,
		Branches:          20_000,
		Tables:            4,
		TableInitial:      100_000,
		TableMax:          100_000,
		MemoryPages:       1_024,
		Globals:           10_000,
		Exports:           10_000,
		Elements:          10_000,
		ElementItems:      100_000,
		DataSegments:      100_000,
		InitTargets:       1_000,
		NameBytes:         1_024,
		CustomSections:    1_000,
	}
}
