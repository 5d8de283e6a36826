package egress

import "sync/atomic"

// Cost gathers what opening connections takes of this machine's processor, in units of fuel, about a nanosecond each, as a
// model has it: the same takes the same everywhere. Its methods may be called at once. The zero Cost is ready; a nil one
// gathers nothing.
type Cost struct{ units atomic.Int64 }

// What is certain to be done for a connection: to look its host up and connect, and to agree on keys.
const (
	costOpening   = 50_000
	costHandshake = 500_000
)

// Add adds so many.
func (c *Cost) Add(units int) {
	if c != nil {
		c.units.Add(int64(units))
	}
}

// Take returns what has gathered since the last time.
func (c *Cost) Take() int {
	if c.units.Load() == 0 { // most requests open nothing
		return 0
	}
	return int(c.units.Swap(0))
}
