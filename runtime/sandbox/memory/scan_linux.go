package memory

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The ioctl PAGEMAP_SCAN and the categories of pages.
//
// See https://docs.kernel.org/admin-guide/mm/pagemap.html
const (
	pagemapScan = 0xc0606610 // _IOWR('f', 16, struct pm_scan_arg)

	pageIsWritten = 1 << 1 // no longer write-protected by userfaultfd
	pageIsFile    = 1 << 2
	pageIsPresent = 1 << 3
	pageIsSwapped = 1 << 4
	pageIsZero    = 1 << 5 // the page of zeros that all mappings share until they are written
)

// scanRequest is the kernel's struct pm_scan_arg. A page is selected when its categories, with those of inverted
// flipped, have all of mask and one of anyOf.
type scanRequest struct {
	size, flags                     uint64
	start, end, walkEnd             uint64
	regions, regionsLen, maxPages   uint64
	inverted, mask, anyOf, returned uint64
}

// region is the kernel's struct page_region: pages next to each other, by address.
type region struct {
	start, end uint64
	_          uint64 // categories, of which none are asked for
}

// populated is a page that has content: in memory, or swapped out or on its way to another place in memory, for both of
// which the kernel says swapped.
const populated = pageIsPresent | pageIsSwapped

var (
	// imagePages selects the pages over the image that are no longer the image's. A page of zeros is one of them: the
	// kernel may find a written page to hold nothing else, and share it.
	imagePages = scanRequest{inverted: pageIsFile, mask: pageIsFile, anyOf: populated}
	// writtenPages selects the same where writes are tracked, and takes a third of the time: to know whether a page is
	// the image's, the kernel has to look up what each one belongs to. It asks for no categories in the answer, because
	// kernels before 6.15 have a shortcut for those that do, which can overlook pages swapped out or moved.
	writtenPages = scanRequest{mask: pageIsWritten}
	// zeroPages selects the pages beyond the image, but for those that were only read.
	zeroPages = scanRequest{inverted: pageIsZero, mask: pageIsZero, anyOf: populated}
)

// scanRegions is how many regions one scan returns. Where a guest wrote to more, the scan goes on in a further system
// call, for about a microsecond; twice as many regions were not measurably faster.
const scanRegions = 64

// scanner asks the kernel about this process's pages. It is on the heap, where addresses are stable: the request has
// the one of the regions.
type scanner struct {
	pagemap uintptr
	request scanRequest
	regions [scanRegions]region
}

// openPagemap opens the process's page table once: the descriptor is for any part of it.
var openPagemap = sync.OnceValues(func() (*os.File, error) { return os.Open("/proc/self/pagemap") })

func newScanner() (*scanner, error) {
	f, err := openPagemap()
	if err != nil {
		return nil, err
	}
	return &scanner{pagemap: f.Fd()}, nil
}

var errScan = errors.New("the kernel's answer to PAGEMAP_SCAN makes no sense")

// next selects pages of b, which are whole ones and not none, up to maxPages of them, and says how many bytes of b it has
// looked at. The regions, which are relative to b, are valid until the next call.
func (s *scanner) next(b []byte, selection *scanRequest, maxPages int) (regions []region, looked uint64, err error) {
	start := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b))))
	end := start + uint64(len(b))
	s.request = *selection
	s.request.size = uint64(unsafe.Sizeof(s.request))
	s.request.start, s.request.end = start, end
	s.request.regions, s.request.regionsLen = uint64(uintptr(unsafe.Pointer(&s.regions))), scanRegions
	s.request.maxPages = uint64(maxPages)
	n, _, errno := unix.Syscall(unix.SYS_IOCTL, s.pagemap, pagemapScan, uintptr(unsafe.Pointer(&s.request)))
	runtime.KeepAlive(s)
	if errno != 0 {
		return nil, 0, errno
	}
	walked := s.request.walkEnd
	if n > scanRegions || walked <= start || walked > end {
		return nil, 0, errScan
	}
	regions = s.regions[:n]
	for i := range regions {
		r := &regions[i]
		if r.start < start || r.end <= r.start || r.end > end {
			return nil, 0, errScan
		}
		r.start -= start
		r.end -= start
	}
	return regions, walked - start, nil
}
