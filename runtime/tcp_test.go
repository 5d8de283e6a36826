package runtime

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/internal/guests"
	"sluice/runtime/envelope"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// mailbox is a mail server for one user.
type mailbox struct {
	mu    sync.Mutex
	mails []string // "sender > recipients: text"
}

const mailUser, mailPassword = "ada", "hunter2"

// NewSession implements smtp.Backend.
func (m *mailbox) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &mailSession{mailbox: m, conn: c}, nil
}

type mailSession struct {
	*mailbox
	conn *smtp.Conn
	user string
	mail string
}

func (s *mailSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *mailSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if _, secure := s.conn.TLSConnectionState(); !secure || user != mailUser || password != mailPassword {
			return smtp.ErrAuthFailed
		}
		s.user = user
		return nil
	}), nil
}

func (s *mailSession) Mail(from string, _ *smtp.MailOptions) error {
	if s.user == "" {
		return smtp.ErrAuthRequired
	}
	s.mail = from + " >"
	return nil
}

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mail += " " + to
	return nil
}

func (s *mailSession) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, s.mail+": "+strings.TrimSpace(string(text)))
	return err
}

func (s *mailSession) Reset()        { s.mail = "" }
func (s *mailSession) Logout() error { return nil }

// loopbackTLS returns what a server on 127.0.0.1 needs to speak TLS, and the file of who signed its certificate.
func loopbackTLS(t *testing.T) (config *tls.Config, authorities string) {
	t.Helper()
	https := httptest.NewTLSServer(nil) // whose certificate is for 127.0.0.1
	https.Close()
	authorities = filepath.Join(t.TempDir(), "ca.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: https.Certificate().Raw})
	if err := os.WriteFile(authorities, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: https.TLS.Certificates, MinVersion: tls.VersionTLS12}, authorities
}

// mailServer serves a mailbox, with TLS from the start or by STARTTLS, and returns its address and the file of who
// signed its certificate.
func mailServer(t *testing.T, m *mailbox, implicit bool) (address, authorities string) {
	t.Helper()
	config, authorities := loopbackTLS(t)
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = ln.Addr().String()
	s := smtp.NewServer(m)
	s.Domain, s.ErrorLog = "mail.example", log.New(io.Discard, "", 0)
	s.TLSConfig = config
	if implicit {
		ln = tls.NewListener(ln, s.TLSConfig)
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.Serve(ln) })
	t.Cleanup(func() {
		_ = s.Close()
		serving.Wait()
	})
	return address, authorities
}

// TestTCP_Mail sends mail from a guest, with net/smtp, to a server that wants TLS and a login.
func TestTCP_Mail(t *testing.T) {
	m := &mailbox{}
	for name, implicit := range map[string]bool{"STARTTLS": false, "TLS": true} {
		address, authorities := mailServer(t, m, implicit)
		grant := Grant{TCP: []string{address}, Addresses: []string{"loopback"}, TCPAuthorities: authorities}
		dialer := func(g Grant) *harness {
			h := start(t, open(t, t.TempDir()), func(c *Config) { c.Grants = map[string]Grant{"dialer": g} })
			h.install(guests.Module(t, "dialer"))
			return h
		}
		send := func(h *harness, password string) *envelope.Answer {
			t.Helper()
			params, err := json.Marshal(map[string]any{"address": address, "implicit": implicit, "user": mailUser, "password": password,
				"from": "a@sluice.example", "to": "b@mail.example", "text": "Subject: hello\r\n\r\nby " + name + "\r\n"})
			if err != nil {
				t.Fatal(err)
			}
			a, err := h.execute(context.Background(), "dialer/Send", string(params))
			if err != nil {
				t.Fatalf("%s: %v\n%s", name, err, h.log)
			}
			return a
		}
		h := dialer(grant)
		if a := send(h, mailPassword); a.Error != nil || string(a.Body) != `"sent"` {
			t.Errorf("%s: %+v, %+v", name, a, a.Error)
		}
		if a := send(h, "wrong"); a.Error == nil || a.Error.Code != "LoginFailed" {
			t.Errorf("%s: %+v", name, a)
		}
		if n := h.sockets.Open(); n != 0 {
			t.Errorf("%s: %d sockets are open", name, n)
		}
		h.stop()

		// Whoever signed the certificate has to be trusted, and the address has to be granted.
		for code, g := range map[string]Grant{
			"tls":           {TCP: grant.TCP, Addresses: grant.Addresses},
			"egress_denied": {TCP: grant.TCP, TCPAuthorities: authorities},
		} {
			h := dialer(g)
			if a := send(h, mailPassword); a.Error == nil || a.Error.Code != code {
				t.Errorf("%s: %+v, want %s", name, a.Error, code)
			}
			h.stop()
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, want := range []string{"by STARTTLS", "by TLS"} {
		want = "a@sluice.example > b@mail.example: Subject: hello\r\n\r\n" + want
		found := 0
		for _, mail := range m.mails {
			if mail == want {
				found++
			}
		}
		if found != 1 {
			t.Errorf("%q was received %d times, among %q", want, found, m.mails)
		}
	}
}

// peer accepts connections, sends nothing, and closes each with the other side.
type peer struct {
	address           string
	opened, connected atomic.Int64 // so far, and at present
}

func newPeer(t testing.TB) *peer {
	t.Helper()
	p := &peer{}
	p.address = accept(t, func(conn net.Conn) {
		p.connected.Add(1)
		p.opened.Add(1)
		_, _ = io.Copy(io.Discard, conn)
		conn.Close()
		p.connected.Add(-1)
	})
	return p
}

// accept serves the connections to a port of this machine until the test ends, each in a goroutine, and returns its address.
func accept(t testing.TB, serve func(net.Conn)) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		serving.Wait()
	})
	return ln.Addr().String()
}

// However a guest's call ends, its connections end with it, as the other side sees it.
func TestTCP_EndOfCall(t *testing.T) {
	p := newPeer(t)
	h := start(t, open(t, t.TempDir()), func(c *Config) {
		c.Limits.CPU = 200 * time.Millisecond
		c.Grants = map[string]Grant{"dialer": {TCP: []string{"127.0.0.1:*"}, Addresses: []string{"loopback"}}}
	})
	h.install(guests.Module(t, "dialer"))
	before := int64(0)
	h.endCalls("dialer/Leave", fmt.Sprintf(`"address":%q`, p.address), func(how string) {
		// What the guest opened last may have ended before the other side has seen it come.
		before += left
		eventually(t, how+": as many connections", func() bool { return p.opened.Load() == before })
		eventually(t, how+": the end of all connections", func() bool { return p.connected.Load() == 0 })
		if n := h.sockets.Open(); n != 0 {
			t.Errorf("%s: %d sockets are counted", how, n)
		}
	})
	eventually(t, "the end of all connections", func() bool { return p.connected.Load() == 0 })
}

// A connector reaches what it requested and was granted, and a denial says what is missing.
func TestTCP_Denials(t *testing.T) {
	const params = `{"address":"db.example.com:5432","count":1,"how":"return"}`
	for _, tc := range []struct {
		name    string
		grant   Grant
		dev     bool
		address string
		want    string
	}{
		{"nothing", Grant{}, false, "db.example.com:5432", "grant it rules by `sluice grant dialer --tcp RULE`, or in the configuration as grants.dialer.tcp; it asks for [*:*]"},
		{"HTTP alone", Grant{HTTP: []string{"http://*"}}, false, "db.example.com:5432", "no connection is granted"},
		{"another port", Grant{TCP: []string{"db.example.com:5433"}}, false, "db.example.com:5432", `add the rule "db.example.com:5432" to the tcp of the connector's grant`},
		{"no such address", Grant{TCP: []string{"*:1"}}, false, "127.0.0.1:1", `add "loopback", or the address, to the addresses`},
		{"a metadata address", Grant{TCP: []string{"*:80"}, Addresses: []string{"private", "loopback"}}, false, "169.254.169.254:80", "only an entry for that one address allows it"},
		{"public, in development", Grant{}, true, "8.8.8.8:53", `add "public" to the addresses`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := start(t, open(t, t.TempDir()), func(c *Config) {
				c.Dev, c.Grants = tc.dev, map[string]Grant{"dialer": tc.grant}
			})
			h.install(guests.Module(t, "dialer"))
			a, err := h.execute(context.Background(), "dialer/Leave", strings.Replace(params, "db.example.com:5432", tc.address, 1))
			if err != nil || a.Error == nil || a.Error.Code != "egress_denied" || !strings.Contains(a.Error.Message, tc.want) {
				t.Errorf("got %+v, %v; want %q", a.Error, err, tc.want)
			}
		})
	}
	for want, g := range map[string]Grant{
		"ends with a colon and the port": {TCP: []string{"db.example.com"}},
		"no certificate in PEM":          {TCPAuthorities: "tcp_test.go"},
		"tcp_ca":                         {TCPAuthorities: filepath.Join(t.TempDir(), "none.pem")},
	} {
		r, err := New(context.Background(), Config{Store: open(t, t.TempDir()), CacheDir: cacheDir, Limits: DefaultLimits(), Grants: map[string]Grant{"a": g}})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `the grant of connector "a"`) {
			t.Errorf("got %v, %v; want %s", r, err, want)
		}
	}
}
