// Package prepared makes guests ready to be called as package runtime does it for a server, for benchmarks that run the
// packages below it in ways of their own.
package prepared

import (
	"context"

	"sluice/hostfuncs"
	"sluice/runtime/abi"
	"sluice/runtime/module"
	"sluice/runtime/sandbox"
	"sluice/runtime/sandbox/memory"
)

// NewEngine returns an engine as a server has it, but for the cache of compiled code. The caller closes it.
func NewEngine(ctx context.Context) (*sandbox.Engine, error) {
	return sandbox.NewEngine(ctx, sandbox.Config{HostModules: abi.HostModules(), Mode: memory.Probe()})
}

// Code is a guest that can be called.
type Code struct {
	Image  *sandbox.Image
	module *sandbox.Module
}

// describes is how often describe runs before the image is taken.
const describes = 3

// Prepare compiles a guest and takes the image that its calls start from, after its function warm if that is asked for.
// The caller closes the code.
func Prepare(ctx context.Context, e *sandbox.Engine, wasm []byte, l sandbox.Limits, warm bool) (c *Code, err error) {
	parsed, err := module.Parse(wasm, module.DefaultLimits())
	if err != nil {
		return nil, err
	}
	c = new(Code)
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	if c.module, err = e.Compile(ctx, parsed.Rewrite()); err != nil {
		return c, err
	}
	first, err := describing().Prepare(ctx, c.module, l)
	if err != nil {
		return c, err
	}
	defer first.Close()
	for range describes {
		if _, err := describing().Describe(ctx, first); err != nil {
			return c, err
		}
	}
	if warm {
		if _, err := describing().Warm(ctx, first); err != nil {
			return c, err
		}
	}
	c.Image, err = first.Image()
	return c, err
}

func describing() *abi.Call {
	const manifestMax = 1 << 20
	return &abi.Call{Host: &hostfuncs.Call{Describing: true}, OutputLimit: manifestMax}
}

// Close gives the code back, after the last instance of its image.
func (c *Code) Close() {
	if c.Image != nil {
		_ = c.Image.Close()
	}
	if c.module != nil {
		c.module.Close()
	}
}
