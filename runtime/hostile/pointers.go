package hostile

import (
	"strings"

	w "sluice/runtime/sandbox/wasmtest"
)

// pieces are pairs of address and length that leave a memory of two pages, or go around the end of what 32 bits address.
var pieces = [][2]int{
	{-1, 1}, {-1, -1}, {-16, 32}, {0, -1}, {1, -1}, {0, pages*page + 1}, {pages * page, 1}, {pages*page - 1, 2},
	{pages*page + 1, 1 << 20}, {1 << 31, 1 << 31}, {1<<31 - 1, 1 << 31}, {free, 1 << 30}, {1 << 24, 8},
}

// pointers hand every host function addresses and lengths that lead out of memory. Each call must fail and do nothing; a
// guest that is told otherwise traps.
func pointers() []Module {
	// all calls a function with each of the pieces, between the arguments before and behind them.
	all := func(function int, before []byte, behind ...int) (code []byte) {
		for _, piece := range pieces {
			code = append(code, w.Code(before, fails(function, append(piece[:], behind...)...))...)
		}
		return code
	}
	shapes := []struct {
		name string
		harm []byte
	}{
		{"read", w.Code(all(hostRead, w.Code(w.I32(0), w.I64(0))), all(hostRead, w.Code(w.I32(1), w.I64(-1))))},
		{"write", all(hostWrite, nil)},
		{"answer", all(hostAnswer, nil)},
		{"log", w.Code(all(hostLog, w.I32(1)), all(hostLog, w.I32(-1)))},
		{"random", all(hostRandom, nil)},
		{"http-send", w.Code(all(hostHTTPSend, nil, 0, 0), all(hostHTTPSend, nil, -1, -1), all(hostHTTPSend, w.Code(w.I32(atHead), w.I32(len(head)))))},
		{"http-header", w.Code(all(hostHTTPHeader, w.I32(2), free, 8), all(hostHTTPHeader, w.Code(w.I32(2), w.I32(free), w.I32(8))))},
		{"secret", w.Code(all(hostSecret, nil, free, 48), all(hostSecret, w.Code(w.I32(free), w.I32(1))), all(hostSecretValue, nil))},
		{"hmac", w.Code(all(hostHMAC, nil, free, 6, free, 8), all(hostHMAC, w.Code(w.I32(free), w.I32(4)), free, 8),
			all(hostHMAC, w.Code(w.I32(free), w.I32(4), w.I32(free), w.I32(6))))},
		{"cache", w.Code(all(hostCacheGet, nil), all(hostCacheDelete, nil))},
		{"random-get", all(wasiRandomGet, nil)},
		{"poll-oneoff", w.Code(fails(wasiPollOneoff, -48, free, 1, free), fails(wasiPollOneoff, free, -8, 1, free),
			fails(wasiPollOneoff, -1, -1, 64, -1), fails(wasiPollOneoff, pages*page-47, free, 1, free), fails(wasiPollOneoff, free, free, -1, free))},
		{"fd-write", w.Code(fails(wasiFdWrite, 1, -8, 1, free), fails(wasiFdWrite, 1, -1, 1024, free),
			fails(wasiFdWrite, 1, pages*page-8191, 1024, free), fails(wasiFdWrite, 2, free, -1, free))},
	}
	var modules []Module
	for _, s := range shapes {
		modules = append(modules, guest{harm: s.harm}.module("pointers-to-"+s.name, OK))
	}
	// These take an address and write a few bytes there.
	var edges []byte
	for _, at := range []int{-1, -4, pages * page, pages*page - 3, 1 << 31, 1<<31 - 1} {
		edges = append(edges, w.Code(
			fails(wasiClockResGet, 0, at),
			w.I32(0), w.I64(1), fails(wasiClockTimeGet, at),
			fails(wasiFdstatGet, 1, at),
			fails(wasiArgsSizesGet, at, free),
			fails(wasiEnvironSizesGet, free, at),
			fails(wasiFdRead, 0, free, 0, at),
			fails(wasiFdWrite, 1, free, 0, at))...)
	}
	// A piece of fd_write lies outside, though the list of pieces does not.
	outside := w.Code(
		w.I32(free), w.I32(-1), w.I32Store(0), w.I32(free), w.I32(2), w.I32Store(4), fails(wasiFdWrite, 1, free, 1, free))
	return append(modules,
		guest{harm: edges}.module("pointers-to-results", OK),
		guest{harm: outside}.module("pointers-in-a-list", OK))
}

// fails calls a function with the arguments, behind those that are on the stack, and traps where it succeeds: where its
// result is 0 in WASI, 0 or more in the native ABI.
func fails(function int, arguments ...int) []byte {
	var code []byte
	for _, a := range arguments {
		code = append(code, w.I32(a)...)
	}
	if function >= wasiProcExit {
		return w.Code(code, w.Call(function), w.I32Eqz, w.If(w.Unreachable))
	}
	return w.Code(code, w.Call(function), w.I32(0), w.I32GeS, w.If(w.Unreachable))
}

// handles names handles that are not there, and takes more than there are.
func handles() []Module {
	var wrong []byte
	for _, h := range []int{2, 3, 1023, 1 << 20, 1<<31 - 1, 1 << 31, -1} {
		wrong = append(wrong, w.Code(
			w.I32(h), w.I64(0), fails(hostRead, free, 16), fails(hostClose, h),
			w.I32(h), w.Call(hostSize), w.I64(0), w.I64GeS, w.If(w.Unreachable))...)
	}
	// wrongToo are handles of bodies and of nothing where a head's is asked for.
	var wrongToo []byte
	for _, h := range []int{0, 1, 3, 4, 5, 1 << 31, -1} {
		wrongToo = append(wrongToo, w.Code(fails(hostHTTPStatus, h), fails(hostHTTPHeader, h, free, 8, free, 64))...)
	}
	for _, h := range []int{4, 1 << 31, -1} {
		wrongToo = append(wrongToo, w.Code(fails(hostIsJSON, h), fails(hostWriteFrom, h))...)
	}
	const request = `{"method":"GET","url":"http://127.0.0.1:1/"}`
	asks := w.Module{Data: []w.Data{{At: free, Text: request}}}
	send := w.Code(w.I32(free), w.I32(len(request)), w.I32(0), w.I32(0), w.Call(hostHTTPSend))
	local := []w.Locals{{Count: 1, Type: 'i'}}
	const length = 16 << 20
	// huge asks with a head of 16 MiB, most of it in a header.
	text := `{"method":"GET","url":"http://127.0.0.1:1/","headers":[["x","`
	huge := w.Module{Pages: length/page + pages, Data: []w.Data{{At: free, Text: text}}}
	end := `"]]}`
	huge.Data = append(huge.Data, w.Data{At: free + length - len(end), Text: end})
	return []Module{
		guest{harm: wrong}.module("handles-that-are-not", OK),
		guest{Module: asks, harm: w.Code(send, w.Drop, wrongToo)}.module("handles-of-other-things", OK),
		guest{Module: asks, harm: w.Code(send, w.Drop, w.Loop(w.I32(2), w.I32(0), w.I32(page), w.I32(0), w.I32(page),
			w.Call(hostHTTPHeader), w.Drop, w.Br(0)))}.burning("headers-for-ever"),
		guest{Module: asks, harm: w.Loop(send, w.I32(0), w.I32GeS, w.BrIf(0))}.module("handles-until-none-is-left", OK),
		guest{Module: asks, harm: w.Loop(send, w.Drop, w.Br(0))}.burning("handles-for-ever"),
		guest{Module: asks, locals: local, harm: w.Loop(send, w.LocalTee(0), w.Call(hostClose), w.Drop,
			w.LocalGet(0), w.I32(1), w.I32Add, w.Call(hostClose), w.Drop, w.Br(0))}.burning("handles-closed-for-ever"),
		guest{Module: asks, locals: local, harm: w.Code(send, w.LocalSet(0),
			w.LocalGet(0), w.Call(hostClose), w.If(w.Unreachable), w.LocalGet(0), fails(hostClose))}.module("handle-closed-twice", OK),
		guest{Module: huge, harm: w.Code(
			w.I32(free+len(text)), w.I32('x'), w.I32(length-len(text)-len(end)), w.MemoryFill,
			fails(hostHTTPSend, free, length, 0, 0))}.module("http-head-of-16-mib", OK),
		guest{harm: fails(hostHTTPSend, free, page, 0, 0)}.module("http-head-of-zeros", OK),
		guest{Module: w.Module{Data: []w.Data{{At: free, Text: strings.Repeat("[", 40<<10)}}}, harm: fails(hostHTTPSend, free, 40<<10, 0, 0)}.module("http-head-nested", OK),
	}
}
