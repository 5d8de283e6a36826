package module_test

import (
	"slices"
	"testing"

	"sluice/runtime/module/moduletest"
	"sluice/runtime/sandbox/wasmtest"
)

// TestRewrite_BulkPieces compares bulk operations around the size of the pieces they are done in, with overlaps and at the
// ends of memory and tables.
func TestRewrite_BulkPieces(t *testing.T) {
	const piece, end = 256 << 10, 1 << 20
	// The constant in front is no operation's length.
	parameters := wasmtest.Code(wasmtest.I32(3), wasmtest.Drop, wasmtest.LocalGet(0), wasmtest.LocalGet(1), wasmtest.LocalGet(2))
	op := func(export string, code []byte) wasmtest.Function {
		return wasmtest.Function{Export: export, Params: "iii", Code: wasmtest.Code(parameters, code)}
	}
	pattern := make([]byte, 600_000)
	for i := range pattern {
		pattern[i] = byte(i * 7 >> 3)
	}
	m := wasmtest.Module{
		Pages: end >> 16, MaxPages: end >> 16,
		Passive: []string{string(pattern)},
		Functions: []wasmtest.Function{
			op("copy", wasmtest.MemoryCopy), op("fill", wasmtest.MemoryFill), op("init", wasmtest.MemoryInit(0)),
		},
	}
	g := newGeneratedWorlds(t, moduletest.AllKinds())
	program := moduletest.Program{File: m.Bytes()}
	call := func(export string, args ...uint64) {
		program.Calls = append(program.Calls, moduletest.GeneratedCall{Export: export, Args: args})
	}
	for _, length := range []uint64{0, 1, piece - 1, piece, piece + 1, 2*piece - 1, 2 * piece, 2*piece + 1, end - 1, end, end + 1, 1 << 31, 1<<32 - 1} {
		call("init", 0, 0, 600_000)
		call("init", 17, 5, length)
		call("fill", 9, 0xab, length)
		for _, distance := range []uint64{0, 1, 2, 100, piece - 1, piece, piece + 1} {
			call("init", 0, 0, 600_000)
			call("copy", distance, 0, length)
			call("copy", 0, distance, length)
			call("copy", 1000+distance, 1000, length)
			call("copy", end-distance, 0, length)
			call("copy", 0, end-distance, length)
			call("copy", 1<<32-distance, 0, length)
			call("copy", 0, 1<<32-distance, length)
			call("fill", end-distance, 0x55, length)
			call("init", end-distance, 0, length)
			call("init", 0, 600_000-distance, length)
		}
	}
	for n := range program.Calls {
		for i, a := range program.Calls[n].Args {
			program.Calls[n].Args[i] = a & (1<<32 - 1)
		}
	}
	g.run(t, program)
	t.Logf("%d calls, %d traps", g.calls, g.traps)
	for export, length := range map[string]uint64{"fill": end, "copy": end, "init": 600_000} {
		spends(t, program.File, length/8, length/piece, export, 0, 0, length)
	}
}

// spends checks that a call takes so much fuel, at so many checkpoints, in rewritten form.
func spends(t *testing.T, file []byte, units, checkpoints uint64, export string, args ...uint64) {
	t.Helper()
	w := newGeneratedWorlds(t, []moduletest.Kind{{Form: moduletest.Rewritten}}).all[0]
	i, err := w.Instantiate(t.Context(), checkRewrite(t, file))
	if err != nil {
		t.Fatal(err)
	}
	before, out := i.Spent(), i.Call(t.Context(), export, args...)
	if spent := i.Spent() - before; out.Trap != "" || uint64(spent) < units || uint64(i.Checkpoints()) < checkpoints {
		t.Errorf("%s%d = %s: %d units at %d checkpoints, want at least %d at %d", export, args, out, spent, i.Checkpoints(), units, checkpoints)
	}
}

// tableModule makes a module whose exports do the operations on tables, and one that tells whether an element of table 0 is
// null. Its passive segment 0 has null in every third place.
func tableModule(size, items int) []byte {
	j := slices.Concat[[]byte]
	get := func(n int) []byte { return wasmtest.LocalGet(n) }
	parameters := j(get(0), get(1), get(2))
	function := j(wasmtest.RefFunc(0), []byte{0x0b})
	null := j(wasmtest.RefNull('r'), []byte{0x0b})
	segment := j([]byte{5, 0x70}, wasmtest.U(items))
	for i := range items {
		if i%3 == 0 {
			segment = append(segment, null...)
		} else {
			segment = append(segment, function...)
		}
	}
	limits := j([]byte{0x70, 1}, wasmtest.U(size), wasmtest.U(size))
	var exports [][]byte
	for i, name := range []string{"copy", "across", "init", "fill", "null"} {
		exports = append(exports, j(wasmtest.Name(name), []byte{0}, wasmtest.U(i)))
	}
	return wasmtest.Binary(
		wasmtest.Section(wasmtest.SectionType, wasmtest.Vector(wasmtest.Signature("iii", ""), wasmtest.Signature("i", "i"))),
		wasmtest.Section(wasmtest.SectionFunction, []byte{5, 0, 0, 0, 0, 1}),
		wasmtest.Section(wasmtest.SectionTable, wasmtest.Vector(limits, limits)),
		wasmtest.Section(wasmtest.SectionExport, wasmtest.Vector(exports...)),
		wasmtest.Section(wasmtest.SectionElement, wasmtest.Vector(segment)),
		wasmtest.Section(wasmtest.SectionCode, wasmtest.Vector(
			wasmtest.Body(nil, j(parameters, wasmtest.TableCopy(0))),
			wasmtest.Body(nil, j(parameters, []byte{0xfc, 14, 1, 0}, parameters, []byte{0xfc, 14, 0, 1})),
			wasmtest.Body(nil, j(parameters, wasmtest.TableInit(0, 0))),
			wasmtest.Body(nil, j(get(0), wasmtest.RefFunc(0), get(2), wasmtest.TableFill(0))),
			wasmtest.Body(nil, j(get(0), wasmtest.TableGet(0), []byte{0xd1})),
		)),
	)
}

// TestRewrite_TablePieces does for tables what TestRewrite_BulkPieces does for memory.
func TestRewrite_TablePieces(t *testing.T) {
	serial(t)
	const piece, size, items = 32 << 10, 90_000, 80_000
	var program moduletest.Program
	program.File = tableModule(size, items)
	call := func(export string, args ...uint64) {
		for i := range args {
			args[i] &= 1<<32 - 1
		}
		program.Calls = append(program.Calls, moduletest.GeneratedCall{Export: export, Args: args})
	}
	// look reads elements at the edges of what an operation did.
	look := func(to, length uint64) {
		for _, at := range []uint64{0, to, to + piece, to + 2*piece, to + length, size} {
			for n := at - 2; n != at+3; n++ {
				if n < size {
					call("null", n)
				}
			}
		}
	}
	for _, length := range []uint64{0, piece - 1, piece, piece + 1, 2*piece + 1, items, size, size + 1, 1<<32 - 1} {
		for _, distance := range []uint64{0, 1, piece, piece + 1} {
			for _, export := range []string{"copy", "across", "init", "fill"} {
				for _, places := range [][2]uint64{{distance, 0}, {0, distance}, {size - distance, 0}, {0, size - distance}, {1<<32 - distance, 0}} {
					call("init", 0, 0, items)
					call(export, places[0], places[1], length)
					look(places[0], length)
				}
			}
		}
	}
	g := newGeneratedWorlds(t, moduletest.AllKinds())
	g.run(t, program)
	t.Logf("%d calls, %d traps", g.calls, g.traps)
	for export, length := range map[string]uint64{"fill": size, "copy": size, "init": items} {
		spends(t, program.File, length, length/piece, export, 0, 0, length)
	}
}
