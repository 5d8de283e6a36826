package sandbox

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"sluice/runtime/sandbox/memory"
	"sluice/runtime/sandbox/wasmtest"
)

// scribble changes everything that an instance of any module has.
func scribble(t testing.TB, i *Instance) {
	t.Helper()
	if i.memory != nil {
		if _, ok := i.guest.Memory().Grow(2); !ok {
			t.Error("the memory does not grow")
		}
		b := i.memory.Bytes()
		for at := 0; at < len(b); at += 1000 {
			b[at] ^= 0x55
		}
		b[len(b)-1] = 0x55
	}
	for _, g := range i.globals {
		g.Set(^g.Get())
	}
}

// stateless is a module without memory, and where get is true, with a global that get returns.
func stateless(get bool) []byte {
	code, results, globals := wasmtest.I32(1), "i", wasmtest.Section(wasmtest.SectionGlobal, wasmtest.Vector())
	if get {
		code, results = wasmtest.GlobalGet(0), "I"
		globals = wasmtest.Section(wasmtest.SectionGlobal, wasmtest.Vector(wasmtest.Code([]byte{0x7e, 1}, wasmtest.I64(-5), []byte{0x0b})))
	}
	return wasmtest.Binary(
		wasmtest.Section(wasmtest.SectionType, wasmtest.Vector(wasmtest.Signature("", results))),
		wasmtest.Section(wasmtest.SectionFunction, wasmtest.Vector(wasmtest.U(0))),
		globals,
		wasmtest.Section(wasmtest.SectionExport, wasmtest.Vector(wasmtest.Code(wasmtest.Name("get"), []byte{0, 0}))),
		wasmtest.Section(wasmtest.SectionCode, wasmtest.Vector(wasmtest.Body(nil, code))),
	)
}

func TestImage_Instance(t *testing.T) {
	nothing := func(testing.TB, *Instance) {}
	calls := func(export string, params ...uint64) func(testing.TB, *Instance) {
		return func(t testing.TB, i *Instance) { must(t, i, export, params...) }
	}
	noGlobals := scribbler()
	noGlobals.Globals, noGlobals.Exports = nil, nil
	noGlobals.Functions = slices.DeleteFunc(noGlobals.Functions, func(f wasmtest.Function) bool { return f.Export == "globals" || f.Export == "set" })
	empty := scribbler()
	empty.Pages, empty.Data = 0, nil
	tests := []struct {
		name     string
		module   []byte
		prepare  func(testing.TB, *Instance)
		expected uint64 // bytes
	}{
		{"as it begins", scribbler().Bytes(), nothing, PageSize},
		{"written", scribbler().Bytes(), calls("poke", 40000, math.MaxUint64), PageSize},
		{"filled", scribbler().Bytes(), calls("fill", 0, 0xab, PageSize), PageSize},
		{"grown", scribbler().Bytes(), calls("grow", 5), 6 * PageSize},
		{"grown and written", scribbler().Bytes(), func(t testing.TB, i *Instance) {
			must(t, i, "grow", 5)
			must(t, i, "poke", 6*PageSize-8, 99)
		}, 6 * PageSize},
		{"grown to the limit", scribbler().Bytes(), calls("grow", 61), 62 * PageSize}, // scribble grows by two more
		{"globals set", scribbler().Bytes(), calls("set", 1<<31, math.MaxUint64, 0x7fa0_0001, 0xfff0_0000_0000_0001), PageSize},
		{"after exit 0", scribbler().Bytes(), func(t testing.TB, i *Instance) {
			if err := i.Call(context.Background(), nil, "exit", 0); kindOf(t, err) != ExitedNormally {
				t.Error(err)
			}
		}, PageSize},
		{"without globals", noGlobals.Bytes(), calls("poke", 8, 8), PageSize},
		{"no pages", empty.Bytes(), nothing, 0},
		{"no pages at first", empty.Bytes(), calls("grow", 1), PageSize},
		{"no memory", stateless(true), nothing, 0},
		{"nothing at all", stateless(false), nothing, 0},
	}
	everywhere(t, func(t *testing.T, e *Engine) {
		for _, tc := range tests {
			t.Run(tc.name, func(t *testing.T) {
				origin := first(t, compiled(t, e, tc.module), imageLimit)
				tc.prepare(t, origin)
				image, want := takeImage(t, origin), origin.State()
				if image.Bytes() != tc.expected || origin.MemoryBytes() != tc.expected {
					t.Errorf("the image has %d bytes of %d, want %d", image.Bytes(), origin.MemoryBytes(), tc.expected)
				}
				scribble(t, origin) // nothing of it is the image's any more
				a, b := instanceOf(t, image), instanceOf(t, image)
				origin.Close()
				pristine(t, a, want)
				scribble(t, a)
				pristine(t, b, want)
				scribble(t, b)
				pristine(t, instanceOf(t, image), want)
				for range 3 {
					for _, i := range []*Instance{a, b} {
						if _, err := i.reset(); err != nil {
							t.Fatal(err)
						}
						pristine(t, i, want)
						scribble(t, i)
					}
				}
			})
		}
	})
}

// What the guest itself sees of a restored instance: through its own code, and not the host's view of it.
func TestImage_Instance_SeenByTheGuest(t *testing.T) {
	globals := []uint64{0xffff_fff9, 1 << 60, uint64(math.Float32bits(0.1)), math.Float64bits(-1e300), 3}
	everywhere(t, func(t *testing.T, e *Engine) {
		i := instanceOf(t, imageOf(t, compiled(t, e, scribbler().Bytes())))
		for range 3 {
			if got := must(t, i, "globals"); !slices.Equal(got, globals) {
				t.Errorf("the globals are %x, want %x", got, globals)
			}
			if got := i.guest.ExportedGlobal("counter").Get(); got != globals[0] {
				t.Errorf("the exported global is %x", got)
			}
			if got := must(t, i, "size")[0]; got != 1 {
				t.Errorf("the memory has %d pages", got)
			}
			if got := must(t, i, "peek", 18)[0]; got != binary.LittleEndian.Uint64([]byte("e overla")) {
				t.Errorf("the data are %#x", got)
			}
			must(t, i, "set", 1, 2, 3, 4)
			must(t, i, "poke", 16, 0)
			must(t, i, "grow", 1)
			if got := must(t, i, "globals"); !slices.Equal(got, []uint64{1, 2, 3, 4, 3}) {
				t.Errorf("the globals that were set are %x", got)
			}
			if _, err := i.reset(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Data are laid in their order, over each other, and up to the one that does not fit.
func TestModule_First_Data(t *testing.T) {
	at := func(n int, text string) wasmtest.Data { return wasmtest.Data{At: n, Text: text} }
	tests := []struct {
		name     string
		pages    int
		data     []wasmtest.Data
		expected string // of the first bytes of memory
		fault    bool
	}{
		{"none", 1, nil, "\x00\x00\x00\x00", false},
		{"one", 1, []wasmtest.Data{at(1, "ab")}, "\x00ab\x00", false},
		{"overlapping", 1, []wasmtest.Data{at(0, "abcd"), at(1, "XY"), at(2, "z")}, "aXzd", false},
		{"empty at the end", 1, []wasmtest.Data{at(PageSize, ""), at(0, "a")}, "a", false},
		{"to the last byte", 1, []wasmtest.Data{at(PageSize-2, "ab")}, "\x00", false},
		{"empty without pages", 0, []wasmtest.Data{at(0, "")}, "", false},
		{"past the end", 1, []wasmtest.Data{at(0, "ab"), at(PageSize-1, "cd"), at(0, "xy")}, "ab", true},
		{"empty past the end", 1, []wasmtest.Data{at(0, "ab"), at(PageSize+1, ""), at(0, "xy")}, "ab", true},
		{"negative", 1, []wasmtest.Data{at(0, "ab"), at(-1, "c"), at(0, "xy")}, "ab", true},
		{"without pages", 0, []wasmtest.Data{at(0, "a")}, "", true},
	}
	everywhere(t, func(t *testing.T, e *Engine) {
		for _, tc := range tests {
			t.Run(tc.name, func(t *testing.T) {
				m := compiled(t, e, wasmtest.Module{Pages: tc.pages, Data: tc.data}.Bytes())
				f, err := m.First(context.Background(), nil, limits(imageLimit))
				if (err != nil) != tc.fault {
					t.Fatalf("got %v", err)
				}
				if f != nil {
					f.Close()
				} else if kindOf(t, err) != Trapped || !strings.Contains(err.Error(), "out of bounds memory access") {
					t.Errorf("got %v", err)
				}
				i := &Instance{module: m, limits: limits(imageLimit)}
				defer i.Close()
				if err := i.instantiate(func() (*memory.Memory, error) { return memory.New(e.mode, imageLimit, nil) }); err != nil {
					t.Fatal(err)
				}
				if err := i.layData(); (err != nil) != tc.fault {
					t.Errorf("laying the data: %v", err)
				}
				if got := i.memory.Bytes(); !bytes.HasPrefix(got, []byte(tc.expected)) {
					t.Errorf("the memory begins with %q, want %q", got[:len(tc.expected)], tc.expected)
				}
			})
		}
	})
}

// The start function runs for the first instance, after its data were laid, and for no other.
func TestImage_Instance_Start(t *testing.T) {
	m := oneFunction(wasmtest.I32(8), wasmtest.I32(0), wasmtest.Load64, wasmtest.Store64, wasmtest.Call(hostCount))
	m.Start, m.Data = "run", []wasmtest.Data{{At: 0, Text: "abcdefgh"}}
	everywhere(t, func(t *testing.T, e *Engine) {
		var started atomic.Int64
		origin, err := compiled(t, e, m.Bytes()).First(context.Background(), &started, limits(PageSize))
		if err != nil {
			t.Fatal(err)
		}
		defer origin.Close()
		if got := origin.memory.Bytes()[8:16]; string(got) != "abcdefgh" {
			t.Errorf("the start function found %q", got)
		}
		image := takeImage(t, origin)
		for range 3 {
			pristine(t, instanceOf(t, image), origin.State())
		}
		if started.Load() != 1 {
			t.Errorf("the start function ran %d times", started.Load())
		}
	})
}

func TestInstance_Image_NotImageable(t *testing.T) {
	vector := append([]byte{0xfd, 12}, make([]byte, 16)...)
	function := wasmtest.Code(wasmtest.I32(0), wasmtest.RefNull('r'))
	tests := []struct {
		expected string
		code     []byte
		global   *wasmtest.Global
	}{
		{"table.set", wasmtest.Code(function, wasmtest.TableSet(0)), nil},
		{"table.grow", wasmtest.Code(wasmtest.RefNull('r'), wasmtest.I32(1), wasmtest.TableGrow(0), wasmtest.Drop), nil},
		{"table.fill", wasmtest.Code(function, wasmtest.I32(1), wasmtest.TableFill(0)), nil},
		{"table.copy", wasmtest.Code(wasmtest.I32(0), wasmtest.I32(1), wasmtest.I32(1), wasmtest.TableCopy(0)), nil},
		{"table.init", wasmtest.Code(wasmtest.I32(0), wasmtest.I32(0), wasmtest.I32(1), wasmtest.TableInit(0, 0)), nil},
		{"elem.drop", wasmtest.ElemDrop(0), nil},
		{"data.drop", wasmtest.DataDrop(0), nil},
		{"v128", nil, &wasmtest.Global{Type: 'v', Mutable: true, Init: vector}},
		{"funcref", nil, &wasmtest.Global{Type: 'r', Mutable: true, Init: wasmtest.RefNull('r')}},
		{"externref", nil, &wasmtest.Global{Type: 'x', Mutable: true, Init: wasmtest.RefNull('x')}},
	}
	everywhere(t, func(t *testing.T, e *Engine) {
		for _, tc := range tests {
			t.Run(tc.expected, func(t *testing.T) {
				guest := oneFunction(tc.code)
				guest.Tables = []wasmtest.Table{{Type: 'r', Initial: 4, Max: 8}}
				guest.Elements = []wasmtest.Element{{Passive: true, Functions: []int{hostFunctions}}}
				guest.Passive = []string{"passive"}
				if tc.global != nil {
					guest.Globals = []wasmtest.Global{*tc.global}
				}
				m := compiled(t, e, guest.Bytes())
				if why := m.NotImageable(); !strings.Contains(why, tc.expected) {
					t.Errorf("not imageable because %q", why)
				}
				for range 2 {
					i := first(t, m, PageSize)
					must(t, i, "run")
					if image, err := i.Image(); image != nil || err == nil || !strings.Contains(err.Error(), tc.expected) {
						t.Errorf("got %v, %v", image, err)
					}
					if _, err := i.reset(); err != errNoImage {
						t.Errorf("reset: %v", err)
					}
				}
			})
		}
	})
}

func TestImage_Instance_Limits(t *testing.T) {
	everywhere(t, func(t *testing.T, e *Engine) {
		origin := first(t, compiled(t, e, scribbler().Bytes()), imageLimit)
		must(t, origin, "grow", 3)
		image := takeImage(t, origin)
		for _, bytes := range []uint64{0, PageSize, 4*PageSize - 1} {
			if i, err := image.Instance(limits(bytes)); i != nil || err == nil || !strings.Contains(err.Error(), "262144") {
				t.Errorf("with %d bytes: got %v, %v", bytes, i, err)
			}
		}
		for pages, want := range map[uint64]uint64{4: 0xffff_ffff, 5: 4} {
			i, err := image.Instance(limits(pages * PageSize))
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if got := must(t, i, "grow", 1)[0] & 0xffff_ffff; got != want {
					t.Errorf("growing to 5 pages of %d: %d", pages, int32(got))
				}
				if _, err := i.reset(); err != nil {
					t.Fatal(err)
				}
				pristine(t, i, origin.State())
			}
			i.Close()
		}
	})
}

// An image goes with its last instance: closed before, it makes no new ones and still serves those that there are.
func TestImage_Close(t *testing.T) {
	everywhere(t, func(t *testing.T, e *Engine) {
		origin := first(t, compiled(t, e, scribbler().Bytes()), imageLimit)
		want := origin.State()
		image, err := origin.Image()
		if err != nil {
			t.Fatal(err)
		}
		i := instanceOf(t, image)
		origin.Close()
		for range 2 {
			if err := image.Close(); err != nil {
				t.Error(err)
			}
		}
		if late, err := image.Instance(limits(imageLimit)); late != nil || err == nil {
			t.Errorf("a closed image made %v, %v", late, err)
		}
		for range 3 {
			scribble(t, i)
			if _, err := i.reset(); err != nil {
				t.Fatal(err)
			}
			pristine(t, i, want)
		}
		i.Close()
		i.Close()
		if _, err := i.reset(); err == nil {
			t.Error("a closed instance was reset")
		}
	})
}
