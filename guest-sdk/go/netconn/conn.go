package netconn

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"sluice/guest-sdk/go/abi"
)

// Conn is a connection that the host holds. It implements [net.Conn]; errors of its methods are a [*net.OpError], and
// those that are for want of time are os.ErrDeadlineExceeded.
type Conn struct {
	host             abi.TCPHost
	handles          abi.Host
	head, connection uint32
	address          addr
	end              time.Time // by which everything has to be over
	closed           atomic.Bool

	mu          sync.Mutex
	read, write time.Time // deadlines, zero for none
}

// How long one call of the host waits before goroutines of the guest have their turn.
const (
	firstWait   = time.Millisecond
	longestWait = 100 * time.Millisecond
)

// Read implements [net.Conn].
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := c.try(&c.read, func(milliseconds int64) int32 { return c.host.TCPRead(c.connection, p, milliseconds) })
	switch {
	case err != nil:
		return 0, c.failed("read", err)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// Write implements [net.Conn].
func (c *Conn) Write(p []byte) (int, error) {
	written := 0
	for written < len(p) {
		n, err := c.try(&c.write, func(milliseconds int64) int32 {
			return c.host.TCPWrite(c.connection, p[written:], milliseconds)
		})
		if err != nil {
			return written, c.failed("write", err)
		}
		written += n
	}
	return written, nil
}

// try does something until it succeeds, or its time is over.
func (c *Conn) try(deadline *time.Time, do func(milliseconds int64) int32) (int, error) {
	for wait := firstWait; ; wait = min(4*wait, longestWait) {
		if c.closed.Load() {
			return 0, net.ErrClosed
		}
		left := c.left(deadline)
		if left <= 0 {
			return 0, os.ErrDeadlineExceeded
		}
		switch n := do(ceilMilliseconds(min(wait, left))); abi.Code(n) {
		case abi.Timeout:
			runtime.Gosched()
		case abi.Closed:
			return 0, syscall.ECONNRESET
		default:
			if n < 0 {
				return 0, errors.New("netconn: the host answered " + abi.Code(n).String())
			}
			return int(n), nil
		}
	}
}

// left is the time until a deadline, which may be changed meanwhile.
func (c *Conn) left(deadline *time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	left := time.Until(c.end)
	if !deadline.IsZero() {
		left = min(left, time.Until(*deadline))
	}
	return left
}

func (c *Conn) failed(operation string, err error) error {
	return &net.OpError{Op: operation, Net: "tcp", Addr: c.address, Err: err}
}

// StartTLS goes over to TLS, which the host speaks, with the name of the host that was dialled. It is for protocols that
// begin without TLS: whoever calls it has read the answer that lets TLS begin, and nothing behind it. Code that reads
// through a buffer has to see that it is empty: what is in it may have been put there by somebody on the way.
//
// # Errors
//
// The connection is closed then. As with DialContext, errors.As finds a *sluice.Error, with the code tls or unread_data.
func (c *Conn) StartTLS() error {
	if c.closed.Load() {
		return c.failed("tls", net.ErrClosed)
	}
	r := c.host.TCPTLS(c.connection)
	if r >= 0 {
		return nil
	}
	var err error
	if abi.Code(r) == abi.Closed {
		err = c.failure()
	}
	if err == nil {
		err = errors.New("netconn: the host answered " + abi.Code(r).String())
	}
	c.Close()
	return c.failed("tls", err)
}

// StartTLS is [Conn.StartTLS] for a connection of a [Dialer] that is known by its interface.
func StartTLS(conn net.Conn) error {
	c, ok := conn.(*Conn)
	if !ok {
		return errors.New("netconn: the connection is none of this package")
	}
	return c.StartTLS()
}

// Close implements [net.Conn].
func (c *Conn) Close() error {
	if c.closed.Swap(true) {
		return c.failed("close", net.ErrClosed)
	}
	c.handles.Close(c.connection)
	c.handles.Close(c.head)
	return nil
}

// LocalAddr implements [net.Conn]. The host does not tell what it is.
func (c *Conn) LocalAddr() net.Addr { return addr("") }

// RemoteAddr implements [net.Conn]. It is the address as it was dialled.
func (c *Conn) RemoteAddr() net.Addr { return c.address }

// SetDeadline implements [net.Conn].
func (c *Conn) SetDeadline(t time.Time) error { return c.setDeadlines(t, &c.read, &c.write) }

// SetReadDeadline implements [net.Conn].
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadlines(t, &c.read) }

// SetWriteDeadline implements [net.Conn].
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(t, &c.write) }

func (c *Conn) setDeadlines(t time.Time, deadlines ...*time.Time) error {
	if c.closed.Load() {
		return c.failed("set", net.ErrClosed)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range deadlines {
		*d = t
	}
	return nil
}

var _ net.Conn = (*Conn)(nil)
