package sandbox

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
)

// ErrBusy: as many calls run and wait as may.
var ErrBusy = errors.New("as many calls run and wait as may")

// PoolConfig is how a Pool is made.
type PoolConfig struct {
	// Make returns an instance for a call with that context and host, which ends up in the pool where it has an image. The
	// error of a guest is a *Fault.
	Make func(ctx context.Context, host any) (*Instance, error)
	// Warm is how many instances are kept that no call uses.
	Warm int
	// Slots bound how many instances there are in use; they may be shared between pools.
	Slots []*Slots
}

// Pool lends instances to calls, the last used one first, since its pages are in the processor's caches. It is safe for
// concurrent use.
type Pool struct {
	config PoolConfig
	lent   sync.WaitGroup
	stats  struct{ made, reused, discarded, resets, pages atomic.Uint64 }
	// recycling is how many instances are being put back, or about to.
	recycling atomic.Int64

	mu     sync.Mutex // protects what follows
	idle   []*Instance
	closed bool
}

// NewPool returns a pool without instances. The caller closes it.
func NewPool(c PoolConfig) *Pool { return &Pool{config: c} }

// Get lends an instance to a call with that context and host. It waits where as many as may be are in use. The caller
// gives the instance back by Put.
//
// # Errors
//
// ErrBusy where too many wait already, the context's error where it ended first, and those of PoolConfig.Make.
func (p *Pool) Get(ctx context.Context, host any) (*Instance, error) {
	if err := p.take(ctx); err != nil {
		return nil, err
	}
	p.lent.Add(1)
	i := p.pop()
	if i == nil && p.recycling.Load() > 0 {
		// To put one back takes a hundredth of the time that it takes to make one: have that done first.
		runtime.Gosched()
		i = p.pop()
	}
	if i != nil {
		p.stats.reused.Add(1)
		return i, nil
	}
	i, err := p.config.Make(ctx, host)
	if err != nil {
		p.give()
		return nil, err
	}
	p.stats.made.Add(1)
	return i, nil
}

func (p *Pool) take(ctx context.Context) error {
	for n, s := range p.config.Slots {
		if err := s.take(ctx); err != nil {
			for _, taken := range p.config.Slots[:n] {
				taken.give()
			}
			return err
		}
	}
	return nil
}

// give gives back what Get took. Close returns no earlier than the slots are free.
func (p *Pool) give() {
	for _, s := range p.config.Slots {
		s.give()
	}
	p.lent.Done()
}

func (p *Pool) pop() *Instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 {
		return nil
	}
	last := len(p.idle) - 1
	i := p.idle[last]
	p.idle[last] = nil
	p.idle = p.idle[:last]
	return i
}

// Put takes back an instance that Get lent. failed says that its guest did not end as it should: it is not used again.
// The instance is put back to its image, or another one made in its place, while the caller goes on.
func (p *Pool) Put(i *Instance, failed bool) {
	p.recycling.Add(1)
	go p.recycle(i, failed)
}

func (p *Pool) recycle(i *Instance, failed bool) {
	defer p.give()
	defer p.recycling.Add(-1)
	if !failed && i.image != nil && !i.meter.deep {
		if pages, err := i.reset(); err == nil {
			p.stats.resets.Add(1)
			p.stats.pages.Add(uint64(pages))
			p.push(i)
			return
		}
	}
	image, limits := i.image, i.limits
	replacing.Lock()
	defer replacing.Unlock()
	i.Close()
	p.stats.discarded.Add(1)
	if image != nil && p.wants() {
		if next, err := image.Instance(limits); err == nil {
			p.stats.made.Add(1)
			p.push(next)
		}
	}
}

// replacing has instances closed, and made in their place, one at a time: the system changes the mappings of a process one
// at a time too, and whoever waits for that keeps a processor from those that answer calls.
var replacing sync.Mutex

// wants says that there is no instance left for the next call, where one would be kept.
func (p *Pool) wants() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.idle) == 0 && p.config.Warm > 0 && !p.closed
}

// push keeps an instance for the next call, or closes it where there are enough.
func (p *Pool) push(i *Instance) {
	p.mu.Lock()
	if !p.closed && len(p.idle) < p.config.Warm {
		p.idle = append(p.idle, i)
		i = nil
	}
	p.mu.Unlock()
	if i != nil {
		i.Close()
	}
}

// Stats count what a pool did since it was made.
type Stats struct {
	// Made, Reused and Discarded count instances: made, lent again, and thrown away, because the call failed or went deep,
	// or because they have no image.
	Made, Reused, Discarded uint64
	// Resets counts instances that were put back to their image, and Pages the pages of the host written in between.
	Resets, Pages uint64
	// Idle is how many instances wait for a call.
	Idle int
}

// Stats returns what the pool did until now.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	idle := len(p.idle)
	p.mu.Unlock()
	return Stats{
		Made: p.stats.made.Load(), Reused: p.stats.reused.Load(), Discarded: p.stats.discarded.Load(),
		Resets: p.stats.resets.Load(), Pages: p.stats.pages.Load(), Idle: idle,
	}
}

// Close closes all instances. It waits for those that were lent; no more may be asked for.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.lent.Wait()
	p.mu.Lock()
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, i := range idle {
		i.Close()
	}
}
