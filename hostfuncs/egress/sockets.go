package egress

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
)

// Sockets is the process's budget of open sockets, shared by everything that opens or accepts one. Its methods may be
// called at once.
type Sockets struct {
	max  int64
	open atomic.Int64

	mu      sync.Mutex // protects clients
	clients map[*Client]struct{}

	outgoing outgoing

	reclaiming sync.Mutex // held by the one that closes idle connections
}

// NewSockets returns a budget of at most max sockets.
func NewSockets(max int) *Sockets {
	return &Sockets{max: int64(max), clients: make(map[*Client]struct{})}
}

// Open is how many sockets are counted at this moment.
func (s *Sockets) Open() int { return int(s.open.Load()) }

// Max is the budget.
func (s *Sockets) Max() int { return int(s.max) }

// Acquire counts one socket and reports whether the budget allows it. Where the budget is spent, idle connections of
// all clients are closed once to make room. Every successful Acquire needs one [Sockets.Release].
func (s *Sockets) Acquire() bool { return s.acquire(nil) }

// Release gives back what [Sockets.Acquire] took.
func (s *Sockets) Release() { s.open.Add(-1) }

// acquire closes the idle connections of first before those of the others.
func (s *Sockets) acquire(first *Client) bool {
	if s.tryAcquire() {
		return true
	}
	if first != nil {
		first.closeIdle()
		if s.tryAcquire() {
			return true
		}
	}
	s.reclaiming.Lock()
	defer s.reclaiming.Unlock()
	if s.tryAcquire() {
		return true
	}
	// The budget is the process's: without this, one connector's idle connections would starve the others' calls.
	for _, c := range s.snapshot() {
		c.closeIdle()
	}
	return s.tryAcquire()
}

func (s *Sockets) tryAcquire() bool {
	if s.open.Add(1) <= s.max {
		return true
	}
	s.open.Add(-1)
	return false
}

func (s *Sockets) snapshot() []*Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	clients := make([]*Client, 0, len(s.clients))
	for c := range s.clients {
		clients = append(clients, c)
	}
	return clients
}

func (s *Sockets) join(c *Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients[c] = struct{}{}
}

func (s *Sockets) leave(c *Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clients, c)
}

// Count returns conn as one that gives back, when it is closed, the socket that a successful [Sockets.Acquire] took for it.
func (s *Sockets) Count(conn net.Conn) net.Conn { return &countedConn{Conn: conn, sockets: s} }

// countOutgoing is Count for a connection that was opened for a guest. No byte of the guest's has been sent yet.
func (s *Sockets) countOutgoing(conn net.Conn) net.Conn {
	return &countedConn{Conn: conn, sockets: s, end: s.outgoing.open(conn)}
}

// Outgoing says whether peer, from which a connection to this process has come, is the end of one that was opened for a
// guest: that is not a program of the operator's, although it comes from this machine.
func (s *Sockets) Outgoing(peer net.Addr) bool { return s.outgoing.has(endOf(peer)) }

// countedConn gives its socket back when it is closed.
type countedConn struct {
	net.Conn
	sockets *Sockets
	end     netip.AddrPort // of a connection for a guest to this machine
	closed  atomic.Bool
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	err := c.Conn.Close()
	if !c.closed.Swap(true) {
		c.sockets.Release()
		c.sockets.outgoing.closed(c.end)
	}
	return err
}
