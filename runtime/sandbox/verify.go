package sandbox

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"slices"

	"sluice/runtime/sandbox/memory"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// What follows lets a self-test look at an instance between two calls, and leave things behind in it. Calls use none of
// it.

// WithMode returns an engine whose instances are put back to their image in that mode. It shares everything else with e,
// compiled code too, and is not to be closed.
func (e *Engine) WithMode(m memory.Mode) *Engine {
	with := *e
	with.mode = m
	return &with
}

// State is a copy of all that code of a guest can see of its instance: memory, its length, and mutable globals. Tables
// are no part of it: no instruction of a module that has an image changes one.
type State struct {
	memory  []byte
	globals []uint64
}

// State copies the state that the instance is in. The guest must not be running.
func (i *Instance) State() *State {
	s := &State{}
	for page := range i.pages() {
		s.memory = append(s.memory, i.page(page)...)
	}
	for _, g := range i.globals {
		s.globals = append(s.globals, g.Get())
	}
	return s
}

// MemoryBytes is the length of the memory in the state, in bytes.
func (s *State) MemoryBytes() int { return len(s.memory) }

// Globals is the number of mutable globals in the state.
func (s *State) Globals() int { return len(s.globals) }

// pages is how many pages of 64 KiB the memory has, as the engine sees it.
func (i *Instance) pages() uint32 {
	if i.memory == nil {
		return 0
	}
	pages, _ := i.guest.Memory().Grow(0)
	return pages
}

// page returns a page of the memory as the guest's code would read it, and not as the allocator has it.
func (i *Instance) page(n uint32) []byte {
	b, ok := i.guest.Memory().Read(n*PageSize, PageSize)
	if !ok {
		panic("a page below the memory's length can be read")
	}
	return b
}

var hostPage = HostPageBytes()

// HostPageBytes is how large the pages are in which memory is put back, in bytes.
func HostPageBytes() int { return os.Getpagesize() }

// Differences says how the instance's state differs from s: one sentence for the memory's length, one for its content,
// and one for each global. There is none where the guest could not tell the two apart. The guest must not be running.
func (i *Instance) Differences(s *State) (found []string) {
	pages := i.pages()
	if got, want := uint64(pages)*PageSize, uint64(len(s.memory)); got != want || i.MemoryBytes() != want {
		found = append(found, fmt.Sprintf("the memory has %d bytes (%d for the allocator) instead of %d", got, i.MemoryBytes(), want))
	}
	differ, first := 0, 0
	for page := range min(pages, uint32(len(s.memory)/PageSize)) {
		got, want := i.page(page), s.memory[int(page)*PageSize:][:PageSize]
		if bytes.Equal(got, want) {
			continue
		}
		for at := 0; at < PageSize; at += hostPage {
			if end := min(at+hostPage, PageSize); !bytes.Equal(got[at:end], want[at:end]) {
				if differ == 0 {
					first = int(page)*PageSize + at + firstDifference(got[at:end], want[at:end])
				}
				differ++
			}
		}
	}
	if differ > 0 {
		found = append(found, fmt.Sprintf("%d pages of %d bytes of the memory differ, first at address %d", differ, hostPage, first))
	}
	for n, g := range i.globals {
		if got := g.Get(); got != s.globals[n] {
			found = append(found, fmt.Sprintf("the global %s differs", i.module.rewritten.Globals[n]))
		}
	}
	return found
}

func firstDifference(a, b []byte) int {
	for n := range a {
		if a[n] != b[n] {
			return n
		}
	}
	return len(a)
}

// Leftovers says what the host's side of the instance still has of the last call: its context and host, parameters and
// results, what it used of its fuel and stack, and what its memory was denied. The guest must not be running.
func (i *Instance) Leftovers() (found []string) {
	if i.entry.Context != nil || i.entry.host != nil {
		found = append(found, "the instance still refers to the last call")
	}
	if i.stack != [len(i.stack)]uint64{} || i.results != nil {
		found = append(found, "parameters or results of the last call are still there")
	}
	if i.meter != unused || i.fuel.Get() != firstSlice || i.depth.Get() != depthBytes/2 {
		found = append(found, "the meter goes on from the last call")
	}
	if i.memory != nil && (i.memory.Denied() || i.memory.Starved() || i.memory.Grown()) {
		found = append(found, "the memory still knows that it grew, or was not allowed to")
	}
	return found
}

// Find returns the first address at which the marker is in the memory, and false where it is not. A marker across the
// border of two pages of 64 KiB is not found. The guest must not be running.
func (i *Instance) Find(marker []byte) (address uint64, found bool) {
	for page := range i.pages() {
		if at := bytes.Index(i.page(page), marker); at >= 0 {
			return uint64(page)*PageSize + uint64(at), true
		}
	}
	return 0, false
}

// Dirt is what Soil leaves in an instance.
type Dirt struct {
	// Canary is written to the memory: at the beginning, in the middle, and at the end of a page of the host.
	Canary [16]byte
	// Pages are the pages of the host that it is written to, by number; those behind the memory's end are left out.
	Pages []int
	// Everywhere writes it to every page.
	Everywhere bool
	// Grow is by how many pages of 64 KiB the memory grows before, at most as far as it may. It is asked for more than
	// that where it is Exceed.
	Grow   uint32
	Exceed bool
	// Globals gives random values to all mutable globals, and fills what the instance keeps for parameters and results.
	Globals bool
}

// Soil does to an instance what a careless call could, and more. The instance is not to be called again before it was put
// back to its image. It says what was found in memory that the instance grew by, which has to be zeros, and how many
// canaries were written.
func (i *Instance) Soil(d Dirt) (canaries int, found []string) {
	if i.memory != nil {
		found = i.growForSoil(d)
		canaries = i.soilMemory(d)
	}
	if !d.Globals {
		return canaries, found
	}
	for _, g := range i.globals {
		g.Set(randomBits(g.Type()))
		canaries++
	}
	for n := range i.stack {
		i.stack[n] = binary.LittleEndian.Uint64(d.Canary[:])
	}
	i.results = i.stack[:]
	return canaries, found
}

func (i *Instance) growForSoil(d Dirt) (found []string) {
	before := i.pages()
	most := uint32(i.memoryLimit() / PageSize)
	by := min(d.Grow, most-before)
	if _, ok := i.guest.Memory().Grow(by); !ok {
		return []string{fmt.Sprintf("the memory has %d pages of 64 KiB, may have %d, and could not grow by %d", before, most, by)}
	}
	for page := before; page < before+by; page++ {
		b := i.page(page)
		if b[0] != 0 || !bytes.Equal(b[1:], b[:len(b)-1]) {
			found = append(found, fmt.Sprintf("memory that was grown into is not zero, in the 64 KiB from address %d on", uint64(page)*PageSize))
			break
		}
	}
	if d.Exceed {
		if _, ok := i.guest.Memory().Grow(most - before - by + 1); ok {
			found = append(found, fmt.Sprintf("the memory grew beyond the %d pages of 64 KiB that it may have", most))
		}
	}
	return found
}

func (i *Instance) soilMemory(d Dirt) (canaries int) {
	perPage := max(PageSize/hostPage, 1)
	size := PageSize / perPage
	soil := func(n int) {
		p := i.page(uint32(n / perPage))[n%perPage*size:][:size]
		for _, at := range []int{0, size / 2, size - len(d.Canary)} {
			copy(p[at:], d.Canary[:])
			canaries++
		}
	}
	last := int(i.pages()) * perPage
	if d.Everywhere {
		for n := range last {
			soil(n)
		}
		return canaries
	}
	for _, n := range d.Pages {
		if n < last {
			soil(n)
		}
	}
	return canaries
}

// randomBits are the bits of a random value of that type.
func randomBits(t api.ValueType) uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it never fails
	v := binary.LittleEndian.Uint64(b[:])
	if t == api.ValueTypeI32 || t == api.ValueTypeF32 {
		return uint64(uint32(v))
	}
	return v
}

// RunOriginal runs exports of a module as it was before it was rewritten, one after another, and leaves out those that the
// module does not have: on the interpreter, which is slow, and ends a guest when ctx does. host is what HostOf returns to
// the functions that the guest calls. A guest that ends itself with status 0 has done all of them.
func RunOriginal(ctx context.Context, wasm []byte, hosts []HostModule, l Limits, host any, exports ...string) (err error) {
	defer recovered(&err)
	pages := uint32(min(l.Memory/PageSize, 1<<16))
	config := wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(api.CoreFeaturesV2).
		WithCloseOnContextDone(true).WithMemoryLimitPages(pages)
	e := &Engine{runtime: wazero.NewRuntimeWithConfig(ctx, config)}
	defer func() { _ = e.runtime.Close(context.WithoutCancel(ctx)) }()
	for _, h := range hosts {
		if err := e.provide(ctx, h); err != nil {
			return err
		}
	}
	compiled, err := e.runtime.CompileModule(ctx, wasm)
	if err != nil {
		return err
	}
	unmetered := &Instance{}
	in := &entry{Context: ctx, instance: unmetered, host: host}
	guest, err := e.runtime.InstantiateModule(in, compiled, anonymous)
	for n := 0; err == nil && n < len(exports); n++ {
		if f := guest.ExportedFunction(exports[n]); f != nil {
			_, err = f.Call(in)
		}
	}
	if err == nil {
		return nil
	}
	if f := unmetered.fault(err); f.Kind != ExitedNormally {
		return f
	}
	return nil
}

// Watched returns the function with an observer: saw is told of every call of it, with what the function left in the
// guest's memory where it takes just a pointer and a length, else with nil. The bytes are valid until saw returns.
func (f HostFunction) Watched(saw func(written []byte)) HostFunction {
	unwatched := f.Func
	fills := slices.Equal(f.Params, []api.ValueType{api.ValueTypeI32, api.ValueTypeI32})
	f.Func = func(ctx context.Context, guest api.Module, stack []uint64) {
		var address, length uint32
		if fills {
			address, length = uint32(stack[0]), uint32(stack[1])
		}
		unwatched(ctx, guest, stack)
		var written []byte
		if fills {
			written, _ = guest.Memory().Read(address, length)
		}
		saw(written)
	}
	return f
}
