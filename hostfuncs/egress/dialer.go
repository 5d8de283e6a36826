package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"
)

// DialerConfig is what a [Dialer] is made of.
type DialerConfig struct {
	// Policy says where connections may go. Required.
	Policy *TCPPolicy
	// Guard judges addresses. Required; one for the process.
	Guard *Guard
	// Sockets is the budget of open sockets, the connector's share of the process's. Required.
	Sockets *Sockets
	// ConnectTimeout bounds name resolution and connecting together. Default [DefaultConnectTimeout].
	ConnectTimeout time.Duration
	// TLSTimeout bounds the TLS handshake. Default [DefaultTLSTimeout].
	TLSTimeout time.Duration
	// Resolver looks names up. Default: Go's.
	Resolver *net.Resolver
	// Counters count connections. Default: nobody sees them.
	Counters *Counters
	// OnDenied, where set, is called for every connection that is refused, before Dial returns. It must not block.
	OnDenied func(Denial)
	// Observe, where set, is told what a stricter policy than Policy would have refused.
	Observe *ObserveTCP
}

// Dialer opens connections within a policy. Its methods may be called at once. It keeps nothing open: a connection
// belongs to who dialled it.
type Dialer struct {
	config DialerConfig
	opener *opener
}

// NewDialer returns a dialer.
func NewDialer(config DialerConfig) *Dialer {
	setDefault(&config.ConnectTimeout, DefaultConnectTimeout)
	setDefault(&config.TLSTimeout, DefaultTLSTimeout)
	if config.Counters == nil {
		config.Counters = new(Counters)
	}
	o := &opener{sockets: config.Sockets, guard: config.Guard, timeout: config.ConnectTimeout}
	o.resolver = o.countLookups(config.Resolver)
	return &Dialer{config, o}
}

// DialRequest is where a connection is to go.
type DialRequest struct {
	// Address is host:port; see [ParseTCPAddress].
	Address string
	// TLS begins TLS at once, with the host's name.
	TLS bool
	// Timeout bounds all of it. 0 leaves the dialer's own bounds.
	Timeout time.Duration
	// Cost, where set, gathers what opening the connection takes, and TLS, which may begin later.
	Cost *Cost
}

// FieldAddress names the part of a [DialRequest] that is at fault, in [Error.Field].
const FieldAddress = "address"

// Dial opens a connection. No proxy is used, whatever the environment says.
//
// # Errors
//
// Exactly one of the results is nil. [CodeEnded] means that ctx ended: end the call.
func (d *Dialer) Dial(ctx context.Context, r *DialRequest) (*Conn, *Error) {
	address, err := ParseTCPAddress(r.Address)
	if err != nil {
		return nil, invalid(FieldAddress, err.Error())
	}
	allowance, roots, err := d.config.Policy.Match(&address)
	if err != nil {
		return nil, d.denied(&address, err)
	}
	call := ctx
	if r.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.Timeout)
		defer cancel()
	}
	if err := d.opener.takeTurn(ctx); err != nil {
		return nil, d.failure(call, ctx, &address, err)
	}
	defer d.opener.giveTurn()
	r.Cost.Add(costOpening)
	raw, err := d.opener.reach(ctx, allowance, address.String())
	if err != nil {
		return nil, d.failure(call, ctx, &address, err)
	}
	if o := d.config.Observe; o != nil {
		o.connected(d.config.Guard, &address, raw)
	}
	c := &Conn{
		raw: raw, stream: raw, host: address.host, cost: r.Cost,
		tls: newSecurer(d.config.Sockets, &tls.Config{RootCAs: roots}, d.config.TLSTimeout),
	}
	if r.TLS {
		if failure := c.handshake(call, ctx); failure != nil {
			return nil, failure
		}
	}
	d.config.Counters.Connections.Add(1)
	d.config.Counters.ConnectionsOpen.Add(1)
	c.counters = d.config.Counters
	return c, nil
}

// failure names why there is no connection, within ctx, which call is the end of.
func (d *Dialer) failure(call, ctx context.Context, address *TCPAddress, err error) *Error {
	var denial *Denial
	switch {
	case call.Err() != nil:
		return ended(call.Err())
	case errors.As(err, &denial):
		return d.denied(address, denial)
	case isOverload(err):
		return overload(err)
	case ctx.Err() != nil:
		err = context.DeadlineExceeded // the resolver has errors of its own for it
	}
	return dialFailure(address.host, err)
}

// denied reports a denial.
func (d *Dialer) denied(address *TCPAddress, err error) *Error {
	var denial *Denial
	if !errors.As(err, &denial) {
		denial = &Denial{Class: ClassUnknown}
	}
	denial = address.denial(denial)
	if d.config.OnDenied != nil {
		d.config.OnDenied(*denial)
	}
	return &Error{Code: CodeEgressDenied, Message: denial.Error(), Denial: denial}
}
