package runtime

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"sync"

	"sluice/hostfuncs"
	"sluice/runtime/abi"
	"sluice/runtime/sandbox"
	"sluice/runtime/sandbox/memory"
)

// rounds are the calls of a verification in one mode. Several goroutines make them.
type rounds struct {
	*verification
	code     *code
	mode     memory.Mode
	pristine *sandbox.State // nil where there is no image: two instances that initialised themselves may differ
	pool     *sandbox.Pool

	mu   sync.Mutex // protects what follows, and the verification's findings
	done int        // calls begun
	out  VerifiedMode
}

func (r *rounds) run(ctx context.Context) error {
	limits := r.runtime.config.Limits.sandbox()
	calls := r.config.Calls
	if r.code.image == nil {
		calls = max(calls/verifyFresh, 2)
	} else {
		i, err := r.code.image.Instance(limits)
		if err != nil {
			return err
		}
		r.pristine = i.State()
		i.Close()
	}
	r.pool = sandbox.NewPool(sandbox.PoolConfig{
		Make: r.code.maker(limits), Warm: r.config.Sandboxes, Slots: []*sandbox.Slots{
			sandbox.NewSlots(r.config.Sandboxes, r.config.Sandboxes), // one call waits for each that is put back
		},
	})
	var wait sync.WaitGroup
	errs := make(chan error, r.config.Sandboxes)
	for range r.config.Sandboxes {
		wait.Go(func() {
			for n, more := r.next(calls); more; n, more = r.next(calls) {
				if err := r.call(ctx, n); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wait.Wait()
	r.pool.Close()
	close(errs)
	if err := <-errs; err != nil {
		return err
	}
	r.out.Mode, r.out.Calls, r.out.Sandboxes = r.mode.String(), calls, int(r.pool.Stats().Made)
	r.verification.out.Modes = append(r.verification.out.Modes, r.out)
	return nil
}

func (r *rounds) next(calls int) (n int, more bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done == calls {
		return 0, false
	}
	r.done++
	return r.done - 1, true
}

// call is one call: it gets a sandbox, looks whether it is pristine, runs describe in it, leaves canaries, and gives it
// back.
func (r *rounds) call(ctx context.Context, n int) error {
	call, canary := r.calling(n)
	i, err := r.pool.Get(ctx, call)
	if err != nil {
		return err
	}
	if r.config.tamper != nil {
		r.config.tamper(n, i)
	}
	r.look(n, i)
	failed := r.describe(ctx, n, call, i)
	r.lookAtHost(n, call, canary)
	canaries, found := i.Soil(r.dirt(n, canary))
	for _, f := range found {
		r.report(n, f)
	}
	r.mu.Lock()
	r.out.Canaries += canaries
	r.mu.Unlock()
	r.pool.Put(i, failed)
	return ctx.Err()
}

// describe compares what describe answers with what it answered first.
func (r *rounds) describe(ctx context.Context, n int, call *abi.Call, i *sandbox.Instance) (failed bool) {
	ctx, cancel := context.WithTimeout(ctx, verifyDescribe)
	defer cancel()
	answer, err := call.Describe(ctx, i)
	if err != nil {
		r.report(n, "describe fails, which it did not when the module was made ready: "+err.Error())
	} else if !bytes.Equal(answer, r.answer) {
		r.report(n, "describe answers something else than in the first call")
	}
	return err != nil
}

// calling returns the nth call, in which the guest is only asked for what it is, and its canary. The call's own texts have
// the canary too, which the guest is not offered.
func (r *rounds) calling(n int) (*abi.Call, [16]byte) {
	var canary [16]byte
	copy(canary[:], r.marker[:])
	binary.BigEndian.PutUint64(canary[8:], uint64(r.mode)<<32|uint64(n))
	call := describing()
	call.Params, call.Context = canary[:], canary[:]
	return call, canary
}

// look looks for what the calls before left in a sandbox.
func (r *rounds) look(n int, i *sandbox.Instance) {
	if at, found := i.Find(r.marker[:]); found {
		r.reportf(n, "a canary of another call is in the memory, at address %d", at)
	}
	if r.pristine == nil {
		return
	}
	for _, d := range append(i.Differences(r.pristine), i.Leftovers()...) {
		r.report(n, d)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.out.ComparedBytes += int64(r.pristine.MemoryBytes())
	r.out.Globals = r.pristine.Globals()
}

// lookAtHost looks for canaries in what the host's side of a call has gathered, and leaves one there.
func (r *rounds) lookAtHost(n int, call *abi.Call, canary [16]byte) {
	head, body, _, _ := call.Output()
	gathered := [][]byte{head, body, call.Stderr(), []byte(strings.Join(call.Host.LogLines(), "\n"))}
	for k, what := range []string{"the head of the answer", "the answer", "what the guest printed", "the call's log"} {
		if bytes.Contains(gathered[k], r.marker[:]) {
			r.reportf(n, "a canary is in %s", what)
		}
	}
	call.Host.Log(hostfuncs.Info, canary[:])
}

// dirt is what the nth call leaves behind: on some pages, or on all of them, or on all that the memory may grow to.
func (r *rounds) dirt(n int, canary [16]byte) sandbox.Dirt {
	const few, everywhere, everything = 12, 4, 32
	d := sandbox.Dirt{Canary: canary, Globals: true}
	switch {
	case n%everything == everything-1:
		d.Grow, d.Exceed, d.Everywhere = 1<<16, true, true
	case n%everywhere == everywhere-1:
		d.Grow, d.Everywhere = uint32(rand.N(3)), true
	default:
		d.Grow = uint32(rand.N(3))
		pages := int(r.code.report.ImageBytes)/sandbox.PageSize*16 + 32
		for range few {
			d.Pages = append(d.Pages, rand.N(pages))
		}
	}
	return d
}

func (r *rounds) report(n int, what string) { r.reportf(n, "%s", what) }

func (r *rounds) reportf(n int, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.found("%s, call %d: "+format, append([]any{r.mode, n + 1}, args...)...)
}
