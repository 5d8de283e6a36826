package abi

import (
	"context"
	"time"

	"sluice/runtime/sandbox"

	"github.com/tetratelabs/wazero/api"
)

// These are the errors of WASI preview 1 that are answered here.
// See https://github.com/WebAssembly/WASI/blob/wasi-0.1/preview1/docs.md#errno
const (
	wasiSuccess uint64 = 0
	wasiBadF    uint64 = 8
	wasiFault   uint64 = 21
	wasiInval   uint64 = 28
	wasiNoSys   uint64 = 52
)

// wasiFunctions is as much of WASI preview 1 as a program needs that computes, prints, and tells the time. There is no
// descriptor beyond 2 and no state that could outlive a call. What is not here answers ENOSYS.
// See https://github.com/WebAssembly/WASI/blob/wasi-0.1/preview1/docs.md
var wasiFunctions = map[string]api.GoModuleFunc{
	"args_get":            wasi(func(context.Context, *Call, api.Memory, []uint64) uint64 { return wasiSuccess }),
	"args_sizes_get":      wasi(wasiNoStrings),
	"environ_get":         wasi(func(context.Context, *Call, api.Memory, []uint64) uint64 { return wasiSuccess }),
	"environ_sizes_get":   wasi(wasiNoStrings),
	"clock_res_get":       wasi(wasiClockRes),
	"clock_time_get":      wasi(wasiClockTime),
	"random_get":          wasi(wasiRandom),
	"fd_read":             wasi(wasiRead),
	"fd_write":            wasi(wasiWrite),
	"fd_close":            wasi(wasiStandardOnly),
	"fd_fdstat_get":       wasi(wasiFdstat),
	"fd_fdstat_set_flags": wasi(wasiStandardOnly),
	// Programs count preopened folders until they meet EBADF, and give up on any other error.
	"fd_prestat_get": wasi(func(context.Context, *Call, api.Memory, []uint64) uint64 { return wasiBadF }),
	"poll_oneoff":    wasi(wasiPoll),
	"sched_yield":    wasi(func(context.Context, *Call, api.Memory, []uint64) uint64 { return wasiSuccess }),
	"proc_exit": func(_ context.Context, _ api.Module, stack []uint64) {
		panic(sandbox.Exit{Status: uint32(stack[0])})
	},
}

func notImplemented(ctx context.Context, _ api.Module, stack []uint64) {
	sandbox.Spend(ctx, hostCall)
	stack[0] = wasiNoSys
}

func wasi(f func(ctx context.Context, c *Call, mem api.Memory, stack []uint64) uint64) api.GoModuleFunc {
	return func(ctx context.Context, guest api.Module, stack []uint64) {
		interruptible(ctx.Err())
		sandbox.Spend(ctx, hostCall)
		stack[0] = f(ctx, callOf(ctx), guest.Memory(), stack)
	}
}

// wasiNoStrings answers that there are no arguments, or no environment.
func wasiNoStrings(_ context.Context, _ *Call, mem api.Memory, stack []uint64) uint64 {
	if !mem.WriteUint32Le(uint32(stack[0]), 0) || !mem.WriteUint32Le(uint32(stack[1]), 0) {
		return wasiFault
	}
	return wasiSuccess
}

const (
	wasiClockRealtime = 0
	wasiClocks        = 4 // realtime, monotonic, and two of CPU time, which are the monotonic one here
)

var processStart = time.Now()

func wasiNow(c *Call, clock uint32) uint64 {
	if clock == wasiClockRealtime {
		return uint64(c.Host.Now())
	}
	return uint64(time.Since(processStart))
}

func wasiClockRes(_ context.Context, _ *Call, mem api.Memory, stack []uint64) uint64 {
	if uint32(stack[0]) >= wasiClocks {
		return wasiInval
	}
	if !mem.WriteUint64Le(uint32(stack[1]), 1000) {
		return wasiFault
	}
	return wasiSuccess
}

func wasiClockTime(_ context.Context, c *Call, mem api.Memory, stack []uint64) uint64 {
	clock := uint32(stack[0])
	if clock >= wasiClocks {
		return wasiInval
	}
	if !mem.WriteUint64Le(uint32(stack[2]), wasiNow(c, clock)) {
		return wasiFault
	}
	return wasiSuccess
}

func wasiRandom(ctx context.Context, c *Call, mem api.Memory, stack []uint64) uint64 {
	p, ok := mem.Read(uint32(stack[0]), uint32(stack[1]))
	if !ok {
		return wasiFault
	}
	c.fillRandom(ctx, p)
	return wasiSuccess
}

// wasiRead answers that standard input is at its end.
func wasiRead(_ context.Context, _ *Call, mem api.Memory, stack []uint64) uint64 {
	if uint32(stack[0]) != 0 {
		return wasiBadF
	}
	if !mem.WriteUint32Le(uint32(stack[3]), 0) {
		return wasiFault
	}
	return wasiSuccess
}

// wasiVectors bounds how many pieces one fd_write gathers.
const wasiVectors = 1024

func wasiWrite(ctx context.Context, c *Call, mem api.Memory, stack []uint64) uint64 {
	fd, vectors, count, written := uint32(stack[0]), uint32(stack[1]), uint32(stack[2]), uint32(stack[3])
	if fd != 1 && fd != 2 {
		return wasiBadF
	}
	if count > wasiVectors {
		return wasiInval
	}
	list, ok := mem.Read(vectors, count*8)
	if !ok {
		return wasiFault
	}
	sandbox.Spend(ctx, len(list))
	var n uint32
	for ; len(list) > 0; list = list[8:] {
		p, ok := mem.Read(le32(list), le32(list[4:]))
		if !ok {
			return wasiFault
		}
		spendCopy(ctx, c.stderr.add(p))
		n += uint32(len(p))
	}
	if !mem.WriteUint32Le(written, n) {
		return wasiFault
	}
	return wasiSuccess
}

func wasiStandardOnly(_ context.Context, _ *Call, _ api.Memory, stack []uint64) uint64 {
	if uint32(stack[0]) > 2 {
		return wasiBadF
	}
	return wasiSuccess
}

// wasiFdstat says that 0 to 2 are character devices: what a program does not buffer whole.
func wasiFdstat(_ context.Context, _ *Call, mem api.Memory, stack []uint64) uint64 {
	fd := uint32(stack[0])
	if fd > 2 {
		return wasiBadF
	}
	const (
		size            = 24
		characterDevice = 2
		rightRead       = 1 << 1
		rightWrite      = 1 << 6
	)
	p, ok := mem.Read(uint32(stack[1]), size)
	if !ok {
		return wasiFault
	}
	clear(p)
	p[0] = characterDevice
	if fd == 0 {
		p[8] = rightRead
	} else {
		p[8] = rightWrite
	}
	return wasiSuccess
}

func le32(b []byte) uint32 {
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}

func le64(b []byte) uint64 { return uint64(le32(b)) | uint64(le32(b[4:]))<<32 }
