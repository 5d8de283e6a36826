package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"time"
)

const (
	maxResponseHeader = 64 << 10 // bytes, all lines together
	idlePerHost       = 256
	tlsSessions       = 64
)

// errNoSocket is a dial that the socket budget refused.
var errNoSocket = errors.New("the socket budget is spent")

// dialError is a failure before there was a TCP connection.
type dialError struct{ err error }

func (e *dialError) Error() string { return "dial: " + e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

// newTransport returns a pool of connections. Its Proxy is nil, or the one of the configuration, so that no environment
// variable matters.
func (c *Client) newTransport(k poolKey) *http.Transport {
	d := &dialer{client: c, allowance: k.allowance}
	dial := d.dial
	switch {
	case k.forwards:
		dial = d.forward
	case c.config.Proxy.isSet():
		dial = d.tunnel
	}
	t := &http.Transport{
		DialContext:            d.inTurn(dial),
		DialTLSContext:         d.inTurn(d.secured(dial)),
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // decoded here, within the response limit
		MaxResponseHeaderBytes: maxResponseHeader,
		IdleConnTimeout:        c.config.IdleTimeout,
		MaxIdleConnsPerHost:    idlePerHost,
		HTTP2: &http.HTTP2Config{
			// One HTTP/2 connection carries all calls to a host: a dead one has to be found out.
			SendPingTimeout: 15 * time.Second,
			PingTimeout:     5 * time.Second,
			// As much as a response may have, and no more waiting in memory per stream than that.
			MaxReceiveBufferPerStream: min(max(c.config.ResponseLimit, 64<<10), 4<<20),
		},
	}
	if k.forwards {
		t.Proxy = c.config.Proxy.url
	}
	if k.streams {
		// What comes waits until the guest reads it.
		t.HTTP2.MaxReceiveBufferPerStream = streamWindow
	}
	return t
}

// secured is dial with TLS over it.
func (d *dialer) secured(dial dialFunc) dialFunc {
	s := newSecurer(d.client.config.Sockets, &tls.Config{
		NextProtos:         []string{"h2", "http/1.1"},
		RootCAs:            d.client.config.RootCAs,
		Certificates:       d.client.config.Certificates,
		ClientSessionCache: tls.NewLRUClientSessionCache(tlsSessions),
	}, d.client.config.TLSTimeout)
	return func(ctx context.Context, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, &dialError{err}
		}
		conn, err := dial(ctx, address)
		if err != nil {
			return nil, err
		}
		asked := &askedConn{Conn: conn}
		secured, err := s.secure(ctx, asked, host, exchangeOf(ctx).cost)
		if err != nil {
			return nil, err
		}
		if secured.ConnectionState().NegotiatedProtocol == "h2" {
			asked.watch()
		}
		return secured, nil
	}
}

// dialer opens the connections of one transport.
type dialer struct {
	client    *Client
	allowance *Allowance
}

func (d *dialer) dial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := d.client.opener.reach(ctx, d.allowance, address)
	if err != nil {
		return nil, &dialError{err}
	}
	return conn, nil
}
