package memory

import (
	"bytes"
	"testing"
)

// FuzzMemory plays calls that the fuzzer writes: each three bytes are what to do, where, and with which value.
func FuzzMemory(f *testing.F) {
	f.Add(uint16(5000), []byte{0, 1, 2, 3, 200, 1, 4, 0, 0, 0, 9, 9})
	f.Add(uint16(0), []byte{3, 255, 0, 2, 128, 7, 4, 0, 0})
	var available []Mode
	for _, mode := range []Mode{Track, Scan, Discard, Copy} {
		if works(mode) == nil {
			available = append(available, mode)
		}
	}
	f.Fuzz(func(t *testing.T, length uint16, program []byte) {
		content := randomBytes(uint64(length))
		for _, mode := range available {
			program := program
			m := newTestMemory(t, mode, content, 4*wasmPage)
			m.Reallocate(0)
			model := bytes.Clone(content)
			for ; len(program) >= 3; program = program[3:] {
				where, value := int(program[1])*len(model)/256, program[2]
				switch program[0] % 5 {
				case 0, 1, 2: // write
					for at := where; at < min(len(model), where+int(value)*16); at++ {
						model[at], m.Bytes()[at] = value, value
					}
				case 3: // grow
					if size := len(model) + int(value)*int(pageSize); m.Reallocate(uint64(size)) != nil {
						model = append(model, make([]byte, size-len(model))...)
					} else if !m.Denied() {
						t.Fatal("refused below the limit")
					}
				case 4: // the call ends
					endCall(t, m)
					model = bytes.Clone(content)
				}
				if !bytes.Equal(m.Bytes(), model) {
					t.Fatal("the memory is not what was written")
				}
			}
			endCall(t, m)
			pristine(t, m, content)
			m.Free()
		}
	})
}
