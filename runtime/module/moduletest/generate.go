package moduletest

import (
	"fmt"
	"slices"
	"strings"

	"sluice/runtime/sandbox/wasmtest"
)

// Program is a module that Generate made, and what to do with it.
type Program struct {
	File  []byte
	Calls []GeneratedCall
}

// GeneratedCall is a call of an exported function.
type GeneratedCall struct {
	Export string
	Args   []uint64 // as the engine's API has them
}

// The exports that every generated module with a need for them has.
const (
	// GasExport is a mutable i32 global that generated code counts down at each entry of a function and each pass of a
	// loop. It ends when that is negative, so that every call ends. Set it to Gas before each.
	GasExport = "gas"
	Gas       = 150
)

// GeneratedHost is the import module of generated modules. Provide it with ProvideGenerated.
const GeneratedHost = "host"

// hostTypes are the types of its functions, which are named by their position.
var hostTypes = []funcType{{"", ""}, {"ii", "i"}, {"IF", "I"}, {"i", "iIf"}}

// funcType is a function type in letters.
type funcType struct{ params, results string }

// generator makes one module.
type generator struct {
	choices
	types     []funcType
	imports   int
	functions []funcType // imports first
	tables    []table
	memory    bool
	pages     int
	globals   []global
	gas       int // the index of that global
	data      int
	passive   []int // segments of data that are passive
	elements  []byte
	exports   [][]byte
	names     map[string]bool
	left      int // how many instructions may still be made
}

type table struct {
	letter byte
	size   int
}

type global struct {
	letter  byte
	mutable bool
}

// Generate makes a valid module of bytes: the same bytes make the same module. It has functions that call each other, loops,
// branches of all kinds, dead code, memory, tables, globals and segments of all forms; every call of an export ends.
func Generate(seed []byte) Program {
	g := &generator{choices: choices{seed}, left: 600, names: map[string]bool{}}
	g.imports = g.n(len(hostTypes) + 1)
	g.functions = slices.Clone(hostTypes[:g.imports])
	for range 1 + g.n(6) {
		g.functions = append(g.functions, funcType{g.letters("iIfFvx", 4), g.letters("iIfFvxr", 4)})
	}
	if g.one(4) {
		g.functions[len(g.functions)-1] = funcType{}
	}
	g.memory = !g.one(6)
	g.pages = 1 + g.n(3)
	for range g.n(4) {
		g.tables = append(g.tables, table{g.letter("rrx"), g.n(12)})
	}
	globals := g.makeGlobals()
	elements := g.makeElements()
	data := g.makeData()
	bodies := make([][]byte, 0, len(g.functions))
	for i := g.imports; i < len(g.functions); i++ {
		bodies = append(bodies, g.body(g.functions[i]))
	}
	g.makeExports()
	return Program{File: g.file(globals, elements, data, bodies), Calls: g.makeCalls()}
}

func (g *generator) file(globals, elements, data, bodies [][]byte) []byte {
	var sections [][]byte
	add := func(id byte, items [][]byte) {
		if len(items) > 0 {
			sections = append(sections, wasmtest.Section(id, wasmtest.Vector(items...)))
		}
	}
	var imports, functions [][]byte
	for i, f := range g.functions {
		t := u(g.typeIndex(f))
		if i < g.imports {
			imports = append(imports, join(name(GeneratedHost), name(fmt.Sprint(i)), raw(0), t))
		} else {
			functions = append(functions, t)
		}
	}
	var types, tables, memories [][]byte
	for _, t := range g.types {
		types = append(types, wasmtest.Signature(t.params, t.results))
	}
	for i, t := range g.tables {
		limits := join(raw(0), u(t.size))
		if i%2 == 1 { // tableStatement knows
			limits = join(raw(1), u(t.size), u(t.size+20))
		}
		tables = append(tables, join(raw(letters[t.letter]), limits))
	}
	if g.memory {
		limits := join(raw(0), u(g.pages))
		if g.one(2) {
			limits = join(raw(1), u(g.pages), u(g.pages+g.n(20)))
		}
		memories = append(memories, limits)
	}
	add(wasmtest.SectionType, types)
	add(wasmtest.SectionImport, imports)
	add(wasmtest.SectionFunction, functions)
	add(wasmtest.SectionTable, tables)
	add(wasmtest.SectionMemory, memories)
	add(wasmtest.SectionGlobal, globals)
	add(wasmtest.SectionExport, g.exports)
	if i := slices.Index(g.functions[g.imports:], funcType{}); i >= 0 && g.one(2) {
		sections = append(sections, wasmtest.Section(wasmtest.SectionStart, u(g.imports+i)))
	}
	add(wasmtest.SectionElement, elements)
	if len(data) > 0 {
		sections = append(sections, wasmtest.Section(wasmtest.SectionDataCount, u(len(data))))
	}
	add(wasmtest.SectionCode, bodies)
	add(wasmtest.SectionData, data)
	return wasmtest.Binary(sections...)
}

func (g *generator) typeIndex(t funcType) int {
	i := slices.Index(g.types, t)
	if i < 0 {
		i = len(g.types)
		g.types = append(g.types, t)
	}
	return i
}

// function chooses the index of a function of the module itself.
func (g *generator) function() int { return g.imports + g.n(len(g.functions)-g.imports) }

// makeGlobals makes the globals. A reference to a function needs one that is declared, which all exports are.
func (g *generator) makeGlobals() (encoded [][]byte) {
	for range g.n(6) {
		l := g.letter("iIfFvrx")
		init := Zero(l)
		switch {
		case l == 'r' && g.one(2):
			init = join(raw(0xd2), u(g.function()))
		case strings.IndexByte("iIfFv", l) >= 0:
			init = g.constant(l)
		}
		mutable := g.n(3) > 0
		g.globals = append(g.globals, global{l, mutable})
		encoded = append(encoded, encodeGlobal(l, mutable, init))
	}
	g.gas = len(g.globals)
	return append(encoded, encodeGlobal('i', true, wasmtest.I32(Gas)))
}

func encodeGlobal(l byte, mutable bool, init []byte) []byte {
	m := byte(0)
	if mutable {
		m = 1
	}
	return join(raw(letters[l], m), init, raw(0x0b))
}

// makeElements makes element segments of all eight forms.
func (g *generator) makeElements() (encoded [][]byte) {
	for range g.n(5) {
		form := byte(g.n(8))
		t := 0
		if form&1 == 0 { // active
			if t = g.tableOf('r'); form >= 4 && g.one(3) {
				t = g.tableOf('x')
			}
			if t < 0 {
				continue
			}
			if t > 0 || g.tables[t].letter == 'x' {
				form |= 2
			}
		}
		l := byte('r')
		if form&1 == 0 {
			l = g.tables[t].letter
		} else if form >= 4 && g.one(3) {
			l = 'x'
		}
		if l == 'x' {
			form |= 4
		}
		g.elements = append(g.elements, l)
		encoded = append(encoded, g.element(form, t, l))
	}
	return encoded
}

func (g *generator) element(form byte, table int, l byte) []byte {
	b := u(int(form))
	if form&1 == 0 {
		if form&2 != 0 {
			b = append(b, u(table)...)
		}
		b = join(b, wasmtest.I32(g.n(4)), raw(0x0b))
	}
	if form&3 != 0 {
		if form&4 != 0 {
			b = append(b, letters[l])
		} else {
			b = append(b, 0)
		}
	}
	var items [][]byte
	for range g.n(5) {
		switch f := u(g.function()); {
		case form&4 == 0:
			items = append(items, f)
		case l == 'x' || g.one(3):
			items = append(items, join(Zero(l), raw(0x0b)))
		default:
			items = append(items, join(raw(0xd2), f, raw(0x0b)))
		}
	}
	return join(b, wasmtest.Vector(items...))
}

// tableOf chooses a table with elements of a type, −1 if there is none.
func (g *generator) tableOf(l byte) int {
	var fit []int
	for i, t := range g.tables {
		if t.letter == l {
			fit = append(fit, i)
		}
	}
	if len(fit) == 0 {
		return -1
	}
	return fit[g.n(len(fit))]
}

// makeData makes data segments of all forms, seldom one that does not fit.
func (g *generator) makeData() (encoded [][]byte) {
	for i := range g.n(5) {
		text := make([]byte, g.n(40))
		for j := range text {
			text[j] = byte(g.n(256))
		}
		at := wasmtest.I32(g.n(60000))
		if g.one(40) {
			at = wasmtest.I32(g.pages<<16 - 3)
		}
		switch form := g.n(3); {
		case form == 2 || !g.memory:
			g.passive = append(g.passive, i)
			encoded = append(encoded, join(raw(1), name(string(text))))
		case form == 1:
			encoded = append(encoded, join(raw(2, 0), at, raw(0x0b), name(string(text))))
		default:
			encoded = append(encoded, join(raw(0), at, raw(0x0b), name(string(text))))
		}
		g.data++
	}
	return encoded
}

// awkward are names that the rewriter would choose for its own.
var awkward = []string{"sluice:fuel", "sluice:depth", "sluice:start", "sluice:global:0", "sluice:fuel'", "checkpoint", ""}

// makeExports exports every function, the memory, tables and globals.
func (g *generator) makeExports() {
	for i := range g.functions {
		g.export(functionName(i), 0, i)
	}
	if g.memory {
		g.export("memory", 2, 0)
	}
	for i := range g.tables {
		g.export(fmt.Sprint("table", i), 1, i)
	}
	for i := range g.globals {
		if g.one(2) {
			g.export(fmt.Sprint("global", i), 3, i)
		}
	}
	g.export(GasExport, 3, g.gas)
	for range g.n(4) {
		g.export(awkward[g.n(len(awkward))], 0, g.function())
	}
}

func functionName(i int) string { return fmt.Sprint("f", i) }

func (g *generator) export(as string, kind byte, index int) {
	if !g.names[as] {
		g.names[as] = true
		g.exports = append(g.exports, join(name(as), raw(kind), u(index)))
	}
}

// makeCalls chooses calls of the module's functions.
func (g *generator) makeCalls() (calls []GeneratedCall) {
	for n := range 2 * (len(g.functions) - g.imports) {
		i := g.imports + n/2
		var args []uint64
		for _, l := range []byte(g.functions[i].params) {
			v := g.word()
			switch l {
			case 'i', 'f':
				v &= 1<<32 - 1
			case 'v':
				args = append(args, g.word())
			}
			args = append(args, v)
		}
		calls = append(calls, GeneratedCall{functionName(i), args})
	}
	return calls
}
