package egress

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// newDialer returns a dialer that may go anywhere on loopback. When the test ends, no socket may be left.
func newDialer(t testing.TB, change func(*DialerConfig, *TCPEntry), hosts ...string) *Dialer {
	t.Helper()
	e := TCPEntry{Rules: tcpRules(t, hosts...), Addresses: addresses(t, "loopback")}
	config := DialerConfig{Guard: NewGuard(), Sockets: NewSockets(100)}
	if change != nil {
		change(&config, &e)
	}
	if config.Policy == nil {
		config.Policy = NewTCPPolicy([]TCPEntry{e}, e.Rules)
	}
	t.Cleanup(func() { // a lookup that was given up ends a little later
		await(t, "all sockets are given back", func() bool { return config.Sockets.Open() == 0 })
	})
	return NewDialer(config)
}

func dial(t testing.TB, d *Dialer, r DialRequest) *Conn {
	t.Helper()
	c, err := d.Dial(context.Background(), &r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Abort)
	return c
}

// expectNone dials in vain.
func expectNone(t testing.TB, d *Dialer, r DialRequest, code Code, message string) *Error {
	t.Helper()
	c, err := d.Dial(context.Background(), &r)
	if err == nil {
		c.Abort()
		t.Fatalf("there is a connection, want %s", code)
	}
	if c != nil || err.Code != code || !strings.Contains(err.Message, message) {
		t.Fatalf("got %v, want %s: %s", err, code, message)
	}
	return err
}

func portOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}

func TestDialer_Dial(t *testing.T) {
	t.Setenv("ALL_PROXY", "socks5://192.0.2.1:1080")
	t.Setenv("HTTP_PROXY", "http://192.0.2.1:3128")
	echo := newRawServer(t, func(conn net.Conn, r *bufio.Reader) { _, _ = io.Copy(conn, r) })
	d := newDialer(t, nil, echo.addr)
	c := dial(t, d, DialRequest{Address: echo.addr})
	ctx := context.Background()
	text := bytes.Repeat([]byte("0123456789abcdef"), 1<<14) // 256 KiB
	go func() {
		for rest := text; len(rest) > 0; {
			n, err := c.raw.Write(rest)
			if err != nil {
				return
			}
			rest = rest[n:]
		}
	}()
	var got []byte
	for p := make([]byte, 1<<16); len(got) < len(text); {
		n, err := c.Read(ctx, p, patience)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, p[:n]...)
	}
	if !bytes.Equal(got, text) || c.Secure() || c.Host() != "127.0.0.1" {
		t.Error("what came back is something else")
	}
	if _, err := c.Read(ctx, make([]byte, 1), 5*time.Millisecond); !errors.Is(err, ErrTimeout) {
		t.Errorf("got %v", err)
	}
	if n, err := c.Write(ctx, []byte("more"), patience); n != 4 || err != nil {
		t.Errorf("after a time-out: %d, %v", n, err)
	}
	c.Close(context.Background())
	c.Close(context.Background())
	if _, err := c.Read(ctx, make([]byte, 1), patience); !errors.Is(err, ErrDisconnected) {
		t.Errorf("got %v", err)
	}
	if _, err := c.Write(ctx, make([]byte, 1), patience); !errors.Is(err, ErrDisconnected) {
		t.Errorf("got %v", err)
	}
}

// The end of what the peer sends is told, and again; a reset is another thing.
func TestConn_Ends(t *testing.T) {
	s := newRawServer(t, func(conn net.Conn, r *bufio.Reader) {
		line, _ := r.ReadString('\n')
		_, _ = io.WriteString(conn, "bye")
		if line == "reset\n" {
			_ = conn.(*net.TCPConn).SetLinger(0)
		}
	})
	for _, word := range []string{"close\n", "reset\n"} {
		c := dial(t, newDialer(t, nil, s.addr), DialRequest{Address: s.addr})
		if _, err := c.Write(context.Background(), []byte(word), patience); err != nil {
			t.Fatal(err)
		}
		var err error
		for p := make([]byte, 8); err == nil; {
			_, err = c.Read(context.Background(), p, patience)
		}
		if want := map[string]error{"close\n": io.EOF, "reset\n": ErrDisconnected}[word]; !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", word, err, want)
		}
		if _, err := c.Read(context.Background(), make([]byte, 8), patience); err == nil {
			t.Error("there is more after the end")
		}
		c.Close(context.Background())
	}
}

// Waiting ends with the context, whatever is waited for, and writing to somebody who does not read has its time.
func TestConn_Bounds(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	silent := newRawServer(t, func(net.Conn, *bufio.Reader) { <-release })
	d := newDialer(t, nil, silent.addr)
	for name, do := range map[string]func(context.Context, *Conn) error{
		"read":     func(ctx context.Context, c *Conn) error { _, err := c.Read(ctx, make([]byte, 1), patience); return err },
		"StartTLS": func(ctx context.Context, c *Conn) error { return c.StartTLS(ctx, patience) },
		"write": func(ctx context.Context, c *Conn) error {
			for {
				if _, err := c.Write(ctx, make([]byte, 1<<20), patience); err != nil {
					return err
				}
			}
		},
	} {
		c := dial(t, d, DialRequest{Address: silent.addr})
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		began := time.Now()
		err := do(ctx, c)
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > patience/2 {
			t.Errorf("%s: %v after %v", name, err, took)
		}
		cancel()
		c.Abort()
	}
	c := dial(t, d, DialRequest{Address: silent.addr})
	var err error
	total := 0
	for err == nil {
		var n int
		n, err = c.Write(context.Background(), make([]byte, 1<<20), 20*time.Millisecond)
		total += n
	}
	if !errors.Is(err, ErrTimeout) || total == 0 {
		t.Errorf("%d bytes, then %v", total, err)
	}
	c.Abort()
	// So has opening: the handshake, of somebody who never answers.
	began := time.Now()
	expectNone(t, d, DialRequest{Address: silent.addr, TLS: true, Timeout: 50 * time.Millisecond}, CodeTLS, "took too long")
	if took := time.Since(began); took > patience/2 {
		t.Errorf("it took %v", took)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := d.Dial(ctx, &DialRequest{Address: silent.addr}); err == nil || err.Code != CodeEnded || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestDialer_Failures(t *testing.T) {
	canary := newRawServer(t, func(net.Conn, *bufio.Reader) {})
	closed, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := closed.Addr().String()
	closed.Close()
	port := portOf(canary.addr)
	hosts := []string{"*:" + port, "*:" + portOf(dead), "*:80"}
	resolver := newResolver(t, func(name string) (string, []netip.Addr) {
		switch {
		case strings.HasPrefix(name, "public"):
			return "", parseAddrs("127.0.0.1")
		case strings.HasPrefix(name, "mixed"):
			return "", parseAddrs("10.255.255.1", "169.254.169.254", "127.0.0.1", "::1")
		case strings.HasPrefix(name, "alias"):
			return "public.example.", parseAddrs("127.0.0.1")
		}
		return "", nil
	})
	var denials []Denial
	public := newDialer(t, func(c *DialerConfig, e *TCPEntry) {
		e.Addresses, c.Resolver = nil, resolver
		c.OnDenied = func(d Denial) { denials = append(denials, d) }
	}, hosts...)
	for _, host := range []string{
		"127.0.0.1", "127.0.0.2", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "0.0.0.0", "[::]", "169.254.169.254", "10.0.0.1",
		"public.example", "mixed.example", "alias.example", "PUBLIC.example.",
	} {
		e := expectNone(t, public, DialRequest{Address: host + ":" + port}, CodeEgressDenied, "")
		if e.Denial == nil || e.Denial.Scheme != "tcp" || e.Denial.Class == ClassNone {
			t.Errorf("%s: the denial is %+v", host, e.Denial)
		}
	}
	if len(denials) != 13 {
		t.Errorf("%d denials were reported", len(denials))
	}
	expectNone(t, public, DialRequest{Address: "127.0.0.1:1"}, CodeEgressDenied, `add the rule "127.0.0.1:1" to the tcp`)
	expectNone(t, public, DialRequest{Address: "none.example:" + port}, CodeDNS, "none.example")
	for _, address := range []string{"", "a", "a:", "127.1:80", "a b:80", "http://a:80", "a:80:90", "[::1%lo]:80", "u:p@a:80", "a:0"} {
		if e := expectNone(t, public, DialRequest{Address: address}, CodeInvalidRequest, ""); e.Field != FieldAddress {
			t.Errorf("%q: the field is %q", address, e.Field)
		}
	}
	if n := canary.accepted.Load(); n != 0 {
		t.Fatalf("%d connections came through", n)
	}
	// With the guard's consent the same names lead there.
	loopback := newDialer(t, func(c *DialerConfig, _ *TCPEntry) { c.Resolver = resolver }, hosts...)
	for _, host := range []string{"127.0.0.1", "public.example", "alias.example"} {
		dial(t, loopback, DialRequest{Address: host + ":" + port}).Close(context.Background())
	}
	await(t, "the canary is reached", func() bool { return canary.accepted.Load() == 3 })
	expectNone(t, loopback, DialRequest{Address: dead}, CodeConnect, "refused")
	full := newDialer(t, func(c *DialerConfig, _ *TCPEntry) { c.Sockets = NewSockets(0) }, hosts...)
	expectNone(t, full, DialRequest{Address: canary.addr}, CodeOverloaded, "no socket")
	slow := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	lazy := newDialer(t, func(c *DialerConfig, _ *TCPEntry) { c.Resolver, c.ConnectTimeout = slow, 20*time.Millisecond }, hosts...)
	expectNone(t, lazy, DialRequest{Address: "slow.example:" + port}, CodeConnectTimeout, "slow.example")
	patient := newDialer(t, func(c *DialerConfig, _ *TCPEntry) { c.Resolver = slow }, hosts...)
	expectNone(t, patient, DialRequest{Address: "slow.example:" + port, Timeout: 20 * time.Millisecond}, CodeConnectTimeout, "slow.example")
}

// starttls is a server that goes over to TLS when it is told to, and says something before or after it allows that.
func starttls(t testing.TB, certificates *httptest.Server, answer string) *rawServer {
	return newRawServer(t, func(conn net.Conn, r *bufio.Reader) {
		line, err := r.ReadString('\n')
		if err != nil || line != "STARTTLS\r\n" {
			return
		}
		if _, err := io.WriteString(conn, answer); err != nil {
			return
		}
		config := certificates.TLS.Clone()
		config.NextProtos = nil
		secure := tls.Server(conn, config)
		_, _ = io.Copy(secure, secure)
	})
}

func TestConn_StartTLS(t *testing.T) {
	https := httptest.NewTLSServer(nil) // for example.com and 127.0.0.1
	defer https.Close()
	roots := x509.NewCertPool()
	roots.AddCert(https.Certificate())
	resolver := newResolver(t, func(string) (string, []netip.Addr) { return "", parseAddrs("127.0.0.1") })
	trusting := func(c *DialerConfig, e *TCPEntry) { c.Resolver, e.RootCAs = resolver, roots }
	upgrade := func(s *rawServer, host string, change func(*DialerConfig, *TCPEntry)) (*Conn, *Error) {
		c := dial(t, newDialer(t, change, "*:"+portOf(s.addr)), DialRequest{Address: host + ":" + portOf(s.addr)})
		if _, err := c.Write(context.Background(), []byte("STARTTLS\r\n"), patience); err != nil {
			t.Fatal(err)
		}
		var said []byte
		for p := make([]byte, 1); !bytes.HasSuffix(said, []byte("\n")); {
			if _, err := c.Read(context.Background(), p, patience); err != nil {
				t.Fatal(err)
			}
			said = append(said, p...)
		}
		return c, c.StartTLS(context.Background(), patience)
	}

	good := starttls(t, https, "220 go ahead\r\n")
	for _, host := range []string{"example.com", "127.0.0.1"} {
		c, failure := upgrade(good, host, trusting)
		if failure != nil || !c.Secure() {
			t.Fatalf("%s: %v", host, failure)
		}
		for range 3 {
			if _, err := c.Write(context.Background(), []byte("hello"), patience); err != nil {
				t.Fatal(err)
			}
			p := make([]byte, 8)
			if n, err := c.Read(context.Background(), p, patience); err != nil || string(p[:n]) != "hello" {
				t.Fatalf("got %q, %v", p[:n], err)
			}
			// A reading that took too long changes nothing.
			if _, err := c.Read(context.Background(), p, time.Millisecond); !errors.Is(err, ErrTimeout) {
				t.Fatalf("got %v", err)
			}
		}
		c.Close(context.Background())
	}

	for name, tc := range map[string]struct {
		host    string
		change  func(*DialerConfig, *TCPEntry)
		message string
	}{
		"another name":      {"other.example", trusting, "the certificate is for another name"},
		"unknown authority": {"example.com", func(c *DialerConfig, _ *TCPEntry) { c.Resolver = resolver }, "not trusted"},
	} {
		c, failure := upgrade(good, tc.host, tc.change)
		if failure == nil || failure.Code != CodeTLS || !strings.Contains(failure.Message, tc.message) {
			t.Errorf("%s: got %v", name, failure)
		}
		if _, err := c.Write(context.Background(), []byte("x"), patience); !errors.Is(err, ErrDisconnected) {
			t.Errorf("%s: writing on gives %v", name, err)
		}
	}

	// What somebody on the way put behind the answer is not taken for a part of what TLS protects.
	c, failure := upgrade(starttls(t, https, "220 go ahead\r\n250 injected\r\n"), "example.com", trusting)
	if failure == nil || failure.Code != CodeUnreadData {
		t.Errorf("got %v", failure)
	}
	if _, err := c.Read(context.Background(), make([]byte, 1), patience); !errors.Is(err, ErrDisconnected) {
		t.Errorf("reading on gives %v", err)
	}

	// A server of an older version is refused, and one that does not speak TLS.
	old := newRawServer(t, func(conn net.Conn, r *bufio.Reader) {
		config := &tls.Config{Certificates: https.TLS.Certificates, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
		_ = tls.Server(conn, config).Handshake()
	})
	plain := newRawServer(t, func(conn net.Conn, r *bufio.Reader) { _, _ = io.WriteString(conn, "220 smtp.example ESMTP\r\n") })
	for _, s := range []*rawServer{old, plain} {
		d := newDialer(t, trusting, "*:"+portOf(s.addr))
		expectNone(t, d, DialRequest{Address: "example.com:" + portOf(s.addr), TLS: true}, CodeTLS, "example.com")
	}
	d := newDialer(t, trusting, "*:"+portOf(https.Listener.Addr().String()))
	c = dial(t, d, DialRequest{Address: "example.com:" + portOf(https.Listener.Addr().String()), TLS: true})
	if !c.Secure() || !c.IsFor("Example.COM.") || c.IsFor("example.org") || c.IsFor("") {
		t.Error("it is not example.com's")
	}
	c.Close(context.Background())
}
