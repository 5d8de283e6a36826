package runtime

import (
	"net"
	"sync"
)

// CountSockets returns a listener whose connections count against the process's budget of sockets, which guests share.
// A connection that finds the budget spent is closed at once.
func (r *Runtime) CountSockets(ln net.Listener) net.Listener {
	return &countedListener{Listener: ln, runtime: r}
}

type countedListener struct {
	net.Listener
	runtime *Runtime
}

// Accept implements net.Listener.
func (l *countedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.runtime.sockets.Acquire() {
			return &countedConn{Conn: c, release: sync.OnceFunc(l.runtime.sockets.Release)}, nil
		}
		_ = c.Close()
	}
}

type countedConn struct {
	net.Conn
	release func()
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}
