package egress

import (
	"context"
	"crypto/tls"
	"net"
	"time"
)

// secure begins TLS over conn, as a client of host, within ctx and at most so long. Where that fails, conn is closed. The
// config is not changed.
func secure(ctx context.Context, conn net.Conn, config *tls.Config, host string, timeout time.Duration) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	own := config.Clone()
	own.ServerName = host
	c := tls.Client(conn, own)
	if err := c.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return c, nil
}
