package egress

import (
	"context"
	"errors"
	"net"
)

// How many connections can be being opened at once, TLS included: for one connector, and in all. Where a service does not
// answer, that takes up to twenty seconds, a socket, and some goroutines.
const (
	connectorDials = 256
	processDials   = 2048
)

func dialsOf(s *Sockets) turns { return s.dials }

// errNoTurn is a dial that waited in vain for others.
var errNoTurn = errors.New("too many connections are being opened")

// takeTurn waits for a turn to open a connection, for no longer than connecting may take.
func (o *opener) takeTurn(ctx context.Context) error {
	waiting, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	err := o.sockets.take(waiting, dialsOf)
	if err != nil && ctx.Err() == nil {
		return errNoTurn
	}
	return err
}

func (o *opener) giveTurn() { o.sockets.give(dialsOf) }

// exchangeKey has the context of a request, and of the dial that net/http begins for it, return the exchange.
type exchangeKey struct{}

// requestContext is the context of an exchange's request.
type requestContext struct {
	context.Context
	exchange *exchange
}

// Value implements context.Context.
func (c *requestContext) Value(key any) any {
	if _, ok := key.(exchangeKey); ok {
		return c.exchange
	}
	return c.Context.Value(key)
}

func exchangeOf(ctx context.Context) *exchange { return ctx.Value(exchangeKey{}).(*exchange) }

// dialFunc opens a connection to host:port.
type dialFunc func(ctx context.Context, address string) (net.Conn, error)

// inTurn has net/http dial by dial, with few others at a time.
//
// net/http goes on with a dial when its request is given up, since another one may want the connection. A guest could leave
// any number of them behind, each for twenty seconds. So a dial ends with its request, unless that was served by a connection
// that had become idle meanwhile: a pool that never grows would have each such request dial in vain.
func (d *dialer) inTurn(dial dialFunc) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, _, address string) (net.Conn, error) {
		e := exchangeOf(ctx)
		waiting, stop := context.WithCancel(ctx)
		over := context.AfterFunc(e.context.Context, stop)
		err := d.client.opener.takeTurn(waiting)
		over()
		stop()
		if err != nil {
			return nil, &dialError{err}
		}
		defer d.client.opener.giveTurn()
		e.cost.Add(costOpening)
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(e.context.Context, func() {
			if !e.connected.Load() {
				cancel()
			}
		})()
		return dial(ctx, address)
	}
}
