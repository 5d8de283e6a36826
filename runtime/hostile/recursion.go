package hostile

import (
	"strings"

	w "sluice/runtime/sandbox/wasmtest"
)

// recursions call themselves until the stack is full.
func recursions() []Module {
	functions := func(list ...w.Function) guest { return guest{harm: w.Call(own), Module: w.Module{Functions: list}} }
	again := w.Call(own)
	indirect := functions(w.Function{Code: w.Code(w.I32(0), w.CallIndirect(0))})
	indirect.Types, indirect.Tables = []w.Type{{}}, []w.Table{{Type: 'r', Initial: 1}}
	indirect.Elements = []w.Element{{Functions: []int{own}}}
	// sum adds 1 to what the next one returns, so that there is no tail to call.
	sum := functions(w.Function{Params: "i", Results: "i", Code: w.Code(w.LocalGet(0), w.I32(1), w.I32Add, w.Call(own), w.I32(1), w.I32Add)})
	sum.harm = w.Code(w.I32(0), w.Call(own), w.Drop)
	wide := functions(w.Function{
		Params: strings.Repeat("I", 256), Results: strings.Repeat("I", 64),
		Code: w.Code(w.Repeat(256, w.I64(1)), w.Call(own)),
	})
	wide.harm = w.Code(w.Repeat(256, w.I64(1)), w.Call(own), w.Repeat(64, w.Drop))
	shapes := []struct {
		name string
		guest
	}{
		{"recursion-mutual", functions(w.Function{Code: w.Call(own + 1)}, w.Function{Code: w.Call(own)})},
		{"recursion-indirect", indirect},
		{"recursion-with-results", sum},
		{"recursion-with-many-parameters", wide},
		{"recursion-with-many-locals", functions(w.Function{
			Locals: []w.Locals{{Count: 9_999, Type: 'I'}}, Code: w.Code(keepAlive(9_999), again, readAll(9_999)),
		})},
		{"recursion-with-spilled-values", functions(w.Function{Code: w.Code(w.Repeat(5_000, w.MemorySize), again, w.Repeat(5_000, w.Drop))})},
		{"recursion-with-spilled-vectors", functions(w.Function{Code: w.Code(w.Repeat(2_000, zeroVector), again, w.Repeat(2_000, w.Drop))})},
		{"recursion-in-a-loop", functions(w.Function{Code: w.Loop(again, w.Br(0))})},
		{"recursion-below-a-loop", functions(w.Function{Locals: []w.Locals{{Count: 1, Type: 'i'}}, Code: w.Code(
			w.Loop(w.LocalGet(0), w.I32(1), w.I32Add, w.LocalTee(0), w.I32(1_000), w.I32LtS, w.BrIf(0)), again)})},
		{"recursion-with-host-calls", functions(w.Function{Code: w.Code(w.Call(hostNow), w.Drop, again)})},
		{"recursion-behind-a-condition", functions(w.Function{Code: w.Code(w.MemorySize, w.If(again))})},
	}
	endless := functions(w.Function{Code: again})
	all := endless.inEveryPhase(endless.module("recursion", depth))
	for _, s := range shapes {
		all = append(all, s.module(s.name, depth))
	}
	return all
}

// keepAlive gives every local another value; readAll needs them all.
func keepAlive(locals int) []byte {
	var code []byte
	for n := range locals {
		code = append(code, w.Code(w.Call(hostNow), w.LocalSet(n))...)
	}
	return code
}

func readAll(locals int) []byte {
	code := w.I64(0)
	for n := range locals {
		code = append(code, w.Code(w.LocalGet(n), w.I64Add)...)
	}
	return append(code, w.Drop...)
}
