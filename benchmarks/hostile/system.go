package main

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"time"
)

// resident is how much memory the process has, in bytes; 0 where the system does not tell.
func resident(pid int) int64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(text, []byte("\nVmRSS:"))
	fields := strings.Fields(string(rest[:min(len(rest), 64)]))
	if len(fields) == 0 {
		return 0
	}
	kib, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return 0
	}
	return kib << 10
}

// parsePauses reads a line that Go writes with GODEBUG=gctrace=1: the times for which a collection stopped the world, at
// its beginning and at its end. Each counts from when the runtime asked for the stop, so that the wait for guests is in it.
//
//	gc 7 @0.52s 1%: 0.018+1.1+0.004 ms clock, …
//
// See https://pkg.go.dev/runtime#hdr-Environment_Variables
func parsePauses(line string) (pauses [2]time.Duration, ok bool) {
	if !strings.HasPrefix(line, "gc ") {
		return pauses, false
	}
	_, rest, found := strings.Cut(line, "%: ")
	clock, _, clocked := strings.Cut(rest, " ms clock")
	parts := strings.Split(clock, "+")
	if !found || !clocked || len(parts) != 3 {
		return pauses, false
	}
	for i, part := range []string{parts[0], parts[2]} {
		ms, err := strconv.ParseFloat(part, 64)
		if err != nil {
			return pauses, false
		}
		pauses[i] = time.Duration(ms * float64(time.Millisecond))
	}
	return pauses, true
}
