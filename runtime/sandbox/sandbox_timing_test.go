package sandbox

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/runtime/module"
	"sluice/runtime/sandbox/memory"

	"github.com/tetratelabs/wazero/api"
)

// timedGuests are a guest of a few instructions, which writes one page, and the example connector in Go, where it is
// built: it is asked for its manifest, with its allocations and its JSON.
var timedGuests = []struct {
	name   string
	wasm   func(b *testing.B) []byte
	init   string // called before the image is taken, unless ""
	export string
	params []uint64
}{
	{"small", func(*testing.B) []byte { return scribbler().Bytes() }, "", "poke", []uint64{PageSize / 2, 1}},
	{"go", func(b *testing.B) []byte {
		wasm, err := os.ReadFile("../../modules/built/example.wasm")
		if err != nil {
			b.Skip(err)
		}
		return wasm
	}, "_initialize", "describe", nil},
}

const badDescriptor = 8 // of WASI

// deaf offers all that guests of any ABI may import. Its functions do nothing, but for a clock that stands still.
func deaf() []HostModule {
	hosts := []HostModule{testHost}
	for _, host := range []*module.HostModule{module.NativeHost(), module.WASIHost()} {
		m := HostModule{Name: host.Name()}
		for _, name := range host.Functions() {
			t, _ := host.Function(name)
			f := HostFunction{Name: name, Func: func(_ context.Context, guest api.Module, stack []uint64) {
				if name == "clock_time_get" { // Go's runtime insists on a time after 1970
					guest.Memory().WriteUint64Le(uint32(stack[2]), 1<<60)
				}
				clear(stack)
				if strings.HasPrefix(name, "fd_") { // and on an end of the folders that are open
					stack[0] = badDescriptor
				}
			}}
			for _, p := range t.Params {
				f.Params = append(f.Params, api.ValueType(p))
			}
			for _, r := range t.Results {
				f.Results = append(f.Results, api.ValueType(r))
			}
			m.Functions = append(m.Functions, f)
		}
		hosts = append(hosts, m)
	}
	return hosts
}

const timedLimit = 64 << 20

// timed runs a benchmark with an image of each guest, taken warm, in each mode.
func timed(b *testing.B, run func(b *testing.B, image *Image, call func(*Instance))) {
	e := newEngine(b, Config{HostModules: deaf()})
	for _, g := range timedGuests {
		b.Run(g.name, func(b *testing.B) {
			m := compiled(b, e, g.wasm(b))
			call := func(i *Instance) {
				if err := i.Call(context.Background(), nil, g.export, g.params...); err != nil {
					b.Fatal(err)
				}
			}
			for _, mode := range memory.Modes() {
				b.Run(mode.String(), func(b *testing.B) {
					m.engine = e.WithMode(mode)
					origin := first(b, m, timedLimit)
					if g.init != "" {
						must(b, origin, g.init)
					}
					for range 3 {
						call(origin)
					}
					run(b, takeImage(b, origin), call)
				})
			}
		})
	}
}

func timedInstance(b *testing.B, image *Image) *Instance {
	i, err := image.Instance(limits(timedLimit))
	if err != nil {
		b.Fatal(err)
	}
	return i
}

// BenchmarkCall_Pristine is a call and what puts its instance back; the metric is the median of the latter alone.
func BenchmarkCall_Pristine(b *testing.B) {
	timed(b, func(b *testing.B, image *Image, call func(*Instance)) {
		i := timedInstance(b, image)
		defer i.Close()
		var took []time.Duration
		for b.Loop() {
			call(i)
			began := time.Now()
			if _, err := i.reset(); err != nil {
				b.Fatal(err)
			}
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2]), "ns/reset(p50)")
	})
}

// BenchmarkCall_Dirty is the same in an instance that is used as the last call left it.
func BenchmarkCall_Dirty(b *testing.B) {
	timed(b, func(b *testing.B, image *Image, call func(*Instance)) {
		if !strings.HasSuffix(b.Name(), "/"+memory.Modes()[0].String()) {
			b.Skip("nothing is put back: the mode makes no difference")
		}
		i := timedInstance(b, image)
		defer i.Close()
		for b.Loop() {
			i.begin()
			call(i)
		}
	})
}

// BenchmarkCall_Fresh is a call in an instance of its own, made from the image.
func BenchmarkCall_Fresh(b *testing.B) {
	timed(b, func(b *testing.B, image *Image, call func(*Instance)) {
		for b.Loop() {
			i := timedInstance(b, image)
			call(i)
			i.Close()
		}
	})
}

// BenchmarkPool is a call by way of a warm pool, by all processors.
func BenchmarkPool(b *testing.B) {
	timed(b, func(b *testing.B, image *Image, call func(*Instance)) {
		p := NewPool(PoolConfig{
			Make: func(context.Context, any) (*Instance, error) { return image.Instance(limits(timedLimit)) },
			Warm: 64, Slots: []*Slots{NewSlots(1024, 1024), NewSlots(4096, 1024)},
		})
		defer p.Close()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				i, err := p.Get(context.Background(), nil)
				if err != nil {
					b.Error(err)
					return
				}
				call(i)
				p.Put(i, false)
			}
		})
	})
}
