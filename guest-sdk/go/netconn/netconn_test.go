package netconn_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	sluice "sluice/guest-sdk/go"
	"sluice/guest-sdk/go/netconn"
	"sluice/guest-sdk/go/sluicetest"
)

// use is what the one command of the connector under test does.
var use func(c *sluice.Call) error

func init() {
	sluice.Connector{Name: "dials", Version: "1.0.0", Capabilities: []sluice.Capability{sluice.TCP("tests", "*.example:1", "*:2")}}.Register(
		sluice.Command("Use", "", func(c *sluice.Call, _ struct{}) (string, error) { return "used", use(c) }))
}

// run has the command do something. It fails the test where that returns an error, or does not return.
func run(t *testing.T, connect sluicetest.Connect, do func(c *sluice.Call) error) sluicetest.Result {
	t.Helper()
	use = do
	return sluicetest.Run(t, "Use", sluicetest.Call{TCP: connect, Deadline: 10 * time.Second})
}

func TestConn(t *testing.T) {
	text := bytes.Repeat([]byte("abc"), 1<<16)
	echo := sluicetest.Peer(func(conn net.Conn) { _, _ = io.Copy(conn, conn) })
	r := run(t, echo, func(c *sluice.Call) error {
		conn, err := netconn.Dialer{Call: c}.Dial("tcp", "a.example:1")
		if err != nil {
			return err
		}
		defer conn.Close()
		if conn.RemoteAddr().String() != "a.example:1" || conn.LocalAddr().Network() != "tcp" {
			t.Errorf("it leads from %v to %v", conn.LocalAddr(), conn.RemoteAddr())
		}
		// A goroutine writes while another reads.
		go func() { _, _ = conn.Write(text) }()
		got := make([]byte, len(text))
		if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%v, or another text", err)
		}
		if n, err := conn.Read(nil); n != 0 || err != nil {
			t.Errorf("reading nothing: %d, %v", n, err)
		}

		// Deadlines, of which that for both counts for each.
		for _, set := range []func(time.Time) error{conn.SetReadDeadline, conn.SetDeadline} {
			for _, in := range []time.Duration{-time.Second, 0, 20 * time.Millisecond} {
				if err := set(time.Now().Add(in)); err != nil {
					t.Error(err)
				}
				_, err := conn.Read(got)
				var timeout net.Error
				if !errors.As(err, &timeout) || !timeout.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("got %v", err)
				}
			}
		}
		if _, err := conn.Write(text[:1]); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		// A deadline can be set while somebody waits.
		_ = conn.SetDeadline(time.Time{})
		go func() {
			time.Sleep(20 * time.Millisecond)
			_ = conn.SetReadDeadline(time.Unix(1, 0))
		}()
		if _, err := conn.Read(got); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		for _, err := range []error{conn.Close(), conn.SetDeadline(time.Now()), netconn.StartTLS(conn)} {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("got %v", err)
			}
		}
		_, err = conn.Read(got)
		_, writing := conn.Write(got)
		if !errors.Is(err, net.ErrClosed) || !errors.Is(writing, net.ErrClosed) {
			t.Errorf("got %v, %v", err, writing)
		}
		return nil
	})
	if string(r.Body) != `"used"` || r.ErrorCode != "" {
		t.Errorf("got %+v", r)
	}
}

func TestConn_Ends(t *testing.T) {
	run(t, sluicetest.Peer(func(conn net.Conn) { _, _ = io.WriteString(conn, "bye") }), func(c *sluice.Call) error {
		conn, err := netconn.Dialer{Call: c}.Dial("tcp", "a.example:1")
		if err != nil {
			return err
		}
		if all, err := io.ReadAll(conn); string(all) != "bye" || err != nil {
			t.Errorf("got %q, %v", all, err)
		}
		if _, err := conn.Write([]byte("more")); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("got %v", err)
		}
		return nil
	})
	// A connection that was forgotten ends with the call.
	ended := make(chan error, 1)
	run(t, sluicetest.Peer(func(conn net.Conn) { _, err := conn.Read(make([]byte, 1)); ended <- err }), func(c *sluice.Call) error {
		_, err := netconn.Dialer{Call: c}.Dial("tcp", "a.example:1")
		return err
	})
	if err := <-ended; err == nil {
		t.Error("the peer read something")
	}
	// The time of the call bounds what has no deadline.
	use = func(c *sluice.Call) error {
		conn, err := netconn.Dialer{Call: c}.Dial("tcp", "a.example:1")
		if err != nil {
			return err
		}
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		return nil
	}
	sluicetest.Run(t, "Use", sluicetest.Call{Deadline: 50 * time.Millisecond, TCP: sluicetest.Peer(func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })})
}

func TestDialer_Errors(t *testing.T) {
	refusing := func(code string) sluicetest.Connect {
		return func(string, bool) (net.Conn, error) { return nil, &sluicetest.HTTPError{Code: code, Message: "No."} }
	}
	for _, tc := range []struct {
		connect sluicetest.Connect
		address string
		code    string
		status  int
	}{
		{nil, "a.example:1", "egress_denied", 403},
		{refusing("dns"), "a.example:1", "dns", 500},
		{refusing("tls"), "a.example:1", "tls", 500},
		{refusing("overloaded"), "a.example:1", "overloaded", 503},
		{refusing("connect_timeout"), "a.example:1", "connect_timeout", 504},
		{nil, "a.example", "invalid_request", 400},
	} {
		r := run(t, tc.connect, func(c *sluice.Call) error {
			_, err := netconn.Dialer{Call: c, Timeout: time.Second}.Dial("tcp", tc.address)
			var timeout net.Error
			if !errors.As(err, &timeout) || timeout.Timeout() != (tc.status == 504) {
				t.Errorf("%s: %v is a time-out: %v", tc.code, err, timeout)
			}
			return err
		})
		if r.ErrorCode != tc.code || r.HTTPStatus != tc.status {
			t.Errorf("got %+v, want %s", r, tc.code)
		}
	}
	never := func(string, bool) (net.Conn, error) {
		t.Error("a connection was opened")
		return nil, io.EOF
	}
	run(t, never, func(c *sluice.Call) error {
		cancelled, cancel := context.WithCancel(context.Background())
		cancel()
		late, cancel := context.WithDeadline(context.Background(), time.Unix(1, 0))
		defer cancel()
		_, err1 := netconn.Dialer{Call: c}.DialContext(cancelled, "tcp", "a.example:1")
		_, err2 := netconn.Dialer{Call: c}.DialContext(late, "tcp", "a.example:1")
		_, err3 := netconn.Dialer{Call: c}.Dial("udp", "a.example:1")
		if !errors.Is(err1, context.Canceled) || !errors.Is(err2, context.DeadlineExceeded) || err3 == nil {
			t.Errorf("got %v, %v, %v", err1, err2, err3)
		}
		return nil
	})
}

func TestConn_StartTLS(t *testing.T) {
	peer := func(answer string) sluicetest.Connect {
		return sluicetest.Peer(func(conn net.Conn) {
			request := make([]byte, 8)
			if _, err := io.ReadFull(conn, request); err != nil || !strings.HasSuffix(string(request), "\x04\xd2\x16\x2f") {
				t.Errorf("got %q, %v", request, err)
			}
			_, _ = io.WriteString(conn, answer)
			_, _ = io.Copy(conn, conn)
		})
	}
	for answer, code := range map[string]string{"S": "", "N": "unclassified_error", "Sinjected": "unread_data"} {
		r := run(t, peer(answer), func(c *sluice.Call) error {
			conn, err := netconn.Dialer{Call: c}.Dial("tcp", "db.example:1")
			if err != nil {
				return err
			}
			if err := netconn.PostgresTLS(conn); err != nil {
				if _, err := conn.Write([]byte("on")); !errors.Is(err, net.ErrClosed) {
					t.Errorf("it is open after %q: %v", answer, err)
				}
				return err
			}
			p := make([]byte, 2)
			_, err = conn.Write([]byte("on"))
			if _, reading := io.ReadFull(conn, p); err != nil || reading != nil || string(p) != "on" {
				t.Errorf("got %q, %v, %v", p, err, reading)
			}
			if err := netconn.StartTLS(conn); err == nil {
				t.Error("TLS begins twice")
			}
			return nil
		})
		if r.ErrorCode != code {
			t.Errorf("%q: got %+v, want %q", answer, r, code)
		}
	}
	if err := netconn.StartTLS(&net.TCPConn{}); err == nil {
		t.Error("TLS began on another's connection")
	}
	tls := false
	run(t, func(_ string, t bool) (net.Conn, error) { tls = t; return nil, io.EOF }, func(c *sluice.Call) error {
		_, err := netconn.Dialer{Call: c, TLS: true}.Dial("tcp", "db.example:1")
		return err
	})
	if !tls {
		t.Error("TLS was not asked for")
	}
}
