package egress

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
)

// Sockets is a budget of open sockets: the process's, for everything that opens or accepts one, or a [Sockets.Share] of
// it. Its methods may be called at once.
type Sockets struct {
	max     int64
	open    atomic.Int64
	parent  *Sockets // which this is a part of; nil for the process's
	process *process

	dials         turns // to open a connection
	verifications turns // to verify a peer's certificates
}

// process is what all parts of a process's budget share.
type process struct {
	guests   *Sockets // the part that guests may have
	outgoing outgoing

	mu      sync.Mutex // protects clients
	clients map[*Client]struct{}

	reclaiming sync.Mutex // held by the one that closes idle connections
}

// minShare is how many sockets a connector may have where half of what guests may have is less.
const minShare = 64

// NewSockets returns a budget of at most max sockets. Guests may have three quarters of them: the rest is for those who
// call, and who manage.
func NewSockets(max int) *Sockets {
	s := &Sockets{
		max: int64(max), process: &process{clients: make(map[*Client]struct{})},
		dials: make(turns, processDials), verifications: make(turns, processVerifications()),
	}
	s.process.guests = &Sockets{max: s.max - s.max/4, parent: s, process: s.process}
	return s
}

// Share returns the part of the budget that one connector may have: half of what guests may have, but not less than 64
// of it.
func (s *Sockets) Share() *Sockets {
	guests := s.process.guests
	most := min(guests.max, max(guests.max/2, minShare))
	return &Sockets{
		max: most, parent: guests, process: s.process,
		dials: make(turns, connectorDials), verifications: make(turns, connectorVerifications()),
	}
}

// Open is how many sockets are counted at this moment.
func (s *Sockets) Open() int { return int(s.open.Load()) }

// Max is the budget.
func (s *Sockets) Max() int { return int(s.max) }

// Acquire counts one socket and reports whether the budget allows it. Where the budget is spent, idle connections of
// all clients that share it are closed once to make room. Every successful Acquire needs one [Sockets.Release].
func (s *Sockets) Acquire() bool { return s.acquire(nil) }

// Release gives back what [Sockets.Acquire] took.
func (s *Sockets) Release() {
	for ; s != nil; s = s.parent {
		s.open.Add(-1)
	}
}

// acquire closes the idle connections of first before those of the others.
func (s *Sockets) acquire(first *Client) bool {
	if s.tryAcquire() == nil {
		return true
	}
	if first != nil {
		first.closeIdle()
		if s.tryAcquire() == nil {
			return true
		}
	}
	s.process.reclaiming.Lock()
	defer s.process.reclaiming.Unlock()
	spent := s.tryAcquire()
	if spent == nil {
		return true
	}
	// Without this, one client's idle connections would starve the others' calls.
	for _, c := range s.process.snapshot() {
		if c.config.Sockets.isPartOf(spent) {
			c.closeIdle()
		}
	}
	return s.tryAcquire() == nil
}

// tryAcquire counts one socket, or returns the budget that does not allow it.
func (s *Sockets) tryAcquire() (spent *Sockets) {
	for at := s; at != nil; at = at.parent {
		if at.open.Add(1) <= at.max {
			continue
		}
		for taken := s; ; taken = taken.parent {
			taken.open.Add(-1)
			if taken == at {
				return at
			}
		}
	}
	return nil
}

func (s *Sockets) isPartOf(whole *Sockets) bool {
	for ; s != nil; s = s.parent {
		if s == whole {
			return true
		}
	}
	return false
}

func (p *process) snapshot() []*Client {
	p.mu.Lock()
	defer p.mu.Unlock()
	clients := make([]*Client, 0, len(p.clients))
	for c := range p.clients {
		clients = append(clients, c)
	}
	return clients
}

func (p *process) join(c *Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clients[c] = struct{}{}
}

func (p *process) leave(c *Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.clients, c)
}

// Count returns conn as one that gives back, when it is closed, the socket that a successful [Sockets.Acquire] took for it.
func (s *Sockets) Count(conn net.Conn) net.Conn { return &countedConn{Conn: conn, sockets: s} }

// countOutgoing is Count for a connection that was opened for a guest. No byte of the guest's has been sent yet.
func (s *Sockets) countOutgoing(conn net.Conn) net.Conn {
	return &countedConn{Conn: conn, sockets: s, end: s.process.outgoing.open(conn)}
}

// Outgoing says whether peer, from which a connection to this process has come, is the end of one that was opened for a
// guest: that is not a program of the operator's, although it comes from this machine.
func (s *Sockets) Outgoing(peer net.Addr) bool { return s.process.outgoing.has(endOf(peer)) }

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
		c.sockets.process.outgoing.closed(c.end)
	}
	return err
}
