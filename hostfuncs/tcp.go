package hostfuncs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"sluice/hostfuncs/egress"
	"sluice/internal/rawjson"
)

// MaxTCPHead bounds what a guest writes to open a connection, in bytes.
const MaxTCPHead = 4 << 10

// MaxTCPPiece bounds what one reading or writing takes, in bytes.
const MaxTCPPiece = 256 << 10

// MaxConnections is how many connections a call may have open.
const MaxConnections = 16

// DefaultTCPTimeout is how long opening a connection may take where the guest does not say, TLS included.
const DefaultTCPTimeout = 20 * time.Second

// Dialer opens a connection for a guest. *egress.Dialer is the one that goes out.
type Dialer interface {
	Dial(ctx context.Context, r *egress.DialRequest) (*egress.Conn, *egress.Error)
}

// ParseTCP reads what a guest wrote to open a connection. Nothing of head, which is the guest's memory, is kept.
func (c *Call) ParseTCP(head []byte) (*egress.DialRequest, Errno) {
	if c.Describing || c.TCP == nil {
		return nil, NotAvailable
	}
	if len(head) > MaxTCPHead {
		return nil, TooLarge
	}
	r := &egress.DialRequest{Timeout: DefaultTCPTimeout}
	ok, hasAddress := true, false
	err := rawjson.Members(head, headDepth, func(key, value []byte) error {
		switch string(key) {
		case "address":
			hasAddress = rawjson.KindOf(value) == rawjson.String
			if hasAddress {
				r.Address = string(rawjson.Unquote(value))
			}
		case "tls":
			r.TLS = string(value) == `"yes"`
			ok = ok && (r.TLS || string(value) == `"no"`)
		case "timeout_ms":
			ms, err := strconv.ParseUint(string(value), 10, 31)
			ok = ok && err == nil && ms > 0
			r.Timeout = time.Duration(ms) * time.Millisecond
		default:
			ok = false
		}
		return nil
	})
	if err != nil || !ok || !hasAddress {
		return nil, Invalid
	}
	return r, OK
}

// OpenTCP opens a connection, or says why there is none. open is how many the call has. The error is the context's, once
// it has ended. Whoever gets a connection closes it, by the end of the call at the latest.
func (c *Call) OpenTCP(ctx context.Context, r *egress.DialRequest, open int) (*egress.Conn, *egress.Error, error) {
	if open >= MaxConnections {
		return nil, c.failed(capabilityTCP, &egress.Error{Code: egress.CodeOverloaded,
			Message: fmt.Sprintf("the call has %d connections open, and may have no more: close some", open)}), nil
	}
	r.Timeout, r.Cost = withinCall(ctx, r.Timeout), &c.opened
	conn, failure := c.TCP.Dial(ctx, r)
	if failure != nil && ctx.Err() != nil {
		return nil, nil, ctx.Err()
	}
	return conn, c.failed(capabilityTCP, failure), nil
}

// ReadTCP reads into p, which is not kept, and returns how many bytes, 0 at the end. A negative timeout is the call's own.
// The error is the context's, once it has ended.
func (c *Call) ReadTCP(ctx context.Context, conn *egress.Conn, p []byte, timeout time.Duration) (int32, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := conn.Read(ctx, p[:min(len(p), MaxTCPPiece)], operationTimeout(ctx, timeout))
	if err == io.EOF {
		return 0, nil
	}
	return transferred(ctx, n, err)
}

// WriteTCP writes from p, which is not kept, and returns how many bytes it took. A negative timeout is the call's own. The
// error is the context's, once it has ended.
func (c *Call) WriteTCP(ctx context.Context, conn *egress.Conn, p []byte, timeout time.Duration) (int32, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := conn.Write(ctx, p[:min(len(p), MaxTCPPiece)], operationTimeout(ctx, timeout))
	return transferred(ctx, n, err)
}

// StartTLS goes over to TLS. name is the connection's host, or empty. The error is the context's, once it has ended.
func (c *Call) StartTLS(ctx context.Context, conn *egress.Conn, name []byte) (*egress.Error, Errno, error) {
	if conn.Secure() || len(name) > 0 && !conn.IsFor(string(name)) {
		return nil, Invalid, nil
	}
	failure := conn.StartTLS(ctx, withinCall(ctx, DefaultTCPTimeout))
	switch {
	case failure == nil:
		return nil, OK, nil
	case ctx.Err() != nil:
		return nil, OK, ctx.Err()
	}
	return c.failed(capabilityTCP, failure), Closed, nil
}

// TCPHead is what a guest is told of a connection, or of why there is none.
func TCPHead(failure *egress.Error) []byte {
	if failure == nil {
		return []byte(`{"ok":true}`)
	}
	return appendFailure(nil, failure)
}

// transferred is the result of a transfer.
func transferred(ctx context.Context, n int, err error) (int32, error) {
	switch {
	case err == nil:
		return int32(n), nil
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case errors.Is(err, egress.ErrTimeout):
		return int32(Timeout), nil
	}
	return int32(Closed), nil
}

// operationTimeout is a guest's timeout for one reading or writing: at least a millisecond, and nothing beyond the call.
func operationTimeout(ctx context.Context, timeout time.Duration) time.Duration {
	if timeout < 0 {
		timeout = MaxDeadline
	}
	return withinCall(ctx, max(timeout, time.Millisecond))
}

// withinCall leaves a guest time to say that something took too long, instead of being ended with its call.
func withinCall(ctx context.Context, timeout time.Duration) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		return min(timeout, max(left-deadlineMargin, left/2))
	}
	return timeout
}

// DeniedTCP is a Dialer for a connector to which no connection is granted. It is the sentence that says what is missing.
type DeniedTCP string

// Dial implements Dialer.
func (d DeniedTCP) Dial(context.Context, *egress.DialRequest) (*egress.Conn, *egress.Error) {
	return nil, &egress.Error{Code: egress.CodeEgressDenied, Message: string(d)}
}

var _ Dialer = DeniedTCP("")
