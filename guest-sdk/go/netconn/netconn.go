// Package netconn opens connections from a connector, as a [net.Conn], so that ordinary client libraries run in it:
// those for databases and mail, for instance. It is a package of its own so that other connectors do not import the
// host's functions for connections.
//
//	conn, err := netconn.Dialer{Call: c}.DialContext(ctx, "tcp", "db.example.com:5432")
//
// The connector needs the capability sluice.TCP, and a grant of the operator for where the connection goes. Names are
// resolved, addresses judged, and TLS is spoken by the host: a library that would do the latter itself is told not to,
// and gets a connection on which the host does, by [Dialer.TLS], [Conn.StartTLS] or [PostgresTLS].
//
// While a connection is waited for, goroutines go on and timers ring, if at intervals of up to 100 ms; while one is
// opened, nothing does.
package netconn

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"strconv"
	"time"

	sluice "sluice/guest-sdk/go"
	"sluice/guest-sdk/go/abi"
	"sluice/internal/rawjson"
)

// Dialer opens connections for a call. They are of use as long as the call is, whose end closes them.
type Dialer struct {
	// Call is required.
	Call *sluice.Call
	// TLS begins TLS at once, with the host's name.
	TLS bool
	// Timeout bounds the opening, TLS included. The host has bounds of its own, of some 20 seconds.
	Timeout time.Duration
}

// Dial is DialContext with a context that never ends.
func (d Dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

// DialContext opens a connection. The network is "tcp", "tcp4" or "tcp6", between which the host makes no difference. A
// deadline of ctx is kept; a cancellation that comes while the connection is opened is seen then.
//
// # Errors
//
// They are a [*net.OpError], in which errors.As finds a [*sluice.Error] that a command may return as it is. Its code is
// one of these, its status tells a workflow engine whether to try again:
//
//	400  invalid_request
//	403  egress_denied
//	500  dns, connect, tls
//	503  overloaded
//	504  connect_timeout
func (d Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.dial(ctx, network, address)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: addr(address), Err: err}
	}
	return c, nil
}

func (d Dialer) dial(ctx context.Context, network, address string) (*Conn, error) {
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return nil, net.UnknownNetworkError(network)
	}
	timeout := d.Timeout
	if deadline, ok := ctx.Deadline(); ok {
		if left := time.Until(deadline); timeout == 0 || left < timeout {
			timeout = max(left, -1)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if timeout < 0 {
		return nil, context.DeadlineExceeded
	}
	host, ok := hostOf(d.Call.Host())
	if !ok {
		return nil, errors.New("netconn: the test's host opens no connections")
	}
	left := d.Call.Deadline().Sub(d.Call.Now())
	c := &Conn{host: host, handles: d.Call.Host(), address: addr(address), end: time.Now().Add(max(left-margin, left/2))}
	if err := c.open(d.TLS, timeout); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// margin is what is left of a call for saying that something took too long.
const margin = time.Second

func (c *Conn) open(tls bool, timeout time.Duration) error {
	head := append([]byte(nil), `{"address":`...)
	head = rawjson.AppendString(head, string(c.address))
	if tls {
		head = append(head, `,"tls":"yes"`...)
	}
	if timeout > 0 {
		head = append(head, `,"timeout_ms":`...)
		head = strconv.AppendInt(head, ceilMilliseconds(timeout), 10)
	}
	h := c.host.TCPOpen(append(head, '}'))
	switch code := abi.Code(h); {
	case code == abi.TooLarge:
		return &sluice.Error{Code: "overloaded", Status: 503, Message: "The call may open no more connections. Close those that are not needed."}
	case h < 0:
		return &sluice.Error{Code: "invalid_request", Status: 400, Message: "The host refused to open a connection: " + code.String() + "."}
	}
	c.head, c.connection = uint32(h), uint32(h)+1
	if err := c.failure(); err != nil {
		c.handles.Close(c.head)
		return err
	}
	return nil
}

// failure is what the connection's head says went wrong, or nil.
func (c *Conn) failure() error {
	p := make([]byte, max(c.handles.Size(c.head), 0))
	if n := c.handles.Read(c.head, 0, p); int(n) != len(p) {
		return errors.New("netconn: the host's head cannot be read")
	}
	var head struct {
		Error *struct{ Code, Message, Field string }
	}
	if err := json.Unmarshal(p, &head); err != nil {
		return errors.New("netconn: the host's head cannot be read")
	}
	if head.Error == nil {
		return nil
	}
	return &sluice.Error{Code: head.Error.Code, Status: statusOf(head.Error.Code), Message: head.Error.Message}
}

// statusOf returns the http_status of a failure: below 500 where trying again is pointless.
func statusOf(code string) int {
	switch code {
	case "invalid_request":
		return 400
	case "egress_denied":
		return 403
	case "overloaded":
		return 503
	case "connect_timeout":
		return 504
	}
	return 500
}

// ceilMilliseconds rounds up.
func ceilMilliseconds(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}

// addr is an address as it was dialled.
type addr string

// Network implements [net.Addr].
func (addr) Network() string { return "tcp" }

// String implements [net.Addr].
func (a addr) String() string { return string(a) }
