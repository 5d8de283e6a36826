package netconn

import (
	"errors"
	"io"
	"net"
)

// sslRequest is PostgreSQL's request for TLS: its length, and a number.
//
// https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-SSLREQUEST
var sslRequest = []byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f}

// PostgresTLS asks a PostgreSQL server, to whom nothing was sent yet, for TLS, and begins it. A driver is given the
// connection then, and told not to use TLS by itself: sslmode=disable.
//
// # Errors
//
// The connection is closed then. There is one too where the server has no TLS.
func PostgresTLS(conn net.Conn) error {
	var answer [1]byte
	_, err := conn.Write(sslRequest)
	if err == nil {
		_, err = io.ReadFull(conn, answer[:])
	}
	if err == nil && answer[0] != 'S' {
		err = errors.New("netconn: the PostgreSQL server offers no TLS")
	}
	if err != nil {
		conn.Close()
		return err
	}
	return StartTLS(conn)
}
