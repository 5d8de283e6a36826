package memory

import (
	"errors"
	"math"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// residentBytes is how much memory of its own a Memory keeps over a reset in Track and Scan modes. Above it all is dropped, so that
// one greedy call does not keep a pooled sandbox fat: 64 pooled ones keep 256 MiB at most. It is no smaller because a
// page that was dropped costs the next call a page fault of 2 to 4 µs, and copying it back 0.1 to 0.2 µs.
const residentBytes = 4 << 20

// mapped keeps a memory in a reservation of addresses, with the image mapped copy-on-write over its head. It takes two
// of the process's 65,530 mappings, however the guest grows.
type mapped struct {
	mode   Mode
	base   []byte   // the whole reservation, whole pages
	source []byte   // the image's, whole pages
	kept   uint64   // no page beyond these bytes is resident
	scan   *scanner // nil in Discard mode
}

func (m Mode) maps() bool { return m == Track || m == Scan || m == Discard }

func newMapped(mode Mode, i *Image, limit uint64) (backing, error) {
	if !mode.maps() {
		return nil, errMode
	}
	m := &mapped{mode: mode}
	var err error
	if mode != Discard {
		if m.scan, err = newScanner(); err != nil {
			return nil, err
		}
	}
	m.base, err = mmap(nil, wholePages(max(limit, 1)), -1, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, err
	}
	if err := m.lay(i); err != nil {
		return nil, errors.Join(err, munmap(m.base))
	}
	return m, nil
}

// lay maps the image over the head of the reservation.
func (m *mapped) lay(i *Image) error {
	if i != nil && i.file != nil {
		m.source = i.source
		_, err := mmap(m.base, uint64(len(m.source)), int(i.file.Fd()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_FIXED)
		if err != nil {
			return err
		}
	}
	// A huge page would make of one written byte 2 MiB to copy back. A kernel built without them refuses the advice.
	if err := unix.Madvise(m.base, unix.MADV_NOHUGEPAGE); err != nil && err != unix.EINVAL {
		return err
	}
	if m.mode == Track && len(m.source) > 0 {
		// Pages are mapped when they are first used, one by one: where writes are tracked, the kernel does not map the
		// neighbours of a page that it faults in. All at once would cost sandboxes that share an image the page table,
		// and in the books of the system the memory, of what they never read.
		return track(m.image())
	}
	return nil
}

// image is the part of the memory that the image is mapped to.
func (m *mapped) image() []byte { return m.base[:len(m.source)] }

func (m *mapped) extend(size uint64) []byte { return m.base[:size:size] }

func (m *mapped) shrink(uint64) {}

func (m *mapped) free(reached uint64) {
	// To unmap a large memory at once would keep every other mapping of the process waiting, and with them the calls
	// that ask for one.
	_ = m.discard(0, max(wholePages(reached), m.kept))
	_ = munmap(m.base) // both fail only for what is no mapping
	*m = mapped{}
}

func (m *mapped) reset(reached uint64) (pages int, err error) {
	reached = wholePages(reached)
	if m.scan == nil {
		return 0, m.discard(0, reached)
	}
	// What this call did not reach is not looked at, so nothing of it may stay: guests that reach a little less far
	// each time would keep more than residentBytes.
	if m.kept > reached {
		if err := m.discard(reached, m.kept); err != nil {
			return 0, err
		}
	}
	m.kept = reached
	image := uint64(len(m.source))
	pages, err = m.restore(0, image, m.changed(), 0)
	if err == nil {
		pages, err = m.restore(image, reached, &zeroPages, pages)
	}
	if err == nil && pages > residentPages() {
		err = m.drop(reached)
	}
	return pages, err
}

// changed selects the pages over the image that have to be put back.
func (m *mapped) changed() *scanRequest {
	if m.mode == Track {
		return &writtenPages
	}
	return &imagePages
}

// drop discards all of its own that a memory has. The image's pages stay mapped: to fault them in again one by one would
// cost the next call more than what it writes.
func (m *mapped) drop(reached uint64) error {
	image := uint64(len(m.source))
	for from := uint64(0); from < image; {
		regions, looked, err := m.scan.next(m.base[from:image], m.changed(), len(m.source))
		if err != nil {
			return err
		}
		for _, r := range regions {
			if err := m.discard(from+r.start, from+r.end); err != nil {
				return err
			}
		}
		from += looked
	}
	if err := m.discard(image, reached); err != nil {
		return err
	}
	if m.mode == Track && image > 0 {
		return protect(m.image()) // the pages discarded came without protection
	}
	return nil
}

// residentPages is at least one page where pages are huge.
func residentPages() int { return int(max(residentBytes/pageSize, 1)) }

// restore puts back the pages of [from, to) that the selection is about, and returns their number added to pages. Above
// residentPages it stops: all will be dropped.
func (m *mapped) restore(from, to uint64, selection *scanRequest, pages int) (int, error) {
	for from < to && pages <= residentPages() {
		regions, looked, err := m.scan.next(m.base[from:to], selection, residentPages()+1-pages)
		if err != nil {
			return pages, err
		}
		for _, r := range regions {
			m.putBack(from+r.start, from+r.end)
			pages += int((r.end - r.start) / pageSize)
		}
		from += looked
	}
	return pages, nil
}

// putBack copies whole pages from the image, or clears them beyond it.
func (m *mapped) putBack(from, to uint64) {
	if from < uint64(len(m.source)) {
		copy(m.base[from:to], m.source[from:to])
	} else {
		clear(m.base[from:to])
	}
}

// discardPiece is how much is dropped in one system call, in bytes: as much as takes some 0.1 ms.
const discardPiece = 1 << 20

// discard drops the pages of [from, to): the next use of each faults in the image's, or one of zeros.
func (m *mapped) discard(from, to uint64) error {
	for from < to {
		end := min(from+discardPiece, to)
		if err := unix.Madvise(m.base[from:end], unix.MADV_DONTNEED); err != nil {
			return err
		}
		from = end
	}
	return nil
}

// newImageFile puts the content into a file of memory that nothing can change any more, and maps it.
func newImageFile(mode Mode, content []byte) (f *os.File, source []byte, err error) {
	if !mode.maps() {
		return nil, nil, errMode
	}
	if len(content) == 0 {
		return nil, nil, nil
	}
	fd, err := unix.MemfdCreate("sluice-image", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_NOEXEC_SEAL)
	if err == unix.EINVAL { // Linux before 6.3 does not know files that can't be executed, later ones may insist on them
		fd, err = unix.MemfdCreate("sluice-image", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return nil, nil, err
	}
	f = os.NewFile(uintptr(fd), "sluice-image")
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	size := wholePages(uint64(len(content)))
	if err := f.Truncate(int64(size)); err != nil {
		return nil, nil, err
	}
	if _, err := f.Write(content); err != nil {
		return nil, nil, err
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return nil, nil, err
	}
	// Private, because Linux before 6.7 takes any shared mapping of a writable descriptor for one that could write. The
	// pages are the file's all the same. Populated, so that no reset waits for a page fault here.
	if source, err = mmap(nil, size, fd, unix.PROT_READ, unix.MAP_POPULATE); err != nil {
		return nil, nil, err
	}
	return f, source, nil
}

func closeImageFile(f *os.File, source []byte) error {
	if f == nil {
		return nil
	}
	return errors.Join(munmap(source), f.Close())
}

// mmap maps a file, or memory where fd is -1, privately: at the start of the slice with MAP_FIXED, anywhere without.
func mmap(at []byte, size uint64, fd, prot, flags int) ([]byte, error) {
	if size > math.MaxInt {
		return nil, unix.ENOMEM
	}
	p, err := unix.MmapPtr(fd, 0, unsafe.Pointer(unsafe.SliceData(at)), uintptr(size), prot, unix.MAP_PRIVATE|flags)
	if err != nil {
		return nil, err
	}
	return unsafe.Slice((*byte)(p), int(size)), nil
}

func munmap(b []byte) error {
	return unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(b)), uintptr(len(b)))
}

// wholePages rounds up to the pages of the host.
func wholePages(size uint64) uint64 { return (size + pageSize - 1) / pageSize * pageSize }
