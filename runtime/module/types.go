package module

import (
	"fmt"
	"slices"
	"strings"
)

// ValueType is the type of a value, in its binary encoding.
type ValueType byte

// The value types of WebAssembly 2.0.
const (
	I32       ValueType = 0x7f
	I64       ValueType = 0x7e
	F32       ValueType = 0x7d
	F64       ValueType = 0x7c
	V128      ValueType = 0x7b
	FuncRef   ValueType = 0x70
	ExternRef ValueType = 0x6f
)

// String returns the name in the text format.
func (t ValueType) String() string {
	switch t {
	case I32:
		return "i32"
	case I64:
		return "i64"
	case F32:
		return "f32"
	case F64:
		return "f64"
	case V128:
		return "v128"
	case FuncRef:
		return "funcref"
	case ExternRef:
		return "externref"
	}
	return fmt.Sprintf("0x%02x", byte(t))
}

// known reports whether t is a value type of WebAssembly 2.0.
func (t ValueType) known() bool { return t >= V128 && t <= I32 || t.reference() }

// reference reports whether t is a reference type.
func (t ValueType) reference() bool { return t == FuncRef || t == ExternRef }

// FuncType is the type of a function. The slices are not to be changed.
type FuncType struct {
	Params, Results []ValueType
}

// Equal reports whether both take and return the same types.
func (f FuncType) Equal(o FuncType) bool {
	return slices.Equal(f.Params, o.Params) && slices.Equal(f.Results, o.Results)
}

// String returns the type as "(i32, i64) -> (i32)".
func (f FuncType) String() string {
	return list(f.Params) + " -> " + list(f.Results)
}

func list(types []ValueType) string {
	var s strings.Builder
	s.WriteByte('(')
	for i, t := range types {
		if i > 0 {
			s.WriteString(", ")
		}
		s.WriteString(t.String())
	}
	s.WriteByte(')')
	return s.String()
}

// Kind says what an import or export is, in its binary encoding.
type Kind byte

// The kinds of imports and exports.
const (
	KindFunction Kind = 0
	KindTable    Kind = 1
	KindMemory   Kind = 2
	KindGlobal   Kind = 3
)

// String returns "function", "table", "memory" or "global".
func (k Kind) String() string {
	switch k {
	case KindFunction:
		return "function"
	case KindTable:
		return "table"
	case KindMemory:
		return "memory"
	case KindGlobal:
		return "global"
	}
	return fmt.Sprintf("kind 0x%02x", byte(k))
}

// Import is one import.
type Import struct {
	Module, Name string
	Kind         Kind
	Index        uint32   // in the index space of its kind
	Type         FuncType // for functions
	Offset       int      // where it stands in the file, in bytes
}

// Export is one export. Names are unique within a module.
type Export struct {
	Name   string
	Kind   Kind
	Index  uint32   // in the index space of its kind
	Type   FuncType // for functions
	Offset int      // where it stands in the file, in bytes
}

// Table is the type of a table. Sizes are numbers of elements.
type Table struct {
	Type         ValueType // FuncRef or ExternRef
	Initial, Max uint32
	HasMax       bool
}

// Memory is the type of a memory. Sizes are pages of 64 KiB, at most 65,536.
type Memory struct {
	Initial, Max uint32
	HasMax       bool
}

// Global is the type of a global.
type Global struct {
	Type    ValueType
	Mutable bool
}

// Custom is one custom section.
type Custom struct {
	Name string
	Size int // of its contents without the name, in bytes
}

// Section is where a section stands in the file. Offsets are bytes from the file's start.
type Section struct {
	ID     SectionID
	Offset int // of the id byte
	Body   int // of the contents, behind id and length
	End    int // of the byte behind the contents
}

// SectionID names a section, in its binary encoding.
type SectionID byte

// The sections of WebAssembly 2.0.
const (
	SectionCustom    SectionID = 0
	SectionType      SectionID = 1
	SectionImport    SectionID = 2
	SectionFunction  SectionID = 3
	SectionTable     SectionID = 4
	SectionMemory    SectionID = 5
	SectionGlobal    SectionID = 6
	SectionExport    SectionID = 7
	SectionStart     SectionID = 8
	SectionElement   SectionID = 9
	SectionCode      SectionID = 10
	SectionData      SectionID = 11
	SectionDataCount SectionID = 12

	// sectionTag belongs to the exception handling proposal.
	sectionTag SectionID = 13
)

var sectionNames = [...]string{
	"custom", "type", "import", "function", "table", "memory", "global",
	"export", "start", "element", "code", "data", "data count", "tag",
}

// String returns the section's name.
func (s SectionID) String() string {
	if int(s) < len(sectionNames) {
		return sectionNames[s]
	}
	return fmt.Sprintf("0x%02x", byte(s))
}
