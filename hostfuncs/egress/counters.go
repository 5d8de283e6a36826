package egress

import (
	"maps"
	"sync"
	"sync/atomic"
)

// Counters count what one connector's way out came to. Their methods may be called at once, and nothing in them is of a
// size that a guest or a service chooses.
type Counters struct {
	// Retries are requests that were sent again, CircuitsOpened circuits that were closed and opened, Connections those
	// that a guest opened itself; ConnectionsOpen are those of them that are open.
	Retries, CircuitsOpened, Connections atomic.Uint64
	ConnectionsOpen                      atomic.Int64

	mu       sync.Mutex // protects failures
	failures map[Failure]uint64
}

// Failure is a way in which what a guest asked for came to nothing. All its texts are from lists of the host's.
type Failure struct {
	// Capability is what was used, as a manifest names it.
	Capability string
	Code       Code
	// Class says what was denied, with [CodeEgressDenied]: capability where nothing of it is requested or granted, manifest
	// where it was not requested, rule or method where it was not granted, or the class of the address.
	Class string
}

// Fail counts one failure of what a guest asked for. Of a call that has ended there is nothing to count.
func (c *Counters) Fail(capability string, e *Error) {
	if e.Code == CodeEnded {
		return
	}
	f := Failure{Capability: capability, Code: e.Code}
	if e.Code == CodeEgressDenied {
		f.Class = e.Denial.what()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failures == nil {
		c.failures = make(map[Failure]uint64)
	}
	c.failures[f]++
}

// Failures says how often each happened.
func (c *Counters) Failures() map[Failure]uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.failures)
}

// what names what was denied; nil is for a capability as a whole.
func (d *Denial) what() string {
	switch {
	case d == nil:
		return "capability"
	case d.NotRequested:
		return "manifest"
	case d.Method != "":
		return "method"
	case d.Class == ClassNone:
		return "rule"
	}
	return d.Class.String()
}
