// Package module takes a .wasm file as bytes: its sections, which ABI it speaks, whether it may come in, and the form in
// which it runs, metered and with its state in the host's reach.
//
// It is the gate in front of the compiler. Modules come from strangers, and some of a few dozen bytes bring an
// engine down, so nothing reaches one before Parse has walked every byte of it: one pass, bounds checked, nothing
// allocated by a count that the file merely claims, every quantity capped by Limits. Parse checks structure and
// index spaces; operand types are left to the engine's own validator. Rewrite walks what Parse has accepted.
//
// The binary format is that of WebAssembly 2.0. Later proposals are refused by name.
//
// https://www.w3.org/TR/wasm-core-2/#binary-format
package module

import (
	"encoding/binary"
	"slices"
)

// Module is what a parsed file contains. It keeps the file's bytes, which must not change while it is in use.
// Its slices are not to be changed either. It is safe for concurrent use.
type Module struct {
	Types   []FuncType
	Imports []Import
	// Functions (each as the index of its type), Tables, Memories and Globals are whole index spaces,
	// imported ones first. There is at most one memory.
	Functions []uint32
	Tables    []Table
	Memories  []Memory
	Globals   []Global
	Exports   []Export
	// HasStart says whether there is a start section; Start is the function it names.
	HasStart bool
	Start    uint32
	// Elements and DataSegments count segments of all forms.
	Elements, DataSegments int
	// Customs lists custom sections and Sections all sections, in the file's order.
	Customs  []Custom
	Sections []Section

	// ImportedFunctions, ImportedTables and so on count the imports of a kind.
	ImportedFunctions, ImportedTables, ImportedMemories, ImportedGlobals int

	file      []byte
	tableMax  uint32         // Limits.TableMax
	exports   map[string]int // name to position in Exports
	namesData bool           // whether an instruction names a data segment
	stateful  string         // the name of an instruction in the code that changes tables or segments
}

// parser is one pass over a file.
type parser struct {
	reader
	limits Limits
	m      *Module

	dataCount    int // of the data count section, −1 where there is none
	bodies       int // in the code section
	elementItems int
	blocks       []opcode // open blocks of the function being walked, innermost last
	initTargets  map[helper]struct{}
}

// Parse checks the file b against the specification and the limits, and returns what it contains.
// The Module refers to b.
//
// # Errors
//
// Every error is an *Error: CodeNotWasm, CodeComponent, CodeTooLarge, CodeMalformed,
// CodeLimitExceeded or CodeUnsupportedFeature.
func Parse(b []byte, limits Limits) (*Module, error) {
	if err := sniff(b, limits.ModuleBytes); err != nil {
		return nil, err
	}
	p := parser{
		reader:    reader{b: b, pos: headerBytes, end: len(b), section: headerName},
		limits:    limits,
		m:         &Module{file: b, tableMax: uint32(limits.TableMax)},
		dataCount: -1,
	}
	p.sections()
	if p.err == nil {
		p.agree()
	}
	if p.err != nil {
		return nil, p.err
	}
	return p.m, nil
}

// Export returns the export of that name.
func (m *Module) Export(name string) (Export, bool) {
	i, ok := m.exports[name]
	if !ok {
		return Export{}, false
	}
	return m.Exports[i], true
}

// Section returns where the section of that id stands. Custom sections can occur more than once;
// for them it is the first.
func (m *Module) Section(id SectionID) (Section, bool) {
	i := slices.IndexFunc(m.Sections, func(s Section) bool { return s.ID == id })
	if i < 0 {
		return Section{}, false
	}
	return m.Sections[i], true
}

// FunctionType returns the type of a function, by its index in the module's index space.
// False if there is no such function.
func (m *Module) FunctionType(index uint32) (FuncType, bool) {
	if uint64(index) >= uint64(len(m.Functions)) {
		return FuncType{}, false
	}
	return m.Types[m.Functions[index]], true
}

// headerName is what errors call the first eight bytes.
const headerName = "header"

// headerBytes is the size of magic number and version.
const headerBytes = 8

// order is the place of each section in the file. Custom sections may stand anywhere.
var order = [...]int{
	SectionType: 1, SectionImport: 2, SectionFunction: 3, SectionTable: 4, SectionMemory: 5, SectionGlobal: 6,
	SectionExport: 7, SectionStart: 8, SectionElement: 9, SectionDataCount: 10, SectionCode: 11, SectionData: 12,
}

// sections reads all sections.
func (p *parser) sections() {
	last := 0
	for p.err == nil && p.pos < len(p.b) {
		s := Section{Offset: p.pos, ID: SectionID(p.b[p.pos])}
		p.section = s.ID.String()
		p.pos++
		if s.ID == sectionTag {
			p.unsupported(s.Offset, &exceptions)
			return
		}
		if int(s.ID) >= len(order) {
			p.fail(CodeMalformed, s.Offset, "There is no section with the id 0x%02x.", byte(s.ID))
			return
		}
		if place := order[s.ID]; s.ID != SectionCustom {
			if place == last {
				p.fail(CodeMalformed, s.Offset, "The section comes twice.")
			} else if place < last {
				p.fail(CodeMalformed, s.Offset, "The section is out of order.")
			}
			last = place
		}
		size := p.u32()
		if uint64(size) > uint64(p.left()) {
			p.fail(CodeMalformed, s.Offset, "The section claims %d bytes, but the file holds %d more.", size, p.left())
		}
		if p.err != nil {
			return
		}
		s.Body, s.End = p.pos, p.pos+int(size)
		p.m.Sections = append(p.m.Sections, s)
		p.end = s.End
		p.contents(s)
		if p.err == nil && p.pos != p.end {
			p.fail(CodeMalformed, p.pos, "The section has %d bytes too many.", p.left())
		}
		p.end = len(p.b)
	}
}

// contents reads what one section holds.
func (p *parser) contents(s Section) {
	switch s.ID {
	case SectionCustom:
		p.customSection()
	case SectionType:
		p.typeSection()
	case SectionImport:
		p.importSection()
	case SectionFunction:
		p.functionSection()
	case SectionTable:
		p.tableSection()
	case SectionMemory:
		p.memorySection()
	case SectionGlobal:
		p.globalSection()
	case SectionExport:
		p.exportSection()
	case SectionStart:
		p.startSection()
	case SectionElement:
		p.elementSection()
	case SectionDataCount:
		p.dataCountSection()
	case SectionCode:
		p.codeSection()
	case SectionData:
		p.dataSection()
	}
}

// agree checks what sections say of each other.
func (p *parser) agree() {
	p.section = SectionCode.String()
	p.agreeOnBodies()
	p.section = SectionData.String()
	if p.dataCount >= 0 && p.dataCount != p.m.DataSegments {
		p.fail(CodeMalformed, p.pos, "The module announces %d data segments and has %d.", p.dataCount, p.m.DataSegments)
	}
}

// agreeOnBodies checks that every declared function has a body.
func (p *parser) agreeOnBodies() {
	if defined := len(p.m.Functions) - p.m.ImportedFunctions; p.bodies != defined {
		p.fail(CodeMalformed, p.pos, "The module declares %d functions and has %d bodies.", defined, p.bodies)
	}
}

// sniff checks size, magic number and version, and says what a file is that is no module.
func sniff(b []byte, limit int) error {
	const (
		magic   = "\x00asm"
		version = 1
	)
	header := func(code Code, message string) error {
		return &Error{Code: code, Section: headerName, Message: message}
	}
	switch {
	case len(b) == 0:
		return header(CodeNotWasm, "The file is empty. Upload a WebAssembly module (.wasm).")
	case len(b) > limit:
		e := refusal(CodeTooLarge, "The module has %d bytes, the limit is %d. "+
			"Strip debug information and optimise for size, or ask the operator to raise the limit.", len(b), limit)
		e.Found, e.Limit = uint64(len(b)), uint64(limit)
		return e
	case isText(b):
		return header(CodeNotWasm, "The file is WebAssembly text (.wat). Convert it first: wat2wasm module.wat -o module.wasm")
	case len(b) < len(magic) || string(b[:len(magic)]) != magic:
		return header(CodeNotWasm, "The file does not begin with the bytes of a WebAssembly module (00 61 73 6d). "+
			"Upload the .wasm file itself, not an archive, source or native program.")
	case len(b) < headerBytes:
		return header(CodeMalformed, "The file ends within the header.")
	}
	// The upper half of the version field is the layer: 0 for core modules, 1 for components.
	field := binary.LittleEndian.Uint32(b[4:])
	if field>>16 == 1 {
		return header(CodeComponent, "The file is a component; build a core module instead: "+
			"target wasm32-wasip1 (Rust, Go GOOS=wasip1, wasi-sdk, TinyGo -target=wasip1), without wasm-tools component new.")
	}
	if field != version {
		return header(CodeMalformed, "The binary format has an unknown version; it must be 1.")
	}
	return nil
}
