package egress

import (
	"bufio"
	"context"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// shake has client begin TLS with a server, and returns the client's state and error.
func shake(t testing.TB, server *tls.Config, client func(net.Conn) (*tls.Conn, error)) (tls.ConnectionState, error) {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		s := tls.Server(conn, server)
		_, _ = io.WriteString(s, "x")
		_, _ = io.Copy(io.Discard, s)
	}()
	conn, err := net.Dial("tcp4", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { <-done }()
	defer conn.Close()
	c, err := client(conn)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	// Under TLS 1.3 the ticket of the session comes with what the server says first.
	if _, err := c.Read(make([]byte, 1)); err != nil {
		return tls.ConnectionState{}, err
	}
	return c.ConnectionState(), nil
}

// TestVerify_Semantics: what crypto/tls takes is taken, and what it refuses is refused for the same reason.
func TestVerify_Semantics(t *testing.T) {
	root := newAuthority(t, "root", elliptic.P256())
	stranger := newAuthority(t, "root", elliptic.P256())
	below := root.below("below", elliptic.P384(), nil)
	notCA := root.below("not", elliptic.P256(), func(c *x509.Certificate) { c.IsCA = false })
	old := root.below("old", elliptic.P256(), expired)
	tight := root.below("tight", elliptic.P256(), func(c *x509.Certificate) {
		c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"other.example"}, true
	})
	short := root.below("short", elliptic.P256(), func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 0, true })
	deep := short.below("deep", elliptic.P256(), nil)
	self := selfSigned(t, "self.example")
	selfRoots := x509.NewCertPool()
	selfRoots.AddCert(self.Leaf)
	for _, tt := range []struct {
		name  string
		cert  tls.Certificate
		host  string
		roots *x509.CertPool
		good  bool
	}{
		{"by the root", root.leaf(nil), "service.example", root.roots(), true},
		{"in capitals", root.leaf(nil), "SERVICE.example", root.roots(), true},
		{"by an address", root.leaf(nil), "127.0.0.1", root.roots(), true},
		{"by an authority below", below.leaf(nil, below.cert), "service.example", root.roots(), true},
		{"with the root", below.leaf(nil, below.cert, root.cert), "service.example", root.roots(), true},
		{"in disorder", below.leaf(nil, stranger.cert, root.cert, below.cert), "service.example", root.roots(), true},
		{"signed by itself and trusted", self, "self.example", selfRoots, true},
		{"another name", root.leaf(nil), "other.example", root.roots(), false},
		{"another address", root.leaf(nil), "127.0.0.2", root.roots(), false},
		{"no name at all", root.leaf(func(c *x509.Certificate) { c.DNSNames = nil }), "service.example", root.roots(), false},
		{"a name alone", root.leaf(func(c *x509.Certificate) { c.IPAddresses = nil }), "127.0.0.1", root.roots(), false},
		{"expired", root.leaf(expired), "service.example", root.roots(), false},
		{"not valid yet", root.leaf(func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
		}), "service.example", root.roots(), false},
		{"an unknown authority", stranger.leaf(nil), "service.example", root.roots(), false},
		{"an unknown authority's own", stranger.leaf(nil, stranger.cert), "service.example", root.roots(), false},
		{"nobody trusted", root.leaf(nil, root.cert), "service.example", x509.NewCertPool(), false},
		{"the machine's authorities", root.leaf(nil), "service.example", nil, false},
		{"an authority missing", below.leaf(nil), "service.example", root.roots(), false},
		{"no authority", notCA.leaf(nil, notCA.cert), "service.example", root.roots(), false},
		{"an expired authority", old.leaf(nil, old.cert), "service.example", root.roots(), false},
		{"an authority for other names", tight.leaf(nil, tight.cert), "service.example", root.roots(), false},
		{"too deep", deep.leaf(nil, deep.cert, short.cert), "service.example", root.roots(), false},
		{"for clients", root.leaf(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), "service.example", root.roots(), false},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			server := &tls.Config{Certificates: []tls.Certificate{tt.cert}, MinVersion: version, MaxVersion: version}
			_, theirs := shake(t, server, func(conn net.Conn) (*tls.Conn, error) {
				c := tls.Client(conn, &tls.Config{ServerName: tt.host, RootCAs: tt.roots})
				return c, c.Handshake()
			})
			s := newSecurer(NewSockets(1), &tls.Config{RootCAs: tt.roots}, patience)
			_, ours := shake(t, server, func(conn net.Conn) (*tls.Conn, error) {
				return s.secure(context.Background(), conn, tt.host, nil)
			})
			if (ours == nil) != tt.good || fmt.Sprint(ours) != fmt.Sprint(theirs) {
				t.Errorf("%s, version %x: got %v, crypto/tls says %v", tt.name, version, ours, theirs)
			}
			if verification, ok := errors.AsType[*tls.CertificateVerificationError](ours); ours != nil && (!ok || len(verification.UnverifiedCertificates) == 0) {
				t.Errorf("%s: the error is %T", tt.name, ours)
			}
		}
	}
	// Whoever forgets the name does not have the check forgotten.
	_, err := shake(t, &tls.Config{Certificates: []tls.Certificate{root.leaf(nil)}}, func(conn net.Conn) (*tls.Conn, error) {
		return newSecurer(NewSockets(1), &tls.Config{RootCAs: root.roots()}, patience).secure(context.Background(), conn, "", nil)
	})
	if err == nil {
		t.Error("a connection to nobody in particular")
	}
}

// TestVerify_Resumption: a session that goes on is verified like one that begins.
func TestVerify_Resumption(t *testing.T) {
	root := newAuthority(t, "root", elliptic.P256())
	sockets := NewSockets(1)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		server := &tls.Config{Certificates: []tls.Certificate{root.leaf(nil)}, MinVersion: version, MaxVersion: version}
		cache := tls.NewLRUClientSessionCache(4)
		resume := func(change func(*tls.Config)) (tls.ConnectionState, error) {
			config := &tls.Config{RootCAs: root.roots(), ClientSessionCache: cache}
			if change != nil {
				change(config)
			}
			s := newSecurer(sockets, config, patience)
			return shake(t, server, func(conn net.Conn) (*tls.Conn, error) {
				return s.secure(context.Background(), conn, "service.example", nil)
			})
		}
		for i := range 2 {
			if state, err := resume(nil); err != nil || state.DidResume != (i > 0) {
				t.Fatalf("version %x: %v, resumed %t", version, err, state.DidResume)
			}
		}
		for want, change := range map[string]func(*tls.Config){
			"unknown authority": func(c *tls.Config) { c.RootCAs = x509.NewCertPool() },
			"is after":          func(c *tls.Config) { c.Time = func() time.Time { return time.Now().Add(2 * time.Hour) } },
			"is before":         func(c *tls.Config) { c.Time = func() time.Time { return time.Now().Add(-2 * time.Hour) } },
		} {
			if _, err := resume(change); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("version %x: got %v, want %s", version, err, want)
			}
		}
	}
}

// securedServer speaks TLS with a certificate: at once, or after STARTTLS, and then answers HTTP.
func securedServer(t testing.TB, certificate tls.Certificate) *rawServer {
	return newRawServer(t, func(conn net.Conn, r *bufio.Reader) {
		if first, err := r.Peek(1); err != nil || first[0] == 'S' {
			if line, err := r.ReadString('\n'); err != nil || line != "STARTTLS\r\n" {
				return
			}
			_, _ = io.WriteString(conn, "220 go ahead\r\n")
		}
		secure := tls.Server(bufferedConn{conn, r}, &tls.Config{Certificates: []tls.Certificate{certificate}})
		answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true)(secure, bufio.NewReader(secure))
	})
}

// bufferedConn is a connection of which something was read ahead.
type bufferedConn struct {
	net.Conn
	r *bufio.Reader
}

func (c bufferedConn) Read(p []byte) (int, error) { return c.r.Read(p) }

// TestVerify_Everywhere: no way leads to a server that is not the one that was meant.
func TestVerify_Everywhere(t *testing.T) {
	root := newAuthority(t, "root", elliptic.P256())
	stranger := newAuthority(t, "root", elliptic.P256())
	proxy := newEgressProxy(t)
	resolver := newResolver(t, func(string) (string, []netip.Addr) { return "", parseAddrs("127.0.0.1") })
	send := func(change func(*Config)) func(address string) *Error {
		return func(address string) *Error {
			c := newClient(t, func(c *Config) {
				c.RootCAs, c.Resolver = root.roots(), resolver
				change(c)
			})
			_, err := c.Do(context.Background(), &Request{Method: "GET", URL: "https://" + address + "/"})
			return err
		}
	}
	connect := func(address string, implicit bool) *Error {
		d := newDialer(t, func(c *DialerConfig, e *TCPEntry) { c.Resolver, e.RootCAs = resolver, root.roots() }, "*:*")
		c, err := d.Dial(context.Background(), &DialRequest{Address: address, TLS: implicit})
		if err != nil {
			return err
		}
		defer c.Abort()
		if implicit {
			return nil
		}
		if _, err := c.Write(context.Background(), []byte("STARTTLS\r\n"), patience); err != nil {
			t.Fatal(err)
		}
		for p := make([]byte, 1); p[0] != '\n'; {
			if _, err := c.Read(context.Background(), p, patience); err != nil {
				t.Fatal(err)
			}
		}
		return c.StartTLS(context.Background(), patience)
	}
	ways := map[string]func(address string) *Error{
		"http":     send(func(*Config) {}),
		"a tunnel": send(func(c *Config) { c.Proxy = mustProxy(t, proxy.url) }),
		"tcp":      func(address string) *Error { return connect(address, true) },
		"STARTTLS": func(address string) *Error { return connect(address, false) },
	}
	for _, tt := range []struct {
		name, host string
		cert       tls.Certificate
		want       string // "" where it is the one
	}{
		{"the one", "service.example", root.leaf(nil), ""},
		{"the one's address", "127.0.0.1", root.leaf(nil), ""},
		{"another name", "other.example", root.leaf(nil), "for another name"},
		{"a name, and no address", "127.0.0.1", root.leaf(func(c *x509.Certificate) { c.IPAddresses = nil }), "for another name"},
		{"expired", "service.example", root.leaf(expired), "expired"},
		{"an unknown authority", "service.example", stranger.leaf(nil, stranger.cert), "not trusted"},
		{"too many certificates", "service.example", root.leaf(nil, slices.Repeat([]*x509.Certificate{root.cert}, maxCertificates)...), "more than is verified"},
	} {
		server := securedServer(t, tt.cert)
		for way, open := range ways {
			err := open(tt.host + ":" + portOf(server.addr))
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("%s by %s: %v", tt.name, way, err)
			case tt.want != "" && (err == nil || err.Code != CodeTLS || !strings.Contains(err.Message, tt.want)):
				t.Errorf("%s by %s: got %v, want %s", tt.name, way, err, tt.want)
			}
		}
	}
}

// TestVerify_Bounds: what verifying can cost is known before, bounded, and told.
func TestVerify_Bounds(t *testing.T) {
	p256, p384, p521 := elliptic.P256(), elliptic.P384(), elliptic.P521()
	root := newAuthority(t, "root", p256)
	large := newAuthority(t, "large", p521)
	largeBelow := large.below("large below", p521, nil)
	below := root.below("below", p384, nil)
	// Two authorities that have signed each other, and are signed by the root as well.
	crossed := root.below("crossed", p256, nil)
	again := sign(t, caTemplate("crossed"), below.cert, crossed.key.Public(), below.key)
	// namesakes are authorities of one name; who looks for the issuer of one has to try all.
	namesakes := func(n int, curve elliptic.Curve) (list []*x509.Certificate) {
		key := newKey(t, curve)
		for i := range n {
			template := caTemplate("root")
			template.DNSNames = []string{fmt.Sprintf("n%d", i)}
			list = append(list, sign(t, template, template, key.Public(), key))
		}
		return list
	}
	padded := root.leaf(func(c *x509.Certificate) {
		for i := range 2000 {
			c.DNSNames = append(c.DNSNames, fmt.Sprintf("a-name-that-is-rather-long-for-what-it-says-%d.example", i))
		}
	})
	for _, tt := range []struct {
		name  string
		cert  tls.Certificate
		roots *x509.CertPool
		least int // of the cost, in signatures of P-256
		good  bool
	}{
		{"plain", root.leaf(nil), root.roots(), 0, true},
		{"below", below.leaf(nil, below.cert, root.cert), root.roots(), 10, true},
		{"crossed", crossed.leaf(nil, crossed.cert, again, below.cert, root.cert), root.roots(), 3, true},
		{"large keys", largeBelow.leaf(nil, largeBelow.cert, large.cert), large.roots(), 100, true},
		{"as many as may be", root.leaf(nil, slices.Repeat([]*x509.Certificate{below.cert}, maxCertificates-1)...), root.roots(), 0, true},
		{"one more", root.leaf(nil, slices.Repeat([]*x509.Certificate{below.cert}, maxCertificates)...), root.roots(), 0, false},
		{"namesakes", root.leaf(nil, namesakes(2, p256)...), root.roots(), 3, true},
		{"many namesakes", root.leaf(nil, namesakes(9, p256)...), root.roots(), 100, false},
		{"large namesakes", root.leaf(nil, namesakes(9, p521)...), root.roots(), 100, false},
		{"a hundred large ones", root.leaf(nil, namesakes(110, p521)...), root.roots(), 0, false},
		{"a long one", padded, root.roots(), 0, false},
	} {
		var cost Cost
		s := newSecurer(NewSockets(1), &tls.Config{RootCAs: tt.roots}, patience)
		_, err := shake(t, &tls.Config{Certificates: []tls.Certificate{tt.cert}}, func(conn net.Conn) (*tls.Conn, error) {
			return s.secure(context.Background(), conn, "service.example", &cost)
		})
		if tt.good && err != nil || !tt.good && !errors.Is(err, errChain) {
			t.Errorf("%s: got %v", tt.name, err)
		}
		units := cost.Take()
		if most := costHandshake + 2*maxVerification; units < costHandshake+60_000*tt.least || units > most {
			t.Errorf("%s: it costs %d units", tt.name, units)
		}
	}
}

// TestVerify_Turns: few chains are verified at once, and who waits for a turn can give up.
func TestVerify_Turns(t *testing.T) {
	root := newAuthority(t, "root", elliptic.P256())
	leaf := root.leaf(nil)
	parsed, err := x509.ParseCertificate(leaf.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	process := NewSockets(100)
	share := process.Share()
	verify := func(ctx context.Context) error {
		return share.verify(ctx, []*x509.Certificate{parsed}, &tls.Config{RootCAs: root.roots()}, "service.example", nil)
	}
	for _, full := range []turns{share.verifications, process.verifications} {
		for range cap(full) {
			full <- struct{}{}
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() { ended <- verify(ctx) }()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		for range cap(full) {
			<-full
		}
		if err := verify(context.Background()); err != nil {
			t.Error(err)
		}
		if len(share.verifications)+len(process.verifications) != 0 {
			t.Error("a turn is kept")
		}
	}
}

// TestCost: opening is told to who has a connection opened, and a connection that is kept costs nothing more.
func TestCost(t *testing.T) {
	root := newAuthority(t, "root", elliptic.P256())
	secure := securedServer(t, root.leaf(nil))
	plain := newRawServer(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true))
	c := newClient(t, func(c *Config) { c.RootCAs = root.roots() })
	between := func(what string, cost *Cost, least, most int) {
		t.Helper()
		if n := cost.Take(); n < least || n > most {
			t.Errorf("%s costs %d units, want %d to %d", what, n, least, most)
		}
	}
	var cost Cost
	for url, least := range map[string]int{plain.url: costOpening, "https://" + secure.addr: costOpening + costHandshake} {
		for i := range 3 {
			if _, err := c.Do(context.Background(), &Request{Method: "GET", URL: url, Cost: &cost}); err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				between("the first request", &cost, least, 2*least)
			} else {
				between("another", &cost, 0, 0)
			}
		}
	}
	d := newDialer(t, func(_ *DialerConfig, e *TCPEntry) { e.RootCAs = root.roots() }, secure.addr)
	dial(t, d, DialRequest{Address: secure.addr, TLS: true, Cost: &cost}).Abort()
	between("a connection with TLS", &cost, costOpening+costHandshake, 2*costHandshake)
	later := dial(t, d, DialRequest{Address: secure.addr, Cost: &cost})
	between("a connection", &cost, costOpening, costOpening)
	if _, err := later.Write(context.Background(), []byte("STARTTLS\r\n"), patience); err != nil {
		t.Fatal(err)
	}
	for p := make([]byte, 1); p[0] != '\n'; {
		if _, err := later.Read(context.Background(), p, patience); err != nil {
			t.Fatal(err)
		}
	}
	if err := later.StartTLS(context.Background(), patience); err != nil {
		t.Fatal(err)
	}
	between("TLS that begins later", &cost, costHandshake, 2*costHandshake)
	later.Abort()
}
