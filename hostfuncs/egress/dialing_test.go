package egress

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// patient has dials wait for as long as anybody wants them to.
func patient(c *Config) { c.ConnectTimeout, c.TLSTimeout = time.Hour, time.Hour }

// newDeafServer accepts connections and never says anything.
func newDeafServer(t testing.TB) *rawServer {
	return newRawServer(t, func(_ net.Conn, r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) })
}

// TestClient_AbandonedDials: a dial ends with its request, whether it looks a name up, connects or begins TLS.
func TestClient_AbandonedDials(t *testing.T) {
	deaf := newDeafServer(t)
	for _, url := range []string{"https://" + deaf.addr + "/%d", "http://silent%d.example.com", "https://silent%d.example.com"} {
		sockets := NewSockets(100)
		c := newClient(t, func(c *Config) {
			patient(c)
			c.Sockets, c.Resolver = sockets, newSilentResolver(t)
		})
		for range 3 {
			ctx, giveUp := context.WithCancel(context.Background())
			var all sync.WaitGroup
			for i := range 5 {
				all.Go(func() {
					if _, err := c.Do(ctx, &Request{Method: "GET", URL: fmt.Sprintf(url, i)}); err == nil || !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
				})
			}
			await(t, "all dial", func() bool { return len(sockets.dials) == 5 && sockets.Open() > 1 })
			giveUp()
			all.Wait()
			await(t, "no dial is left", func() bool { return len(sockets.dials) == 0 && sockets.Open() == 0 })
		}
		expectCode(t, c, &Request{Method: "GET", URL: fmt.Sprintf(url, 5), Timeout: 10 * time.Millisecond}, CodeConnectTimeout)
		await(t, "no dial is left", func() bool { return len(sockets.dials) == 0 && sockets.Open() == 0 })
	}
}

// TestClient_AbandonedDials_Budget: one caller after the other gives up, and the budget of all is not spent.
func TestClient_AbandonedDials_Budget(t *testing.T) {
	deaf := newDeafServer(t)
	quiet := newRawServer(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true))
	sockets := NewSockets(100)
	c := newClient(t, func(c *Config) { c.Sockets = sockets; patient(c) })
	for range 4 * sockets.Max() {
		_, _ = c.Do(context.Background(), &Request{Method: "GET", URL: "https://" + deaf.addr, Timeout: time.Millisecond})
	}
	get(t, newClient(t, func(c *Config) { c.Sockets = sockets }), quiet.url)
	await(t, "one socket is left", func() bool { return sockets.Open() == 1 })
}

// TestClient_Dials_Bounded: few dials are under way at once, for one connector and in all, and the next begins when one
// has ended.
func TestClient_Dials_Bounded(t *testing.T) {
	for _, tt := range []struct{ connector, process, most int64 }{{2, 8, 2}, {8, 3, 3}} {
		deaf := newDeafServer(t)
		process := NewSockets(100)
		process.dials = make(turns, tt.process)
		share := process.Share()
		share.dials = make(turns, tt.connector)
		c := newClient(t, func(c *Config) { c.Sockets = share; patient(c) })
		request := &Request{Method: "GET", URL: "https://" + deaf.addr}
		var giveUp []context.CancelFunc
		var all sync.WaitGroup
		for range 5 {
			ctx, cancel := context.WithCancel(context.Background())
			giveUp = append(giveUp, cancel)
			all.Go(func() { _, _ = c.Do(ctx, request) })
		}
		await(t, "as many dial as may", func() bool { return deaf.accepted.Load() == tt.most })
		hasty := newClient(t, func(c *Config) { c.Sockets = share; c.ConnectTimeout = 20 * time.Millisecond })
		if e := expectCode(t, hasty, request, CodeOverloaded); !strings.Contains(e.Message, "being opened") {
			t.Error(e)
		}
		d := newDialer(t, func(d *DialerConfig, _ *TCPEntry) { d.Sockets, d.ConnectTimeout = share, 20*time.Millisecond }, deaf.addr)
		expectNone(t, d, DialRequest{Address: deaf.addr}, CodeOverloaded, "being opened")
		if n := deaf.accepted.Load(); n != tt.most {
			t.Errorf("%d connections, want %d", n, tt.most)
		}
		for _, cancel := range giveUp {
			cancel()
		}
		all.Wait()
		await(t, "no dial is left", func() bool { return len(share.dials) == 0 && len(process.dials) == 0 && process.Open() == 0 })
	}
}

// TestClient_Dials_Kept: a request that is served by a connection that became idle leaves its own dial behind, so that the
// pool grows as large as it has to be.
func TestClient_Dials_Kept(t *testing.T) {
	hold, arrived := make(chan struct{}), make(chan struct{})
	server := newRawServer(t, func(conn net.Conn, r *bufio.Reader) {
		for head := readHead(r); head != ""; head = readHead(r) {
			if strings.HasPrefix(head, "GET /hold") {
				arrived <- struct{}{}
				<-hold
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	})
	var lookups atomic.Int64
	answer := make(chan struct{})
	resolver := newResolver(t, func(string) (string, []netip.Addr) {
		if lookups.Add(1) > 2 { // the first dial asks for both families
			<-answer
		}
		return "", parseAddrs("127.0.0.1")
	})
	c := newClient(t, func(c *Config) { c.Resolver = resolver; patient(c) })
	url := fmt.Sprintf("http://slow.example.com:%s", portOf(server.addr))
	var all sync.WaitGroup
	all.Go(func() { get(t, c, url+"/hold") })
	<-arrived
	all.Go(func() { get(t, c, url+"/") })
	await(t, "the second dials", func() bool { return lookups.Load() > 2 })
	close(hold)
	all.Wait()
	if n := server.accepted.Load(); n != 1 {
		t.Fatalf("%d connections", n)
	}
	close(answer)
	await(t, "the second has dialled", func() bool { return server.accepted.Load() == 2 })
}
