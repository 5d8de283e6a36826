package egress

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
)

// maxUnasked is how much a peer of HTTP/2 may send from the end of one request to the beginning of the next, in bytes: some
// settings, tickets, pings, a farewell. Each ping is answered, and costs more than its 17 bytes: without a bound, one that
// floods an idle connection has the host compute for as long as the connection is kept, for no call.
const maxUnasked = 16 << 10

// errUnasked is a peer that has sent more than that.
var errUnasked = errors.New("the peer goes on without being asked")

// askedConn is the connection under TLS. Where that carries HTTP/2, it is closed when its peer sends much while nothing has
// been asked of it; over HTTP/1 a connection on which something comes unasked is no longer used.
type askedConn struct {
	net.Conn

	mu       sync.Mutex // protects what follows
	watched  bool       // it carries HTTP/2
	requests int        // under way
	left     int        // that may come while there are none
}

// Read implements net.Conn.
func (c *askedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.tooMuch(n) {
		_ = c.Conn.Close()
		return 0, errUnasked
	}
	return n, err
}

func (c *askedConn) tooMuch(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.watched || c.requests > 0 {
		return false
	}
	c.left -= n
	return c.left < 0
}

// watch begins to look at what comes unasked.
func (c *askedConn) watch() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watched, c.left = true, maxUnasked
}

// enter is the beginning of a request.
func (c *askedConn) enter() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests++
}

// leave is its end. What is still on the way of a response that was given up counts as unasked.
func (c *askedConn) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests--
	c.left = maxUnasked
}

// begin notes that the exchange uses a connection, and no other any more.
func (e *exchange) begin(conn net.Conn) {
	e.end()
	if secure, ok := conn.(*tls.Conn); ok {
		if e.asked, ok = secure.NetConn().(*askedConn); ok {
			e.asked.enter()
		}
	}
}

// end notes that it uses none.
func (e *exchange) end() {
	if e.asked != nil {
		e.asked.leave()
		e.asked = nil
	}
}
