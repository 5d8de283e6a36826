package egress

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// opener opens connections within a budget of sockets. Each socket counts from the moment in which the system is asked
// for it: those by which names are looked up, and the second one that is tried where a host has addresses of both families.
type opener struct {
	sockets  *Sockets
	client   *Client // whose idle connections make room first; nil for none
	guard    *Guard
	resolver *net.Resolver // see countLookups
	timeout  time.Duration // for looking a name up and connecting together
}

// reach connects to host:port at an address that the allowance permits.
func (o *opener) reach(ctx context.Context, a *Allowance, address string) (net.Conn, error) {
	// Go connects to the IPv4 address inside a mapped literal, and Control would not see the outer one.
	if host, _, err := net.SplitHostPort(address); err == nil {
		if literal, err := netip.ParseAddr(host); err == nil {
			if err := o.guard.Check(a, literal); err != nil {
				return nil, err
			}
		}
	}
	return o.open(ctx, o.guard.Control(a), address)
}

// control is what net.Dialer asks before it connects to an address.
type control func(ctx context.Context, network, address string, c syscall.RawConn) error

// open connects to host:port at an address that judge, where there is one, permits. What the connection takes of the
// budget is given back when it is closed.
func (o *opener) open(ctx context.Context, judge control, address string) (net.Conn, error) {
	t := taking{opener: o, judge: judge}
	d := net.Dialer{Timeout: o.timeout, KeepAlive: 15 * time.Second, Resolver: o.resolver, ControlContext: t.control}
	conn, err := d.DialContext(ctx, "tcp", address)
	if t.end(err == nil); err == nil {
		return o.sockets.countOutgoing(conn), nil
	}
	if t.refused {
		err = errNoSocket // whatever became of other addresses
	}
	return nil, err
}

// taking is what one dial takes of the budget: net.Dialer tries the addresses of one family one after the other, and those
// of the other family beside them when the first does not answer.
type taking struct {
	opener *opener
	judge  control

	mu        sync.Mutex // protects what follows
	four, six bool       // there is a socket for that family
	refused   bool
	over      bool
}

// control is a net.Dialer's ControlContext. The network is "tcp4" or "tcp6".
func (t *taking) control(ctx context.Context, network, address string, c syscall.RawConn) error {
	if t.judge != nil {
		if err := t.judge(ctx, network, address, c); err != nil {
			return err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	taken := &t.four
	if network == "tcp6" {
		taken = &t.six
	}
	switch {
	case t.over: // the other family was faster
		return context.Canceled
	case *taken:
		return nil
	case !t.opener.sockets.acquire(t.opener.client):
		t.refused = true
		return errNoSocket
	}
	*taken = true
	return nil
}

// end gives back what was taken, but for the one of the connection, if there is one.
func (t *taking) end(connected bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	switch { // one is the connection's
	case connected && t.four:
		t.four = false
	case connected:
		t.six = false
	}
	for _, taken := range []bool{t.four, t.six} {
		if taken {
			t.opener.sockets.Release()
		}
	}
}
