package runtime

import "net"

// CountSockets returns a listener whose connections count against the process's budget of sockets, which guests share.
// A connection that would take the last quarter of it, which is the guests', is closed at once: callers who merely
// connect must not keep calls from reaching their services.
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
		if s := l.runtime.sockets; s.Open() < s.Max()-s.Max()/4 && s.Acquire() {
			return s.Count(c), nil
		}
		_ = c.Close()
	}
}
