package egress

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
)

// Proxy is a forward proxy that requests go through. Policy and guard judge the true target all the same; the proxy's own
// address is the operator's word. The zero Proxy is none: requests go out directly, whatever the environment says.
//
// A target with https is reached by CONNECT to an address that was resolved and judged here, so that the proxy cannot be
// led elsewhere by a name server. One with http is sent to the proxy with its name, since a proxy takes the host from
// the request line: all addresses that the name has here are judged first, and the proxy's own look-up is trusted.
type Proxy struct{ address string }

var errProxy = errors.New("an egress proxy is written http://host:port, without user information, path or query")

// ParseProxy reads a proxy's URL. The error says what to write instead, and repeats nothing of it.
func ParseProxy(s string) (Proxy, error) {
	secure, rest, ok := cutScheme(s)
	if !ok || secure {
		return Proxy{}, errProxy
	}
	authority := rest
	if n := len(rest); n > 0 && rest[n-1] == '/' {
		authority = rest[:n-1]
	}
	hostText, port, err := cutPort(authority)
	if err != nil || port == 0 {
		return Proxy{}, errProxy
	}
	host, _, err := normaliseHost(hostText)
	if err != nil {
		return Proxy{}, errProxy
	}
	return Proxy{address: net.JoinHostPort(host, strconv.Itoa(int(port)))}, nil
}

func (p Proxy) isSet() bool { return p.address != "" }

// url is for http.Transport.Proxy, which asks with each request.
func (p Proxy) url(*http.Request) (*url.URL, error) {
	return &url.URL{Scheme: "http", Host: p.address}, nil
}

// proxyError is a proxy that does not do what it was asked.
type proxyError struct{ reason string }

func (e *proxyError) Error() string { return e.reason }

// forwards reports whether the proxy gets the request itself, instead of a tunnel to its target.
func (e *exchange) forwards() bool { return e.client.config.Proxy.isSet() && !e.url.secure }

// resolve returns the addresses of a host, within the time for connecting.
func (c *Client) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if literal, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{literal}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.config.ConnectTimeout)
	defer cancel()
	addrs, err := c.opener.resolver.LookupNetIP(ctx, "ip", host)
	if err == nil && len(addrs) == 0 {
		err = &net.DNSError{Err: "no address", Name: host, IsNotFound: true}
	}
	return addrs, err
}

// checkTarget judges every address of the request's host, since the proxy may connect to any.
func (e *exchange) checkTarget(ctx context.Context, a *Allowance) error {
	addrs, err := e.client.resolve(ctx, e.url.host)
	if err != nil {
		return err
	}
	for _, addr := range addrs {
		if err := e.client.config.Guard.Check(a, addr); err != nil {
			return err
		}
	}
	return nil
}

// dialProxy opens a connection to the proxy.
func (d *dialer) dialProxy(ctx context.Context) (net.Conn, error) {
	conn, err := d.client.opener.open(ctx, nil, d.client.config.Proxy.address)
	switch {
	case err == nil:
		return conn, nil
	case isTimeout(err) || isOverload(err):
		return nil, &dialError{err}
	}
	return nil, &dialError{&proxyError{"the egress proxy cannot be reached"}}
}

// forward is dial for requests that the proxy gets itself.
func (d *dialer) forward(ctx context.Context, _ string) (net.Conn, error) { return d.dialProxy(ctx) }

// maxTunnels bounds how many addresses of a host are tried.
const maxTunnels = 4

// tunnel is dial through the proxy, by CONNECT to an address of the target that was judged here.
func (d *dialer) tunnel(ctx context.Context, address string) (net.Conn, error) {
	c := d.client
	ctx, cancel := context.WithTimeout(ctx, c.config.ConnectTimeout)
	defer cancel()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, &dialError{err}
	}
	addrs, err := c.resolve(ctx, host)
	if err != nil {
		return nil, &dialError{err}
	}
	for i, addr := range addrs {
		if i == maxTunnels || ctx.Err() != nil {
			break
		}
		if denied := c.config.Guard.Check(d.allowance, addr); denied != nil {
			if err == nil {
				err = &dialError{denied}
			}
			continue
		}
		conn, failure := d.connect(ctx, net.JoinHostPort(addr.String(), port))
		if failure == nil {
			return conn, nil
		}
		err = failure // says more than that another address is denied
	}
	if err == nil {
		err = &dialError{ctx.Err()}
	}
	return nil, err
}

// connect opens one tunnel.
func (d *dialer) connect(ctx context.Context, target string) (net.Conn, error) {
	conn, err := d.dialProxy(ctx)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(past) })
	err = askTunnel(conn, target)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return nil, &dialError{err}
	}
	return conn, nil
}

// askTunnel sends CONNECT and reads the answer.
//
// See https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6
func askTunnel(conn net.Conn, target string) error {
	if _, err := conn.Write([]byte("CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n\r\n")); err != nil {
		return err
	}
	// The target speaks TLS, where the client speaks first: nothing behind the head belongs to the tunnel yet.
	reader := bufio.NewReader(&boundedReader{src: conn, left: maxResponseHeader})
	response, err := http.ReadResponse(reader, &http.Request{Method: http.MethodConnect})
	switch {
	case isTimeout(err):
		return err
	case err != nil:
		return &proxyError{"the egress proxy does not answer as one"}
	case response.StatusCode != http.StatusOK:
		return &proxyError{fmt.Sprintf("the egress proxy answered CONNECT with status %d", response.StatusCode)}
	case reader.Buffered() > 0:
		return &proxyError{"the egress proxy sent something before it was spoken to"}
	}
	return nil
}
