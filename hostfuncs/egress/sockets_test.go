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
	o := &sockets.outgoing
	o.ends[endOf(end)], o.swept = time.Now().Add(-2*lingering), time.Time{}
	if sockets.Outgoing(end) {
		t.Error("a connection is known for ever")
	}
	dial(t, d, DialRequest{Address: strings.TrimPrefix(server.url, "http://")}).Abort()
	if len(o.ends) != 1 {
		t.Errorf("%d ends are kept", len(o.ends))
	}
}
