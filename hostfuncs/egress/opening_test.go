package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// endless is a connection to a name server whose time is never over.
type endless struct{ *net.UDPConn }

func (endless) SetDeadline(_ time.Time) error { return nil }

// newSilentResolver returns a resolver whose name server never answers, and whose own patience has no end.
func newSilentResolver(t testing.TB) *net.Resolver {
	t.Helper()
	server, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "udp4", server.LocalAddr().String())
		if err != nil {
			return nil, err
		}
		return endless{conn.(*net.UDPConn)}, nil
	}}
}

// TestDialer_Lookups: the sockets by which names are looked up count, and are given back with who waits.
func TestDialer_Lookups(t *testing.T) {
	sockets := NewSockets(9)
	d := newDialer(t, func(d *DialerConfig, _ *TCPEntry) { d.Sockets, d.Resolver = sockets, newSilentResolver(t) }, "*:1")
	for range 2 {
		ctx, giveUp := context.WithCancel(context.Background())
		var all sync.WaitGroup
		for i := range 4 {
			all.Go(func() {
				_, err := d.Dial(ctx, &DialRequest{Address: fmt.Sprintf("n%d.example.com:1", i)})
				if err == nil || !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
		}
		await(t, "four names are looked up", func() bool { return sockets.Open() == 8 })
		if !sockets.Acquire() {
			t.Error("more is counted than is open")
		}
		expectNone(t, d, DialRequest{Address: "one-too-many.example.com:1"}, CodeOverloaded, "no socket is left")
		sockets.Release()
		giveUp()
		all.Wait()
		await(t, "all sockets are given back", func() bool { return sockets.Open() == 0 })
	}
}

// TestTaking: a socket for each family that is tried at the same time, and one for the connection that comes of it.
func TestTaking(t *testing.T) {
	for _, tt := range []struct {
		networks  []string
		max       int
		during    int
		connected bool
		refused   bool
	}{
		{networks: nil, max: 2},
		{networks: []string{"tcp4", "tcp4", "tcp4"}, max: 2, during: 1, connected: true},
		{networks: []string{"tcp6"}, max: 2, during: 1, connected: true},
		{networks: []string{"tcp6", "tcp4", "tcp6"}, max: 2, during: 2, connected: true},
		{networks: []string{"tcp4", "tcp6"}, max: 2, during: 2},
		{networks: []string{"tcp4", "tcp4"}, max: 2, during: 1},
		{networks: []string{"tcp4", "tcp6"}, max: 1, during: 1, connected: true, refused: true},
		{networks: []string{"tcp4"}, max: 0, refused: true},
	} {
		s := NewSockets(tt.max)
		taking := taking{opener: &opener{sockets: s}}
		refused := false
		for _, network := range tt.networks {
			if err := taking.control(context.Background(), network, "", nil); err != nil {
				refused = true
			}
		}
		if refused != tt.refused || taking.refused != tt.refused || s.Open() != tt.during {
			t.Errorf("%+v: refused %t, %d sockets", tt, refused, s.Open())
		}
		taking.end(tt.connected)
		after := 0
		if tt.connected {
			after = 1
		}
		if s.Open() != after {
			t.Errorf("%+v: %d sockets in the end", tt, s.Open())
		}
		if err := taking.control(context.Background(), "tcp4", "", nil); err == nil || s.Open() != after {
			t.Errorf("%+v: a socket was taken after the end", tt)
		}
	}
}

// TestClient_BothFamilies: one connection is left of a host that has addresses of both.
func TestClient_BothFamilies(t *testing.T) {
	server := newRawServer(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true))
	resolver := newResolver(t, func(string) (string, []netip.Addr) { return "", parseAddrs("127.0.0.1", "::1") })
	c := newClient(t, func(c *Config) { c.Resolver = resolver })
	get(t, c, "http://both.example.com:"+portOf(server.addr))
	await(t, "one socket is left", func() bool { return c.config.Sockets.Open() == 1 })
}
