package module_test

import (
	"context"
	"strings"
	"testing"

	"sluice/runtime/module"
	"sluice/runtime/module/moduletest"
	"sluice/runtime/sandbox/wasmtest"
)

// recursion makes a module whose export "run" calls itself as often as it is told, in a frame with these locals and so much
// on the operand stack, and returns the sum of all that.
func recursion(locals []wasmtest.Locals, operands int) []byte {
	code := wasmtest.Code(
		wasmtest.Repeat(operands, wasmtest.I32(1)),
		wasmtest.LocalGet(0), []byte{0x04, 0x7f}, // if (result i32)
		wasmtest.LocalGet(0), wasmtest.I32(1), wasmtest.I32Sub, wasmtest.Call(0), wasmtest.I32(1), wasmtest.I32Add,
		[]byte{0x05}, wasmtest.I32(0), []byte{0x0b},
		wasmtest.Repeat(operands, wasmtest.I32Add),
	)
	return wasmtest.Module{
		Functions: []wasmtest.Function{{Export: "run", Params: "i", Results: "i", Locals: locals, Code: code}}, Pages: 1,
	}.Bytes()
}

// recursionOfResults makes a module whose export "run" has many results, those of its call of itself.
func recursionOfResults(n int) []byte {
	return wasmtest.Module{
		Functions: []wasmtest.Function{{Export: "run", Params: "i", Results: strings.Repeat("I", n), Code: wasmtest.Code(
			wasmtest.LocalGet(0), wasmtest.Call(0))}}, Pages: 1,
	}.Bytes()
}

// TestRewrite_Depth calls functions of many shapes deeply: 1,900 frames of a plain one are not too deep in any form, and
// every one is stopped by the depth counter before the engine's stack is a few times larger than the counter says.
func TestRewrite_Depth(t *testing.T) {
	serial(t)
	const (
		plainDepth = 1_900
		// The engine doubles its stack, and allocates it anew each time.
		mostStack = 8 * moduletest.DefaultDepth
	)
	tests := []struct {
		name  string
		file  []byte
		plain bool
	}{
		{"plain", recursion(nil, 0), true},
		{"20 locals", recursion([]wasmtest.Locals{{Count: 20, Type: 'I'}}, 0), true},
		{"1,000 operands", recursion(nil, 1_000), false},
		{"3,000 locals", recursion([]wasmtest.Locals{{Count: 3_000, Type: 'F'}}, 0), false},
		{"1,500 vectors", recursion([]wasmtest.Locals{{Count: 1_500, Type: 'v'}}, 0), false},
		{"60 results", recursionOfResults(60), false},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			s := checkRewrite(t, tc.file)
			for _, k := range moduletest.AllKinds() {
				w, err := moduletest.NewWorld(t.Context(), k, nil)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = w.Close(context.Background()) }()
				i, err := w.Instantiate(t.Context(), s)
				if err != nil {
					t.Fatal(err)
				}
				if out := i.Call(t.Context(), "run", plainDepth); tc.plain && (out.Trap != "" || uint32(out.Results[0]) != plainDepth) {
					t.Errorf("%s: %d frames: have %s", k, plainDepth, out)
				}
				var out moduletest.Outcome
				stack := module.Allocated(func() { out = i.Call(t.Context(), "run", 1<<30) })
				if k == (moduletest.Kind{Form: moduletest.Rewritten}) && stack > mostStack {
					t.Errorf("%s: %d bytes were allocated for a stack that was to be %d", k, stack, moduletest.DefaultDepth)
				}
				if out.Trap != moduletest.TrapExhaustion {
					t.Errorf("%s: have %s, want the trap %s", k, out, moduletest.TrapExhaustion)
				}
				if k == (moduletest.Kind{Form: moduletest.Rewritten}) && !out.Deep {
					t.Errorf("%s: the engine stopped the guest, not the depth counter: %s", k, out.Detail)
				}
				if out := i.Call(t.Context(), "run", 0); tc.plain && out.Trap != "" {
					t.Errorf("%s: after exhaustion: have %s", k, out)
				}
			}
		})
	}
}
