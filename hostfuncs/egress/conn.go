package egress

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"time"
)

// Conn is a connection that a [Dialer] opened. It belongs to one goroutine. Nothing of it is read ahead: what the peer
// sent waits in the system's buffers, whose size is bounded, until it is asked for.
type Conn struct {
	raw    net.Conn // the socket
	stream net.Conn // raw, or TLS over out
	out    *outbox  // over raw, where there is TLS
	host   string   // whose connection it is, and the name of TLS
	tls    *securer
	cost   *Cost // or nil

	counters *Counters // among whose open connections it is; nil for none
	broken   bool      // nothing more can come of it
}

// These are what reading and writing fail with, besides the context's error once that has ended.
var (
	// ErrTimeout is an operation that did not end within its time. It can be tried again.
	ErrTimeout = errors.New("egress: the time is over")
	// ErrDisconnected is a connection that is no more.
	ErrDisconnected = errors.New("egress: the connection is closed")
)

// Host is the host that the connection was opened to, as the rules have it.
func (c *Conn) Host() string { return c.host }

// Secure reports whether TLS protects the connection.
func (c *Conn) Secure() bool { return c.stream != c.raw }

// Read reads at least one byte into p, which is not empty and not kept, and waits for it. It returns io.EOF at the end
// of what the peer sends.
func (c *Conn) Read(ctx context.Context, p []byte, timeout time.Duration) (int, error) {
	return c.within(ctx, timeout, func() (n int, err error) {
		if c.Secure() && len(c.out.next()) > 0 {
			// The peer may want to read before it says something, or to be read before it does.
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = c.out.flush()
			}()
			defer func() {
				_ = c.raw.SetWriteDeadline(past)
				<-done
			}()
		}
		for n == 0 && err == nil {
			n, err = c.stream.Read(p)
		}
		return n, err
	})
}

// Write writes p, which is not kept, and returns how much of it was taken: at least one byte where there is no error.
func (c *Conn) Write(ctx context.Context, p []byte, timeout time.Duration) (int, error) {
	return c.within(ctx, timeout, func() (int, error) {
		if !c.Secure() {
			return c.stream.Write(p)
		}
		if err := c.out.flush(); err != nil {
			return 0, err
		}
		n, err := c.stream.Write(p[:min(len(p), maxSealed)])
		if err == nil {
			err = c.out.flush()
		}
		return n, err // where some of it was taken, the rest goes out later
	})
}

// past is a deadline that is over.
var past = time.Unix(1, 0)

// within does something with the connection for as long as it may take.
func (c *Conn) within(ctx context.Context, timeout time.Duration, do func() (int, error)) (int, error) {
	if c.broken {
		return 0, ErrDisconnected
	}
	if c.Secure() && c.out.isFull() {
		c.Abort()
		return 0, ErrDisconnected
	}
	if err := c.raw.SetDeadline(time.Now().Add(timeout)); err != nil {
		c.Abort()
		return 0, ErrDisconnected
	}
	stop := context.AfterFunc(ctx, func() { _ = c.raw.SetDeadline(past) })
	n, err := do()
	if !stop() {
		return n, ctx.Err()
	}
	switch {
	case n > 0, err == nil:
		return n, nil // what is wrong shows again
	case errors.Is(err, io.EOF):
		return 0, io.EOF
	case isTimeout(err):
		return 0, ErrTimeout
	}
	c.Abort()
	return 0, ErrDisconnected
}

// CodeUnreadData: TLS was not begun, because the peer had sent something before it that was not read.
const CodeUnreadData Code = "unread_data"

// injected is how long StartTLS looks for what the peer sent too early.
const injected = 2 * time.Millisecond

// StartTLS goes over to TLS, with the name of the connection's host. The peer, who waits for it, may not have sent
// anything that was not read: somebody on the way could have put it there, to have it taken for a part of what TLS
// protects.
//
// # Errors
//
// The connection is closed then. [CodeEnded] means that ctx ended: end the call.
func (c *Conn) StartTLS(ctx context.Context, timeout time.Duration) *Error {
	var one [1]byte
	n, err := c.Read(ctx, one[:], injected)
	switch {
	case ctx.Err() != nil:
		return ended(ctx.Err())
	case n > 0:
		c.Abort()
		return &Error{Code: CodeUnreadData, Message: "TLS with " + c.host + " was not begun: the peer had sent data before it that nobody read"}
	case !errors.Is(err, ErrTimeout):
		c.Abort()
		return &Error{Code: CodeTLS, Message: "TLS with " + c.host + " failed: the peer closed the connection"}
	}
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return c.handshake(ctx, bounded)
}

// handshake begins TLS. The connection is closed where that fails.
func (c *Conn) handshake(call, bounded context.Context) *Error {
	_ = c.raw.SetDeadline(time.Time{})
	out := &outbox{Conn: c.raw}
	secured, err := c.tls.secure(bounded, out, c.host, c.cost)
	if err != nil {
		c.Abort()
		if call.Err() != nil {
			return ended(call.Err())
		}
		return &Error{Code: CodeTLS, Message: "TLS with " + c.host + " failed: " + tlsReason(err)}
	}
	out.begin()
	c.stream, c.out = secured, out
	return nil
}

// How long Close may take: to say goodbye, and to send what was not sent yet.
const (
	goodbye  = 100 * time.Millisecond
	farewell = 5 * time.Second
)

// Close ends the connection, after what was written has gone out and the peer of TLS has been told. It does not wait for
// long, nor beyond ctx. It may be called more than once.
func (c *Conn) Close(ctx context.Context) {
	if c.Secure() && !c.broken {
		wait := goodbye
		if len(c.out.next()) > 0 {
			wait = farewell
		}
		_ = c.stream.Close() // to the outbox, and the socket's own Close is put off
		_, _ = c.within(ctx, wait, func() (int, error) { return 0, c.out.flush() })
	}
	c.Abort()
}

// Abort ends the connection at once. It may be called more than once.
func (c *Conn) Abort() {
	c.broken = true
	if c.counters != nil {
		c.counters.ConnectionsOpen.Add(-1)
		c.counters = nil
	}
	_ = c.raw.Close()
}

// IsFor reports whether name is the connection's host.
func (c *Conn) IsFor(name string) bool {
	if addr, err := netip.ParseAddr(name); err == nil && addr.Is6() {
		name = "[" + name + "]" // as it stands in an address
	}
	host, _, err := normaliseHost(name)
	return err == nil && host == c.host
}
