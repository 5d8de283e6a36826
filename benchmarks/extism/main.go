// Command extism measures the work of the benchmarks' guests as a plug-in in Extism's own host for Go, in a module of its
// own, so that what it depends on is no part of Sluice's. Run it in its folder.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"sluice/benchmarks/figures"
	"sluice/benchmarks/guests"

	extism "github.com/extism/go-sdk"
	"github.com/tetratelabs/wazero"
)

func main() {
	dir := flag.String("guests", "../../bin/bench", "folder of the built guests")
	out := flag.String("out", "../../bin/bench/"+figures.ExtismFile, "file for the figures")
	rounds := flag.Int("rounds", 21, "how often each way is measured")
	turn := flag.Duration("turn", 50*time.Millisecond, "how long each way runs in a round")
	flag.Parse()
	p, err := measure(context.Background(), *dir, *rounds, *turn)
	if err == nil {
		all := figures.Extism{
			SDK: sdkVersion(), Rounds: *rounds, Plugins: []figures.Plugin{p},
			Command: strings.TrimSpace("cd benchmarks/extism && go run . " + strings.Join(os.Args[1:], " ")),
		}
		err = figures.Write(*out, all)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "extism:", err)
		os.Exit(1)
	}
}

// sdkVersion is the host's module and version.
func sdkVersion() string {
	const path = "github.com/extism/go-sdk"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == path {
				return path + " " + d.Version
			}
		}
	}
	return path
}

// deadline is for the plug-in that can be interrupted, as Sluice's calls can, in milliseconds.
const deadline = 40_000

func measure(ctx context.Context, dir string, rounds int, turn time.Duration) (p figures.Plugin, err error) {
	p.Language = "Rust, serde"
	wasm, err := os.ReadFile(filepath.Join(dir, "extism.wasm"))
	if err != nil {
		return p, fmt.Errorf("the plug-in is not built, see plugin/build.sh: %w", err)
	}
	p.Bytes = len(wasm)
	params, want := guests.Work()

	compiled, err := compile(ctx, wasm, 0)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, compiled.Close(ctx)) }()
	reused, err := compiled.Instance(ctx, instance)
	if err != nil {
		return p, err
	}
	interruptible, err := compile(ctx, wasm, deadline)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, interruptible.Close(ctx)) }()
	bounded, err := interruptible.Instance(ctx, instance)
	if err != nil {
		return p, err
	}

	ways := []struct {
		call  func() ([]byte, error)
		times []float64
	}{
		{call: func() ([]byte, error) {
			fresh, err := compiled.Instance(ctx, instance)
			if err != nil {
				return nil, err
			}
			body, err := call(fresh, params)
			return body, errors.Join(err, fresh.Close(ctx))
		}},
		{call: func() ([]byte, error) { return call(reused, params) }},
		{call: func() ([]byte, error) { return call(bounded, params) }},
	}
	for round := range rounds + 1 {
		for i := range ways {
			perCall, err := run(ways[i].call, turn, want)
			if err != nil {
				return p, err
			}
			if round > 0 { // the first one warms up
				ways[i].times = append(ways[i].times, perCall)
			}
		}
	}
	p.Fresh, p.Reused, p.Interruptible = figures.Spreads(ways[0].times), figures.Spreads(ways[1].times), figures.Spreads(ways[2].times)
	p.BytesACall, p.AllocationsACall, err = allocations(ways[1].call)
	return p, err
}

var instance = extism.PluginInstanceConfig{ModuleConfig: wazero.NewModuleConfig()}

func compile(ctx context.Context, wasm []byte, timeout uint64) (*extism.CompiledPlugin, error) {
	manifest := extism.Manifest{Wasm: []extism.Wasm{extism.WasmData{Data: wasm}}, Timeout: timeout}
	return extism.NewCompiledPlugin(ctx, manifest, extism.PluginConfig{EnableWasi: true}, nil)
}

func call(p *extism.Plugin, params []byte) ([]byte, error) {
	_, body, err := p.Call("price", params)
	return body, err
}

// run calls until the time is over, and returns the microseconds a call.
func run(call func() ([]byte, error), turn time.Duration, want []byte) (float64, error) {
	began := time.Now()
	for calls := 1; ; calls++ {
		body, err := call()
		if err != nil {
			return 0, err
		}
		if took := time.Since(began); took >= turn {
			if !bytes.Equal(body, want) {
				return 0, errors.New("the plug-in answered something else than the guests")
			}
			return float64(took.Nanoseconds()) / 1e3 / float64(calls), nil
		}
	}
}

// allocations are the bytes and objects that a call allocates.
func allocations(call func() ([]byte, error)) (bytes, objects float64, err error) {
	const calls = 200
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range calls {
		if _, err := call(); err != nil {
			return 0, 0, err
		}
	}
	runtime.ReadMemStats(&after)
	return float64(after.TotalAlloc-before.TotalAlloc) / calls, float64(after.Mallocs-before.Mallocs) / calls, nil
}
