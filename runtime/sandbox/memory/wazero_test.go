package memory

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"sluice/runtime/sandbox/wasmtest"
)

// The guest's maximum, as the rewritten module declares it, is a page above the limit.
const (
	guestImage = 2
	guestLimit = 6
)

var guest = wasmtest.Module{
	Functions: []wasmtest.Function{
		{Export: "size", Results: "i", Code: wasmtest.MemorySize},
		{Export: "grow", Params: "i", Results: "i", Code: wasmtest.Code(wasmtest.LocalGet(0), wasmtest.MemoryGrow)},
		{Export: "load", Params: "i", Results: "I", Code: wasmtest.Code(wasmtest.LocalGet(0), wasmtest.Load64)},
		{Export: "store", Params: "iI", Code: wasmtest.Code(wasmtest.LocalGet(0), wasmtest.LocalGet(1), wasmtest.Store64)},
	},
	Pages: 1, MaxPages: guestLimit + 1,
}

// engines runs a test with a guest on both of wazero's engines, in each mode.
func engines(t *testing.T, test func(*testing.T, *Memory, api.Module)) {
	for name, config := range map[string]wazero.RuntimeConfig{
		"compiler": wazero.NewRuntimeConfig(), "interpreter": wazero.NewRuntimeConfigInterpreter(),
	} {
		t.Run(name, func(t *testing.T) {
			modes(t, func(t *testing.T, mode Mode) {
				m := newTestMemory(t, mode, randomBytes(guestImage*wasmPage), guestLimit*wasmPage)
				ctx := experimental.WithMemoryAllocator(t.Context(), experimental.MemoryAllocatorFunc(
					func(uint64, uint64) experimental.LinearMemory { return m }))
				r := wazero.NewRuntimeWithConfig(ctx, config)
				defer func() { _ = r.Close(context.Background()) }()
				instance, err := r.Instantiate(ctx, guest.Bytes())
				if err != nil {
					t.Fatal(err)
				}
				test(t, m, instance)
			})
		})
	}
}

func call(t *testing.T, instance api.Module, export string, args ...uint64) uint64 {
	t.Helper()
	results, err := instance.ExportedFunction(export).Call(t.Context(), args...)
	if err != nil {
		t.Fatalf("%s%v: %v", export, args, err)
	}
	if len(results) == 0 {
		return 0
	}
	return results[0]
}

func traps(t *testing.T, instance api.Module, export string, args ...uint64) {
	t.Helper()
	_, err := instance.ExportedFunction(export).Call(t.Context(), args...)
	if err == nil || !strings.Contains(err.Error(), "out of bounds memory access") {
		t.Errorf("%s%v: got %v, want a trap", export, args, err)
	}
}

const refused = 1<<32 - 1

func TestMemory_Engines(t *testing.T) {
	engines(t, func(t *testing.T, m *Memory, instance api.Module) {
		content := randomBytes(guestImage * wasmPage)
		for range 3 {
			exactly(t, instance, guestImage)
			call(t, instance, "store", 5, 1)
			call(t, instance, "store", guestImage*wasmPage-8, 1)
			for pages := uint64(guestImage); pages < guestLimit; pages++ {
				if got := call(t, instance, "grow", 1); got != pages {
					t.Fatalf("grew from %d pages, want %d", got, pages)
				}
				exactly(t, instance, pages+1)
				if got := call(t, instance, "load", pages*wasmPage); got != 0 {
					t.Fatalf("grew by %x, want zeros", got)
				}
				call(t, instance, "store", pages*wasmPage, 1)
				call(t, instance, "store", (pages+1)*wasmPage-8, 1)
			}
			for _, pages := range []uint64{1, 2, 1 << 15, 1 << 31} { // the first is what the engine would allow
				if got := call(t, instance, "grow", pages); got != refused {
					t.Errorf("grew by %d above the limit", pages)
				}
			}
			if !m.Denied() {
				t.Error("the refusal is not known")
			}
			if _, err := m.Reset(); err != nil {
				t.Fatal(err)
			}
			if !m.Grown() {
				t.Error("the memory does not say that it has grown")
			}
			if _, ok := instance.Memory().Grow(1); !ok {
				t.Fatal("wazero does not take the shorter slice")
			}
			if got, ok := instance.Memory().Read(0, guestImage*wasmPage); !ok || !bytes.Equal(got, content) {
				t.Error("the engine's memory is not the image")
			}
		}
	})
}

// exactly checks that the guest has so many pages and nothing beyond.
func exactly(t *testing.T, instance api.Module, pages uint64) {
	t.Helper()
	if got := call(t, instance, "size"); got != pages || uint64(instance.Memory().Size()) != pages*wasmPage {
		t.Fatalf("the guest has %d pages and the engine %d bytes; want %d pages", got, instance.Memory().Size(), pages)
	}
	end := pages * wasmPage
	call(t, instance, "load", end-8)
	for _, at := range []uint64{end - 7, end, end + wasmPage, 1<<32 - 8} {
		traps(t, instance, "load", at)
		traps(t, instance, "store", at, 1)
	}
}

func TestMemory_Engines_Free(t *testing.T) {
	engines(t, func(t *testing.T, m *Memory, instance api.Module) {
		if err := instance.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if m.Bytes() != nil {
			t.Error("the engine did not free the memory of a closed instance")
		}
	})
}
