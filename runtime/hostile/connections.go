package hostile

import (
	"strings"

	w "sluice/runtime/sandbox/wasmtest"
)

// connections hand the functions for connections addresses that lead out of memory and handles that are none, and open
// more than there may be.
func connections() []Module {
	const firstConnection = 1<<24 + 1
	refused := w.Code(w.I32(0), w.I32GeS, w.If(w.Unreachable))
	var wild []byte
	for _, piece := range pieces {
		wild = append(wild, fails(hostTCPOpen, piece[0], piece[1])...)
		for _, function := range []int{hostTCPRead, hostTCPWrite} {
			wild = append(wild, w.Code(w.I32(firstConnection), w.I32(piece[0]), w.I32(piece[1]), w.I64(-1), w.Call(function), refused)...)
		}
		wild = append(wild, fails(hostTCPTLS, firstConnection, piece[0], piece[1])...)
	}
	var wrong []byte
	for _, h := range []int{0, 1, 2, 3, firstConnection - 1, firstConnection, firstConnection + 1, 1<<24 + 1024, 1 << 31, -1} {
		for _, function := range []int{hostTCPRead, hostTCPWrite} {
			wrong = append(wrong, w.Code(w.I32(h), w.I32(free), w.I32(16), w.I64(0), w.Call(function), refused)...)
		}
		wrong = append(wrong, w.Code(fails(hostTCPTLS, h, 0, 0), w.I32(max(h, firstConnection)), w.Call(hostClose), refused)...)
	}
	const request = `{"address":"127.0.0.1:1"}`
	asks := w.Module{Data: []w.Data{{At: free, Text: request}}}
	open := w.Code(w.I32(free), w.I32(len(request)), w.Call(hostTCPOpen))
	local := []w.Locals{{Count: 1, Type: 'i'}}
	nested := w.Module{Data: []w.Data{{At: free, Text: strings.Repeat("[", 4<<10)}}}
	return []Module{
		guest{Module: asks, harm: w.Code(open, w.Drop, wild)}.module("pointers-to-connections", OK),
		guest{harm: wrong}.module("connections-that-are-not", OK),
		guest{Module: asks, harm: w.Loop(open, w.I32(0), w.I32GeS, w.BrIf(0))}.module("connections-until-none-is-left", OK),
		guest{Module: asks, harm: w.Loop(open, w.Drop, w.Br(0))}.burning("connections-for-ever"),
		guest{Module: asks, locals: local, harm: w.Loop(open, w.Call(hostClose), w.Drop, w.Br(0))}.burning("connections-closed-for-ever"),
		guest{harm: w.Loop(w.I32(firstConnection), w.I32(free), w.I32(page), w.I64(-1), w.Call(hostTCPRead), w.Drop, w.Br(0))}.burning("connections-read-for-ever"),
		guest{Module: nested, harm: w.Code(fails(hostTCPOpen, free, 4<<10), fails(hostTCPOpen, free, 4<<10+1))}.module("connection-head-nested", OK),
	}
}
