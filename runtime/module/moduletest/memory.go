package moduletest

import "github.com/tetratelabs/wazero/experimental"

// memory is a linear memory that does not grow past its limit.
type memory struct {
	buf   []byte
	limit uint64 // bytes
}

var (
	_ experimental.MemoryAllocator = (*memory)(nil)
	_ experimental.LinearMemory    = (*memory)(nil)
)

// Allocate implements experimental.MemoryAllocator for the one memory that a module may have.
func (m *memory) Allocate(_, _ uint64) experimental.LinearMemory { return m }

// Reallocate implements experimental.LinearMemory. The memory moves with each growth, which finds code that keeps its
// address.
func (m *memory) Reallocate(size uint64) []byte {
	if size > m.limit {
		return nil
	}
	grown := make([]byte, size)
	copy(grown, m.buf)
	m.buf = grown
	return m.buf
}

// Free implements experimental.LinearMemory.
func (m *memory) Free() { m.buf = nil }
