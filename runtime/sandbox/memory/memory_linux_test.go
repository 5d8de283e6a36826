package memory

import (
	"bytes"
	"math/rand/v2"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// mappedModes are the modes that need Linux.
func mappedModes(t *testing.T, test func(*testing.T, Mode)) {
	modes(t, func(t *testing.T, mode Mode) {
		if mode == Copy {
			t.Skip("not mapped")
		}
		test(t, mode)
	})
}

func lines(t *testing.T, path string) int {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(b, []byte("\n"))
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestMemory_Leaks(t *testing.T) {
	const images, memories = 20, 20
	mappedModes(t, func(t *testing.T, mode Mode) {
		round := func() (mappings, files int) {
			var all []*Memory
			for range images {
				i := newTestImage(t, mode, randomBytes(wasmPage))
				for range memories {
					m, err := i.NewMemory(64*wasmPage, nil)
					if err != nil {
						t.Fatal(err)
					}
					m.Reallocate(0)
					for pages := uint64(2); pages <= 64; pages++ {
						m.Reallocate(pages * wasmPage)[pages*wasmPage-1] = 1
					}
					endCall(t, m)
					all = append(all, m)
				}
				_ = i.Close()
			}
			mappings, files = lines(t, "/proc/self/maps"), descriptors(t)
			for _, m := range all {
				m.Free()
			}
			return mappings, files
		}
		round() // Go's heap grows to what the test needs
		mappings, files := lines(t, "/proc/self/maps"), descriptors(t)
		used, _ := round()
		// Go's runtime maps for itself now and then.
		const slack = 10
		if limit := mappings + images*memories*2 + images + slack; used > limit {
			t.Errorf("%d memories of %d images took %d mappings", images*memories, images, used-mappings)
		}
		if now := lines(t, "/proc/self/maps"); now > mappings+slack {
			t.Errorf("%d mappings before and %d after", mappings, now)
		}
		if now := descriptors(t); now > files {
			t.Errorf("%d descriptors before and %d after", files, now)
		}
	})
}

// resident counts the pages of the whole reservation that are the memory's own.
func resident(t *testing.T, m *Memory) (pages int) {
	t.Helper()
	scan, err := newScanner()
	if err != nil {
		t.Skip(err)
	}
	count := func(b []byte, selection *scanRequest) {
		for len(b) > 0 {
			regions, looked, err := scan.next(b, selection, len(b))
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range regions {
				pages += int((r.end - r.start) / pageSize)
			}
			b = b[looked:]
		}
	}
	all := m.backing.(*mapped)
	count(all.image(), all.changed())
	count(all.base[len(all.source):], &zeroPages)
	return pages
}

func TestMemory_Reset_Resident(t *testing.T) {
	limit := uint64(residentPages()) * pageSize
	image := limit/2 + wasmPage
	write := func(b []byte) {
		for at := 0; at < len(b); at += int(pageSize) {
			b[at] = 0xca
		}
	}
	tests := []struct {
		name    string
		written []uint64 // lengths that are grown to and written to, one call each
		kept    bool
	}{
		{"up to the limit", []uint64{limit}, true},
		{"above the limit", []uint64{limit + pageSize}, false},
		{"all of it", []uint64{4 * limit}, false},
		{"the image alone", []uint64{0}, true},
		{"less far each time", []uint64{limit, limit - wasmPage, limit - 2*wasmPage, image}, true},
		{"small after large", []uint64{4 * limit, image}, true},
	}
	mappedModes(t, func(t *testing.T, mode Mode) {
		for _, tc := range tests {
			t.Run(tc.name, func(t *testing.T) {
				content := randomBytes(image)
				m := newTestMemory(t, mode, content, 4*limit)
				m.Reallocate(0)
				for _, length := range tc.written {
					write(m.Reallocate(length))
					endCall(t, m)
				}
				pages := resident(t, m)
				if kept := pages > 0; kept != (tc.kept && mode != Discard) || pages > residentPages() {
					t.Errorf("%d pages are kept", pages)
				}
				if !bytes.Equal(m.Bytes(), content) {
					t.Error("the memory is not the image")
				}
			})
		}
	})
}

// However a guest varies how far it reaches, it can't keep more than the limit.
func TestMemory_Reset_ResidentAlways(t *testing.T) {
	limit := uint64(residentPages()) * pageSize
	modes(t, func(t *testing.T, mode Mode) {
		if mode != Scan && mode != Track {
			t.Skip("keeps nothing")
		}
		m := newTestMemory(t, mode, randomBytes(wasmPage), 4*limit)
		m.Reallocate(0)
		r := rand.New(rand.NewPCG(3, 4))
		for range 100 {
			b := m.Reallocate(wasmPage + r.Uint64N(4*limit-wasmPage))
			for range r.IntN(residentPages()) {
				b[r.IntN(len(b))]++
			}
			endCall(t, m)
			if pages := resident(t, m); pages > residentPages() {
				t.Fatalf("%d pages are kept", pages)
			}
		}
		pristine(t, m, randomBytes(wasmPage))
	})
}

// A guest that writes every other page makes more regions than one scan returns.
func TestMemory_Reset_ManyRegions(t *testing.T) {
	modes(t, func(t *testing.T, mode Mode) {
		if mode != Scan && mode != Track {
			t.Skip("returns no regions")
		}
		for _, regions := range []uint64{scanRegions - 1, scanRegions, scanRegions + 1, 2*scanRegions + 1, 5 * scanRegions} {
			content := randomBytes(2 * regions * pageSize)
			m := newTestMemory(t, mode, content, 4*regions*pageSize)
			m.Reallocate(0)
			for _, first := range []uint64{0, 1} {
				for at := first; at < 2*regions; at += 2 {
					m.Bytes()[at*pageSize]++
				}
				if pages := endCall(t, m); pages != int(regions*(first+1)) { // those of the first call are its own as well
					t.Errorf("got %d pages of %d regions", pages, regions)
				}
				if !bytes.Equal(m.Bytes(), content) {
					t.Fatal("the memory is not the image")
				}
			}
		}
	})
}

// What the kernel writes for the host, without a fault of the guest, counts as well.
func TestMemory_Reset_WrittenByKernel(t *testing.T) {
	modes(t, func(t *testing.T, mode Mode) {
		content := randomBytes(4 * wasmPage)
		m := newTestMemory(t, mode, content, 8*wasmPage)
		m.Reallocate(0)
		b := m.Reallocate(6 * wasmPage)
		f, err := os.Open("/dev/zero")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		for _, at := range []int{0, 3*wasmPage + 7, 4*wasmPage - 100, 5 * wasmPage} {
			if n, err := f.Read(b[at : at+9000]); err != nil || n != 9000 || !zero(b[at:at+9000]) {
				t.Fatalf("read %d bytes: %v", n, err)
			}
		}
		endCall(t, m)
		pristine(t, m, content)
	})
}

// A page that the kernel moved out of memory is still the guest's.
func TestMemory_Reset_PagedOut(t *testing.T) {
	mappedModes(t, func(t *testing.T, mode Mode) {
		content := randomBytes(4 * wasmPage)
		m := newTestMemory(t, mode, content, 8*wasmPage)
		m.Reallocate(0)
		b := m.Reallocate(6 * wasmPage)
		for at := range b {
			b[at] ^= 0xca
		}
		if err := unix.Madvise(b, unix.MADV_PAGEOUT); err != nil {
			t.Skip(err)
		}
		if swaps := lines(t, "/proc/swaps"); swaps < 2 {
			t.Log("there is no swap here: nothing was moved out")
		}
		endCall(t, m)
		pristine(t, m, content)
	})
}

func TestImage_Sealed(t *testing.T) {
	mappedModes(t, func(t *testing.T, mode Mode) {
		i := newTestImage(t, mode, randomBytes(wasmPage))
		if _, err := i.file.WriteAt([]byte{1}, 0); err == nil {
			t.Error("the image can be written to")
		}
		for _, size := range []int64{0, 2 * wasmPage} {
			if err := i.file.Truncate(size); err == nil {
				t.Errorf("the image can be made %d bytes long", size)
			}
		}
		if b, err := unix.Mmap(int(i.file.Fd()), 0, wasmPage, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err == nil {
			_ = unix.Munmap(b)
			t.Error("the image can be mapped for writing")
		}
		if flags, err := unix.FcntlInt(i.file.Fd(), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("children inherit the image: flags %d, %v", flags, err)
		}
	})
}

func TestScanner_Errors(t *testing.T) {
	scan, err := newScanner()
	if err != nil {
		t.Skip(err)
	}
	b, err := mmap(nil, pageSize, -1, unix.PROT_READ, unix.MAP_ANONYMOUS)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = munmap(b) }()
	scan.pagemap = ^uintptr(0)
	if _, _, err := scan.next(b, &imagePages, 1); err == nil {
		t.Error("a scan without the page table")
	}
	i := newTestImage(t, Scan, make([]byte, wasmPage))
	m, err := i.NewMemory(wasmPage, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Free()
	m.Reallocate(0)
	m.backing.(*mapped).scan.pagemap = ^uintptr(0)
	if _, err := m.Reset(); err == nil {
		t.Error("a memory was reset without a scan")
	}
}
