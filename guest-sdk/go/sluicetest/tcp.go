package sluicetest

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"sluice/guest-sdk/go/abi"
)

// Connect opens the command's connections. tls says that TLS is wanted at once. It is not played: what goes over the
// connection is what TLS would carry, before StartTLS and after it. An error of type [*HTTPError] reaches the command as
// it is, any other as the code connect.
type Connect func(address string, tls bool) (net.Conn, error)

// Peer returns a Connect by which serve is at the other end of every connection, in a goroutine of its own. It returns
// when it is done, or fails because the command closed the connection or ended; the test waits for it.
func Peer(serve func(net.Conn)) Connect {
	return func(string, bool) (net.Conn, error) {
		here, there := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer there.Close()
			serve(there)
		}()
		return &scripted{here, done}, nil
	}
}

// scripted is a connection with a peer that is waited for.
type scripted struct {
	net.Conn
	done chan struct{}
}

// Close implements net.Conn.
func (s *scripted) Close() error {
	err := s.Conn.Close()
	<-s.done
	return err
}

// connection is one that the command opened.
type connection struct {
	conn   net.Conn // nil once it is closed
	head   uint32
	secure bool
}

const maxConnections = 16

func (h *host) TCPOpen(head []byte) int32 {
	if !h.executing {
		return int32(abi.NotAvailable)
	}
	var q struct {
		Address   string `json:"address"`
		TLS       string `json:"tls"`
		TimeoutMS int64  `json:"timeout_ms"`
	}
	if json.Unmarshal(head, &q) != nil || q.TLS != "" && q.TLS != "yes" && q.TLS != "no" || q.TimeoutMS < 0 {
		return int32(abi.Invalid)
	}
	secure := q.TLS == "yes"
	conn, err := h.connect(q.Address, secure)
	handle := h.next
	h.next += 2
	h.tell(handle, err)
	if err == nil {
		h.connections[handle+1] = &connection{conn, handle, secure}
	}
	return int32(handle)
}

func (h *host) connect(address string, tls bool) (net.Conn, error) {
	to, err := connectionTarget(address)
	if err != nil {
		return nil, &HTTPError{Code: "invalid_request", Message: "The address is none: " + err.Error() + ".", Field: "address"}
	}
	if denied := notAsked("tcp", h.mayTCP, to); denied != nil {
		return nil, denied
	}
	switch {
	case h.call.TCP == nil:
		return nil, &HTTPError{Code: "egress_denied", Message: "The test allows no connections: Call.TCP is nil."}
	case len(h.connections) >= maxConnections:
		return nil, &HTTPError{Code: "overloaded", Message: "The call may have no more connections."}
	}
	return h.call.TCP(address, tls)
}

// tell writes the head of a connection.
func (h *host) tell(handle uint32, err error) {
	if err == nil {
		h.open[handle] = []byte(`{"ok":true}`)
		return
	}
	e, ok := errors.AsType[*HTTPError](err)
	if !ok {
		e = &HTTPError{Code: "connect", Message: err.Error()}
	}
	text, err := json.Marshal(responseHead{Error: e})
	if err != nil {
		h.t.Fatalf("a head cannot be encoded: %v", err)
	}
	h.open[handle] = text
}

// within gives an open connection its time.
func (h *host) within(handle uint32, milliseconds int64) (*connection, abi.Code) {
	c, ok := h.connections[handle]
	switch {
	case !h.executing:
		return nil, abi.NotAvailable
	case !ok:
		return nil, abi.BadHandle
	case c.conn == nil:
		return nil, abi.Closed
	}
	timeout := h.end.Sub(h.now)
	if milliseconds >= 0 {
		timeout = min(timeout, time.Duration(max(milliseconds, 1))*time.Millisecond)
	}
	_ = c.conn.SetDeadline(time.Now().Add(timeout))
	return c, 0
}

func (h *host) TCPRead(handle uint32, p []byte, milliseconds int64) int32 {
	c, code := h.within(handle, milliseconds)
	if code != 0 {
		return int32(code)
	}
	if len(p) == 0 {
		return 0
	}
	n, err := c.conn.Read(p)
	if n == 0 && errors.Is(err, io.EOF) {
		return 0
	}
	return c.transferred(n, err)
}

func (h *host) TCPWrite(handle uint32, p []byte, milliseconds int64) int32 {
	c, code := h.within(handle, milliseconds)
	if code != 0 {
		return int32(code)
	}
	n, err := c.conn.Write(p)
	return c.transferred(n, err)
}

func (c *connection) transferred(n int, err error) int32 {
	switch {
	case n > 0 || err == nil:
		return int32(n)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return int32(abi.Timeout)
	}
	c.close()
	return int32(abi.Closed)
}

func (c *connection) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

func (h *host) TCPTLS(handle uint32) int32 {
	c, code := h.within(handle, 2)
	switch {
	case code != 0:
		return int32(code)
	case c.secure:
		return int32(abi.Invalid)
	}
	if n, err := c.conn.Read(make([]byte, 1)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		c.close()
		h.tell(c.head, &HTTPError{Code: "unread_data", Message: "The peer had sent something before TLS that nobody read."})
		return int32(abi.Closed)
	}
	c.secure = true
	return 0
}

// closeConnections is what the end of a call does.
func (h *host) closeConnections() {
	for _, c := range h.connections {
		c.close()
	}
}

var _ abi.TCPHost = (*host)(nil)
