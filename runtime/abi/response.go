package abi

import (
	"context"
	"strings"

	"sluice/hostfuncs"
	"sluice/hostfuncs/egress"
	"sluice/internal/rawjson"
	"sluice/runtime/sandbox"

	"github.com/tetratelabs/wazero/api"
)

// response is what one http_send led to, behind two handles: its head, and its body.
type response struct {
	of       *egress.Response // without its body; nil where none came, and when the head is closed
	failure  *egress.Error    // why none came
	head     []byte           // as a guest reads it, made when one does
	headSize int32            // what the head counts among what the call holds, in bytes
	body     []byte
	stream   *hostfuncs.Body // the body, where it is streamed
	json     verdict         // on body

	headOpen, bodyOpen bool
}

// verdict is what is known of some bytes: whether they are JSON text that an answer may have as its body.
type verdict byte

const (
	unchecked verdict = iota
	isJSON
	isNoJSON
)

// perHeader is what a header takes besides its text, in bytes.
const perHeader = 32

func newResponse(of *egress.Response, failure *egress.Error) response {
	r := response{of: of, failure: failure, headOpen: true, bodyOpen: true}
	if of == nil {
		r.headSize = failureSize(failure)
		return r
	}
	r.body, of.Body = of.Body, nil
	for _, h := range of.Headers {
		r.headSize += int32(len(h[0]) + len(h[1]) + perHeader)
	}
	return r
}

// failureSize is what a head counts that says why there is no response.
func failureSize(failure *egress.Error) int32 { return int32(perHeader + len(failure.Message)) }

func (r *response) size() int {
	n := int(r.headSize) + len(r.body)
	if r.stream != nil {
		n += r.stream.Memory()
	}
	return n
}

// isBody says which one of a response's handles it is: they are a pair, the head's and the body's.
func isBody(h handle) bool { return (h-handleFirst)%2 == 1 }

func isResponseBody(h handle) bool { return h >= handleFirst && h < handleConnections && isBody(h) }

// response is whose head or body is behind an open handle.
func (c *Call) response(h handle) (*response, hostfuncs.Errno) {
	if c.Host.Describing {
		return nil, hostfuncs.NotAvailable
	}
	at := uint64(h-handleFirst) / 2
	if h < handleFirst || at >= uint64(len(c.responses)) {
		return nil, hostfuncs.BadHandle
	}
	r := &c.responses[at]
	if isBody(h) && !r.bodyOpen || !isBody(h) && !r.headOpen {
		return nil, hostfuncs.BadHandle
	}
	return r, hostfuncs.OK
}

// freeResponse is where the next response goes: the first whose handles the guest has closed, so that a call which closes
// its handles can go on for as long as it has time, else behind the last.
func (c *Call) freeResponse() int {
	for at := range c.responses {
		if r := &c.responses[at]; !r.headOpen && !r.bodyOpen {
			return at
		}
	}
	return len(c.responses)
}

// keep puts a response behind a pair of handles and returns the first.
func (c *Call) keep(at int, r response) handle {
	if at == len(c.responses) {
		c.responses = append(c.responses, response{})
	}
	c.responses[at] = r
	c.held += r.size()
	return handleFirst + handle(2*at)
}

// closeHandle gives a response's head or body back.
func (c *Call) closeHandle(h handle) hostfuncs.Errno {
	r, errno := c.response(h)
	if errno != hostfuncs.OK {
		return errno
	}
	before := r.size()
	if isBody(h) {
		r.closeStream()
		r.body, r.stream, r.bodyOpen = nil, nil, false
	} else {
		r.of, r.failure, r.head, r.headSize, r.headOpen = nil, nil, nil, 0, false
	}
	c.held -= before - r.size()
	return hostfuncs.OK
}

// headOf is the response whose head is behind an open handle.
func (c *Call) headOf(h handle) (*response, hostfuncs.Errno) {
	if isBody(h) && !c.Host.Describing {
		return nil, hostfuncs.BadHandle
	}
	return c.response(h)
}

// nativeHTTPStatus is the status of a response, or 0 where none came.
func nativeHTTPStatus(_ context.Context, c *Call, _ api.Memory, stack []uint64) int32 {
	r, errno := c.headOf(handle(stack[0]))
	switch {
	case errno != hostfuncs.OK:
		return int32(errno)
	case r.of == nil:
		return 0
	}
	return int32(r.of.Status)
}

// maxHeaderName bounds the name of a header that is asked for, in bytes: as long as one of a request may be.
const maxHeaderName = 256

// nativeHTTPHeader copies the first value of a header and returns how long it is.
func nativeHTTPHeader(ctx context.Context, c *Call, mem api.Memory, stack []uint64) int32 {
	r, errno := c.headOf(handle(stack[0]))
	if errno != hostfuncs.OK {
		return int32(errno)
	}
	name, ok := mem.Read(uint32(stack[1]), uint32(stack[2]))
	dst, ok2 := mem.Read(uint32(stack[3]), uint32(stack[4]))
	switch {
	case !ok || !ok2:
		return int32(hostfuncs.BadRange)
	case len(name) > maxHeaderName:
		return int32(hostfuncs.Invalid)
	case r.of == nil:
		return int32(hostfuncs.Absent)
	}
	sandbox.Spend(ctx, perHeader*len(r.of.Headers)+len(name))
	wanted := string(name)
	for _, h := range r.of.Headers {
		if len(h[0]) != len(wanted) {
			continue
		}
		sandbox.Spend(ctx, len(wanted))
		if strings.EqualFold(h[0], wanted) {
			spendCopy(ctx, len(h[1]))
			copy(dst, h[1])
			return int32(len(h[1]))
		}
	}
	return int32(hostfuncs.Absent)
}

// checkPiece is how much is checked between two looks at the clock, in bytes: some 50 µs.
const checkPiece = 16 << 10

// nativeIsJSON says whether what stands behind a handle is JSON text that an answer may have as its body. What the host
// wrote itself is; a body is looked at once.
func nativeIsJSON(ctx context.Context, c *Call, _ api.Memory, stack []uint64) int32 {
	h := handle(stack[0])
	b, errno := c.behind(ctx, h)
	switch {
	case errno != hostfuncs.OK:
		return int32(errno)
	case !isResponseBody(h):
		return 1
	}
	r, _ := c.response(h)
	if r.json == unchecked {
		verdict := isJSON
		if rawjson.Check(b, rawjson.MaxDepth, checkPiece, func(n int) { sandbox.Spend(ctx, parsedPerByte*n) }) != nil {
			verdict = isNoJSON
		}
		r.json = verdict
	}
	if r.json == isNoJSON {
		return 0
	}
	return 1
}

// nativeWriteFrom appends what stands behind a handle to the answer's body. A response's body that is all of it is not
// copied: nobody changes it any more.
func nativeWriteFrom(ctx context.Context, c *Call, _ api.Memory, stack []uint64) int32 {
	h := handle(stack[0])
	b, errno := c.behind(ctx, h)
	switch {
	case errno == streamed:
		return c.writeStream(ctx, h)
	case errno != hostfuncs.OK:
		return int32(errno)
	case len(c.body) > 0 || !isResponseBody(h):
		return c.write(ctx, b)
	case len(b) > c.OutputLimit:
		c.tooLarge = true
		return int32(hostfuncs.TooLarge)
	}
	r, _ := c.response(h)
	c.body, c.bodyJSON = b[:len(b):len(b)], r.json
	return 0
}
