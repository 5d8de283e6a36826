package sandbox

import (
	"context"
	"errors"
	"fmt"

	"sluice/runtime/sandbox/memory"
)

// Image is the state of a guest after its initialisation, from which instances start and to which they are put back. It
// is safe for concurrent use.
type Image struct {
	module  *Module
	memory  *memory.Image // nil where the module has no memory
	globals []uint64
}

// Image keeps the state that the instance is in. The guest must not be running. The caller closes the image, after its
// last instance.
//
// # Errors
//
// Of a module that is not imageable, and of the operating system.
func (i *Instance) Image() (*Image, error) {
	if why := i.module.NotImageable(); why != "" {
		return nil, fmt.Errorf("the module can't start from an image: %s", why)
	}
	im := &Image{module: i.module}
	for _, g := range i.globals {
		im.globals = append(im.globals, g.Get())
	}
	if i.memory != nil {
		var err error
		if im.memory, err = memory.NewImage(i.module.engine.mode, i.memory.Bytes()); err != nil {
			return nil, err
		}
	}
	return im, nil
}

// Bytes is the length of the memory in the image.
func (im *Image) Bytes() uint64 {
	if im.memory == nil {
		return 0
	}
	return im.memory.Len()
}

// Close gives the image back.
func (im *Image) Close() error {
	if im.memory == nil {
		return nil
	}
	return im.memory.Close()
}

// InstanceFor makes an instance in the image's state for a call with that context, which waits for the processor where
// many calls of the module do the same. The caller closes it.
func (im *Image) InstanceFor(ctx context.Context, l Limits) (*Instance, error) {
	waiting := &Instance{module: im.module}
	waiting.meter.deadline, _ = ctx.Deadline()
	if err := waiting.compute(ctx); err != nil {
		return nil, waiting.fault(err)
	}
	defer waiting.meter.holder.Release()
	return im.Instance(l)
}

// Instance makes an instance in the image's state. The caller closes it.
func (im *Image) Instance(l Limits) (*Instance, error) {
	if l.Memory < im.Bytes() {
		return nil, fmt.Errorf("the guest needs %d bytes of memory after its initialisation, and may have %d", im.Bytes(), l.Memory)
	}
	i := &Instance{module: im.module, limits: l, image: im}
	err := i.instantiate(func() (*memory.Memory, error) {
		return im.memory.NewMemory(i.memoryLimit(), im.module.engine.budget)
	})
	if err != nil {
		i.Close()
		return nil, err
	}
	i.restoreGlobals()
	return i, nil
}

func (i *Instance) restoreGlobals() {
	for n, g := range i.globals {
		g.Set(i.image.globals[n])
	}
	i.begin()
}

var errNoImage = errors.New("the instance has no image to be put back to")

// reset puts the instance back to its image, and returns how many pages of the host were written. After an error the
// instance is to be closed.
func (i *Instance) reset() (pages int, err error) {
	if i.image == nil {
		return 0, errNoImage
	}
	defer recovered(&err)
	if i.memory != nil {
		if pages, err = i.memory.Reset(); err != nil {
			return 0, err
		}
		if i.memory.Grown() {
			// The engine takes the slice that the memory gives, which is the image's length again.
			if _, ok := i.guest.Memory().Grow(1); !ok || i.memory.Grown() {
				return 0, errors.New("the memory could not be given back")
			}
		}
	}
	i.restoreGlobals()
	clear(i.stack[:])
	i.results = nil
	return pages, nil
}
