package memory

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// modes runs a test in each mode that there is on this system.
func modes(t *testing.T, test func(*testing.T, Mode)) {
	for _, mode := range []Mode{Track, Scan, Discard, Copy} {
		t.Run(mode.String(), func(t *testing.T) {
			if err := works(mode); err != nil {
				t.Skip(err)
			}
			test(t, mode)
		})
	}
}

func newTestImage(t testing.TB, mode Mode, content []byte) *Image {
	t.Helper()
	i, err := NewImage(mode, content)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Close(); err != nil {
			t.Error(err)
		}
	})
	return i
}

func newTestMemory(t testing.TB, mode Mode, content []byte, limit uint64) *Memory {
	t.Helper()
	m, err := newTestImage(t, mode, content).NewMemory(limit, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Free)
	return m
}

// endCall does what the sandbox does after each call.
func endCall(t testing.TB, m *Memory) (pages int) {
	t.Helper()
	pages, err := m.Reset()
	if err != nil {
		t.Fatal(err)
	}
	if m.Grown() {
		m.Reallocate(m.Len() + 1)
	}
	return pages
}

// pristine fails the test unless the memory is the image, and what it grows to is zeros. It ends that call.
func pristine(t testing.TB, m *Memory, content []byte) {
	t.Helper()
	if !bytes.Equal(m.Bytes(), content) {
		t.Fatal("the memory is not the image")
	}
	length := uint64(len(content))
	b := m.Reallocate(m.limit)
	if uint64(len(b)) != m.limit || !zero(b[length:]) {
		t.Fatal("what the memory grows to is not zeros")
	}
	endCall(t, m)
	if m.Len() != length || m.Grown() {
		t.Fatalf("the memory has %d bytes; want the image's %d", m.Len(), length)
	}
}

func randomBytes(n uint64) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b)
	return b
}
