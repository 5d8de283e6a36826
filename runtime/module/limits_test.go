package module

import (
	"bytes"
	"errors"
	"runtime"
	"strconv"
	"testing"
)

// nested returns code with n blocks inside each other.
func nested(n int) []byte {
	return join(bytes.Repeat(raw(0x02, 0x40), n), bytes.Repeat(raw(0x0b), n))
}

// one is a module with one function () -> () of this body.
func one(body []byte) []byte {
	return wasm(types(), section(SectionFunction, vec(u(0))), section(SectionCode, vec(body)))
}

// TestParse_Limits builds, for each limit, a module that just meets it and one that is one over.
func TestParse_Limits(t *testing.T) {
	small := Limits{
		ModuleBytes: 1 << 20, Types: 50, Params: 7, Results: 6, Imports: 9, Functions: 12, BodyBytes: 5_000, Locals: 11,
		LocalsTimesBlocks: 1_000, Nesting: 40, BranchTargets: 30, Branches: 100, Tables: 3, TableInitial: 20,
		MemoryPages: 8, Globals: 10, Exports: 13, Elements: 14, ElementItems: 15, DataSegments: 16, NameBytes: 17,
		CustomSections: 4,
	}
	tests := []struct {
		name  string
		limit int
		file  func(n int) []byte // with n of the thing
		code  Code
	}{
		{"ModuleBytes", small.ModuleBytes, func(n int) []byte {
			return wasm(section(SectionCustom, str(""), make([]byte, n-13)))
		}, CodeTooLarge},
		{"Types", small.Types, func(n int) []byte {
			return wasm(section(SectionType, repeat(n, 0x60, 0, 0)))
		}, CodeLimitExceeded},
		{"Params", small.Params, func(n int) []byte {
			return wasm(section(SectionType, vec(join(raw(0x60), repeat(n, byte(I32)), raw(0)))))
		}, CodeLimitExceeded},
		{"Results", small.Results, func(n int) []byte {
			return wasm(section(SectionType, vec(join(raw(0x60, 0), repeat(n, byte(I32))))))
		}, CodeLimitExceeded},
		{"Imports", small.Imports, func(n int) []byte {
			return wasm(types(), section(SectionImport, repeat(n, 0, 0, 0, 0)))
		}, CodeLimitExceeded},
		{"Functions", small.Functions, func(n int) []byte {
			return wasm(types(), section(SectionFunction, repeat(n, 0)), section(SectionCode, repeat(n, 2, 0, 0x0b)))
		}, CodeLimitExceeded},
		{"Functions, with imported ones", small.Functions, func(n int) []byte {
			return wasm(types(), section(SectionImport, repeat(4, 0, 0, 0, 0)),
				section(SectionFunction, repeat(n-4, 0)), section(SectionCode, repeat(n-4, 2, 0, 0x0b)))
		}, CodeLimitExceeded},
		{"BodyBytes", small.BodyBytes, func(n int) []byte {
			return one(body(bytes.Repeat(raw(0x01), n-2)...))
		}, CodeLimitExceeded},
		{"Locals", small.Locals, func(n int) []byte {
			return one(bodyOf(vec(raw(byte(n-5), byte(I32)), raw(0, byte(I32)), raw(5, byte(I64)))))
		}, CodeLimitExceeded},
		{"LocalsTimesBlocks", small.LocalsTimesBlocks, func(n int) []byte {
			// 10 × 100 is the limit. One over is the next product: 11 × 91.
			locals, blocks := 10, 100
			if n > small.LocalsTimesBlocks {
				locals, blocks = 11, 91
			}
			return one(bodyOf(vec(raw(byte(locals), byte(I32))), bytes.Repeat(raw(0x02, 0x40, 0x0b), blocks)...))
		}, CodeLimitExceeded},
		{"Nesting", small.Nesting, func(n int) []byte { return one(body(nested(n)...)) }, CodeLimitExceeded},
		{"BranchTargets", small.BranchTargets, func(n int) []byte {
			return one(body(join(raw(0x0e), repeat(n-10, 0), raw(0, 0x0e), repeat(10, 0), raw(0))...))
		}, CodeLimitExceeded},
		{"Branches, br", small.Branches, func(n int) []byte {
			return one(body(bytes.Repeat(raw(0x0c, 0), n)...))
		}, CodeLimitExceeded},
		{"Branches, br_table", small.Branches, func(n int) []byte {
			return one(body(bytes.Repeat(raw(0x0e, 0, 0), n)...))
		}, CodeLimitExceeded},
		{"Branches, if and else", small.Branches, func(n int) []byte {
			code := bytes.Repeat(raw(0x04, 0x40, 0x05, 0x0b), n/2)
			return one(body(join(code, bytes.Repeat(raw(0x0d, 0), n%2))...))
		}, CodeLimitExceeded},
		{"Tables", small.Tables, func(n int) []byte {
			return wasm(section(SectionTable, repeat(n, byte(FuncRef), 0, 1)))
		}, CodeLimitExceeded},
		{"Tables, with imported ones", small.Tables, func(n int) []byte {
			return wasm(section(SectionImport, repeat(2, 0, 0, 1, byte(FuncRef), 0, 1)),
				section(SectionTable, repeat(n-2, byte(FuncRef), 0, 1)))
		}, CodeLimitExceeded},
		{"TableInitial", small.TableInitial, func(n int) []byte {
			return wasm(section(SectionTable, vec(raw(byte(FuncRef), 0, byte(n)))))
		}, CodeLimitExceeded},
		{"MemoryPages", small.MemoryPages, func(n int) []byte {
			return wasm(section(SectionMemory, vec(join(raw(1, byte(n)), u(65536)))))
		}, CodeLimitExceeded},
		{"MemoryPages, imported", small.MemoryPages, func(n int) []byte {
			return wasm(section(SectionImport, vec(raw(0, 0, 2, 0, byte(n)))))
		}, CodeLimitExceeded},
		{"Globals", small.Globals, func(n int) []byte {
			return wasm(section(SectionGlobal, repeat(n, byte(I32), 0, 0x41, 0, 0x0b)))
		}, CodeLimitExceeded},
		{"Globals, with imported ones", small.Globals, func(n int) []byte {
			return wasm(section(SectionImport, repeat(3, 0, 0, 3, byte(I32), 0)),
				section(SectionGlobal, repeat(n-3, byte(I32), 0, 0x41, 0, 0x0b)))
		}, CodeLimitExceeded},
		{"Exports", small.Exports, func(n int) []byte {
			var exports [][]byte
			for i := range n {
				exports = append(exports, export(strconv.Itoa(i), KindMemory, 0))
			}
			return wasm(section(SectionMemory, vec(raw(0, 1))), section(SectionExport, vec(exports...)))
		}, CodeLimitExceeded},
		{"Elements", small.Elements, func(n int) []byte {
			return wasm(section(SectionElement, repeat(n, 1, 0, 0)))
		}, CodeLimitExceeded},
		{"ElementItems, one segment", small.ElementItems, func(n int) []byte {
			items := repeat(n, 0xd0, byte(FuncRef), 0x0b)
			return wasm(section(SectionElement, vec(join(raw(5, byte(FuncRef)), items))))
		}, CodeLimitExceeded},
		{"ElementItems, two segments", small.ElementItems, func(n int) []byte {
			items := func(n int) []byte {
				return join(raw(5, byte(FuncRef)), repeat(n, 0xd0, byte(FuncRef), 0x0b))
			}
			return wasm(section(SectionElement, vec(items(7), items(n-7))))
		}, CodeLimitExceeded},
		{"DataSegments", small.DataSegments, func(n int) []byte {
			return wasm(section(SectionData, repeat(n, 1, 0)))
		}, CodeLimitExceeded},
		{"DataSegments, announced", small.DataSegments, func(n int) []byte {
			return wasm(section(SectionDataCount, u(n)), section(SectionData, repeat(n, 1, 0)))
		}, CodeLimitExceeded},
		{"NameBytes, import", small.NameBytes, func(n int) []byte {
			return wasm(types(), section(SectionImport, vec(importFunc("", string(make([]byte, n)), 0))))
		}, CodeLimitExceeded},
		{"NameBytes, import's module", small.NameBytes, func(n int) []byte {
			return wasm(types(), section(SectionImport, vec(importFunc(string(make([]byte, n)), "", 0))))
		}, CodeLimitExceeded},
		{"NameBytes, export", small.NameBytes, func(n int) []byte {
			return wasm(section(SectionMemory, vec(raw(0, 1))),
				section(SectionExport, vec(export(string(make([]byte, n)), KindMemory, 0))))
		}, CodeLimitExceeded},
		{"NameBytes, custom section", small.NameBytes, func(n int) []byte {
			return wasm(section(SectionCustom, str(string(make([]byte, n)))))
		}, CodeLimitExceeded},
		{"CustomSections", small.CustomSections, func(n int) []byte {
			return wasm(bytes.Repeat(section(SectionCustom, str("")), n))
		}, CodeLimitExceeded},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := Parse(tc.file(tc.limit), small); err != nil {
				t.Fatalf("at the limit: %v", err)
			}
			_, err := Parse(tc.file(tc.limit+1), small)
			var e *Error
			if !errors.As(err, &e) || e.Code != tc.code {
				t.Fatalf("over the limit: have %v, want %s", err, tc.code)
			}
			if e.Found != uint64(tc.limit+1) || e.Limit != uint64(tc.limit) {
				t.Fatalf("have %d found of %d, want %d of %d", e.Found, e.Limit, tc.limit+1, tc.limit)
			}
			if _, err := Parse(tc.file(tc.limit+1), DefaultLimits()); err != nil {
				t.Fatalf("with the default limits: %v", err)
			}
		})
	}
}

// hostile are shapes that bring an unguarded engine down: by memory, by compile time, or by a panic.
var hostile = []struct {
	name string
	file []byte
	code Code
}{
	{"4 billion types", wasm(section(SectionType, u(1<<32-1))), CodeMalformed},
	{"4 billion parameters", wasm(section(SectionType, raw(1, 0x60), u(1<<32-1), raw(0, 0))), CodeMalformed},
	{"4 billion results", wasm(section(SectionType, raw(1, 0x60, 0), u(1<<32-1), raw(0))), CodeMalformed},
	{"4 billion imports", wasm(section(SectionImport, u(1<<32-1))), CodeMalformed},
	{"4 billion functions", wasm(types(), section(SectionFunction, u(1<<32-1))), CodeMalformed},
	{"4 billion tables", wasm(section(SectionTable, u(1<<32-1))), CodeMalformed},
	{"4 billion memories", wasm(section(SectionMemory, u(1<<32-1))), CodeMalformed},
	{"4 billion globals", wasm(section(SectionGlobal, u(1<<32-1))), CodeMalformed},
	{"4 billion exports", wasm(section(SectionExport, u(1<<32-1))), CodeMalformed},
	{"4 billion element segments", wasm(section(SectionElement, u(1<<32-1))), CodeMalformed},
	{"4 billion elements", wasm(section(SectionElement, raw(1, 1, 0), u(1<<32-1))), CodeMalformed},
	{"4 billion element expressions", wasm(section(SectionElement, raw(1, 5, byte(FuncRef)), u(1<<32-1))), CodeMalformed},
	{"4 billion bodies", wasm(section(SectionCode, u(1<<32-1))), CodeMalformed},
	{"4 billion data segments", wasm(section(SectionData, u(1<<32-1))), CodeMalformed},
	{"4 billion data segments announced", wasm(section(SectionDataCount, u(1<<32-1))), CodeLimitExceeded},
	{"data of 4 GiB", wasm(section(SectionData, raw(1, 1), u(1<<32-1))), CodeMalformed},
	{"section of 4 GiB", wasm(raw(1), u(1<<32-1)), CodeMalformed},
	{"custom section of 4 GiB", wasm(raw(0), u(1<<32-1)), CodeMalformed},
	{"custom section's name of 4 GiB", wasm(section(SectionCustom, u(1<<32-1))), CodeMalformed},
	{"import's module name of 4 GiB", wasm(section(SectionImport, raw(1), u(1<<32-1), raw(0, 0, 0))), CodeMalformed},
	{"import's name of 4 GiB", wasm(section(SectionImport, raw(1, 0), u(1<<32-1), raw(0, 0))), CodeMalformed},
	{"export's name of 4 GiB", wasm(section(SectionExport, raw(1), u(1<<32-1), raw(0, 0))), CodeMalformed},
	{"body of 4 GiB", one(join(u(1<<32-1), raw(0, 0x0b))), CodeMalformed},
	{"4 billion locals", one(bodyOf(vec(join(u(1<<32-1), raw(byte(I64)))))), CodeLimitExceeded},
	{"4 billion locals twice", one(bodyOf(vec(join(u(1<<32-1), raw(byte(I64))), join(u(1<<32-1), raw(byte(I64)))))), CodeLimitExceeded},
	{"4 billion runs of locals", one(bodyOf(u(1<<32 - 1))), CodeMalformed},
	{"4 billion br_table targets", one(body(join(raw(0x0e), u(1<<32-1))...)), CodeMalformed},
	{"4 billion result types of select", one(body(join(raw(0x1c), u(1<<32-1))...)), CodeMalformed},
	{"table of 4 billion", wasm(section(SectionTable, raw(1, byte(FuncRef), 0), u(1<<32-1))), CodeLimitExceeded},
	{"memory of 4 GiB", wasm(section(SectionMemory, raw(1, 0), u(1<<16))), CodeLimitExceeded},
	{"memory of 256 TiB", wasm(section(SectionMemory, raw(1, 0), u(1<<32-1))), CodeMalformed},
	{"import without bytes for its type", wasm(section(SectionImport, raw(1, 0, 0))), CodeMalformed},
}

// hostileLarge are the shapes that need more than a few dozen bytes.
var hostileLarge = []struct {
	name string
	file func() []byte
}{
	{"100,000 parameters", func() []byte {
		return wasm(section(SectionType, vec(join(raw(0x60), repeat(100_000, byte(I32)), raw(0)))))
	}},
	{"300 KB of nested blocks", func() []byte { return one(body(nested(100_000)...)) }},
	{"50,000 locals × 10,000 loops", func() []byte {
		return one(bodyOf(vec(join(u(50_000), raw(byte(I64)))), bytes.Repeat(raw(0x03, 0x40, 0x0b), 10_000)...))
	}},
	{"9,999 locals × 10,000 loops", func() []byte {
		return one(bodyOf(vec(join(u(9_999), raw(byte(I64)))), bytes.Repeat(raw(0x03, 0x40, 0x0b), 10_000)...))
	}},
	{"a million br_table targets", func() []byte { return one(body(join(raw(0x0e), repeat(1_000_000, 0), raw(0))...)) }},
	{"64 br_tables of 16,000 targets", func() []byte {
		return one(body(bytes.Repeat(join(raw(0x0e), repeat(16_000, 0), raw(0)), 64)...))
	}},
	{"a million custom sections", func() []byte { return wasm(bytes.Repeat(section(SectionCustom, str("")), 1_000_000)) }},
	{"a body of 2 MiB", func() []byte { return one(body(bytes.Repeat(raw(0x01), 2<<20)...)) }},
	{"17 MiB", func() []byte { return wasm(section(SectionCustom, str(""), make([]byte, 17<<20))) }},
}

// allocated returns the bytes that f allocates, and what little else runs beside it.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestParse_Hostile(t *testing.T) {
	const most = 64 << 10
	for _, tc := range hostile {
		t.Run(tc.name, func(t *testing.T) {
			if n := len(tc.file); n > 39 {
				t.Errorf("the file has %d bytes; the point is that few are enough", n)
			}
			var err error
			limits := DefaultLimits()
			if n := allocated(func() { _, err = Parse(tc.file, limits) }); n > most {
				t.Errorf("%d bytes were allocated", n)
			}
			if !errors.Is(err, tc.code) {
				t.Errorf("have %v, want %s", err, tc.code)
			}
		})
	}
	for _, tc := range hostileLarge {
		t.Run(tc.name, func(t *testing.T) {
			file := tc.file()
			var err error
			limits := DefaultLimits()
			if n := allocated(func() { _, err = Parse(file, limits) }); n > 4*most {
				t.Errorf("%d bytes were allocated", n)
			}
			if !errors.Is(err, CodeLimitExceeded) && !errors.Is(err, CodeTooLarge) {
				t.Errorf("have %v, want a limit", err)
			}
		})
	}
}

// TestParse_Cut cuts a module that has everything at each byte: no prefix is a module, except where
// whole sections are missing that nothing refers to.
func TestParse_Cut(t *testing.T) {
	for _, file := range [][]byte{everything(), elementForms04(), code(0x41, 0, 0x1a)} {
		m := mustParse(t, file)
		ends := map[int]bool{headerBytes: true}
		for _, s := range m.Sections {
			ends[s.End] = true
		}
		for cut := range file {
			if _, err := Parse(file[:cut:cut], DefaultLimits()); err == nil && !ends[cut] {
				t.Errorf("accepted when cut to %d of %d bytes", cut, len(file))
			}
		}
	}
}
