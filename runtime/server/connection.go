package server

import (
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// watched returns a listener whose connections make good two things that fasthttp gets wrong: it ends a chunked body
// with io.EOF whether its last chunk came or the connection ended, so that half a body would be taken for a whole; and
// it closes a connection on which a body is still coming, which resets it, so that the client never sees why it was
// refused.
func watched(ln net.Listener) net.Listener { return &watchedListener{ln} }

type watchedListener struct{ net.Listener }

// Accept implements net.Listener.
func (l *watchedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &watchedConn{Conn: c}, nil
}

type watchedConn struct {
	net.Conn
	ended  atomic.Bool // the client's end of it was read
	linger atomic.Bool // the client may be sending what nobody reads
}

// Read implements net.Conn.
func (c *watchedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == io.EOF {
		c.ended.Store(true)
	}
	return n, err
}

// lingerTime bounds how long a client is read from after it was refused. Many send all of a body before they look at
// the answer.
const lingerTime = 2 * time.Second

// Close implements net.Conn.
func (c *watchedConn) Close() error {
	if c.linger.Swap(false) && !c.ended.Load() && c.Conn.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		_, _ = io.Copy(io.Discard, c.Conn) // the deadline or the client ends it
	}
	return c.Conn.Close()
}

// ended says that the end of the connection was read, and not only what was sent before it. A body whose last chunk
// came is complete before anybody looks for more.
func ended(c net.Conn) bool {
	w, ok := c.(*watchedConn)
	return ok && w.ended.Load()
}

// lingerAfter lets a client that was refused read why, where it may not have sent all of its request. One that was too
// slow has had its time.
func lingerAfter(ctx *fasthttp.RequestCtx, unread bool) {
	if w, ok := ctx.Conn().(*watchedConn); ok {
		w.linger.Store(unread && ctx.Response.StatusCode() != fasthttp.StatusRequestTimeout)
	}
}
