package memory

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// timedGuests are memories like those of real connectors, in pages of 64 KiB, with how many of the host's pages a call
// writes.
var timedGuests = []struct {
	name                   string
	pages, written, growth uint64
	// readsAll is a guest that has read all of its image at some time: the pages are mapped, and the scan looks at each.
	readsAll bool
}{
	{"small", 17, 6, 0, false},
	{"small-read", 17, 6, 0, true},
	{"go", 45, 28, 0, false},
	{"go-read", 45, 28, 0, true},
	{"go-growing", 45, 28, 16, false},
	{"python", 192, 100, 0, false},
	{"python-read", 192, 100, 0, true},
}

// BenchmarkMemory_Reset is a call that writes its pages and resets them. The time of a call has the page faults that
// the last reset caused; the metric is the median of the reset alone.
func BenchmarkMemory_Reset(b *testing.B) {
	for _, mode := range []Mode{Track, Scan, Discard, Copy} {
		benchmarkCalls(b, mode, func(b *testing.B, m *Memory) {
			if _, err := m.Reset(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkMemory_Dirty is the same without a reset: a sandbox that is reused as it is.
func BenchmarkMemory_Dirty(b *testing.B) {
	benchmarkCalls(b, Scan, func(_ *testing.B, m *Memory) { m.length = m.initial })
}

func benchmarkCalls(b *testing.B, mode Mode, end func(*testing.B, *Memory)) {
	for _, g := range timedGuests {
		b.Run(fmt.Sprintf("%v/%s", mode, g.name), func(b *testing.B) {
			if err := works(mode); err != nil {
				b.Skip(err)
			}
			size := g.pages * wasmPage
			m := newTestMemory(b, mode, randomBytes(size), 256<<20)
			m.Reallocate(0)
			if g.readsAll {
				sink = sum(m.Bytes())
			}
			written := scattered(size/pageSize, g.written)
			var took []time.Duration
			for b.Loop() {
				bytes := m.Reallocate(size + g.growth*wasmPage)
				for _, page := range written {
					bytes[page*pageSize]++
				}
				if g.growth > 0 {
					bytes[size]++
				}
				start := time.Now()
				end(b, m)
				if m.Grown() {
					m.Reallocate(0)
				}
				took = append(took, time.Since(start))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2]), "ns/reset(p50)")
		})
	}
}

// BenchmarkImage_NewMemory makes a memory, plays a first call and frees it: what a sandbox beyond the pool costs.
func BenchmarkImage_NewMemory(b *testing.B) {
	for _, mode := range []Mode{Track, Scan, Discard, Copy} {
		for _, g := range timedGuests {
			b.Run(fmt.Sprintf("%v/%s", mode, g.name), func(b *testing.B) {
				if err := works(mode); err != nil {
					b.Skip(err)
				}
				size := g.pages * wasmPage
				i := newTestImage(b, mode, randomBytes(size))
				written := scattered(size/pageSize, g.written)
				for b.Loop() {
					m, err := i.NewMemory(256<<20, nil)
					if err != nil {
						b.Fatal(err)
					}
					m.Reallocate(0)
					bytes := m.Reallocate(size + g.growth*wasmPage)
					if g.readsAll {
						sink = sum(bytes)
					}
					for _, page := range written {
						bytes[page*pageSize]++
					}
					m.Free()
				}
			})
		}
	}
}

var sink byte

// sum reads every page.
func sum(b []byte) (s byte) {
	for at := uint64(0); at < uint64(len(b)); at += pageSize {
		s += b[at]
	}
	return s
}

// scattered picks n of so many pages in runs of one to four, as stacks and heaps are written.
func scattered(pages, n uint64) []uint64 {
	r := rand.New(rand.NewPCG(1, 2))
	picked := make(map[uint64]bool)
	for uint64(len(picked)) < n {
		from := r.Uint64N(pages)
		for page := from; page < min(from+1+r.Uint64N(4), pages) && uint64(len(picked)) < n; page++ {
			picked[page] = true
		}
	}
	list := make([]uint64, 0, n)
	for page := range picked {
		list = append(list, page)
	}
	slices.Sort(list)
	return list
}
