package runtime

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"sluice/internal/guests"
)

// lineServer greets, and answers each line with the same in capitals, but for these: STARTTLS goes over to TLS, INJECT
// does so after another line, PUMP takes so many bytes and says how many came, WAIT is not answered, and BYE ends it.
type lineServer struct {
	address, authorities string
	config               *tls.Config
	implicit             bool
	injecting            bool
}

// newLineServer serves on a port of its own until the test ends.
func newLineServer(t *testing.T, change func(*lineServer)) *lineServer {
	t.Helper()
	s := &lineServer{}
	s.config, s.authorities = loopbackTLS(t)
	if change != nil {
		change(s)
	}
	s.address = accept(t, s.serve)
	return s
}

func (s *lineServer) serve(conn net.Conn) {
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if s.implicit {
		conn = tls.Server(conn, s.config)
	}
	r := bufio.NewReader(conn)
	answer := "hello\n"
	for {
		if _, err := io.WriteString(conn, answer); err != nil {
			return
		}
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		command, argument, _ := strings.Cut(strings.TrimSpace(line), " ")
		answer = strings.ToUpper(line)
		switch command {
		case "STARTTLS":
			went := "go\n"
			if s.injecting {
				went += "injected\n"
			}
			if _, err := io.WriteString(conn, went); err != nil {
				return
			}
			conn = tls.Server(conn, s.config)
			r.Reset(conn)
			answer = ""
		case "PUMP":
			var n int64
			if _, err := fmt.Sscan(argument, &n); err != nil {
				return
			}
			taken, _ := io.CopyN(io.Discard, r, n)
			answer = fmt.Sprintf("took %d\n", taken)
		case "WAIT":
			answer = ""
		case "BYE":
			return
		}
	}
}

// A connector in Rust speaks with a server through std::io, in the clear and over TLS.
func TestTCP_Lines(t *testing.T) {
	for security, implicit := range map[string]bool{"no": false, "starttls": false, "unbuffered": false, "tls": true} {
		s := newLineServer(t, func(s *lineServer) { s.implicit = implicit })
		grant := Grant{TCP: []string{s.address}, Addresses: []string{"loopback"}, TCPAuthorities: s.authorities}
		h := linesUnder(t, grant)
		params := func(more string) string {
			return fmt.Sprintf(`{"address":%q,"security":%q,%s}`, s.address, security, more)
		}
		h.wantBody("lines/Talk", params(`"text":"grüezi\na \"b\"\n"`), `["GRÜEZI","A \"B\""]`)
		h.wantBody("lines/Pump", params(`"bytes":3000000`), `[3000000,"took 3000000"]`)
		h.wantBody("lines/Talk", params(`"text":"x","timeout_ms":9223372036854775807`), `["X"]`)

		for text, code := range map[string]string{"WAIT": "timeout", "a\nBYE\nb": "Ended"} {
			a, err := h.execute(context.Background(), "lines/Talk", params(fmt.Sprintf(`"timeout_ms":50,"text":%q`, text)))
			if err != nil || a.Error == nil || a.Error.Code != code {
				t.Errorf("%s, %s: got %+v, %v; want %s", security, text, a, err, code)
			}
		}
		if n := h.sockets.Open(); n != 0 {
			t.Errorf("%s: %d sockets are open", security, n)
		}
		h.stop()
		if security == "no" {
			continue
		}
		grant.TCPAuthorities = ""
		h = linesUnder(t, grant)
		h.wantCode("lines/Talk", params(`"text":""`), "tls")
		h.stop()
	}
}

// linesUnder is a runtime with the connector in Rust under a grant.
func linesUnder(t *testing.T, g Grant) *harness {
	h := start(t, open(t, t.TempDir()), func(c *Config) { c.Grants = map[string]Grant{"lines": g} })
	h.install(guests.Module(t, "lines"))
	return h
}

// wantCode executes a command whose answer must hold this error.
func (h *harness) wantCode(id, params, want string) {
	h.t.Helper()
	a, err := h.execute(context.Background(), id, params)
	if err != nil || a.Error == nil || a.Error.Code != want {
		h.t.Errorf("%s: got %+v, %v; want %s", id, a, err, want)
	}
}

// What goes wrong on a connection reaches a connector in Rust by its code.
func TestTCP_Lines_Errors(t *testing.T) {
	s := newLineServer(t, func(s *lineServer) { s.injecting = true })
	nobody, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	h := linesUnder(t, Grant{TCP: []string{"127.0.0.1:*"}, Addresses: []string{"loopback"}, TCPAuthorities: s.authorities})
	for _, tc := range []struct{ address, security, want string }{
		// Somebody on the way puts a line before TLS: it is in the guest's buffer, or in the host's socket.
		{s.address, "starttls", "unread_data"},
		{s.address, "unbuffered", "unread_data"},
		{s.address, "tls", "tls"}, // the server speaks none
		{nobody.Addr().String(), "no", "connect"},
		{"192.0.2.1:25", "no", "egress_denied"},
		{"nowhere", "no", "invalid_request"},
		{"127.0.0.1:" + strings.Repeat("1", 5000), "no", "invalid_request"},
	} {
		h.wantCode("lines/Talk", fmt.Sprintf(`{"address":%q,"security":%q,"text":"x"}`, tc.address, tc.security), tc.want)
	}
	h.wantCode("lines/Talk", fmt.Sprintf(`{"address":%q,"timeout_ms":0,"text":"x"}`, s.address), "invalid_request")

	// What is dropped is closed: many connections after one another are none too many, unless they are kept.
	h.wantBody("lines/Open", fmt.Sprintf(`{"address":%q,"count":40}`, s.address), "0")
	h.wantBody("lines/Open", fmt.Sprintf(`{"address":%q,"count":16,"keep":true}`, s.address), "16")
	h.wantCode("lines/Open", fmt.Sprintf(`{"address":%q,"count":17,"keep":true}`, s.address), "overloaded")
	if n := h.sockets.Open(); n != 0 {
		t.Errorf("%d sockets are open", n)
	}

	// Without a timeout of its own a connection waits until the call has a second left.
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	a, err := h.execute(ctx, "lines/Talk", fmt.Sprintf(`{"address":%q,"text":"WAIT"}`, s.address))
	if err != nil || a.Error == nil || a.Error.Code != "timeout" {
		t.Errorf("got %+v, %v", a, err)
	}
}
