package abi

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"sluice/runtime/module"
	"sluice/runtime/sandbox"
)

func TestWASI(t *testing.T) {
	const (
		success = int32(wasiSuccess)
		badF    = int32(wasiBadF)
		fault   = int32(wasiFault)
		inval   = int32(wasiInval)
		last    = memoryEnd - 4
	)
	tests := []struct {
		function string
		args     []uint64
		want     int32
		at       uint64
		memory   string
	}{
		{"args_get", []uint64{0, 0}, success, 0, ""},
		{"args_get", []uint64{highest, highest}, success, 0, ""},
		{"args_sizes_get", []uint64{64, 72}, success, 64, "\x00\x00\x00\x00____\x00\x00\x00\x00"},
		{"args_sizes_get", []uint64{64, last}, success, 64, "\x00\x00\x00\x00____"},
		{"args_sizes_get", []uint64{64, last + 1}, fault, 0, ""},
		{"args_sizes_get", []uint64{highest, 64}, fault, 0, ""},
		{"environ_get", []uint64{0, 0}, success, 0, ""},
		{"environ_sizes_get", []uint64{64, 64}, success, 64, "\x00\x00\x00\x00____"},
		{"environ_sizes_get", []uint64{last + 1, 64}, fault, 64, "____"},
		{"clock_res_get", []uint64{0, 64}, success, 64, "\xe8\x03\x00\x00\x00\x00\x00\x00____"},
		{"clock_res_get", []uint64{3, 64}, success, 64, "\xe8\x03"},
		{"clock_res_get", []uint64{4, 64}, inval, 64, "____"},
		{"clock_res_get", []uint64{highest, 64}, inval, 64, "____"},
		{"clock_res_get", []uint64{0, memoryEnd - 7}, fault, 0, ""},
		{"clock_time_get", []uint64{4, 0, 64}, inval, 64, "____"},
		{"clock_time_get", []uint64{0, 1, memoryEnd - 7}, fault, 0, ""},
		{"random_get", []uint64{memoryEnd, 0}, success, 0, ""},
		{"random_get", []uint64{memoryEnd - 1, 2}, fault, memoryEnd - 1, "_"},
		{"random_get", []uint64{highest, highest}, fault, 0, ""},
		{"fd_read", []uint64{0, highest, highest, 64}, success, 64, "\x00\x00\x00\x00____"},
		{"fd_read", []uint64{0, 0, 1, last + 1}, fault, 0, ""},
		{"fd_read", []uint64{1, 0, 1, 64}, badF, 64, "____"},
		{"fd_read", []uint64{3, 0, 1, 64}, badF, 64, "____"},
		{"fd_close", []uint64{2}, success, 0, ""},
		{"fd_close", []uint64{3}, badF, 0, ""},
		{"fd_close", []uint64{highest}, badF, 0, ""},
		{"fd_fdstat_set_flags", []uint64{0, 4}, success, 0, ""},
		{"fd_fdstat_set_flags", []uint64{3, 4}, badF, 0, ""},
		{"fd_fdstat_get", []uint64{0, 64}, success, 64, "\x02" + strings.Repeat("\x00", 7) + "\x02" + strings.Repeat("\x00", 15) + "____"},
		{"fd_fdstat_get", []uint64{2, 64}, success, 64, "\x02" + strings.Repeat("\x00", 7) + "\x40" + strings.Repeat("\x00", 15) + "____"},
		{"fd_fdstat_get", []uint64{3, 64}, badF, 64, "____"},
		{"fd_fdstat_get", []uint64{1, memoryEnd - 23}, fault, memoryEnd - 8, "________"},
		{"fd_prestat_get", []uint64{3, 64}, badF, 64, "____"},
		{"fd_prestat_get", []uint64{0, highest}, badF, 0, ""},
		{"sched_yield", nil, success, 0, ""},
	}
	for _, tc := range tests {
		t.Run(fmt.Sprint(tc.function, tc.args), func(t *testing.T) {
			g := newGuest(t, &Call{})
			g.put(64, strings.Repeat("_", 64))
			g.put(memoryEnd-8, "________")
			g.want(tc.want, tc.function, tc.args...)
			g.wantMemory(tc.at, tc.memory)
		})
	}
}

// Everything else links, does nothing, and says that it is not there.
func TestWASI_NotImplemented(t *testing.T) {
	host := module.WASIHost()
	g := newGuest(t, &Call{})
	n := 0
	for _, name := range host.Functions() {
		if _, ok := wasiFunctions[name]; ok {
			continue
		}
		n++
		f, _ := host.Function(name)
		args := make([]uint64, len(f.Params))
		for i := range args {
			args[i] = 64
		}
		if name == "fd_allocate" {
			args[0] = highest
		}
		g.want(int32(wasiNoSys), name, args...)
		if got := g.get64(64); got != 0 {
			t.Errorf("%s wrote %#x", name, got)
		}
	}
	if n != len(host.Functions())-len(wasiFunctions) || n < 25 {
		t.Errorf("%d functions of %d are not implemented", n, len(host.Functions()))
	}
	for name := range wasiFunctions {
		if _, ok := host.Function(name); !ok {
			t.Errorf("%s is implemented, and no function of WASI", name)
		}
	}
	for name := range nativeFunctions {
		if _, ok := module.NativeHost().Function(name); !ok {
			t.Errorf("%s is implemented, and not in the ABI", name)
		}
	}
	for _, name := range module.NativeHost().Functions() {
		if nativeFunctions[name] == nil {
			t.Errorf("%s is in the ABI, and not implemented", name)
		}
	}
}

func TestWASI_Clocks(t *testing.T) {
	g := newGuest(t, &Call{})
	before := uint64(time.Now().UnixNano())
	g.want(0, "clock_time_get", wasiClockRealtime, 0, 64)
	if got := g.get64(64); got < before || got > uint64(time.Now().UnixNano()) {
		t.Errorf("the time of day is %d", got)
	}
	for clock := uint64(1); clock < wasiClocks; clock++ {
		g.want(0, "clock_time_get", clock, 1<<60, 64)
		first := g.get64(64)
		g.want(0, "clock_time_get", clock, 0, 64)
		if second := g.get64(64); second < first || second > uint64(time.Since(processStart)) {
			t.Errorf("clock %d: %d, then %d", clock, first, second)
		}
	}
}

func TestWASI_Write(t *testing.T) {
	c := &Call{}
	g := newGuest(t, c)
	g.put(1024, "Hello, world")
	vectors := func(pairs ...uint64) (at, n uint64) {
		var b []byte
		for _, v := range pairs {
			b = binary.LittleEndian.AppendUint32(b, uint32(v))
		}
		at, _ = g.put(64, string(b))
		return at, uint64(len(pairs) / 2)
	}
	write := func(want int32, fd uint64, pairs ...uint64) {
		t.Helper()
		at, n := vectors(pairs...)
		g.want(want, "fd_write", fd, at, n, 512)
	}
	write(0, 1, 1024, 5, 1029, 2)
	if got := g.get32(512); got != 7 {
		t.Errorf("wrote %d", got)
	}
	write(0, 2, 1031, 5, memoryEnd, 0)
	write(0, 2)
	if got := g.get32(512); got != 0 {
		t.Errorf("wrote %d", got)
	}
	if got := string(c.Stderr()); got != "Hello, world" {
		t.Errorf("got %q", got)
	}
	write(int32(wasiBadF), 0, 1024, 5)
	write(int32(wasiBadF), 3, 1024, 5)
	write(int32(wasiFault), 1, memoryEnd-1, 2)
	write(int32(wasiFault), 1, highest, highest)
	g.want(int32(wasiInval), "fd_write", 1, 64, wasiVectors+1, 512)
	g.want(int32(wasiInval), "fd_write", 1, 64, highest, 512)
	g.want(int32(wasiFault), "fd_write", 1, memoryEnd-8, 2, 512)
	at, n := vectors(1024, 1)
	g.want(int32(wasiFault), "fd_write", 1, at, n, memoryEnd-3)

	// What is kept is bounded, however much is written, and the guest is not told.
	at, n = vectors(0, memoryEnd, 0, memoryEnd, 0, memoryEnd)
	for range 100 {
		g.want(0, "fd_write", 2, at, n, 512)
		if got := g.get32(512); got != 3*memoryEnd {
			t.Fatalf("wrote %d", got)
		}
	}
	if len(c.Stderr()) != stderrLimit || cap(c.Stderr()) > 4*stderrLimit {
		t.Errorf("kept %d bytes, %d allocated", len(c.Stderr()), cap(c.Stderr()))
	}
}

func TestWASI_Exit(t *testing.T) {
	for status, want := range map[uint64]sandbox.FaultKind{0: sandbox.ExitedNormally, 1: sandbox.Exited, highest: sandbox.Exited} {
		g := newGuest(t, &Call{})
		_, err := g.try(context.Background(), "proc_exit", status)
		g.wantFault(err, want)
	}
}
