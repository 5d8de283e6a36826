package module

import "slices"

// The encodings that begin types and say how a limit is bounded.
const (
	formFunction = 0x60
	maxPages     = 1 << 16 // of 64 KiB: what 32 bits address
)

func (p *parser) customSection() {
	if n := len(p.m.Customs) + 1; n > p.limits.CustomSections {
		p.over(p.pos, uint64(n), uint64(p.limits.CustomSections), "custom sections")
		return
	}
	name := p.name(p.limits.NameBytes)
	p.m.Customs = append(p.m.Customs, Custom{Name: name, Size: p.left()})
	p.pos = p.end
}

func (p *parser) typeSection() {
	n := p.count(3, p.limits.Types, "types")
	p.m.Types = make([]FuncType, 0, n)
	for i := 0; i < n && p.err == nil; i++ {
		at := p.pos
		if form := p.byte(); form != formFunction && p.err == nil {
			if q := proposalOfType(form); q != nil {
				p.unsupported(at, q)
			} else {
				p.fail(CodeMalformed, at, "Unknown type form 0x%02x.", form)
			}
		}
		params := p.valueTypes(p.limits.Params, "parameters of one type")
		results := p.valueTypes(p.limits.Results, "results of one type")
		p.m.Types = append(p.m.Types, FuncType{Params: params, Results: results})
	}
}

// valueTypes reads a vector of value types.
func (p *parser) valueTypes(limit int, what string) []ValueType {
	n := p.count(1, limit, what)
	if n == 0 {
		return nil
	}
	types := make([]ValueType, 0, n)
	for i := 0; i < n && p.err == nil; i++ {
		types = append(types, p.valueType())
	}
	return types
}

func (p *parser) importSection() {
	n := p.count(4, p.limits.Imports, "imports")
	p.m.Imports = make([]Import, 0, n)
	for i := 0; i < n && p.err == nil; i++ {
		imp := Import{Offset: p.pos, Module: p.name(p.limits.NameBytes), Name: p.name(p.limits.NameBytes)}
		at := p.pos
		imp.Kind = Kind(p.byte())
		switch imp.Kind {
		case KindFunction:
			imp.Index = uint32(len(p.m.Functions))
			p.function()
			imp.Type, _ = p.m.FunctionType(imp.Index)
			p.m.ImportedFunctions++
		case KindTable:
			imp.Index = uint32(len(p.m.Tables))
			p.table()
			p.m.ImportedTables++
		case KindMemory:
			imp.Index = uint32(len(p.m.Memories))
			p.memory()
			p.m.ImportedMemories++
		case KindGlobal:
			imp.Index = uint32(len(p.m.Globals))
			p.m.Globals = append(p.m.Globals, p.globalType())
			p.m.ImportedGlobals++
		default:
			p.unknownKind(at, imp.Kind)
		}
		p.m.Imports = append(p.m.Imports, imp)
	}
	p.countFunctions(0)
	p.countGlobals(0)
}

// unknownKind refuses an import or export of a kind that WebAssembly 2.0 lacks.
func (p *parser) unknownKind(at int, k Kind) {
	const kindTag Kind = 4
	if k == kindTag {
		p.unsupported(at, &exceptions)
		return
	}
	p.fail(CodeMalformed, at, "Unknown kind 0x%02x of import or export.", byte(k))
}

// function reads a function's type index and adds it to the index space.
func (p *parser) function() {
	at := p.pos
	t := p.u32()
	if p.index(at, t, len(p.m.Types), "type") {
		p.m.Functions = append(p.m.Functions, t)
	}
}

// index checks an index against the size of its space, and reports whether it is in range.
func (p *parser) index(at int, i uint32, size int, what string) bool {
	if uint64(i) < uint64(size) && p.err == nil {
		return true
	}
	first := p.err == nil
	p.fail(CodeMalformed, at, "There is no %s %d; the module has %d.", what, i, size)
	if first {
		p.err.Found, p.err.Limit = uint64(i), uint64(size)
	}
	return false
}

func (p *parser) functionSection() {
	n := p.count(1, p.limits.Functions, "functions")
	p.countFunctions(n)
	if p.err != nil {
		return
	}
	p.m.Functions = slices.Grow(p.m.Functions, n)
	for i := 0; i < n && p.err == nil; i++ {
		p.function()
	}
}

// countFunctions checks the number of functions, imported ones included.
func (p *parser) countFunctions(defined int) {
	if n := p.m.ImportedFunctions + defined; n > p.limits.Functions {
		p.over(p.pos, uint64(n), uint64(p.limits.Functions), "functions")
	}
}

func (p *parser) tableSection() {
	n := p.count(3, p.limits.Tables, "tables")
	for i := 0; i < n && p.err == nil; i++ {
		p.table()
	}
}

// table reads a table's type and adds it to the index space.
func (p *parser) table() {
	at := p.pos
	// 0x40 begins a table with an initial value.
	if p.left() > 0 && p.b[p.pos] == 0x40 {
		p.unsupported(at, &functionRefs)
		return
	}
	t := Table{Type: p.referenceType()}
	t.Initial, t.Max, t.HasMax = p.sizeLimits("elements")
	if n := uint64(t.Initial); n > uint64(p.limits.TableInitial) {
		p.over(at, n, uint64(p.limits.TableInitial), "initial elements of a table")
	}
	p.m.Tables = append(p.m.Tables, t)
	if n := len(p.m.Tables); n > p.limits.Tables {
		p.over(at, uint64(n), uint64(p.limits.Tables), "tables")
	}
}

func (p *parser) memorySection() {
	n := p.count(2, len(p.b), "memories")
	for i := 0; i < n && p.err == nil; i++ {
		p.memory()
	}
}

// memory reads a memory's type and adds it to the index space.
func (p *parser) memory() {
	at := p.pos
	if len(p.m.Memories) > 0 {
		p.unsupported(at, &multiMemory)
		return
	}
	var m Memory
	m.Initial, m.Max, m.HasMax = p.sizeLimits("pages")
	if max(m.Initial, m.Max) > maxPages {
		p.fail(CodeMalformed, at, "A memory of %d pages; 65536 is the most that a module can name.", max(m.Initial, m.Max))
	}
	if uint64(m.Initial) > uint64(p.limits.MemoryPages) {
		p.over(at, uint64(m.Initial), uint64(p.limits.MemoryPages), "initial pages (64 KiB) of memory")
	}
	p.m.Memories = append(p.m.Memories, m)
}

// sizeLimits reads the initial and maximum size of a table or memory.
func (p *parser) sizeLimits(unit string) (initial, most uint32, hasMax bool) {
	at := p.pos
	flags := p.byte()
	if flags > 1 {
		if q := proposalOfLimits(flags); q != nil {
			p.unsupported(at, q)
		} else {
			p.fail(CodeMalformed, at, "Unknown flags 0x%02x of a table or memory.", flags)
		}
	}
	initial = p.u32()
	if hasMax = flags == 1; hasMax {
		most = p.u32()
		if most < initial {
			p.fail(CodeMalformed, at, "The maximum of %d %s is less than the initial %d.", most, unit, initial)
		}
	}
	return initial, most, hasMax
}

func (p *parser) globalSection() {
	n := p.count(4, p.limits.Globals, "globals")
	p.countGlobals(n)
	if p.err != nil {
		return
	}
	p.m.Globals = slices.Grow(p.m.Globals, n)
	for i := 0; i < n && p.err == nil; i++ {
		g := p.globalType()
		p.constant(g.Type)
		p.m.Globals = append(p.m.Globals, g)
	}
}

// countGlobals checks the number of globals, imported ones included.
func (p *parser) countGlobals(defined int) {
	if n := p.m.ImportedGlobals + defined; n > p.limits.Globals {
		p.over(p.pos, uint64(n), uint64(p.limits.Globals), "globals")
	}
}

func (p *parser) globalType() Global {
	g := Global{Type: p.valueType()}
	at := p.pos
	mutable := p.byte()
	if mutable > 1 {
		p.fail(CodeMalformed, at, "A global's mutability is 0x%02x; it must be 0 or 1.", mutable)
	}
	g.Mutable = mutable == 1
	return g
}

func (p *parser) exportSection() {
	n := p.count(3, p.limits.Exports, "exports")
	p.m.Exports = make([]Export, 0, n)
	p.m.exports = make(map[string]int, n)
	for i := 0; i < n && p.err == nil; i++ {
		e := Export{Offset: p.pos, Name: p.name(p.limits.NameBytes)}
		at := p.pos
		e.Kind = Kind(p.byte())
		indexAt := p.pos
		e.Index = p.u32()
		switch e.Kind {
		case KindFunction:
			p.index(indexAt, e.Index, len(p.m.Functions), "function")
			e.Type, _ = p.m.FunctionType(e.Index)
		case KindTable:
			p.index(indexAt, e.Index, len(p.m.Tables), "table")
		case KindMemory:
			p.index(indexAt, e.Index, len(p.m.Memories), "memory")
		case KindGlobal:
			p.index(indexAt, e.Index, len(p.m.Globals), "global")
		default:
			p.unknownKind(at, e.Kind)
		}
		if _, twice := p.m.exports[e.Name]; twice {
			p.fail(CodeMalformed, e.Offset, "The name %s is exported twice.", show(e.Name))
		}
		p.m.exports[e.Name] = i
		p.m.Exports = append(p.m.Exports, e)
	}
}

func (p *parser) startSection() {
	at := p.pos
	p.m.Start, p.m.HasStart = p.u32(), true
	if !p.index(at, p.m.Start, len(p.m.Functions), "function") {
		return
	}
	if t, _ := p.m.FunctionType(p.m.Start); len(t.Params)+len(t.Results) > 0 {
		p.fail(CodeMalformed, at, "The start function has the type %s; it must be () -> ().", t)
	}
}
