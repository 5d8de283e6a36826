package runtime

import (
	"net"
	"sync/atomic"
)

// CountSockets returns a listener whose connections count against the process's budget of sockets, which guests share.
// They may take three quarters of it: callers who merely connect must not keep calls from reaching their services. One
// beyond that is closed at once.
func (r *Runtime) CountSockets(ln net.Listener) net.Listener {
	return &countedListener{Listener: ln, runtime: r}
}

// FromGuest says whether peer, from which a connection to this process has come, is the end of one that was opened for a
// guest: what it sends is not from a program of the operator's, although it comes from this machine.
func (r *Runtime) FromGuest(peer net.Addr) bool { return r.sockets.Outgoing(peer) }

type countedListener struct {
	net.Listener
	runtime *Runtime
	open    atomic.Int64 // connections that were accepted and not closed
}

// Accept implements net.Listener.
func (l *countedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		s := l.runtime.sockets
		if most := s.Max() - s.Max()/4; int(l.open.Add(1)) <= most && s.Acquire() {
			return &acceptedConn{Conn: s.Count(c), listener: l}, nil
		}
		l.open.Add(-1)
		_ = c.Close()
	}
}

// acceptedConn gives its place back when it is closed.
type acceptedConn struct {
	net.Conn
	listener *countedListener
	closed   atomic.Bool
}

// Close implements net.Conn.
func (c *acceptedConn) Close() error {
	err := c.Conn.Close()
	if !c.closed.Swap(true) {
		c.listener.open.Add(-1)
	}
	return err
}
