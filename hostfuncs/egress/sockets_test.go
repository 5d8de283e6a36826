package egress

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestSockets(t *testing.T) {
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
	sockets := NewSockets(2)
	share := func(config *Config) { config.Sockets = sockets }
	first, second, third := newClient(t, share), newClient(t, share), newClient(t, share)

	// A connection that is being torn down still counts: a request may have to be repeated.
	send := func(c *Client, path string) {
		await(t, path+" is answered", func() bool {
			_, err := c.Do(context.Background(), &Request{Method: "GET", URL: server.url + path})
			if err != nil && err.Code != CodeOverloaded {
				t.Error(err)
			}
			return err == nil
		})
	}

	// Idle connections make room, those of other clients too.
	for range 4 {
		for _, c := range []*Client{first, second, third} {
			send(c, "/")
			if n := sockets.Open(); n > sockets.Max() {
				t.Errorf("%d sockets of %d", n, sockets.Max())
			}
		}
	}

	// Connections in use do not.
	var busy sync.WaitGroup
	for range sockets.Max() {
		busy.Go(func() { send(first, "/hold") })
		<-arrived
	}
	expectCode(t, second, &Request{Method: "GET", URL: server.url}, CodeOverloaded)
	expectCode(t, first, &Request{Method: "GET", URL: server.url}, CodeOverloaded)
	if sockets.Acquire() {
		t.Error("the budget is exceeded")
	}
	close(hold)
	busy.Wait()
	send(second, "/")
	await(t, "idle connections make room", sockets.Acquire)
	sockets.Release()
}

// TestSockets_FailedDials: what never became a connection is not counted.
func TestSockets_FailedDials(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := "http://" + listener.Addr().String()
	listener.Close()
	c := newClient(t, func(config *Config) { config.Sockets = NewSockets(1) })
	for range 5 {
		_, err := c.Do(context.Background(), &Request{Method: "GET", URL: refused})
		if err == nil || err.Code != CodeConnect {
			t.Fatal(err)
		}
		if n := c.config.Sockets.Open(); n != 0 {
			t.Fatalf("%d sockets are counted", n)
		}
	}
}

// TestSockets_Outgoing: a connection for a guest is known by its own end, also for a while after it was closed.
func TestSockets_Outgoing(t *testing.T) {
	server := newRawServer(t, func(conn net.Conn, r *bufio.Reader) { _, _ = io.Copy(conn, r) })
	sockets := NewSockets(10)
	d := newDialer(t, func(c *DialerConfig, _ *TCPEntry) { c.Sockets = sockets }, "127.0.0.1:*")
	conn := dial(t, d, DialRequest{Address: strings.TrimPrefix(server.url, "http://")})
	end := conn.raw.LocalAddr()
	plain, err := net.Dial("tcp", strings.TrimPrefix(server.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if !sockets.Outgoing(end) || sockets.Outgoing(plain.LocalAddr()) || sockets.Outgoing(&net.UnixAddr{}) {
		t.Error("who has opened a connection is not known")
	}
	conn.Abort()
	if !sockets.Outgoing(end) {
		t.Error("a connection is forgotten as soon as it is closed")
	}
	// Long after, and when another one is closed.
	o := &sockets.process.outgoing
	o.ends[endOf(end)], o.swept = time.Now().Add(-2*lingering), time.Time{}
	if sockets.Outgoing(end) {
		t.Error("a connection is known for ever")
	}
	dial(t, d, DialRequest{Address: strings.TrimPrefix(server.url, "http://")}).Abort()
	if len(o.ends) != 1 {
		t.Errorf("%d ends are kept", len(o.ends))
	}
}

// TestSockets_Share: a connector has its share, all of them leave some for who calls, and one that has spent its own can
// not have the others' idle connections closed.
func TestSockets_Share(t *testing.T) {
	for _, tt := range []struct{ process, guests, share int }{
		{1000, 750, 375}, {160, 120, 64}, {85, 64, 64}, {16, 12, 12}, {2, 2, 2}, {1, 1, 1},
	} {
		process := NewSockets(tt.process)
		spend := func(s *Sockets) (n int) {
			for s.Acquire() {
				n++
			}
			return n
		}
		first := process.Share()
		if n := spend(first); n != tt.share || first.Max() != tt.share {
			t.Errorf("of %d sockets a connector had %d, want %d", tt.process, n, tt.share)
		}
		if n := spend(process.Share()) + spend(process.Share()); n != tt.guests-tt.share {
			t.Errorf("of %d sockets two more had %d, want %d", tt.process, n, tt.guests-tt.share)
		}
		if n := spend(process); n != tt.process-tt.guests {
			t.Errorf("of %d sockets %d were left for others, want %d", tt.process, n, tt.process-tt.guests)
		}
		first.Release()
		if !first.Acquire() || first.Acquire() || process.Open() != tt.process {
			t.Errorf("of %d sockets %d are counted", tt.process, process.Open())
		}
	}
}

// TestSockets_Share_Idle: one that has spent its share closes its own idle connections, and the others' only where all of
// them together have spent theirs.
func TestSockets_Share_Idle(t *testing.T) {
	server := newRawServer(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true))
	process := NewSockets(200)
	greedy, modest := process.Share(), process.Share()
	client := newClient(t, func(c *Config) { c.Sockets = modest })
	own := newClient(t, func(c *Config) { c.Sockets = greedy })
	get(t, client, server.url)
	get(t, own, server.url)
	taken := 0
	// Closed idle connections give their sockets back a little later.
	await(t, "its own idle connection makes room", func() bool {
		for greedy.Acquire() {
			taken++
		}
		return taken == greedy.Max()
	})
	if modest.Open() != 1 {
		t.Error("another connector's idle connection was closed")
	}
	guests := process.process.guests
	for guests.Open() < guests.Max() && guests.Acquire() {
	}
	await(t, "idle connections of others make room", process.Share().Acquire)
	for ; taken > 0; taken-- {
		greedy.Release()
	}
	for guests.Open() > 0 {
		guests.Release()
	}
}
