package hostile

import (
	"encoding/binary"
	"math"
	"strings"

	w "sluice/runtime/sandbox/wasmtest"
)

// floods write more than anybody wants to read.
func floods() []Module {
	const megabyte = 1 << 20
	large := w.Module{Pages: full}
	log := w.Code(w.I32(1), w.I32(free), w.I32(64), w.Call(hostLog), w.Drop)
	write := w.Code(w.I32(free), w.I32(megabyte), w.Call(hostWrite), w.Drop)
	answer := w.Code(w.I32(atHead), w.I32(len(head)), w.Call(hostAnswer), w.Drop)
	// gather is fd_write of 1,024 pieces, each of which is all of the memory.
	var vectors strings.Builder
	for range 1024 {
		vectors.Write(binary.LittleEndian.AppendUint32(make([]byte, 4), fullBytes))
	}
	gather := w.Code(w.I32(2), w.I32(free), w.I32(1024), w.I32(atCanary-4), w.Call(wasiFdWrite), w.Drop)
	lists := w.Module{Pages: full, Data: []w.Data{{At: free, Text: vectors.String()}}}
	// Headers of no length cost the host a hundred times what they cost the guest.
	headers := `{"method":"GET","url":"http://x/","headers":[` + strings.Repeat(`["",""],`, 40_000) + `["",""]]}`
	heads := guest{Module: w.Module{Pages: full, Data: []w.Data{{At: free, Text: headers}}},
		harm: w.Loop(w.I32(free), w.I32(len(headers)), w.I32(0), w.I32(0), w.Call(hostHTTPSend), w.Drop, w.Br(0))}
	// Names are copied by the host, unless they can't be any.
	names := w.Code(w.I32(0), w.I32(fullBytes), w.I32(0), w.I32(48), w.Call(hostSecret), w.Drop,
		w.I32(0), w.I32(fullBytes), w.Call(hostSecretValue), w.Drop,
		w.I32(0), w.I32(fullBytes), w.I32(0), w.I32(fullBytes), w.I32(0), w.I32(0), w.Call(hostHMAC), w.Drop, w.I32(0), w.I32(fullBytes), w.Call(hostCacheGet), w.Drop)
	return []Module{
		heads.burning("flood-of-headers"),
		guest{Module: large, harm: w.Loop(names, w.Br(0))}.burning("flood-of-long-names"),
		guest{Module: w.Module{Data: []w.Data{{At: free, Text: strings.Repeat("spam", 16)}}}, harm: w.Loop(log, w.Br(0))}.burning("flood-of-log-lines"),
		guest{Module: w.Module{Data: []w.Data{{At: free, Text: strings.Repeat("spam", 16)}}}, harm: w.Repeat(10_000, log)}.module("flood-of-10000-log-lines", OK),
		guest{Module: large, harm: w.Code(w.I32(1), w.I32(0), w.I32(fullBytes), w.Call(hostLog), w.I32(0), w.I32GeS, w.If(w.Unreachable))}.module("log-line-of-64-mib", OK),
		guest{Module: w.Module{Data: []w.Data{{At: free, Text: "a\n{\"level\":\"ERROR\"}"}}}, harm: w.Code(
			w.I32(1), w.I32(free), w.I32(19), w.Call(hostLog), w.I32(0), w.I32GeS, w.If(w.Unreachable))}.module("log-line-with-a-break", OK),
		guest{Module: large, harm: w.Loop(write, w.Br(0))}.burning("flood-of-output"),
		guest{Module: large, harm: w.Repeat(17, write)}.module("output-of-17-mib", output),
		guest{Module: large, harm: w.Code(w.I32(0), w.I32(fullBytes), w.Call(hostWrite), w.Drop)}.module("output-of-64-mib-at-once", output),
		guest{harm: w.Loop(w.I32(free), w.I32(1), w.Call(hostWrite), w.Drop, w.Br(0))}.burning("flood-of-single-bytes"),
		guest{harm: w.Loop(w.I32(1), w.Call(hostWriteFrom), w.Drop, w.Br(0))}.burning("flood-of-the-context"),
		guest{harm: w.Loop(w.I32(0), w.Call(hostIsJSON), w.Drop, w.Br(0))}.burning("flood-of-questions"),
		guest{Module: large, harm: w.Loop(w.I32(free), w.I32(8), w.I32(0), w.I32(megabyte), w.I64(60_000), w.Call(hostCachePut), w.Drop,
			w.I32(free), w.I32(8), w.Call(hostCacheGet), w.Drop, w.Br(0))}.burning("flood-of-the-cache"),
		guest{harm: w.Loop(answer, w.Br(0))}.burning("flood-of-answers"),
		guest{Module: large, harm: w.Code(w.I32(0), w.I32(megabyte), w.Call(hostAnswer), w.Drop)}.module("answer-of-1-mib", output),
		guest{Module: lists, harm: w.Loop(gather, w.Br(0))}.burning("flood-of-prints"),
		guest{Module: large, harm: w.Loop(w.I32(free), w.I32(fullBytes-free), w.Call(hostRandom), w.Drop, w.Br(0))}.burning("flood-of-randomness"),
		guest{Module: large, harm: w.Repeat(1_000, w.I32(free), w.I32(fullBytes-free), w.Call(wasiRandomGet), w.Drop)}.burning("flood-of-randomness-in-straight-code"),
		guest{harm: w.Loop(w.I32(1), w.I64(0), w.I32(free), w.I32(page), w.Call(hostRead), w.Drop, w.Br(0))}.burning("flood-of-reads"),
	}
}

// waits use no processor, and never end by themselves.
func waits() []Module {
	sleep := func(ms int64) []byte { return w.Code(w.I64(ms), w.Call(hostSleep), w.Drop) }
	// subscribed polls n clocks that ring after so many nanoseconds.
	subscribed := func(n int, timeout uint64, flags byte) guest {
		const size = 48
		record := make([]byte, size)
		binary.LittleEndian.PutUint32(record[16:], 1) // the monotonic clock
		binary.LittleEndian.PutUint64(record[24:], timeout)
		record[40] = flags
		return guest{
			Module: w.Module{Data: []w.Data{{At: free, Text: strings.Repeat(string(record), n)}}},
			harm:   w.Code(w.I32(free), w.I32(free+n*size), w.I32(n), w.I32(free+n*size*2), w.Call(wasiPollOneoff), w.Drop),
		}
	}
	clocks := subscribed(64, math.MaxUint64, 0)
	return append(clocks.inEveryPhase(clocks.module("wait-for-clocks", deadline)),
		subscribed(1, math.MaxUint64, 1).module("wait-for-the-end-of-time", deadline),
		subscribed(65, math.MaxUint64, 0).module("wait-for-too-many", OK),
		guest{harm: sleep(math.MaxInt64)}.module("sleep", deadline),
		guest{harm: sleep(math.MinInt64)}.module("sleep-backwards", OK),
		guest{harm: w.Loop(sleep(1), w.Br(0))}.module("sleep-again-and-again", deadline),
		guest{harm: sleep(math.MaxInt64), phase: Describe}.module("sleep-describe", OK),
	)
}
