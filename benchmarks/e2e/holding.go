package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// newHoldingServing answers every request with the same JSON, but none before the crowd's calls are all here and its
// delay is over, or its patience. Then it begins anew.
func newHoldingServing(o order) *serving {
	h := &holding{order: o, release: make(chan struct{})}
	s := &fasthttp.Server{CloseOnShutdown: true, Handler: h.answer}
	return &serving{
		serve: s.Serve, shutdown: func(ctx context.Context) error { return s.ShutdownWithContext(ctx) },
		close: func() error { return nil }, held: h.held.Load,
	}
}

type holding struct {
	order order
	held  atomic.Int64

	mu      sync.Mutex
	arrived int           // of this crowd
	release chan struct{} // closed when this crowd may go
}

func (h *holding) answer(ctx *fasthttp.RequestCtx) {
	release := h.arrive()
	h.held.Add(1)
	select {
	case <-release:
	case <-time.After(crowdPatience):
	}
	h.held.Add(-1)
	ctx.SetContentType("application/json")
	ctx.SetBody(h.order.Body)
}

// arrive counts a request in, and returns what it waits for.
func (h *holding) arrive() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	release := h.release
	if h.arrived++; h.arrived == h.order.Crowd.Calls {
		h.arrived, h.release = 0, make(chan struct{})
		time.AfterFunc(h.order.Crowd.Delay, func() { close(release) })
	}
	return release
}
