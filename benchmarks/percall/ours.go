package main

import (
	"context"
	"errors"
	"runtime"
	"time"

	"sluice/benchmarks/figures"
	"sluice/benchmarks/prepared"
	"sluice/hostfuncs"
	"sluice/runtime/abi"
	"sluice/runtime/sandbox"
)

// sluice runs guests in Sluice's own way: its rewriter, its engine, its native ABI and its pool, put together as package
// runtime does it for a server.
type sluice struct {
	engine *sandbox.Engine
	work   work
}

func newSluice(ctx context.Context, w work) (*sluice, error) {
	e, err := prepared.NewEngine(ctx)
	return &sluice{engine: e, work: w}, err
}

func (s *sluice) close() { _ = s.engine.Close(context.Background()) }

// The limits of calls, those of a server's defaults.
const (
	callDeadline = 40 * time.Second
	callMemory   = 64 << 20
	callCPU      = 10 * time.Second
	callOutput   = 16 << 20
)

// connector is a guest with the image that its calls start from.
type connector struct {
	code *prepared.Code
	pool *sandbox.Pool
	work work
}

// open compiles a guest and takes an image of it, after its function warm if that is asked for. The caller closes the
// connector.
func (s *sluice) open(ctx context.Context, wasm []byte, warm bool) (*connector, error) {
	limits := sandbox.Limits{Memory: callMemory, CPU: callCPU}
	code, err := prepared.Prepare(ctx, s.engine, wasm, limits, warm)
	if err != nil {
		return nil, err
	}
	c := &connector{code: code, work: s.work}
	c.pool = sandbox.NewPool(sandbox.PoolConfig{
		Make: func(context.Context, any) (*sandbox.Instance, error) { return code.Image.Instance(limits) }, Warm: 1,
	})
	return c, nil
}

func (c *connector) close() {
	c.pool.Close()
	c.code.Close()
}

// call runs the command in a sandbox of the pool, and waits until the sandbox has been put back to the image, for which
// a server's callers do not wait.
func (c *connector) call(ctx context.Context) ([]byte, error) {
	body, err := c.run(ctx)
	c.awaitReset()
	return body, err
}

func (c *connector) run(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callDeadline)
	defer cancel()
	call := &abi.Call{Host: &hostfuncs.Call{HTTP: c.work}, Params: c.work.params, Context: callContext, OutputLimit: callOutput}
	i, err := c.pool.Get(ctx, call)
	if err != nil {
		return nil, err
	}
	err = call.Execute(ctx, i, command)
	c.pool.Put(i, err != nil)
	_, body, answered, _ := call.Output()
	if err == nil && !answered {
		err = errUnanswered
	}
	return body, err
}

// command is the one that is called, the first of every guest.
const command = 0

var callContext = []byte(`{"command":"Price","connector":"order","call_id":"benchmark","deadline_ms":40000}`)

// awaitReset waits until the one sandbox is in the pool again. The reset runs in a goroutine of its own.
func (c *connector) awaitReset() {
	for c.pool.Stats().Idle == 0 {
		runtime.Gosched()
	}
}

// resets measures how many pages a call writes, and how many microseconds it takes until they are put back.
func (c *connector) resets(ctx context.Context, rounds int) (pages, microseconds figures.Spread, err error) {
	const calls = 50
	var allPages, allTimes []float64
	for range rounds {
		before := c.pool.Stats()
		var took time.Duration
		for range calls {
			if _, err := c.run(ctx); err != nil {
				return pages, microseconds, err
			}
			began := time.Now()
			c.awaitReset()
			took += time.Since(began)
		}
		after := c.pool.Stats()
		if after.Discarded > before.Discarded || after.Resets-before.Resets != calls {
			return pages, microseconds, errors.New("a sandbox was not put back to its image")
		}
		allPages = append(allPages, float64(after.Pages-before.Pages)/calls)
		allTimes = append(allTimes, float64(took.Nanoseconds())/1e3/calls)
	}
	return figures.Spreads(allPages), figures.Spreads(allTimes), nil
}
