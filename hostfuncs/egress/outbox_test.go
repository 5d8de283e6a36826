package egress

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"testing"
	"time"
)

// A writing that takes too long under TLS can go on later, and what was taken goes out while the guest reads or closes.
func TestConn_WriteTLS_Slowly(t *testing.T) {
	https := httptest.NewTLSServer(nil)
	https.Close()
	roots := x509.NewCertPool()
	roots.AddCert(https.Certificate())
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	goOn, received := make(chan struct{}), make(chan []byte, 1)
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		secure := tls.Server(conn, &tls.Config{Certificates: https.TLS.Certificates, MinVersion: tls.VersionTLS12})
		_ = secure.Handshake()
		<-goOn
		_, _ = io.WriteString(secure, "go on")
		all, err := io.ReadAll(secure)
		if err != nil {
			all = nil // no proper end
		}
		received <- all
	}()
	d := newDialer(t, func(_ *DialerConfig, e *TCPEntry) { e.RootCAs = roots }, ln.Addr().String())
	c := dial(t, d, DialRequest{Address: ln.Addr().String(), TLS: true})
	var sent []byte
	for n := byte(0); ; n++ {
		piece := bytes.Repeat([]byte{n}, 300_000)
		taken, err := c.Write(context.Background(), piece, 5*time.Millisecond)
		if err != nil {
			if !errors.Is(err, ErrTimeout) {
				t.Fatal(err)
			}
			break
		}
		if taken == 0 || taken > maxSealed || len(c.out.next()) > 2*maxSealed {
			t.Fatalf("%d were taken, %d wait", taken, len(c.out.next()))
		}
		sent = append(sent, piece[:taken]...)
	}
	if len(c.out.next()) == 0 {
		t.Fatal("nothing waits")
	}
	close(goOn)
	p := make([]byte, 16)
	if n, err := c.Read(context.Background(), p, patience); err != nil || string(p[:n]) != "go on" {
		t.Fatalf("got %q, %v", p[:n], err)
	}
	for rest := bytes.Repeat([]byte("end"), 100_000); len(rest) > 0; {
		n, err := c.Write(context.Background(), rest, patience)
		if err != nil {
			t.Fatal(err)
		}
		sent, rest = append(sent, rest[:n]...), rest[n:]
	}
	c.Close(context.Background())
	if got := <-received; !bytes.Equal(got, sent) {
		t.Errorf("%d bytes were received of %d", len(got), len(sent))
	}
}
