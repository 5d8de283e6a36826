package memory

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

const wasmPage = 64 << 10

func TestProbe(t *testing.T) {
	mode := Probe()
	if err := works(mode); err != nil {
		t.Errorf("Probe picked %v, which fails: %v", mode, err)
	}
	if err := works(Mode(7)); err == nil {
		t.Error("a mode that does not exist works")
	}
	t.Log(mode)
}

func TestMode_String(t *testing.T) {
	for mode, expected := range map[Mode]string{Track: "track", Scan: "scan", Discard: "discard", Copy: "copy", 7: "Mode(7)"} {
		if got := mode.String(); got != expected {
			t.Errorf("got %q, want %q", got, expected)
		}
	}
}

// TestMemory_Cycles compares many calls of random writes and growths with a plain slice that does the same.
func TestMemory_Cycles(t *testing.T) {
	lengths := []uint64{0, 1, 5_000, wasmPage, 3*wasmPage - 1, 17 * wasmPage}
	modes(t, func(t *testing.T, mode Mode) {
		for _, length := range lengths {
			content := randomBytes(length)
			m := newTestMemory(t, mode, content, length+20*wasmPage)
			m.Reallocate(0)
			r := rand.New(rand.NewPCG(length, uint64(mode)))
			for range 20 {
				playCall(t, m, content, r)
			}
			pristine(t, m, content)
		}
	})
}

func playCall(t *testing.T, m *Memory, content []byte, r *rand.Rand) {
	t.Helper()
	model := bytes.Clone(content)
	for range r.IntN(40) {
		switch {
		case r.IntN(8) == 0:
			model = append(model, make([]byte, r.IntN(min(int(m.limit)-len(model), 6*wasmPage)+1))...)
			if got := m.Reallocate(uint64(len(model))); len(got) != len(model) {
				t.Fatalf("grew to %d bytes; want %d", len(got), len(model))
			}
		case len(model) > 0:
			at := r.IntN(len(model))
			n := min(r.IntN(3*int(pageSize)), len(model)-at)
			for i := at; i < at+n; i++ {
				model[i] = 0xca
			}
			copy(m.Bytes()[at:], model[at:at+n])
		}
	}
	if !bytes.Equal(m.Bytes(), model) {
		t.Fatal("the memory is not what was written")
	}
	endCall(t, m)
	if !bytes.Equal(m.Bytes(), content) {
		t.Fatal("the memory is not the image after a call")
	}
}

func TestMemory_Reallocate(t *testing.T) {
	const image, limit, budget = 2 * wasmPage, 8 * wasmPage, 4 * wasmPage
	type step struct {
		reset           bool
		size            uint64
		expected        int // length, -1 for nil
		denied, starved bool
	}
	tests := []struct {
		name  string
		steps []step
	}{
		{"the first is the image whatever is asked", []step{{size: 1, expected: image}}},
		{"the first asks for more than the image has", []step{{size: image + 1, expected: -1}}},
		{"less than there is", []step{{size: 0, expected: image}, {size: 1, expected: image}}},
		{"growing", []step{{size: 0, expected: image}, {size: image + wasmPage, expected: image + wasmPage}}},
		{"above the limit", []step{{size: 0, expected: image}, {size: limit + 1, expected: -1, denied: true}}},
		{"the largest there is", []step{{size: 0, expected: image}, {size: 1 << 48, expected: -1, denied: true}}},
		{"above the budget", []step{{size: 0, expected: image}, {size: limit, expected: -1, starved: true}}},
		{"all of the budget, after a refusal", []step{
			{size: 0, expected: image}, {size: limit, expected: -1, starved: true},
			{size: image + budget, expected: image + budget, starved: true},
			{size: image + budget + 1, expected: -1, starved: true},
		}},
		{"a reset clears the refusals", []step{
			{size: 0, expected: image}, {size: limit, expected: -1, starved: true}, {size: limit + 1, expected: -1, denied: true, starved: true},
			{reset: true, size: image + 1, expected: image + 1},
		}},
		{"a reset after growth answers the image once", []step{
			{size: 0, expected: image}, {size: image + budget, expected: image + budget},
			{reset: true, size: image + budget + wasmPage, expected: image},
			{size: image + budget, expected: image + budget},
		}},
		{"a reset without growth answers what is asked", []step{
			{size: 0, expected: image}, {reset: true, size: image + wasmPage, expected: image + wasmPage},
		}},
		{"a reset before the first", []step{{reset: true, size: 0, expected: image}}},
	}
	modes(t, func(t *testing.T, mode Mode) {
		for _, tc := range tests {
			t.Run(tc.name, func(t *testing.T) {
				b := NewBudget(budget)
				m, err := newTestImage(t, mode, make([]byte, image)).NewMemory(limit, b)
				if err != nil {
					t.Fatal(err)
				}
				for n, s := range tc.steps {
					if s.reset {
						if _, err := m.Reset(); err != nil {
							t.Fatal(err)
						}
					}
					got := m.Reallocate(s.size)
					if (got == nil) != (s.expected < 0) || got != nil && (len(got) != s.expected || cap(got) != len(got)) {
						t.Fatalf("step %d: got length %d, capacity %d; want %d", n, len(got), cap(got), s.expected)
					}
					if m.Denied() != s.denied || m.Starved() != s.starved {
						t.Errorf("step %d: denied %t, starved %t; want %t, %t", n, m.Denied(), m.Starved(), s.denied, s.starved)
					}
					if got != nil && b.Used() != uint64(len(got))-image {
						t.Errorf("step %d: %d bytes of the budget are used at length %d", n, b.Used(), len(got))
					}
				}
				m.Free()
				if b.Used() != 0 {
					t.Errorf("%d bytes of the budget are used after Free", b.Used())
				}
			})
		}
	})
}

// A guest whose longer slice was not taken away can still write to all of it: no reset may forget that.
func TestMemory_Reset_GrownSliceKept(t *testing.T) {
	modes(t, func(t *testing.T, mode Mode) {
		content := randomBytes(wasmPage)
		m := newTestMemory(t, mode, content, 4*wasmPage)
		m.Reallocate(0)
		long := m.Reallocate(3 * wasmPage)
		for range 3 {
			long[2*wasmPage+5] = 1
			if _, err := m.Reset(); err != nil {
				t.Fatal(err)
			}
			if !m.Grown() || m.Len() != wasmPage || !bytes.Equal(m.Bytes(), content) {
				t.Fatal("a reset memory is not the image, or forgot the slice that is out")
			}
			if long[2*wasmPage+5] != 0 {
				t.Fatal("the reset missed what was written after the last")
			}
		}
		m.Reallocate(0)
		pristine(t, m, content)
	})
}

func TestNew(t *testing.T) {
	modes(t, func(t *testing.T, mode Mode) {
		m, err := New(mode, 4*wasmPage, NewBudget(wasmPage))
		if err != nil {
			t.Fatal(err)
		}
		defer m.Free()
		if m.Bytes() != nil || m.Len() != 0 {
			t.Error("there is memory before the first Reallocate")
		}
		if m.Reallocate(5*wasmPage) != nil || !m.Denied() {
			t.Error("a memory started above its limit")
		}
		if b := m.Reallocate(2 * wasmPage); len(b) != 2*wasmPage || !zero(b) {
			t.Fatal("a new memory is not zeros")
		}
		m.Reallocate(3 * wasmPage)[2*wasmPage] = 1
		m.Bytes()[7] = 1
		endCall(t, m)
		if m.Len() != 2*wasmPage || !zero(m.Bytes()) || !zero(m.Reallocate(3*wasmPage)) {
			t.Error("a reset memory is not zeros of its first length")
		}
	})
}

func TestNew_Errors(t *testing.T) {
	modes(t, func(t *testing.T, mode Mode) {
		if _, err := New(mode, 1<<32+1, nil); err != errLimit {
			t.Errorf("above 4 GiB: %v", err)
		}
		i := newTestImage(t, mode, make([]byte, wasmPage))
		if _, err := i.NewMemory(wasmPage-1, nil); err != errLimit {
			t.Errorf("below the image: %v", err)
		}
	})
	if _, err := New(7, wasmPage, nil); err == nil {
		t.Error("a memory of a mode that does not exist")
	}
}

func TestMemory_Free(t *testing.T) {
	modes(t, func(t *testing.T, mode Mode) {
		m := newTestMemory(t, mode, make([]byte, wasmPage), 2*wasmPage)
		m.Reallocate(0)
		m.Free()
		m.Free()
		if m.Bytes() != nil || m.Len() != 0 || m.Reallocate(0) != nil {
			t.Error("a freed memory has bytes")
		}
		if _, err := m.Reset(); err != errFreed {
			t.Errorf("a freed memory was reset: %v", err)
		}
	})
}

func TestMemory_Reset_Pages(t *testing.T) {
	const image = 32 * wasmPage
	expected := map[Mode]int{Track: 3, Scan: 3, Discard: 0, Copy: 3}
	modes(t, func(t *testing.T, mode Mode) {
		m := newTestMemory(t, mode, randomBytes(image), 2*image)
		m.Reallocate(0)
		b := m.Reallocate(image + wasmPage)
		sink = sum(b) // reading maps the image's pages and pages of zeros, which are not to be counted
		b[0]++
		b[5*pageSize]++
		b[image]++
		if pages := endCall(t, m); pages != expected[mode] {
			t.Errorf("got %d pages, want %d", pages, expected[mode])
		}
	})
}

func TestMemory_Reset_NoAllocation(t *testing.T) {
	modes(t, func(t *testing.T, mode Mode) {
		m := newTestMemory(t, mode, randomBytes(8*wasmPage), 64*wasmPage)
		m.Reallocate(0)
		allocations := testing.AllocsPerRun(100, func() {
			for at := uint64(0); at < m.Len(); at += 2 * pageSize {
				m.Bytes()[at]++
			}
			m.Reallocate(9 * wasmPage)[8*wasmPage] = 1
			endCall(t, m)
		})
		if allocations != 0 {
			t.Errorf("%v allocations", allocations)
		}
	})
}
