// Package memory gives guests linear memory that starts as a copy of an image, and can be put back to it after every
// call at the price of the pages that were written.
//
// An Image is the content of a guest's memory after its initialisation. Each Memory made from it maps that content
// copy-on-write and reserves the addresses up to its limit behind it, so that growth is a longer slice and the base
// never moves. Reset finds what was written and copies it back. How it finds it is the Mode: Probe picks the best one
// that works here. Only in Copy mode, for systems without any of this, is a memory on Go's heap, and growth may move it.
//
// # Use
//
// A Memory is what the engine's allocator returns. The engine can grow a memory and not shrink it, but it takes the
// slice that it is given: after a Reset, the next Reallocate answers the slice of the image's length whatever it is
// asked for. So the caller ends each call with
//
//	_, err := m.Reset()
//	if err == nil && m.Grown() {
//		guest.Memory().Grow(1)
//	}
//
// for which the maximum that the engine knows must be a page above the limit.
package memory

import (
	"errors"
	"fmt"
	"os"

	"github.com/tetratelabs/wazero/experimental"
)

// Mode is how a Memory knows what to put back.
type Mode int

const (
	// Copy compares everything with the image and copies what differs. It works everywhere.
	Copy Mode = iota
	// Discard drops every page, so that the next use of each faults it in again from the image. Linux 3.17 and later.
	Discard
	// Scan asks the kernel which pages are no longer the image's, and copies those. Linux 6.7 and later.
	Scan
	// Track asks the kernel which pages were written, and copies those. It is the fastest, and needs userfaultfd, which
	// many container runtimes deny. Linux 6.7 and later.
	Track
)

// String is the mode's name in logs and metrics.
func (m Mode) String() string {
	switch m {
	case Copy:
		return "copy"
	case Discard:
		return "discard"
	case Scan:
		return "scan"
	case Track:
		return "track"
	}
	return fmt.Sprintf("Mode(%d)", int(m))
}

// pageSize is the size of a page of the host in bytes.
var pageSize = uint64(os.Getpagesize())

// maxBytes is the largest memory that 32-bit WebAssembly has.
const maxBytes = 1 << 32

var (
	errFreed = errors.New("the memory was freed")
	errLimit = errors.New("the memory's limit must be between the image's length and 4 GiB")
)

// backing is where the bytes of one memory are. All sizes are in bytes.
type backing interface {
	// extend returns the first size bytes. Those that no earlier extend returned are the image's, and 0 beyond it.
	extend(size uint64) []byte
	// reset puts back the first reached bytes, the most that extend returned since the last shrink.
	reset(reached uint64) (pages int, err error)
	// shrink is told that no one holds more than the first size bytes any longer, which are the image's content.
	shrink(size uint64)
	// free gives the memory back, of which the first reached bytes were handed out since the last shrink.
	free(reached uint64)
}

// Memory is the linear memory of one guest. It is used by one goroutine at a time.
//
// Slices of it, the ones the engine holds as well, are invalid after Free: touching them ends the process.
type Memory struct {
	backing backing
	image   *Image // nil for a memory that starts with zeros
	budget  *Budget
	state   state

	limit   uint64
	initial uint64 // length after Reset
	length  uint64
	reached uint64 // length of the longest slice that the guest may hold
	denied  bool
	starved bool
}

type state int

const (
	fresh   state = iota // no slice was handed out
	held                 // the guest holds the slice of length bytes
	rewound              // reset, but the guest still holds the longer slice that it grew to
	freed
)

// New returns a memory of zeros that may grow to limit bytes. Its length after Reset is the one that the first
// Reallocate asks for. Bytes beyond it are taken from the budget, which may be nil. The caller frees the memory.
func New(mode Mode, limit uint64, budget *Budget) (*Memory, error) {
	return newMemory(mode, nil, limit, budget)
}

// NewMemory returns a memory with the image's content and length that may grow to limit bytes. Bytes beyond the image
// are taken from the budget, which may be nil. The caller frees the memory.
func (i *Image) NewMemory(limit uint64, budget *Budget) (*Memory, error) {
	if err := i.acquire(); err != nil {
		return nil, err
	}
	m, err := newMemory(i.mode, i, limit, budget)
	if err != nil {
		i.release()
	}
	return m, err
}

func newMemory(mode Mode, i *Image, limit uint64, budget *Budget) (*Memory, error) {
	m := &Memory{image: i, budget: budget, limit: limit, initial: i.Len()}
	if limit < m.initial || limit > maxBytes {
		return nil, errLimit
	}
	var err error
	if mode == Copy {
		m.backing = newCopied(i, limit)
	} else if m.backing, err = newMapped(mode, i, limit); err != nil {
		return nil, fmt.Errorf("reserving %d bytes of linear memory: %w", limit, err)
	}
	return m, nil
}

// Reallocate implements experimental.LinearMemory. It returns nil above the limit, when the budget is used up, after
// Free, and where the first call asks for more than the image has: the image is another module's.
func (m *Memory) Reallocate(size uint64) []byte {
	switch m.state {
	case fresh:
		return m.begin(size)
	case held:
		return m.grow(size)
	case rewound:
		return m.giveBack()
	default:
		return nil
	}
}

// begin hands out the image, which may be longer than the module's initial memory: the first instance grew.
func (m *Memory) begin(size uint64) []byte {
	if m.image == nil {
		if size > m.limit {
			m.denied = true
			return nil
		}
		m.initial = size
	} else if size > m.initial {
		return nil
	}
	m.state, m.length, m.reached = held, m.initial, m.initial
	return m.backing.extend(m.length)
}

func (m *Memory) grow(size uint64) []byte {
	if size > m.length {
		if size > m.limit {
			m.denied = true
			return nil
		}
		if !m.budget.Take(size - m.length) {
			m.starved = true
			return nil
		}
		m.length, m.reached = size, size
	}
	return m.backing.extend(m.length)
}

func (m *Memory) giveBack() []byte {
	m.returnBudget()
	m.backing.shrink(m.initial)
	m.state, m.reached = held, m.initial
	return m.backing.extend(m.length)
}

func (m *Memory) returnBudget() {
	if m.Grown() {
		m.budget.Give(m.reached - m.initial)
	}
}

// Reset puts content and length back to the image's, and clears Denied and Starved. The guest must not be running.
//
// pages is how many of the host's pages were put back. In Copy mode these are the ones that differ from the image. In
// Track and Scan modes they are the ones written since the memory was made, or since it last dropped all of its own pages because
// there were too many; of those it counts only the first. Discard does not count: it is always 0.
//
// # Errors
//
// After an error the content is unknown: the caller discards the sandbox.
func (m *Memory) Reset() (pages int, err error) {
	m.denied, m.starved = false, false
	switch m.state {
	case freed:
		return 0, errFreed
	case fresh:
		return 0, nil
	}
	if pages, err = m.backing.reset(m.reached); err != nil {
		return pages, fmt.Errorf("resetting linear memory: %w", err)
	}
	m.length = m.initial
	if m.Grown() {
		m.state = rewound
	}
	return pages, nil
}

// Free implements experimental.LinearMemory: it gives everything back. Freeing again does nothing.
func (m *Memory) Free() {
	if m.state == freed {
		return
	}
	m.returnBudget()
	m.backing.free(m.reached)
	if m.image != nil {
		m.image.release()
	}
	*m = Memory{state: freed}
}

// Bytes is the memory itself, valid until the next Reallocate, Reset or Free. It is nil before the first Reallocate and
// after Free.
func (m *Memory) Bytes() []byte {
	if m.state == fresh || m.state == freed {
		return nil
	}
	return m.backing.extend(m.length)
}

// Len is the memory's length in bytes.
func (m *Memory) Len() uint64 { return m.length }

// Grown says whether the guest holds a slice longer than the image. It stays true over a Reset, until a Reallocate has
// taken that slice away; the bytes are in the budget's hands again from then on.
func (m *Memory) Grown() bool { return m.reached > m.initial }

// Denied says whether the limit stopped the memory from growing since the last Reset.
func (m *Memory) Denied() bool { return m.denied }

// Starved says whether the budget stopped the memory from growing since the last Reset.
func (m *Memory) Starved() bool { return m.starved }

var _ experimental.LinearMemory = (*Memory)(nil)
