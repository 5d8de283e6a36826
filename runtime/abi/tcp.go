package abi

import (
	"context"
	"time"

	"sluice/hostfuncs"
	"sluice/hostfuncs/egress"
	"sluice/runtime/sandbox"

	"github.com/tetratelabs/wazero/api"
)

// connection is what one tcp_open led to, behind two handles: a head that says what became of it, and the connection.
type connection struct {
	head []byte       // nil when its handle is closed
	conn *egress.Conn // nil where there is none, and when its handle is closed
}

// handleConnections is the first of the handles of connections, which are pairs as those of responses are.
const handleConnections handle = 1 << 24

// perConnection is what an open connection counts among what the call holds, in bytes. TLS takes about that.
const perConnection = 32 << 10

func isConnection(h handle) bool {
	return h >= handleConnections && h < handleConnections+2*maxResponses
}

// connection is what an open handle belongs to.
func (c *Call) connection(h handle) (*connection, hostfuncs.Errno) {
	at := int(h-handleConnections) / 2
	switch {
	case c.Host.Describing:
		return nil, hostfuncs.NotAvailable
	case !isConnection(h), at >= len(c.connections):
		return nil, hostfuncs.BadHandle
	}
	o := &c.connections[at]
	if h%2 == 0 && o.head == nil || h%2 == 1 && o.conn == nil {
		return nil, hostfuncs.BadHandle
	}
	return o, hostfuncs.OK
}

// connectionHead is the head behind a handle. What a connection carries is not behind its handle.
func (c *Call) connectionHead(h handle) ([]byte, hostfuncs.Errno) {
	o, errno := c.connection(h)
	switch {
	case errno != hostfuncs.OK:
		return nil, errno
	case h%2 == 1:
		return nil, hostfuncs.BadHandle
	}
	return o.head, hostfuncs.OK
}

// open is the connection behind a handle.
func (c *Call) open(h handle) (*connection, hostfuncs.Errno) {
	o, errno := c.connection(h)
	if errno == hostfuncs.OK && h%2 == 0 {
		return nil, hostfuncs.BadHandle
	}
	return o, errno
}

// freeConnection is where the next connection goes, as freeResponse is, and how many are open.
func (c *Call) freeConnection() (at, open int) {
	at = len(c.connections)
	for i := len(c.connections) - 1; i >= 0; i-- {
		switch o := &c.connections[i]; {
		case o.conn != nil:
			open++
		case o.head == nil:
			at = i
		}
	}
	return at, open
}

// setHead changes what a head says. The host holds it for the call.
func (c *Call) setHead(o *connection, head []byte) {
	c.held += len(head) - len(o.head)
	o.head = head
}

func nativeTCPOpen(ctx context.Context, c *Call, mem api.Memory, stack []uint64) int32 {
	head, ok := mem.Read(uint32(stack[0]), uint32(stack[1]))
	if !ok {
		return int32(hostfuncs.BadRange)
	}
	at, open := c.freeConnection()
	if at >= maxResponses || c.held >= maxHeldBytes {
		return int32(hostfuncs.TooLarge)
	}
	sandbox.Spend(ctx, parsedPerByte*min(len(head), hostfuncs.MaxTCPHead))
	request, errno := c.Host.ParseTCP(head)
	if errno != hostfuncs.OK {
		return int32(errno)
	}
	if !c.charge(perConnection) {
		return int32(hostfuncs.TooLarge)
	}
	if at == len(c.connections) {
		c.connections = append(c.connections, connection{})
	}
	o := &c.connections[at]
	done := sandbox.Waiting(ctx)
	conn, failure, err := c.Host.OpenTCP(sandbox.ContextOf(ctx), request, open)
	if conn != nil {
		o.conn = conn // before anything can unwind the guest
		c.held += perConnection
	}
	done()
	chargeOpened(ctx, c)
	interruptible(err)
	c.setHead(o, hostfuncs.TCPHead(failure))
	return int32(handleConnections + handle(2*at))
}

// transferring reads or writes: what move does with a piece of the guest's memory, which is lent, since the guest stands
// still meanwhile.
func transferring(move func(h *hostfuncs.Call, ctx context.Context, conn *egress.Conn, p []byte, t time.Duration) (int32, error)) api.GoModuleFunc {
	return withErrno(func(ctx context.Context, c *Call, mem api.Memory, stack []uint64) int32 {
		o, errno := c.open(handle(stack[0]))
		if errno != hostfuncs.OK {
			return int32(errno)
		}
		p, ok := mem.Read(uint32(stack[1]), uint32(stack[2]))
		if !ok {
			return int32(hostfuncs.BadRange)
		}
		done := sandbox.Waiting(ctx)
		n, err := move(c.Host, sandbox.ContextOf(ctx), o.conn, p, timeout(stack[3]))
		done()
		interruptible(err)
		chargeTransfer(ctx, int(n))
		return n
	})
}

func nativeTCPTLS(ctx context.Context, c *Call, mem api.Memory, stack []uint64) int32 {
	o, errno := c.open(handle(stack[0]))
	if errno != hostfuncs.OK {
		return int32(errno)
	}
	name, ok := mem.Read(uint32(stack[1]), uint32(stack[2]))
	switch {
	case !ok:
		return int32(hostfuncs.BadRange)
	case len(name) > maxServerName:
		return int32(hostfuncs.Invalid)
	}
	done := sandbox.Waiting(ctx)
	failure, errno, err := c.Host.StartTLS(sandbox.ContextOf(ctx), o.conn, name)
	done()
	chargeOpened(ctx, c)
	interruptible(err)
	if failure != nil && o.head != nil {
		c.setHead(o, hostfuncs.TCPHead(failure))
	}
	return int32(errno)
}

// maxServerName bounds the name that TLS is to be begun with, in bytes: more than a host's name can have.
const maxServerName = 1 << 10

// transfer is what a system call costs while the guest waits, in units of fuel. A byte is one, as TLS would have it.
const transfer = 2_000

// chargeOpened takes fuel for the connections that were opened meanwhile. Only then is it known what they cost: most requests
// go by one that is there.
func chargeOpened(ctx context.Context, c *Call) {
	if units := c.Host.Opened(); units > 0 {
		sandbox.Charge(ctx, units)
	}
}

func chargeTransfer(ctx context.Context, n int) {
	sandbox.Charge(ctx, transfer+max(n, 0))
}

// timeout is a guest's timeout in milliseconds; a negative one is none of its own.
func timeout(ms uint64) time.Duration {
	if int64(ms) < 0 {
		return -1
	}
	return milliseconds(int64(ms), hostfuncs.MaxDeadline)
}

// closeConnection gives the head or the connection back.
func (c *Call) closeConnection(ctx context.Context, h handle) hostfuncs.Errno {
	o, errno := c.connection(h)
	if errno != hostfuncs.OK {
		return errno
	}
	if h%2 == 0 {
		c.setHead(o, nil)
		return hostfuncs.OK
	}
	conn := o.conn
	o.conn = nil
	c.held -= perConnection
	done := sandbox.Waiting(ctx)
	conn.Close(sandbox.ContextOf(ctx))
	done()
	return hostfuncs.OK
}

// closeConnections ends what the guest left open. The call is over, however it ended.
func (c *Call) closeConnections() {
	for i := range c.connections {
		if conn := c.connections[i].conn; conn != nil {
			conn.Abort()
		}
	}
	c.connections = nil
}
