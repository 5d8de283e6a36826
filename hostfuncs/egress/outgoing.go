package egress

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// outgoing knows the connections that guests have opened to this machine, by their own end, so that a server can tell a
// guest that has come back to it from a program of the operator's. Its methods may be called at once.
type outgoing struct {
	mu    sync.Mutex // protects ends
	ends  map[netip.AddrPort]time.Time
	swept time.Time
}

// lingering is how long the end of a closed connection is known: what was sent before can still be on its way to a
// handler. The system does not give the port to another connection to the same place meanwhile.
const lingering = time.Minute

// open notes a connection, and returns its end, or the zero AddrPort where it doesn't lead to this machine.
func (o *outgoing) open(conn net.Conn) netip.AddrPort {
	end := endOf(conn.LocalAddr())
	if !end.Addr().IsLoopback() {
		return netip.AddrPort{}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ends == nil {
		o.ends = make(map[netip.AddrPort]time.Time)
	}
	o.ends[end] = time.Time{}
	return end
}

// closed notes that the connection of an end is closed.
func (o *outgoing) closed(end netip.AddrPort) {
	if !end.IsValid() {
		return
	}
	now := time.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ends[end] = now
	if now.Sub(o.swept) < lingering {
		return
	}
	o.swept = now
	for e, at := range o.ends {
		if !at.IsZero() && now.Sub(at) > lingering {
			delete(o.ends, e)
		}
	}
}

func (o *outgoing) has(end netip.AddrPort) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	at, ok := o.ends[end]
	return ok && (at.IsZero() || time.Since(at) <= lingering)
}

func endOf(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	end := t.AddrPort()
	return netip.AddrPortFrom(end.Addr().Unmap().WithZone(""), end.Port())
}
