package hostile

import (
	"math"
	"slices"
	"strings"

	w "sluice/runtime/sandbox/wasmtest"
)

// traps end themselves by what WebAssembly forbids.
func traps() []Module {
	table := w.Module{
		Types:    []w.Type{{}, {Params: "i", Results: "i"}},
		Tables:   []w.Table{{Type: 'r', Initial: 4}},
		Elements: []w.Element{{Functions: []int{own}}},
	}
	table.Functions = []w.Function{{}}
	nan := float32(math.NaN())
	shapes := []struct {
		name string
		guest
	}{
		{"divide-by-zero", guest{harm: w.Code(w.I32(1), w.I32(0), w.I32DivS, w.Drop)}},
		{"divide-by-zero-unsigned", guest{harm: w.Code(w.I32(1), w.I32(0), w.I32DivU, w.Drop)}},
		{"remainder-by-zero", guest{harm: w.Code(w.I32(1), w.I32(0), w.I32RemS, w.Drop)}},
		{"remainder-by-zero-unsigned", guest{harm: w.Code(w.I32(1), w.I32(0), w.I32RemU, w.Drop)}},
		{"divide-overflow", guest{harm: w.Code(w.I32(math.MinInt32), w.I32(-1), w.I32DivS, w.Drop)}},
		{"divide-64-by-zero", guest{harm: w.Code(w.I64(1), w.I64(0), w.I64DivS, w.Drop)}},
		{"divide-64-overflow", guest{harm: w.Code(w.I64(math.MinInt64), w.I64(-1), w.I64DivS, w.Drop)}},
		{"remainder-64-by-zero", guest{harm: w.Code(w.I64(1), w.I64(0), w.I64RemS, w.Drop)}},
		{"float-to-int-nan", guest{harm: w.Code(w.F32(nan), w.I32TruncF32S, w.Drop)}},
		{"float-to-int-too-large", guest{harm: w.Code(w.F64(1e300), w.I32TruncF64U, w.Drop)}},
		{"float-to-int-negative", guest{harm: w.Code(w.F32(-5), w.I64TruncF32U, w.Drop)}},
		{"float-to-int-infinite", guest{harm: w.Code(w.F64(math.Inf(1)), w.I64TruncF64S, w.Drop)}},
		{"load-out-of-bounds", guest{harm: w.Code(w.I32(pages*page-3), w.I32Load(0), w.Drop)}},
		{"load-at-4-gib", guest{harm: w.Code(w.I32(-1), w.I32Load(most), w.Drop)}},
		{"load-64-out-of-bounds", guest{harm: w.Code(w.I32(-8), w.Load64, w.Drop)}},
		{"store-out-of-bounds", guest{harm: w.Code(w.I32(-4), w.I32(1), w.I32Store(8))}},
		{"store-64-out-of-bounds", guest{harm: w.Code(w.I32(pages*page-4), w.I64(1), w.Store64)}},
		{"call-of-another-type", guest{Module: table, harm: w.Code(w.I32(1), w.I32(0), w.CallIndirect(1), w.Drop)}},
		{"call-of-null", guest{Module: table, harm: w.Code(w.I32(1), w.CallIndirect(0))}},
		{"call-out-of-the-table", guest{Module: table, harm: w.Code(w.I32(-1), w.CallIndirect(0))}},
	}
	unreachable := guest{harm: w.Unreachable}
	all := unreachable.inEveryPhase(unreachable.module("unreachable", crashed))
	for _, s := range shapes {
		all = append(all, s.module(s.name, crashed))
	}
	return all
}

// exits end themselves by WASI.
func exits() []Module {
	exit := func(status int) []byte { return w.Code(w.I32(status), w.Call(wasiProcExit)) }
	one, highest := guest{harm: exit(1)}, guest{harm: exit(-1)}
	// A guest that ends without a word before it is in service may be taken to have nothing to do there.
	early := guest{harm: exit(0), phase: Start}.module("exit-0-start", OK)
	early.Refused = []string{describeFailed}
	earlier := guest{harm: exit(0), phase: Initialize}.module("exit-0-initialize", OK)
	earlier.Refused = early.Refused
	return append(slices.Concat(one.inEveryPhase(one.module("exit-1", crashed)), highest.inEveryPhase(highest.module("exit-highest", crashed))),
		early, earlier,
		guest{harm: exit(0), phase: Describe}.refused("exit-0-describe", "invalid_manifest"),
		guest{harm: exit(0), phase: Warm}.module("exit-0-warm", OK),
		guest{harm: exit(0)}.module("exit-0", crashed),
		guest{harm: w.Code(answerFine, exit(0))}.module("exit-0-with-an-answer", OK),
		guest{harm: w.Code(answerFine, exit(1))}.module("exit-1-with-an-answer", crashed),
		guest{harm: w.Code(w.I32(1), w.MemoryGrow, w.Drop, exit(3)), phase: Warm}.module("exit-after-growing-warm", OK),
	)
}

// answers say what no answer may.
func answers() []Module {
	// answering answers with this head and body.
	answering := func(head, body string) guest {
		at := free + len(head)
		return guest{
			Module: w.Module{Pages: (at+len(body))/page + pages, Data: []w.Data{{At: free, Text: head + body}}},
			harm: w.Code(
				w.I32(at), w.I32(len(body)), w.Call(hostWrite), w.Drop,
				w.I32(free), w.I32(len(head)), w.Call(hostAnswer), w.Drop,
				w.I32(0), w.Call(wasiProcExit)),
		}
	}
	heads := []struct{ name, head, body string }{
		{"answer-of-nothing", "", ""},
		{"answer-of-garbage", "\x00\xff\xfe{", "1"},
		{"answer-of-an-array", "[]", "1"},
		{"answer-cut-off", `{"http_status": 200`, "1"},
		{"answer-with-more-behind", `{} {}`, "1"},
		{"answer-misspelt", `{"eror": null}`, "1"},
		{"answer-of-status-99", `{"http_status": 99}`, "1"},
		{"answer-of-status-2e2", `{"http_status": 2e2}`, "1"},
		{"answer-with-a-header-in-the-media-type", `{"mimetype": "text/html\r\nSet-Cookie: a=b"}`, "1"},
		{"answer-bare-with-a-header-in-the-media-type", `{"mimetype": "text/html\r\nSet-Cookie: a=b", "response": {"status": 200}}`, "1"},
		{"answer-bare-of-status-100", `{"response": {"status": 100}}`, "1"},
		{"answer-nested", `{"headers": ` + strings.Repeat(`{"a":`, 30_000) + "1" + strings.Repeat("}", 30_000) + "}", "1"},
		{"answer-error-without-a-code", `{"error": {"code": "", "message": "x"}}`, "1"},
		{"answer-body-of-garbage", `{}`, "\x00\x01\x02"},
		{"answer-body-of-two-values", `{}`, `{} {}`},
		{"answer-body-nested", `{}`, strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)},
		{"answer-body-not-closed", `{}`, strings.Repeat("[", 1<<20)},
		{"answer-body-of-no-utf-8", `{}`, "\"\xff\xfe\""},
		{"answer-text-of-no-utf-8", `{"body": "text"}`, "\xff\xfe"},
	}
	var all []Module
	for _, h := range heads {
		all = append(all, answering(h.head, h.body).module(h.name, crashed))
	}
	return all
}
