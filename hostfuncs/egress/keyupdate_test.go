package egress

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net"
	"strings"
	"testing"
)

// sealer seals records of TLS 1.3 under TLS_AES_128_GCM_SHA256, in place of crypto/tls, which asks for no new keys.
//
// See https://www.rfc-editor.org/rfc/rfc8446#section-7
type sealer struct {
	secret, iv []byte
	aead       cipher.AEAD
	sequence   uint64
}

func expand(t testing.TB, secret []byte, label string, n int) []byte {
	t.Helper()
	label = "tls13 " + label
	info := string(append([]byte{0, byte(n), byte(len(label))}, label...)) + "\x00"
	out, err := hkdf.Expand(sha256.New, secret, info, n)
	if err != nil {
		t.Error(err)
	}
	return out
}

func newSealer(t testing.TB, secret []byte) *sealer {
	t.Helper()
	block, err := aes.NewCipher(expand(t, secret, "key", 16))
	if err != nil {
		t.Error(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Error(err)
	}
	return &sealer{secret: secret, iv: expand(t, secret, "iv", 12), aead: aead}
}

func (s *sealer) record(kind byte, data []byte) []byte {
	nonce := bytes.Clone(s.iv)
	binary.BigEndian.PutUint64(nonce[4:], binary.BigEndian.Uint64(nonce[4:])^s.sequence)
	s.sequence++
	plain := append(bytes.Clone(data), kind)
	head := binary.BigEndian.AppendUint16([]byte{23, 3, 3}, uint16(len(plain)+s.aead.Overhead()))
	return append(head, s.aead.Seal(nil, nonce, plain, head)...)
}

// askForKeys writes, for ever, requests for new keys with some data between them: crypto/tls bears 16 in a row.
func askForKeys(t testing.TB, conn net.Conn, secret []byte) {
	s := newSealer(t, secret)
	for {
		var out []byte
		for range 15 {
			out = append(out, s.record(22, []byte{24, 0, 0, 1, 1})...) // KeyUpdate, update_requested
			s = newSealer(t, expand(t, s.secret, "traffic upd", 32))
		}
		if _, err := conn.Write(append(out, s.record(23, []byte("x"))...)); err != nil {
			return
		}
	}
}

// TestConn_KeyUpdates: a peer that has TLS answer and reads nothing is not answered for ever.
func TestConn_KeyUpdates(t *testing.T) {
	root := newAuthority(t, "root", elliptic.P256())
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	done := make(chan struct{})
	defer func() { <-done }()
	go func() {
		defer close(done)
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_ = conn.(*net.TCPConn).SetReadBuffer(64 << 10) // a much smaller one has the kernel drop what comes, and acknowledgements with it
		var keys bytes.Buffer
		if err := tls.Server(conn, &tls.Config{
			Certificates: []tls.Certificate{root.leaf(nil)}, MinVersion: tls.VersionTLS13, KeyLogWriter: &keys, SessionTicketsDisabled: true,
		}).Handshake(); err != nil {
			t.Error(err)
			return
		}
		for line := range strings.Lines(keys.String()) {
			if f := strings.Fields(line); f[0] == "SERVER_TRAFFIC_SECRET_0" {
				secret, _ := hex.DecodeString(f[2])
				askForKeys(t, conn, secret)
			}
		}
	}()
	d := newDialer(t, func(_ *DialerConfig, e *TCPEntry) { e.RootCAs = root.roots() }, ln.Addr().String())
	c := dial(t, d, DialRequest{Address: ln.Addr().String(), TLS: true})
	defer c.Abort() // however it ends: the peer writes for as long as it can
	if c.stream.(*tls.Conn).ConnectionState().CipherSuite != tls.TLS_AES_128_GCM_SHA256 {
		t.Skip("this machine prefers another cipher suite")
	}
	_ = c.raw.(*countedConn).Conn.(*net.TCPConn).SetWriteBuffer(4 << 10)
	for {
		if _, err = c.Read(context.Background(), make([]byte, 1), patience); err != nil {
			break
		}
		if n := len(c.out.next()); n > maxPending {
			t.Fatalf("%d bytes wait", n)
		}
	}
	if !errors.Is(err, ErrDisconnected) {
		t.Error(err)
	}
	if n := len(c.out.next()); n < maxPending/2 {
		t.Errorf("the connection ended when %d bytes waited", n)
	}
}
