// Package netsmtp lets net/smtp send mail from a connector, over connections of package netconn, on which the host
// speaks TLS. The method StartTLS of net/smtp's client would have the guest do so, which could not know whom to trust.
package netsmtp

import (
	"context"
	"errors"
	"io"
	"net"
	"net/smtp"
	"net/textproto"
	"strings"

	"sluice/guest-sdk/go/netconn"
)

// Security is how a server is to be spoken with.
type Security int

const (
	// StartTLS begins in the clear and goes over to TLS before anything else is said. A server that does not offer it is
	// not spoken with.
	StartTLS Security = iota
	// TLS begins with TLS.
	TLS
	// Clear has no TLS. Passwords are not sent.
	Clear
)

// Dial returns a client for the server at address, host:port. hello is how the client names itself.
func Dial(ctx context.Context, d netconn.Dialer, address, hello string, s Security) (*smtp.Client, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	d.TLS = s == TLS
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if s == StartTLS {
		if err := upgrade(conn, hello); err != nil {
			conn.Close()
			return nil, err
		}
		conn = &greeted{Conn: conn, greeting: strings.NewReader("220 " + host + "\r\n")}
	}
	client, err := smtp.NewClient(conn, host)
	if err != nil {
		conn.Close()
		return nil, err
	}
	if err := client.Hello(hello); err != nil {
		client.Close()
		return nil, err
	}
	return client, nil
}

// upgrade says what comes before TLS, and begins it.
//
// https://www.rfc-editor.org/rfc/rfc3207#section-4
func upgrade(conn net.Conn, hello string) error {
	text := textproto.NewConn(conn)
	if _, _, err := text.ReadResponse(220); err != nil {
		return err
	}
	for _, step := range []struct {
		command string
		code    int
	}{{"EHLO " + hello, 250}, {"STARTTLS", 220}} {
		if strings.ContainsAny(step.command, "\r\n") {
			return errors.New("netsmtp: a name has no line breaks")
		}
		if err := text.PrintfLine("%s", step.command); err != nil {
			return err
		}
		if _, _, err := text.ReadResponse(step.code); err != nil {
			return err
		}
	}
	if text.R.Buffered() > 0 {
		return errors.New("netsmtp: the server, or somebody on the way, sent data before TLS")
	}
	return netconn.StartTLS(conn)
}

// greeted is a connection on which the server has already greeted, with a greeting for a client that waits for one.
type greeted struct {
	net.Conn
	greeting *strings.Reader
}

// Read implements [net.Conn].
func (g *greeted) Read(p []byte) (int, error) {
	if n, err := g.greeting.Read(p); err != io.EOF {
		return n, err
	}
	return g.Conn.Read(p)
}

// Auth lets a mechanism of net/smtp, such as smtp.PlainAuth, know that the host speaks TLS on the connection. It is for
// clients that [Dial] returned with [StartTLS] or [TLS].
func Auth(a smtp.Auth) smtp.Auth { return secured{a} }

type secured struct{ smtp.Auth }

// Start implements [smtp.Auth].
func (s secured) Start(server *smtp.ServerInfo) (string, []byte, error) {
	secure := *server
	secure.TLS = true
	return s.Auth.Start(&secure)
}
