package module_test

import (
	"fmt"
	"slices"
	"testing"

	"sluice/runtime/module/moduletest"
	"sluice/runtime/sandbox/wasmtest"
)

// What opcodeModule has for instructions to work on.
const (
	opcodeGlobal   = 0 // mutable, i32
	tableFunctions = 0 // of functions
	tableHost      = 1 // of host references
)

// snippet returns code that uses an instruction, and leaves the stack as it found it.
func snippet(t testing.TB, o moduletest.Operation) []byte {
	t.Helper()
	if o.AdHoc {
		code, ok := snippets[o.Op]
		if !ok {
			t.Fatalf("there is no code that uses the instruction %#x", o.Op)
		}
		return code
	}
	var code []byte
	for _, l := range []byte(o.Params) {
		code = append(code, moduletest.Zero(l)...)
	}
	code = append(code, o.Op.Encode()...)
	switch o.Imm {
	case moduletest.ImmMemarg:
		code = append(code, o.Align, 0x80, 0x01)
	case moduletest.ImmMemargLane:
		code = append(code, o.Align, 3, o.Lanes-1)
	case moduletest.ImmLane:
		code = append(code, o.Lanes-1)
	case moduletest.ImmShuffle:
		for i := range byte(16) {
			code = append(code, o.Lanes-1-i)
		}
	case moduletest.ImmMemory, moduletest.ImmElem:
		code = append(code, 0)
	case moduletest.ImmMemories:
		code = append(code, 0, 0)
	case moduletest.ImmMemoryInit:
		code = append(code, 1, 0)
	case moduletest.ImmData:
		code = append(code, 1)
	case moduletest.ImmI32, moduletest.ImmI64:
		code = append(code, 0xff, 0x7e)
	case moduletest.ImmF32:
		code = append(code, make([]byte, 4)...)
	case moduletest.ImmF64:
		code = append(code, make([]byte, 8)...)
	case moduletest.ImmV128:
		code = append(code, make([]byte, 16)...)
	}
	for range o.Results {
		code = append(code, wasmtest.Drop...)
	}
	return code
}

// snippets uses the instructions whose operands depend on the module, or that are part of others.
var snippets = func() map[moduletest.Opcode][]byte {
	zero := wasmtest.I32(0)
	null := []byte{0xd0, 0x70}
	j := slices.Concat[[]byte]
	return map[moduletest.Opcode][]byte{
		moduletest.OpUnreachable:  j(zero, wasmtest.If(wasmtest.Unreachable)),
		moduletest.OpNop:          {0x01},
		moduletest.OpBlock:        {0x02, 0x7f, 0x41, 0, 0x0b, 0x1a},
		moduletest.OpLoop:         {0x03, 0x7f, 0x41, 0, 0x0b, 0x1a},
		moduletest.OpIf:           {0x41, 0, 0x04, 0x40, 0x0b},
		moduletest.OpElse:         {0x41, 0, 0x04, 0x7e, 0x42, 0, 0x05, 0x42, 1, 0x0b, 0x1a},
		moduletest.OpEnd:          {0x02, 0x40, 0x0b},
		moduletest.OpBr:           {0x02, 0x40, 0x0c, 0, 0x0b},
		moduletest.OpBrIf:         {0x02, 0x40, 0x41, 0, 0x0d, 0, 0x0b},
		moduletest.OpBrTable:      {0x02, 0x40, 0x02, 0x40, 0x41, 0, 0x0e, 2, 0, 1, 0, 0x0b, 0x0b},
		moduletest.OpReturn:       j(zero, []byte{0x04, 0x40, 0x41, 0, 0x42, 0, 0x0f, 0x0b}),
		moduletest.OpCall:         j(zero, []byte{0x04, 0x40}, wasmtest.Call(1), []byte{0x1a, 0x1a, 0x0b}),
		moduletest.OpCallIndirect: j(zero, []byte{0x04, 0x40, 0x41, 1, 0x11, 1, 0, 0x1a, 0x1a, 0x0b}),
		moduletest.OpDrop:         j(zero, wasmtest.Drop),
		moduletest.OpSelect:       j(zero, zero, zero, []byte{0x1b, 0x1a}),
		moduletest.OpSelectTyped:  j(null, null, zero, []byte{0x1c, 1, 0x70, 0x1a}),
		moduletest.OpLocalGet:     j(wasmtest.LocalGet(0), wasmtest.Drop),
		moduletest.OpLocalSet:     j(zero, wasmtest.LocalSet(0)),
		moduletest.OpLocalTee:     j(zero, wasmtest.LocalTee(0), wasmtest.Drop),
		moduletest.OpGlobalGet:    j(wasmtest.GlobalGet(opcodeGlobal), wasmtest.Drop),
		moduletest.OpGlobalSet:    j(zero, wasmtest.GlobalSet(opcodeGlobal)),
		moduletest.OpTableGet:     {0x41, 0, 0x25, tableFunctions, 0x1a},
		moduletest.OpTableSet:     j(zero, null, []byte{0x26, tableFunctions}),
		moduletest.OpTableInit:    {0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 0x0c, 0, tableFunctions},
		moduletest.OpTableCopy:    {0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 0x0e, tableFunctions, tableFunctions},
		moduletest.OpTableGrow:    j([]byte{0xd0, 0x6f}, zero, []byte{0xfc, 0x0f, tableHost, 0x1a}),
		moduletest.OpTableSize:    {0xfc, 0x10, tableHost, 0x1a},
		moduletest.OpTableFill:    j(zero, []byte{0xd0, 0x6f}, zero, []byte{0xfc, 0x11, tableHost}),
		moduletest.OpRefNull:      {0xd0, 0x6f, 0x1a},
		moduletest.OpRefIsNull:    {0xd0, 0x70, 0xd1, 0x1a},
		moduletest.OpRefFunc:      {0xd2, 1, 0x1a},
	}
}()

// opcodeModule makes a module whose function 1, which function 2 calls, uses an instruction at every nesting, behind
// returns and in dead code. Function 0 is imported.
func opcodeModule(code []byte) []byte {
	j := slices.Concat[[]byte]
	results := []byte{0x41, 7, 0x42, 9}
	leave := j(results, []byte{0x0f})
	body := j(
		code,
		[]byte{0x02, 0x40}, code, []byte{0x0b},
		[]byte{0x03, 0x40}, code, []byte{0x03, 0x40}, code, []byte{0x0b, 0x0b},
		wasmtest.LocalGet(0), []byte{0x04, 0x40}, code, []byte{0x05}, code, []byte{0x0b},
		wasmtest.LocalGet(1), []byte{0x04, 0x40}, code, leave, code, []byte{0x0b},
		[]byte{0x02, 0x40}, code, []byte{0x0c, 0}, code, []byte{0x0b},
		code, leave, code, results,
	)
	locals := []wasmtest.Locals{{Count: 2, Type: 'i'}, {Count: 1, Type: 'v'}}
	caller := j(wasmtest.Call(1), leave, wasmtest.Call(0), wasmtest.Call(2))
	return wasmtest.Binary(
		wasmtest.Section(wasmtest.SectionType, wasmtest.Vector(wasmtest.Signature("", ""), wasmtest.Signature("", "iI"))),
		wasmtest.Section(wasmtest.SectionImport, wasmtest.Vector(j(wasmtest.Name(moduletest.GeneratedHost), wasmtest.Name("0"), []byte{0, 0}))),
		wasmtest.Section(wasmtest.SectionFunction, []byte{2, 1, 1}),
		wasmtest.Section(wasmtest.SectionTable, []byte{2, 0x70, 0, 4, 0x6f, 1, 1, 3}),
		wasmtest.Section(wasmtest.SectionMemory, []byte{1, 1, 1, 3}),
		wasmtest.Section(wasmtest.SectionGlobal, []byte{1, 0x7f, 1, 0x41, 0, 0x0b}),
		wasmtest.Section(wasmtest.SectionExport, wasmtest.Vector(j(wasmtest.Name("f"), []byte{0, 1}), j(wasmtest.Name("g"), []byte{0, 2}))),
		wasmtest.Section(wasmtest.SectionElement, []byte{1, 1, 0, 1, 1}),
		wasmtest.Section(wasmtest.SectionDataCount, []byte{2}),
		wasmtest.Section(wasmtest.SectionCode, wasmtest.Vector(wasmtest.Body(locals, body), wasmtest.Body(nil, caller))),
		wasmtest.Section(wasmtest.SectionData, []byte{2, 0, 0x41, 1, 0x0b, 1, 'x', 1, 1, 'y'}),
	)
}

// TestRewrite_Opcodes takes every instruction of WebAssembly 2.0 through the rewriter: what comes out is accepted by the gate
// and both engines, has the original's instructions in their order, and does the same.
func TestRewrite_Opcodes(t *testing.T) {
	all := moduletest.Operations()
	// The numbers of instructions in the versions of the specification.
	if want := 172 + 5 + 6 + 8 + 10 + 236; len(all) != want {
		t.Fatalf("%d instructions, WebAssembly 2.0 has %d", len(all), want)
	}
	g := newGeneratedWorlds(t, moduletest.AllKinds())
	for _, o := range all {
		code := snippet(t, o)
		t.Run(fmt.Sprintf("%#02x", o.Op), func(t *testing.T) {
			file := opcodeModule(code)
			checkRewrite(t, file)
			g.run(t, moduletest.Program{File: file, Calls: []moduletest.GeneratedCall{{Export: "f"}, {Export: "g"}}})
		})
	}
}

// checkRewrite checks what of a rewritten module can be seen without running it.
func checkRewrite(t testing.TB, file []byte) *moduletest.Subject {
	t.Helper()
	s, err := moduletest.NewSubject(file, unlimited())
	if err != nil {
		t.Fatal(err)
	}
	if d := moduletest.CheckStructure(s, unlimited()); d != "" {
		t.Fatal(d)
	}
	return s
}
