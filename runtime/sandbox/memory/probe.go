package memory

import (
	"bytes"
	"errors"
)

// better are the modes that do not work everywhere, the best one first.
var better = []Mode{Track, Scan, Discard}

// Probe returns the best mode that works here, found by using each: a kernel's version says nothing about what a
// container, a hardened kernel or an emulation of one lets through. It takes well under a millisecond; the caller keeps
// the answer.
func Probe() Mode {
	for _, mode := range better {
		if works(mode) == nil {
			return mode
		}
	}
	return Copy
}

// Modes returns all modes that work here, the one that Probe returns first.
func Modes() []Mode {
	var modes []Mode
	for _, mode := range better {
		if works(mode) == nil {
			modes = append(modes, mode)
		}
	}
	return append(modes, Copy)
}

// works plays a guest's calls: it reads and writes known pages of an image and of what it grew to.
func works(mode Mode) (err error) {
	const pages, limit = 8, 16
	content := bytes.Repeat([]byte{0xa5}, int(pages*pageSize))
	i, err := NewImage(mode, content)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, i.Close()) }()
	m, err := i.NewMemory(limit*pageSize, nil)
	if err != nil {
		return err
	}
	defer m.Free()
	if b := m.Reallocate(0); !bytes.Equal(b, content) {
		return errors.New("a new memory is not the image")
	}
	for range 3 {
		b := m.Reallocate(limit * pageSize)
		if !zero(b[len(content):]) {
			return errors.New("what a memory grows to is not zeros")
		}
		written := []uint64{1, 2, 5, pages + 3}
		for _, page := range written {
			b[page*pageSize+page]++
		}
		n, err := m.Reset()
		if err != nil {
			return err
		}
		if mode != Discard && n != len(written) {
			return errors.New("the scan does not find the pages written")
		}
		if b := m.Reallocate(0); !bytes.Equal(b, content) {
			return errors.New("a reset memory is not the image")
		}
	}
	return nil
}
