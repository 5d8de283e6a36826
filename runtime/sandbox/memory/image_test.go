package memory

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"testing"
)

func TestImage_Immutable(t *testing.T) {
	modes(t, func(t *testing.T, mode Mode) {
		content := randomBytes(3 * wasmPage)
		original := bytes.Clone(content)
		i := newTestImage(t, mode, content)
		clear(content) // the image has its own
		if i.Len() != 3*wasmPage || i.Mode() != mode {
			t.Errorf("got %d bytes in mode %v", i.Len(), i.Mode())
		}
		var memories []*Memory
		for range 3 {
			m, err := i.NewMemory(4*wasmPage, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Free()
			if !bytes.Equal(m.Reallocate(0), original) {
				t.Fatal("a new memory is not the image")
			}
			for _, other := range memories {
				if bytes.Equal(other.Bytes(), original) {
					t.Fatal("another memory lost what it had written")
				}
			}
			for at := range m.Bytes() {
				m.Bytes()[at] ^= byte(len(memories) + 1)
			}
			memories = append(memories, m)
		}
		for _, m := range memories {
			endCall(t, m)
			pristine(t, m, original)
		}
	})
}

func TestImage_Close(t *testing.T) {
	modes(t, func(t *testing.T, mode Mode) {
		content := randomBytes(wasmPage)
		i := newTestImage(t, mode, content)
		m, err := i.NewMemory(2*wasmPage, nil)
		if err != nil {
			t.Fatal(err)
		}
		m.Reallocate(0)
		for range 2 {
			if err := i.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := i.NewMemory(2*wasmPage, nil); err != errImageClosed {
			t.Errorf("a closed image gave a memory: %v", err)
		}
		m.Bytes()[5]++
		endCall(t, m) // the memory still has its image
		pristine(t, m, content)
		m.Free()
		if i.source != nil || i.file != nil {
			t.Error("the image was not given back with its last memory")
		}
	})
}

// TestImage_Hammer has many guests at once share one image and one budget, that come and go.
func TestImage_Hammer(t *testing.T) {
	const goroutines, calls, image = 16, 60, 6 * wasmPage
	modes(t, func(t *testing.T, mode Mode) {
		content := randomBytes(image)
		i := newTestImage(t, mode, content)
		b := NewBudget(goroutines * 2 * wasmPage)
		var wait sync.WaitGroup
		for g := range goroutines {
			wait.Go(func() {
				r := rand.New(rand.NewPCG(uint64(g), 0))
				for range calls / 10 {
					m, err := i.NewMemory(2*image, b)
					if err != nil {
						t.Error(err)
						return
					}
					m.Reallocate(0)
					for range 10 {
						hammer(t, m, content, byte(g)+1, r)
					}
					m.Free()
				}
			})
		}
		wait.Wait()
		if b.Used() != 0 {
			t.Errorf("%d bytes of the budget were not given back", b.Used())
		}
	})
}

// hammer is a call that leaves its mark, and looks whether there is any other.
func hammer(t *testing.T, m *Memory, content []byte, mark byte, r *rand.Rand) {
	if !bytes.Equal(m.Bytes(), content) {
		t.Error("a call does not start with the image")
	}
	pages := uint64(1 + r.IntN(4))
	if b := m.Reallocate(m.Len() + pages*wasmPage); b != nil {
		if !zero(b[len(content):]) {
			t.Error("a memory did not grow by zeros")
		}
		b[len(b)-1] = mark
	} else if !m.Starved() || m.Denied() {
		t.Error("a memory did not grow, for another reason than the budget")
	}
	written := make(map[int]bool)
	for range 20 {
		at := r.IntN(len(content))
		m.Bytes()[at] = content[at] ^ mark
		written[at] = true
	}
	for at := range written {
		if m.Bytes()[at] != content[at]^mark {
			t.Error("another guest wrote to this memory")
		}
	}
	if _, err := m.Reset(); err != nil {
		t.Error(err)
	}
	if m.Grown() {
		m.Reallocate(0)
	}
}

func TestNewImage_Errors(t *testing.T) {
	if _, err := NewImage(7, make([]byte, 8)); err == nil {
		t.Error("an image of a mode that does not exist")
	}
}

func TestBudget_None(t *testing.T) {
	var b *Budget
	if !b.Take(1<<40) || b.Used() != 0 {
		t.Error("no budget has a bound")
	}
	b.Give(1 << 40)
}

func TestBudget_Largest(t *testing.T) {
	b := NewBudget(1<<64 - 1)
	for range 1000 {
		if !b.Take(maxBytes) {
			t.Fatal("the largest budget ran out")
		}
	}
}
