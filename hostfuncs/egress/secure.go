package egress

import (
	"context"
	"crypto/tls"
	"net"
	"time"
)

// securer begins TLS over connections of one connector.
type securer struct {
	sockets *Sockets
	config  *tls.Config // not changed
	timeout time.Duration
}

func newSecurer(sockets *Sockets, config *tls.Config, timeout time.Duration) *securer {
	config = config.Clone()
	config.MinVersion = tls.VersionTLS12
	config.InsecureSkipVerify = true // it is done by Sockets.verify, which bounds it
	return &securer{sockets: sockets, config: config, timeout: timeout}
}

// secure begins TLS over conn, as a client of host, within ctx, and adds to cost what that takes. Where it fails, conn is
// closed.
func (s *securer) secure(ctx context.Context, conn net.Conn, host string, cost *Cost) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	config := s.config.Clone()
	config.ServerName = host
	config.VerifyConnection = func(state tls.ConnectionState) error {
		// Not state.ServerName, which is empty for an address.
		return s.sockets.verify(ctx, state.PeerCertificates, config, host, cost)
	}
	cost.Add(costHandshake)
	c := tls.Client(conn, config)
	if err := c.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return c, nil
}
