package main

import (
	"encoding/json"
	"unsafe"

	sluice "sluice/guest-sdk/go"
	"sluice/guest-sdk/go/abi"
)

// raw are the commands that go past the SDK. Their definitions stand in the manifest, their functions are run by
// rawGuest.
var raw = []struct {
	definition sluice.Definition
	run        func(abi.Host)
}{
	{sluice.Command("NoAnswer", "Returns without an answer.", unused[none]), func(abi.Host) {}},
	{sluice.Command("BadJSON", "Answers with a body that is no JSON.", unused[none]), badJSON},
	{sluice.Command("BadHead", "Answers with a head that has an unknown member.", unused[none]), badHead},
	{sluice.Command("TwoAnswers", "Answers twice, and tells both results.", unused[none]), twoAnswers},
	{sluice.Command("BadPointer", "Tells what host functions return for bad pointers, lengths and handles.", unused[none]), badPointer},
	{sluice.Command("FetchRaw", "Sends the head of a request as it is, and tells that of the response.", unused[fetchRawParams]), fetchRaw},
}

type fetchRawParams struct {
	Head string `sluice:"head,required" desc:"The request's head, JSON"`
}

func unused[P any](*sluice.Call, P) (sluice.Answer, error) { panic("rawGuest runs this command") }

// rawGuest runs the raw commands, and leaves the rest to the SDK.
type rawGuest struct {
	abi.Guest
	first uint32
}

func registerRaw(first uint32) { abi.Register(rawGuest{abi.Registered(), first}) }

func (g rawGuest) Execute(h abi.Host, command uint32) {
	if command < g.first {
		g.Guest.Execute(h, command)
		return
	}
	raw[command-g.first].run(h)
}

func badJSON(h abi.Host) {
	h.Write([]byte(`{"this": is no JSON`))
	h.Answer([]byte(`{}`))
}

func badHead(h abi.Host) {
	h.Write([]byte(`{}`))
	h.Answer([]byte(`{"eror": {"code": "Misspelt", "message": ""}}`))
}

func twoAnswers(h abi.Host) {
	first := h.Answer([]byte(`{"http_status": 201}`))
	second := h.Answer([]byte(`{"http_status": 202}`))
	writeJSON(h, map[string]int32{"first": first, "second": second})
}

func fetchRaw(h abi.Host) {
	var p struct {
		Head string `json:"head"`
	}
	if err := json.Unmarshal(readAll(h, abi.Params), &p); err != nil {
		h.Trap()
	}
	result := h.HTTPSend([]byte(p.Head), nil)
	if result < 0 {
		writeJSON(h, map[string]any{"result": result, "head": nil})
	} else {
		writeJSON(h, map[string]any{"result": 0, "head": json.RawMessage(readAll(h, uint32(result)))})
	}
	h.Answer([]byte(`{}`))
}

func readAll(h abi.Host, handle uint32) []byte {
	p := make([]byte, max(h.Size(handle), 0))
	return p[:max(h.Read(handle, 0, p), 0)]
}

func writeJSON(h abi.Host, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		h.Trap()
	}
	h.Write(text)
}

// The host functions once more, with numbers for pointers.

//go:wasmimport sluice:host/v1 size
func hostSize(handle uint32) int64

//go:wasmimport sluice:host/v1 read
func hostRead(handle uint32, offset int64, ptr, n uint32) int32

//go:wasmimport sluice:host/v1 close
func hostClose(handle uint32) int32

//go:wasmimport sluice:host/v1 write
func hostWrite(ptr, n uint32) int32

//go:wasmimport sluice:host/v1 answer
func hostAnswer(ptr, n uint32) int32

//go:wasmimport sluice:host/v1 log
func hostLog(level int32, ptr, n uint32) int32

//go:wasmimport sluice:host/v1 random
func hostRandom(ptr, n uint32) int32

//go:wasmimport sluice:host/v1 http_send
func hostHTTPSend(headPtr, headLen, bodyPtr, bodyLen uint32) int32

// memorySize returns the size of the linear memory in pages of 64 KiB.
func memorySize() uint32

// scratch is a place that the host may write to. Memory of a Go guest does not move.
var scratch [64]byte

func badPointer(h abi.Host) {
	const highest = 0xffff_ffff
	valid := uint32(uintptr(unsafe.Pointer(&scratch)))
	last := uint32(uint64(memorySize())<<16 - 1)
	head := []byte(`{"method":"GET","url":"http://127.0.0.1:1/"}`)
	headPtr, headLen := uint32(uintptr(unsafe.Pointer(&head[0]))), uint32(len(head))
	copy(scratch[:], "{}\xff")
	results := map[string]int64{
		"size of an unknown handle":       hostSize(99),
		"size of the highest handle":      hostSize(highest),
		"read from an unknown handle":     int64(hostRead(99, 0, valid, 8)),
		"read past memory":                int64(hostRead(abi.Params, 0, last, 2)),
		"read to the highest pointer":     int64(hostRead(abi.Params, 0, highest, highest)),
		"read with a wrapping length":     int64(hostRead(abi.Params, 0, valid, highest)),
		"read from a negative offset":     int64(hostRead(abi.Params, -1, valid+8, 8)),
		"read from the highest offset":    int64(hostRead(abi.Params, 1<<63-1, valid+8, 8)),
		"close the parameters":            int64(hostClose(abi.Params)),
		"close an unknown handle":         int64(hostClose(99)),
		"write past memory":               int64(hostWrite(last, 2)),
		"write from the highest pointer":  int64(hostWrite(highest, highest)),
		"write with a wrapping length":    int64(hostWrite(valid, highest)),
		"answer past memory":              int64(hostAnswer(last, 2)),
		"log past memory":                 int64(hostLog(abi.Info, last, 2)),
		"log with an unknown level":       int64(hostLog(99, valid, 2)),
		"log with a negative level":       int64(hostLog(-1, valid, 2)),
		"log what is not UTF-8":           int64(hostLog(abi.Info, valid, 3)),
		"random past memory":              int64(hostRandom(last, 2)),
		"random to the highest pointer":   int64(hostRandom(highest, highest)),
		"send a head past memory":         int64(hostHTTPSend(last, 2, 0, 0)),
		"send a body past memory":         int64(hostHTTPSend(headPtr, headLen, last, 2)),
		"send a head that is no JSON":     int64(hostHTTPSend(valid, 3, 0, 0)),
		"send a head without its members": int64(hostHTTPSend(valid, 2, 0, 0)),
	}
	writeJSON(h, results)
	h.Answer([]byte(`{}`))
}
