package abi

import (
	"context"

	"sluice/hostfuncs"
	"sluice/hostfuncs/egress"
	"sluice/runtime/sandbox"
)

// streamed is what behind says of a body that is read as it comes, and what is answered where all of it is asked for.
const streamed = hostfuncs.Invalid

// sendStreamed sends a request whose response is streamed.
func (c *Call) sendStreamed(ctx context.Context, at int, request *egress.Request, w *worker) int32 {
	body := len(request.Body)
	var received *egress.Response
	kept := false
	defer func() { // whatever unwinds the guest meanwhile
		if received != nil && !kept {
			received.Stream.Close()
		}
	}()
	done := sandbox.Waiting(ctx)
	response, failure, err := c.Host.StreamHTTP(sandbox.ContextOf(ctx), request, c.openStreams())
	received = response
	done()
	chargeOpened(ctx, c)
	interruptible(err)
	if response != nil {
		chargeTransfer(ctx, body)
	}
	r := newResponse(c.Host.MaskHTTP(response, failure, w.look))
	if response != nil {
		r.stream = c.Host.BodyOf(response)
	}
	if !c.charge(r.size()) {
		return int32(hostfuncs.TooLarge)
	}
	kept = true
	return int32(c.keep(at, r))
}

// openStreams is how many streams the guest has open.
func (c *Call) openStreams() int {
	open := 0
	for i := range c.responses {
		if s := c.responses[i].stream; s != nil && s.Open() {
			open++
		}
	}
	return open
}

// closeStreams ends what the guest left open. The call is over, however it ended.
func (c *Call) closeStreams() {
	for i := range c.responses {
		c.responses[i].closeStream()
	}
}

// streamSize is the size of a body that is streamed, where it is known.
func (c *Call) streamSize(h handle) int64 {
	r, _ := c.response(h)
	if n := r.stream.Size(); n >= 0 {
		return n
	}
	return int64(streamed)
}

// readStream reads what comes next of a body, to the guest's memory, which is lent: the guest stands still meanwhile.
func (c *Call) readStream(ctx context.Context, h handle, offset uint64, dst []byte) int32 {
	r, _ := c.response(h)
	if offset != r.stream.Offset() {
		return int32(hostfuncs.Invalid)
	}
	return c.receive(ctx, r, dst)
}

// receive waits for what comes next of a body, and returns how many bytes that is, 0 at the end. What the host holds for
// the body, it no more does there. Where the body ends before its end, the head says why.
func (c *Call) receive(ctx context.Context, r *response, dst []byte) int32 {
	before, came := r.size(), r.stream.Received()
	n, failure, err := r.stream.Read(dst,
		func() func() { return sandbox.Waiting(ctx) },
		func(n int) { sandbox.Spend(ctx, n) })
	interruptible(err)
	if failure != nil {
		r.fail(failure)
	}
	c.held += r.size() - before
	chargeTransfer(ctx, int(r.stream.Received()-came))
	if failure != nil {
		return int32(hostfuncs.Closed)
	}
	return int32(n)
}

// fail has the head say why the body ended.
func (r *response) fail(failure *egress.Error) {
	if r.headOpen {
		r.of, r.failure, r.head, r.headSize = nil, failure, nil, failureSize(failure)
	}
}

func (r *response) closeStream() {
	if r.stream != nil {
		r.stream.Close()
	}
}

// writtenPiece is how much of a stream goes into the answer at a time, in bytes.
const writtenPiece = 32 << 10

// writeStream appends what has not been read of a body to the answer's. Where that fails, nothing of it is taken.
func (c *Call) writeStream(ctx context.Context, h handle) int32 {
	r, _ := c.response(h)
	at, json := len(c.body), c.bodyJSON
	if size := r.stream.Size(); size >= 0 && size-int64(r.stream.Offset()) > int64(c.OutputLimit-at) {
		c.tooLarge = true
		return int32(hostfuncs.TooLarge)
	}
	piece := make([]byte, writtenPiece)
	for {
		n := c.receive(ctx, r, piece)
		if n == 0 {
			return 0
		}
		if n > 0 {
			n = c.write(ctx, piece[:n])
		}
		if n < 0 {
			c.body, c.bodyJSON = c.body[:at], json
			return n
		}
	}
}
