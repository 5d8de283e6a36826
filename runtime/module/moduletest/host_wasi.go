package moduletest

import (
	"encoding/binary"
	"fmt"
)

// The errors of WASI that the tests meet.
const (
	wasiBadDescriptor = 8
	wasiFault         = 21
	wasiNoSystem      = 52
)

// wasiFunctions are those of WASI that are there. What stands for a descriptor is one of the standard streams.
var wasiFunctions = map[string]func(*hostCall) int64{
	"args_sizes_get":    func(c *hostCall) int64 { return c.noStrings() },
	"args_get":          func(*hostCall) int64 { return 0 },
	"environ_sizes_get": func(c *hostCall) int64 { return c.noStrings() },
	"environ_get":       func(*hostCall) int64 { return 0 },
	"clock_time_get": func(c *hostCall) int64 {
		if !c.memory.WriteUint64Le(c.i32(2), uint64(c.now())) {
			return wasiFault
		}
		return 0
	},
	"random_get": func(c *hostCall) int64 {
		b, ok := c.bytes(0, 1)
		if !ok {
			return wasiFault
		}
		c.fill(b)
		return 0
	},
	"sched_yield":         func(*hostCall) int64 { return 0 },
	"fd_prestat_get":      func(*hostCall) int64 { return wasiBadDescriptor },
	"fd_close":            func(*hostCall) int64 { return wasiBadDescriptor },
	"fd_fdstat_get":       func(c *hostCall) int64 { return c.descriptorStatus() },
	"fd_write":            func(c *hostCall) int64 { return c.vectors(c.writeVector) },
	"fd_read":             func(c *hostCall) int64 { return c.vectors(c.readVector) },
	"poll_oneoff":         func(c *hostCall) int64 { return c.poll() },
	"proc_exit":           func(c *hostCall) int64 { panic(Exit{c.i32(0)}) },
	"clock_res_get":       func(c *hostCall) int64 { return c.resolution() },
	"fd_fdstat_set_flags": func(*hostCall) int64 { return 0 },
}

// noStrings says that there are no arguments, or variables of the environment.
func (c *hostCall) noStrings() int64 {
	if !c.put32(c.i32(0), 0) || !c.put32(c.i32(1), 0) {
		return wasiFault
	}
	return 0
}

func (c *hostCall) resolution() int64 {
	if !c.memory.WriteUint64Le(c.i32(1), 1) {
		return wasiFault
	}
	return 0
}

// descriptorStatus describes the standard streams as character devices.
func (c *hostCall) descriptorStatus() int64 {
	if c.i32(0) > 2 {
		return wasiBadDescriptor
	}
	const characterDevice, size = 2, 24
	status := make([]byte, size)
	status[0] = characterDevice
	if !c.memory.Write(c.i32(1), status) {
		return wasiFault
	}
	return 0
}

// vectors calls transfer with each buffer of a scattered read or write, until one is not used to its end.
func (c *hostCall) vectors(transfer func([]byte) int) int64 {
	if c.i32(0) > 2 {
		return wasiBadDescriptor
	}
	total := 0
	for n := range c.i32(2) {
		entry, ok := c.memory.Read(c.i32(1)+8*n, 8)
		if !ok {
			return wasiFault
		}
		b, ok := c.memory.Read(binary.LittleEndian.Uint32(entry), binary.LittleEndian.Uint32(entry[4:]))
		if !ok {
			return wasiFault
		}
		done := transfer(b)
		if total += done; done < len(b) {
			break
		}
	}
	if !c.put32(c.i32(3), uint32(total)) {
		return wasiFault
	}
	return 0
}

func (c *hostCall) writeVector(b []byte) int {
	c.note(fmt.Sprintf("stream %d", c.i32(0)), b)
	if c.i32(0) == 1 {
		c.Output = append(c.Output, b...)
	}
	return len(b)
}

func (c *hostCall) readVector(b []byte) int {
	n := copy(b, c.Params[c.stdin:])
	c.stdin += n
	return n
}

// poll reports every subscription as due, and moves the clock on by a millisecond.
func (c *hostCall) poll() int64 {
	const subscription, event = 48, 32
	c.clock += 1e6
	for n := range c.i32(2) {
		s, ok := c.memory.Read(c.i32(0)+n*subscription, subscription)
		if !ok {
			return wasiFault
		}
		e := make([]byte, event)
		copy(e, s[:8]) // what the guest knows it by
		e[10] = s[8]   // its kind
		if !c.memory.Write(c.i32(1)+n*event, e) {
			return wasiFault
		}
	}
	if !c.put32(c.i32(3), c.i32(2)) {
		return wasiFault
	}
	return 0
}
