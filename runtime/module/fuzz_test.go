package module

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
)

// checkModule checks what must hold for every accepted module: sections tile the file, the stripped file says
// the same as the whole one, and every body decodes to its end.
func checkModule(t testing.TB, m *Module) {
	t.Helper()
	at := headerBytes
	for i, s := range m.Sections {
		if s.Offset != at || s.Body <= s.Offset || s.End < s.Body {
			t.Fatalf("section %d stands at %+v, want its offset at %d", i, s, at)
		}
		at = s.End
	}
	if at != len(m.file) {
		t.Fatalf("the sections end at %d of %d", at, len(m.file))
	}

	stripped := m.Bounded()
	limits := DefaultLimits()
	limits.ModuleBytes = len(m.file) + 64 // room for the maxima of tables
	again, err := Parse(stripped, limits)
	if err != nil {
		t.Fatalf("without custom sections: %v", err)
	}
	if len(again.Customs) != 0 || !bytes.Equal(again.Bounded(), stripped) {
		t.Fatal("stripping twice differs from stripping once")
	}
	for i := range again.Tables {
		if i >= m.ImportedTables && again.Tables[i] != m.bounded(m.Tables[i]) {
			t.Fatalf("table %d is %+v, and was %+v", i, again.Tables[i], m.Tables[i])
		}
		again.Tables[i] = m.Tables[i]
	}
	if a, b := withoutPlaces(m), withoutPlaces(again); !reflect.DeepEqual(a, b) {
		t.Fatalf("stripping changed the module:\n%+v\n%+v", a, b)
	}
	walkCode(t, m)

	// None of these may panic.
	if abi, err := m.ABI(); err == nil {
		_ = m.CheckExports(abi)
	}
	_ = m.CheckImports(NativeHost(), WASIHost())
}

// withoutPlaces returns a copy of the module without offsets and custom sections.
func withoutPlaces(m *Module) Module {
	c := *m
	c.file, c.Sections, c.Customs = nil, nil, nil
	c.Imports = append([]Import(nil), m.Imports...)
	for i := range c.Imports {
		c.Imports[i].Offset = 0
	}
	c.Exports = append([]Export(nil), m.Exports...)
	for i := range c.Exports {
		c.Exports[i].Offset = 0
	}
	return c
}

// walkCode decodes every body once more by the instruction table alone: it must meet the body's end exactly, with
// as many ends as blocks.
func walkCode(t testing.TB, m *Module) {
	t.Helper()
	s, ok := m.Section(SectionCode)
	if !ok {
		return
	}
	r := reader{b: m.file, pos: s.Body, end: s.End}
	var in instruction
	for range r.u32() {
		size := int(r.u32())
		r.end = r.pos + size
		for range r.u32() {
			r.u32()
			r.valueType()
		}
		open := 1
		for r.pos < r.end {
			at := r.pos
			r.instruction(&in)
			if in.at != at || r.pos <= at {
				t.Fatalf("an instruction at %d says it stands at %d and ends at %d", at, in.at, r.pos)
			}
			if in.imm == immBlock {
				open++
			}
			if in.op == opEnd {
				open--
			}
		}
		if r.err != nil || open != 0 {
			t.Fatalf("a body ends with %d open blocks, error %v", open, r.err)
		}
		r.end = s.End
	}
	if r.pos != s.End {
		t.Fatalf("the bodies end at %d, the section at %d", r.pos, s.End)
	}
}

// FuzzParse looks for bytes that make Parse panic, allocate more than in proportion to the file, or accept what it
// reads differently a second time.
func FuzzParse(f *testing.F) {
	for _, tc := range refusals {
		f.Add(tc.file)
	}
	for _, tc := range hostile {
		f.Add(tc.file)
	}
	f.Add(everything())
	f.Add(elementForms04())
	f.Add(guest([]string{"sluice:host/v1 read", "wasi_snapshot_preview1 fd_write"}, "describe", "execute", "_start"))
	eachOpcode(func(encoded []byte, op operation) {
		if op.imm != immUnknown {
			f.Add(oneFunction(bodyOf(vec(raw(1, byte(I32))), join(encoded, immediates[op.imm])...)))
		}
	})
	f.Fuzz(func(t *testing.T, b []byte) {
		limits := DefaultLimits()
		var (
			m   *Module
			err error
		)
		// The largest expansion is an export of five bytes; the constant is for the test's own machinery.
		most := uint64(len(b))*128 + 256<<10
		if n := allocated(func() { m, err = Parse(b, limits) }); n > most {
			t.Fatalf("%d bytes were allocated for a file of %d", n, len(b))
		}
		if err == nil {
			checkModule(t, m)
			return
		}
		var e *Error
		if !errors.As(err, &e) || m != nil {
			t.Fatalf("have %v and %v, want an *Error alone", m, err)
		}
		if e.Code == "" || e.Message == "" || e.Offset > int64(len(b)) {
			t.Fatalf("the refusal is incomplete: %+v", e)
		}
	})
}
