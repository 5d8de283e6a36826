package egress

import (
	"context"
	"net"
)

// countLookups returns a resolver that looks names up as base does, or as Go does where that is nil, and counts the
// sockets that it asks name servers by: two for each name at the same time, for up to ten seconds where no server answers.
// A lookup ends with who waits for it, which Go's own notices only when its time is over; one that several have waited for
// goes on until then.
func (o *opener) countLookups(base *net.Resolver) *net.Resolver {
	counted := &net.Resolver{PreferGo: true} // the system's own would do it out of sight
	dial := (&net.Dialer{}).DialContext
	if base != nil {
		counted.StrictErrors = base.StrictErrors
		if base.Dial != nil {
			dial = base.Dial
		}
	}
	counted.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if !o.sockets.acquire(o.client) {
			return nil, errNoSocket
		}
		conn, err := dial(ctx, network, address)
		if err != nil {
			o.sockets.Release()
			return nil, err
		}
		asking := &askingConn{Conn: o.sockets.Count(conn)}
		asking.stop = context.AfterFunc(ctx, func() {
			if ctx.Err() == context.Canceled { // its time has the connection's own deadline, and an error that says so
				_ = asking.Conn.Close()
			}
		})
		if packets, ok := conn.(net.PacketConn); ok {
			return &askingPacketConn{asking, packets}, nil
		}
		return asking, nil
	}
	return counted
}

// askingConn is a connection to a name server, closed at the latest when nobody waits for its answer any more.
type askingConn struct {
	net.Conn
	stop func() bool
}

// Close implements net.Conn.
func (c *askingConn) Close() error {
	c.stop()
	return c.Conn.Close()
}

// askingPacketConn is one for datagrams: Go's resolver tells by the interface how messages are framed.
type askingPacketConn struct {
	*askingConn
	packets net.PacketConn
}

// ReadFrom implements net.PacketConn.
func (c *askingPacketConn) ReadFrom(p []byte) (int, net.Addr, error) { return c.packets.ReadFrom(p) }

// WriteTo implements net.PacketConn.
func (c *askingPacketConn) WriteTo(p []byte, to net.Addr) (int, error) {
	return c.packets.WriteTo(p, to)
}

var _ net.PacketConn = (*askingPacketConn)(nil)
