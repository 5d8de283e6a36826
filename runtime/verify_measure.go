package runtime

import (
	"context"
	"fmt"
	"slices"

	"sluice/runtime/sandbox"
	"sluice/runtime/sandbox/memory"
)

// Reset is how the memory of a connector's sandboxes is put back between two calls.
type Reset struct {
	// Mode is the method: track, scan, discard or copy. All are tried when the runtime starts, and this is the best one
	// that works on this machine. "" where each call has an instance of its own.
	Mode string
	// Pages is how many pages of the host a call of describe writes, and a reset puts back: the median of several
	// sandboxes. It is −1 where the mode does not count them.
	Pages int
	// PageBytes is how large such a page is, in bytes.
	PageBytes int
}

// measured is how many sandboxes MeasureReset uses.
const measured = 5

// MeasureReset calls describe of a connector in service in a few new sandboxes, and says what it takes to put them back.
//
// # Errors
//
// Of a connector that is not in service, and those of sandboxes.
func (r *Runtime) MeasureReset(ctx context.Context, connector string) (Reset, error) {
	c := r.current.Load().connectors[connector]
	if c == nil || c.unavailable != "" || !c.acquire() {
		return Reset{}, fmt.Errorf("the connector %q is not in service", connector)
	}
	defer c.release()
	if c.code.image == nil {
		return Reset{Pages: -1, PageBytes: sandbox.HostPageBytes()}, nil
	}
	var pages []int
	for range measured {
		n, err := r.describeOnce(ctx, c)
		if err != nil {
			return Reset{}, err
		}
		pages = append(pages, n)
	}
	slices.Sort(pages)
	mode := r.engine.Mode()
	out := Reset{Mode: mode.String(), Pages: pages[measured/2], PageBytes: sandbox.HostPageBytes()}
	if mode == memory.Discard { // which does not count
		out.Pages = -1
	}
	return out, nil
}

// describeOnce runs describe in a pool of its own, and returns how many pages were put back after it.
func (r *Runtime) describeOnce(ctx context.Context, c *connector) (pages int, err error) {
	ctx, cancel := context.WithTimeout(ctx, describeDeadline)
	defer cancel()
	pool := sandbox.NewPool(sandbox.PoolConfig{Make: c.code.maker(c.limits.sandbox()), Warm: 1})
	call := describing()
	i, err := pool.Get(ctx, call)
	if err == nil {
		_, err = call.Describe(ctx, i)
		pool.Put(i, err != nil)
	}
	pool.Close() // which waits until the sandbox was put back
	return int(pool.Stats().Pages), err
}
