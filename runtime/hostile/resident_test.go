package hostile_test

import (
	"bytes"
	"os"
	"runtime/debug"
	"strconv"
	"testing"
	"time"
)

// residentMemory is how much memory the process has, in bytes, after Go has given back what it does not need; 0 where the
// system does not tell.
func residentMemory(t testing.TB) uint64 {
	t.Helper()
	debug.FreeOSMemory()
	return resident(t)
}

func resident(t testing.TB) uint64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(text, []byte("\nVmRSS:"))
	fields := bytes.Fields(rest)
	if len(fields) == 0 {
		t.Fatal("/proc/self/status has no VmRSS")
	}
	kib, err := strconv.ParseUint(string(fields[0]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

// peakMemory is the most memory that the process was seen to have while do ran, in bytes.
func peakMemory(t testing.TB, do func()) uint64 {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	most := resident(t)
	for {
		select {
		case <-done:
			return max(most, resident(t))
		case <-time.After(2 * time.Millisecond):
			most = max(most, resident(t))
		}
	}
}
