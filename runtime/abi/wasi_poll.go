package abi

import (
	"context"
	"math"
	"time"

	"sluice/runtime/sandbox"

	"github.com/tetratelabs/wazero/api"
)

// The layout of poll_oneoff's records, in bytes.
// See https://github.com/WebAssembly/WASI/blob/wasi-0.1/preview1/docs.md#subscription
const (
	subscriptionSize = 48
	eventSize        = 32
	// maxSubscriptions bounds one poll. A program has one clock to wait for and three descriptors.
	maxSubscriptions = 64
)

const (
	eventClock   = 0
	eventFdWrite = 2

	clockAbsolute = 1
)

// wasiPoll waits for clocks. The standard descriptors are always ready, others are no descriptors. The wait ends with
// the call's context.
func wasiPoll(ctx context.Context, c *Call, mem api.Memory, stack []uint64) uint64 {
	in, out, count, happened := uint32(stack[0]), uint32(stack[1]), uint32(stack[2]), uint32(stack[3])
	if count == 0 || count > maxSubscriptions {
		return wasiInval
	}
	subs, ok := mem.Read(in, count*subscriptionSize)
	if !ok {
		return wasiFault
	}
	sandbox.Spend(ctx, len(subs))
	// The guest may have the events overlap the subscriptions.
	subs = append([]byte(nil), subs...)
	events, ok := mem.Read(out, count*eventSize)
	if !ok {
		return wasiFault
	}
	var waits [maxSubscriptions]time.Duration
	wait, ready := time.Duration(math.MaxInt64), 0
	for i := range count {
		s := subs[i*subscriptionSize:]
		switch tag := s[8]; {
		case tag == eventClock && le32(s[16:]) < wasiClocks:
			waits[i] = clockWait(c, s)
			wait = min(wait, waits[i])
		case tag > eventFdWrite, tag == eventClock:
			return wasiInval
		default:
			errno := wasiSuccess
			if le32(s[16:]) > 2 {
				errno = wasiBadF
			}
			putEvent(events[ready*eventSize:], s, errno)
			ready++
		}
	}
	if ready == 0 {
		interruptible(c.sleep(ctx, wait))
		// The clocks are not read again: one that was set back meanwhile would leave a poll without any event, which
		// guests do not expect.
		for i := range count {
			if waits[i] <= wait {
				putEvent(events[ready*eventSize:], subs[i*subscriptionSize:], wasiSuccess)
				ready++
			}
		}
	}
	if !mem.WriteUint32Le(happened, uint32(ready)) {
		return wasiFault
	}
	return wasiSuccess
}

// clockWait is how long the clock of a subscription has still to run.
func clockWait(c *Call, s []byte) time.Duration {
	timeout := le64(s[24:])
	if !clockIsRelative(s) {
		now := wasiNow(c, le32(s[16:]))
		if timeout <= now {
			return 0
		}
		timeout -= now
	}
	return time.Duration(min(timeout, math.MaxInt64))
}

func clockIsRelative(s []byte) bool { return s[40]&clockAbsolute == 0 }

func putEvent(event, subscription []byte, errno uint64) {
	clear(event[:eventSize])
	copy(event, subscription[:8]) // the user's data
	event[8] = byte(errno)
	event[10] = subscription[8]
}
