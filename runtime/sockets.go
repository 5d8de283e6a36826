package runtime

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// CountSockets returns a listener whose connections count against the process's budget of sockets, which guests share.
// They may take three quarters of it: callers who merely connect must not keep calls from reaching their services. One
// beyond that is closed at once. Where the system has no descriptor or memory for a connection, accepting waits until it
// has: a server takes such an error for its listener's end.
func (r *Runtime) CountSockets(ln net.Listener) net.Listener {
	return &countedListener{Listener: ln, runtime: r, closed: make(chan struct{})}
}

// FromGuest says whether peer, from which a connection to this process has come, is the end of one that was opened for a
// guest: what it sends is not from a program of the operator's, although it comes from this machine.
func (r *Runtime) FromGuest(peer net.Addr) bool { return r.sockets.Outgoing(peer) }

type countedListener struct {
	net.Listener
	runtime *Runtime
	open    atomic.Int64 // connections that were accepted and not closed
	warned  atomic.Int64 // when the operator was last told that accepting waits, in nanoseconds since 1970

	closing sync.Once
	closed  chan struct{}
}

// Accept implements net.Listener.
func (l *countedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.accept()
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

// How long accepting waits where it can't: at first, and at most. It doubles between.
const (
	firstAcceptPause = 5 * time.Millisecond
	lastAcceptPause  = time.Second
)

// accept returns the next connection, when there can be one, or why there is none any more.
func (l *countedListener) accept() (net.Conn, error) {
	for pause := firstAcceptPause; ; pause = min(2*pause, lastAcceptPause) {
		c, err := l.Listener.Accept()
		if err == nil || !passes(err) {
			return c, err
		}
		if !errors.Is(err, syscall.ECONNABORTED) { // that is the peer's doing
			l.warn(err)
		}
		select {
		case <-time.After(pause):
		case <-l.closed: // Accept says so
		}
	}
}

// passes reports whether an error of accepting is one of the moment, and none of the listener.
func passes(err error) bool {
	var number syscall.Errno
	if !errors.As(err, &number) {
		return false
	}
	switch number {
	case syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED:
		return true
	}
	return false
}

// warnAgain is how often the operator is told that accepting waits.
const warnAgain = time.Minute

func (l *countedListener) warn(err error) {
	now, last := time.Now().UnixNano(), l.warned.Load()
	if now-last < int64(warnAgain) || !l.warned.CompareAndSwap(last, now) {
		return
	}
	s := l.runtime.sockets
	l.runtime.config.Logger.Warn("connections can't be accepted for the moment: raise the limit on open files, or lower sockets",
		"error", err.Error(), "sockets_open", s.Open(), "sockets", s.Max())
}

// Close implements net.Listener.
func (l *countedListener) Close() error {
	l.closing.Do(func() { close(l.closed) })
	return l.Listener.Close()
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
