package memory

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
)

var (
	errImageClosed = errors.New("the memory image is closed")
	errImageSize   = errors.New("a memory image has at most 4 GiB")
	errMode        = errors.New("no such mode on this system")
)

// Image is the content that memories start with and are put back to. Nothing changes it. It is safe for concurrent use.
type Image struct {
	mode Mode
	size uint64
	// source is what is copied back: the content, filled up with zeros to a whole number of host pages where it is
	// mapped.
	source []byte
	file   *os.File // what is mapped, nil in Copy mode and for an empty image

	mu     sync.Mutex // guards all below, and the release of all above
	users  int        // memories that were not freed
	closed bool
}

// NewImage copies content to an image for memories of that mode. The caller closes it.
func NewImage(mode Mode, content []byte) (*Image, error) {
	if uint64(len(content)) > maxBytes {
		return nil, errImageSize
	}
	i := &Image{mode: mode, size: uint64(len(content))}
	if mode == Copy {
		i.source = slices.Clone(content)
		return i, nil
	}
	var err error
	if i.file, i.source, err = newImageFile(mode, content); err != nil {
		return nil, fmt.Errorf("making a memory image of %d bytes: %w", len(content), err)
	}
	return i, nil
}

// Len is the length of the content in bytes.
func (i *Image) Len() uint64 {
	if i == nil {
		return 0
	}
	return i.size
}

// Mode is the mode of the image's memories.
func (i *Image) Mode() Mode { return i.mode }

// Close gives the image back as soon as the last of its memories is freed; no new ones can be made. Closing again does
// nothing.
func (i *Image) Close() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return nil
	}
	i.closed = true
	return i.giveBackIfUnused()
}

func (i *Image) acquire() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return errImageClosed
	}
	i.users++
	return nil
}

func (i *Image) release() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.users--
	_ = i.giveBackIfUnused() // a descriptor of memory has nothing left to write that could fail
}

// giveBackIfUnused unmaps the source only after the last memory: Reset reads it.
func (i *Image) giveBackIfUnused() error {
	if !i.closed || i.users > 0 {
		return nil
	}
	err := closeImageFile(i.file, i.source)
	i.file, i.source = nil, nil
	return err
}
