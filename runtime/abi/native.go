package abi

import (
	"context"
	"time"

	"sluice/hostfuncs"
	"sluice/internal/rawjson"
	"sluice/runtime/sandbox"

	"github.com/tetratelabs/wazero/api"
)

// The exports of the native ABI.
const (
	exportInitialize = "_initialize"
	exportDescribe   = "describe"
	exportWarm       = "warm"
	exportExecute    = "execute"
)

// Prepare makes a first sandbox of the module and runs the guest's own initialisation, where it has one. The caller
// closes the sandbox.
func (c *Call) Prepare(ctx context.Context, m *sandbox.Module, l sandbox.Limits) (*sandbox.Instance, error) {
	i, err := m.First(ctx, c, l)
	if err != nil {
		return nil, err
	}
	if i.Has(exportInitialize) {
		if err := i.Call(ctx, c, exportInitialize); err != nil {
			i.Close()
			return nil, err
		}
	}
	return i, nil
}

// Describe asks a guest of the native ABI for its manifest and returns what it wrote, unchecked.
func (c *Call) Describe(ctx context.Context, i *sandbox.Instance) ([]byte, error) {
	err := i.Call(ctx, c, exportDescribe)
	return c.body, normalExit(err)
}

// Warm has a guest exercise its code, where it offers that. It reports whether it does.
func (c *Call) Warm(ctx context.Context, i *sandbox.Instance) (bool, error) {
	if !i.Has(exportWarm) {
		return false, nil
	}
	return true, normalExit(i.Call(ctx, c, exportWarm))
}

// Execute runs the command at that position of the manifest. On return without error the guest's answer, if it gave
// one, is in Output.
func (c *Call) Execute(ctx context.Context, i *sandbox.Instance, command uint32) error {
	return normalExit(i.Call(ctx, c, exportExecute, uint64(command)))
}

// Output is the head and body of the guest's answer. answered is false where it gave none; tooLarge says that it tried
// to write more than the limit.
func (c *Call) Output() (head, body []byte, answered, tooLarge bool) {
	return c.head, c.body, c.answered, c.tooLarge
}

// BodyIsJSON says that the body was found to be strict JSON text, when the guest asked. False says nothing.
func (c *Call) BodyIsJSON() bool { return c.bodyJSON == isJSON }

// normalExit makes success of a guest that ended itself with status 0.
func normalExit(err error) error {
	if f, ok := err.(*sandbox.Fault); ok && f.Kind == sandbox.ExitedNormally {
		return nil
	}
	return err
}

// nativeFunctions implements guest-sdk/ABI.md. Parameters and results are on the stack, as the function's type says.
var nativeFunctions = map[string]api.GoModuleFunc{
	"size": func(ctx context.Context, _ api.Module, stack []uint64) {
		sandbox.Spend(ctx, hostCall)
		c := callOf(ctx)
		b, errno := c.behind(ctx, handle(stack[0]))
		switch errno {
		case hostfuncs.OK:
			stack[0] = uint64(len(b))
		case streamed:
			stack[0] = uint64(c.streamSize(handle(stack[0])))
		default:
			stack[0] = uint64(int64(errno))
		}
	},
	"read":   withErrno(nativeRead),
	"close":  withErrno(nativeClose),
	"write":  withErrno(nativeWrite),
	"answer": withErrno(nativeAnswer),
	"log": withErrno(func(ctx context.Context, c *Call, mem api.Memory, stack []uint64) int32 {
		line, ok := mem.Read(uint32(stack[1]), uint32(stack[2]))
		if !ok {
			return int32(hostfuncs.BadRange)
		}
		sandbox.Spend(ctx, min(len(line), hostfuncs.MaxLogLine))
		return int32(c.Host.Log(hostfuncs.Level(uint32(stack[0])), line))
	}),
	"random": withErrno(func(ctx context.Context, c *Call, mem api.Memory, stack []uint64) int32 {
		p, ok := mem.Read(uint32(stack[0]), uint32(stack[1]))
		if !ok {
			return int32(hostfuncs.BadRange)
		}
		c.fillRandom(ctx, p)
		return 0
	}),
	"now": func(ctx context.Context, _ api.Module, stack []uint64) {
		sandbox.Spend(ctx, hostCall)
		stack[0] = uint64(callOf(ctx).Host.Now())
	},
	"sleep":        withErrno(nativeSleep),
	"cache_get":    cached(nativeCacheGet),
	"cache_put":    cached(nativeCachePut),
	"cache_delete": cached(nativeCacheDelete),
	"http_send":    withErrno(nativeHTTPSend),
	"http_status":  withErrno(nativeHTTPStatus),
	"http_header":  withErrno(nativeHTTPHeader),
	"is_json":      withErrno(nativeIsJSON),
	"write_from":   withErrno(nativeWriteFrom),
	"tcp_open":     withErrno(nativeTCPOpen),
	"tcp_read":     transferring((*hostfuncs.Call).ReadTCP),
	"tcp_write":    transferring((*hostfuncs.Call).WriteTCP),
	"tcp_tls":      withErrno(nativeTCPTLS),
	"secret":       withErrno(nativeSecret),
	"secret_value": withErrno(nativeSecretValue),
	"hmac":         withErrno(nativeHMAC),
}

// withErrno adapts a function that returns one i32, ≥ 0 for success, else an Errno. A guest whose time is over gets no
// further, whatever it calls: code without loops is not looked at between its calls.
func withErrno(f func(ctx context.Context, c *Call, mem api.Memory, stack []uint64) int32) api.GoModuleFunc {
	return func(ctx context.Context, guest api.Module, stack []uint64) {
		interruptible(ctx.Err())
		sandbox.Spend(ctx, hostCall)
		stack[0] = api.EncodeI32(f(ctx, callOf(ctx), guest.Memory(), stack))
	}
}

// randomPiece is how much randomness is made between two looks at the clock, in bytes: about 0.2 ms.
const randomPiece = 64 << 10

func (c *Call) fillRandom(ctx context.Context, p []byte) {
	for len(p) > 0 {
		interruptible(ctx.Err())
		n := min(len(p), randomPiece)
		sandbox.Spend(ctx, n)
		c.Host.Random(p[:n])
		p = p[n:]
	}
}

// What host functions cost, in units of fuel: a call, and bytes that are copied, or made sense of.
const (
	hostCall      = 100
	copiedPerOne  = 8
	parsedPerByte = 8
)

func spendCopy(ctx context.Context, n int) { sandbox.Spend(ctx, n/copiedPerOne) }

// copyPiece is how much is copied between two looks at the clock, in bytes: some 50 µs, for pages that are new.
const copyPiece = 256 << 10

// copyInPieces copies src to the start of dst. It takes fuel for each piece, and lets the collector in, which can't stop
// a copy.
func copyInPieces(ctx context.Context, dst, src []byte) {
	for len(src) > 0 {
		n := min(len(src), copyPiece)
		spendCopy(ctx, n)
		copy(dst, src[:n])
		dst, src = dst[n:], src[n:]
	}
}

type handle uint32

// The handles that every call has.
const (
	handleParams  handle = 0
	handleContext handle = 1
	handleFirst   handle = 2
)

// behind returns the bytes that a handle stands for, streamed where there is a body whose bytes are not there yet.
func (c *Call) behind(ctx context.Context, h handle) ([]byte, hostfuncs.Errno) {
	switch {
	case c.Host.Describing:
		return nil, hostfuncs.NotAvailable
	case h == handleParams:
		return c.Params, hostfuncs.OK
	case h == handleContext:
		return c.Context, hostfuncs.OK
	case isConnection(h):
		return c.connectionHead(h)
	}
	r, errno := c.response(h)
	switch {
	case errno != hostfuncs.OK:
		return nil, errno
	case isBody(h) && r.stream != nil:
		return nil, streamed
	case isBody(h):
		return r.body, hostfuncs.OK
	case r.head == nil:
		sandbox.Spend(ctx, int(r.headSize))
		head := hostfuncs.ResponseHead(r.of, r.failure)
		if !c.charge(cap(head)) {
			return nil, hostfuncs.TooLarge
		}
		r.head = head
		r.headSize += int32(cap(head))
		c.held += cap(head)
	}
	return r.head, hostfuncs.OK
}

func nativeRead(ctx context.Context, c *Call, mem api.Memory, stack []uint64) int32 {
	h := handle(stack[0])
	b, errno := c.behind(ctx, h)
	if errno != hostfuncs.OK && errno != streamed {
		return int32(errno)
	}
	dst, ok := mem.Read(uint32(stack[2]), uint32(stack[3]))
	if !ok {
		return int32(hostfuncs.BadRange)
	}
	offset := stack[1]
	if errno == streamed {
		return c.readStream(ctx, h, offset, dst)
	}
	if offset >= uint64(len(b)) {
		return 0
	}
	// A memory has at most 2³² bytes, but only 2³¹ − 1 of them can be counted in the result.
	n := min(uint64(len(dst)), uint64(len(b))-offset, 1<<31-1)
	copyInPieces(ctx, dst, b[offset:offset+n])
	return int32(n)
}

func nativeClose(ctx context.Context, c *Call, _ api.Memory, stack []uint64) int32 {
	h := handle(stack[0])
	if !c.Host.Describing && h < handleFirst {
		return 0
	}
	if isConnection(h) {
		return int32(c.closeConnection(ctx, h))
	}
	return int32(c.closeHandle(h))
}

func nativeWrite(ctx context.Context, c *Call, mem api.Memory, stack []uint64) int32 {
	p, ok := mem.Read(uint32(stack[0]), uint32(stack[1]))
	if !ok {
		return int32(hostfuncs.BadRange)
	}
	return c.write(ctx, p)
}

// write appends to the answer's body.
func (c *Call) write(ctx context.Context, p []byte) int32 {
	if len(p) > c.OutputLimit-len(c.body) {
		c.tooLarge = true
		return int32(hostfuncs.TooLarge)
	}
	at := len(c.body)
	if at+len(p) > cap(c.body) {
		// Most guests write once. Others get twice as much room each time, but not more than they can use.
		size := max(at+len(p), min(2*at, c.OutputLimit))
		if !c.charge(size - cap(c.body)) {
			return int32(hostfuncs.TooLarge)
		}
		spendCopy(ctx, size) // what is new is cleared
		grown := make([]byte, at, size)
		copyInPieces(ctx, grown, c.body)
		c.body = grown
	}
	c.body, c.bodyJSON = c.body[:at+len(p)], unchecked
	copyInPieces(ctx, c.body[at:], p)
	return 0
}

// maxAnswerHead bounds the head of an answer, in bytes: room for every header a service may send.
const maxAnswerHead = 256 << 10

func nativeAnswer(ctx context.Context, c *Call, mem api.Memory, stack []uint64) int32 {
	p, ok := mem.Read(uint32(stack[0]), uint32(stack[1]))
	switch {
	case !ok:
		return int32(hostfuncs.BadRange)
	case c.Host.Describing:
		return int32(hostfuncs.NotAvailable)
	case len(p) > maxAnswerHead:
		c.tooLarge = true
		return int32(hostfuncs.TooLarge)
	case c.answered, rawjson.KindOf(p) != rawjson.Object:
		return int32(hostfuncs.Invalid)
	}
	sandbox.Spend(ctx, len(p))
	c.head, c.answered = append([]byte(nil), p...), true
	return 0
}

func nativeSleep(ctx context.Context, c *Call, _ api.Memory, stack []uint64) int32 {
	if c.Host.Describing {
		return int32(hostfuncs.NotAvailable)
	}
	interruptible(c.sleep(ctx, milliseconds(int64(stack[0]), hostfuncs.MaxDeadline)))
	return 0
}

// sleep waits, and does not count as computing. For no time it does not wait: a permit that is given up and asked for
// again at once goes from call to call of a crowd, and keeps everybody else from the processor.
func (c *Call) sleep(ctx context.Context, d time.Duration) error {
	if d > 0 {
		defer sandbox.Waiting(ctx)()
	}
	return c.Host.Sleep(sandbox.ContextOf(ctx), d)
}

// milliseconds is a duration from a guest's number, which may be anything, from nothing to the longest.
func milliseconds(ms int64, longest time.Duration) time.Duration {
	return time.Duration(min(max(ms, 0), longest.Milliseconds())) * time.Millisecond
}

// The bounds of what one call may hold behind handles: responses in number, and bytes in all. One counts until both its
// handles are closed.
const (
	maxResponses = 512
	maxHeldBytes = 64 << 20
)

func nativeHTTPSend(ctx context.Context, c *Call, mem api.Memory, stack []uint64) int32 {
	head, ok := mem.Read(uint32(stack[0]), uint32(stack[1]))
	if !ok {
		return int32(hostfuncs.BadRange)
	}
	body, ok := mem.Read(uint32(stack[2]), uint32(stack[3]))
	if !ok {
		return int32(hostfuncs.BadRange)
	}
	at := c.freeResponse()
	if at >= maxResponses || c.held >= maxHeldBytes {
		return int32(hostfuncs.TooLarge)
	}
	sandbox.Spend(ctx, parsedPerByte*min(len(head), hostfuncs.MaxRequestHead))
	request, errno := c.Host.ParseHTTP(head)
	if errno != hostfuncs.OK {
		return int32(errno)
	}
	// The guest stands still until the client has returned, and the client reads nothing after that: its memory is lent.
	request.Body = body
	w := &worker{ctx}
	request.Worker = w
	if request.Stream {
		return c.sendStreamed(ctx, at, request, w)
	}
	request.Memory = c.receiveBody()
	defer c.received()
	done := sandbox.Waiting(ctx)
	received, failure, err := c.Host.SendHTTP(sandbox.ContextOf(ctx), request)
	done()
	chargeOpened(ctx, c)
	interruptible(err)
	if received != nil {
		chargeTransfer(ctx, len(body)+len(received.Body))
	}
	r := newResponse(c.Host.MaskHTTP(received, failure, w.look))
	if c.coming.refused || !c.charge(r.size()) {
		return int32(hostfuncs.TooLarge)
	}
	return int32(c.keep(at, r))
}

// worker has what a request takes of the processor counted as the guest's computing.
type worker struct{ ctx context.Context } // of the host function

// Work implements [egress.Worker].
func (w *worker) Work(do func(look func(n int))) {
	sandbox.Computing(w.ctx, func() { do(w.look) })
}

// Wait implements [egress.Worker].
func (w *worker) Wait(do func()) {
	done := sandbox.Waiting(w.ctx)
	do()
	done()
}

func (w *worker) look(n int) { sandbox.Spend(w.ctx, n) }

// interruptible unwinds the guest where err is not nil: its call's context has ended. wazero turns the panic into the
// error that the call returns; it is the engine's own way for a host function to end a guest.
func interruptible(err error) {
	if err != nil {
		panic(sandbox.Interrupted{Cause: err})
	}
}
