package memory

import (
	"os"
	"runtime"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The parts of userfaultfd that write-protect pages without anyone to ask: the kernel takes the protection off a page
// at the first write, and PAGEMAP_SCAN says which pages have none.
//
// See https://docs.kernel.org/admin-guide/mm/userfaultfd.html#write-protect-notifications
const (
	userfaultUserModeOnly = 1 // needs no privilege; what it leaves out is not used here

	userfaultAPI            = 0xc018aa3f // _IOWR(0xaa, 0x3f, struct uffdio_api)
	userfaultRegister       = 0xc020aa00 // _IOWR(0xaa, 0x00, struct uffdio_register)
	userfaultProtect        = 0xc018aa06 // _IOWR(0xaa, 0x06, struct uffdio_writeprotect)
	userfaultVersion        = 0xaa
	userfaultShared         = 1 << 12 // protects pages of files in memory
	userfaultAsynchronously = 1 << 15
	userfaultRegisterWrites = 1 << 1
	userfaultProtectWrites  = 1 << 0
)

// openUserfault opens the process's one descriptor for this. Closing it would end all protection.
var openUserfault = sync.OnceValues(func() (*os.File, error) {
	fd, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, unix.O_CLOEXEC|userfaultUserModeOnly, 0, 0)
	if errno != 0 {
		return nil, errno
	}
	f := os.NewFile(fd, "userfaultfd")
	api := struct{ api, features, ioctls uint64 }{api: userfaultVersion, features: userfaultShared | userfaultAsynchronously}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), userfaultAPI, uintptr(unsafe.Pointer(&api))); errno != 0 {
		_ = f.Close()
		return nil, errno
	}
	return f, nil
})

// track makes the kernel keep track of writes to b, which is mapped in whole pages. It ends when b is unmapped.
func track(b []byte) error {
	f, err := openUserfault()
	if err != nil {
		return err
	}
	start := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b))))
	register := struct{ start, length, mode, ioctls uint64 }{start, uint64(len(b)), userfaultRegisterWrites, 0}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), userfaultRegister, uintptr(unsafe.Pointer(&register)))
	runtime.KeepAlive(b)
	if errno != 0 {
		return errno
	}
	return protect(b)
}

// protect makes all of b, which is tracked, unwritten again.
func protect(b []byte) error {
	f, err := openUserfault()
	if err != nil {
		return err
	}
	start := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b))))
	request := struct{ start, length, mode uint64 }{start, uint64(len(b)), userfaultProtectWrites}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), userfaultProtect, uintptr(unsafe.Pointer(&request)))
	runtime.KeepAlive(b)
	if errno != 0 {
		return errno
	}
	return nil
}
