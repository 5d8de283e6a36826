package abi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/hostfuncs"
	"sluice/hostfuncs/egress"
	"sluice/runtime/sandbox"
	"sluice/runtime/sandbox/memory"
)

const (
	timedOut = int32(hostfuncs.Timeout)
	closed   = int32(hostfuncs.Closed)

	// firstConnection is the handle of a call's first connection, behind that of its head.
	firstConnection = uint64(handleConnections) + 1

	// forever is a timeout that is none.
	forever = 1<<64 - 1
)

// peer is a server that counts the connections it has.
type peer struct {
	addr string
	open atomic.Int64
}

// newPeer returns a peer that serves each connection so. It ends with the test, for which all connections have to end.
func newPeer(t testing.TB, serve func(net.Conn)) *peer {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{addr: ln.Addr().String()}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			p.open.Add(1)
			serving.Go(func() {
				defer p.open.Add(-1)
				defer conn.Close()
				serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		serving.Wait()
	})
	return p
}

// wantOpen waits until the peer has so many connections.
func (p *peer) wantOpen(t testing.TB, n int64) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); p.open.Load() != n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the peer has %d connections, want %d", p.open.Load(), n)
		}
	}
}

func echo(conn net.Conn) { _, _ = io.Copy(conn, conn) }

// dialing is a call that may connect to everything on loopback at these ports.
func dialing(t testing.TB, sockets *egress.Sockets, addresses ...string) *Call {
	t.Helper()
	e := egress.TCPEntry{}
	for _, a := range addresses {
		_, port, _ := net.SplitHostPort(a)
		rule, err := egress.ParseTCPRule("*:" + port)
		if err != nil {
			t.Fatal(err)
		}
		e.Rules = append(e.Rules, rule)
	}
	loopback, err := egress.ParseAddress("loopback")
	if err != nil {
		t.Fatal(err)
	}
	e.Addresses = []egress.Address{loopback}
	d := egress.NewDialer(egress.DialerConfig{
		Policy: egress.NewTCPPolicy([]egress.TCPEntry{e}, e.Rules), Guard: egress.NewGuard(), Sockets: sockets,
	})
	return &Call{Host: &hostfuncs.Call{HTTP: hostfuncs.Denied("not granted"), TCP: d}, OutputLimit: 1 << 20}
}

func (g *guest) dial(want int32, address string) {
	g.t.Helper()
	ptr, n := g.put(64, fmt.Sprintf(`{"address":%q}`, address))
	g.want(want, "tcp_open", ptr, n)
}

// wantHead checks what a head says.
func (g *guest) wantHead(h uint64, want string) {
	g.t.Helper()
	n := g.do("read", h, 0, 2048, 1024)
	if got := string(g.get(2048, int(max(n, 0)))); !strings.Contains(got, want) {
		g.t.Errorf("the head is %q (%d), want %q", got, n, want)
	}
}

func TestNative_TCP(t *testing.T) {
	p := newPeer(t, echo)
	sockets := egress.NewSockets(100)
	c := dialing(t, sockets, p.addr)
	g := newGuest(t, c)
	head, conn := firstConnection-1, firstConnection
	g.want(badHandle, "tcp_read", conn, 128, 8, 0)
	g.want(badHandle, "close", conn)
	g.dial(int32(head), p.addr)
	g.wantHead(head, `{"ok":true}`)
	g.want(1, "is_json", head)

	ptr, n := g.put(256, "hello, peer")
	g.want(int32(n), "tcp_write", conn, ptr, n, 1000)
	g.want(5, "tcp_read", conn, 512, 5, forever)
	g.want(6, "tcp_read", conn, 517, 100, forever)
	g.wantMemory(512, "hello, peer\x00")
	g.want(timedOut, "tcp_read", conn, 512, 100, 0)
	g.want(timedOut, "tcp_read", conn, 512, 100, 5)
	g.want(0, "tcp_read", conn, 512, 0, forever)
	g.want(0, "tcp_write", conn, 512, 0, forever)

	for _, function := range []string{"tcp_read", "tcp_write"} {
		for _, h := range []uint64{0, 1, 2, 3, head, head + 2, head + 3, 1 << 31, highest} {
			g.want(badHandle, function, h, 128, 8, 0)
		}
		for _, at := range [][2]uint64{{memoryEnd - 1, 2}, {highest, 1}, {64, highest}, {memoryEnd + 1, 0}} {
			g.want(badRange, function, conn, at[0], at[1], 0)
		}
	}
	for _, function := range []string{"is_json", "write_from", "http_status", "size"} {
		if got, err := g.try(context.Background(), function, conn); err != nil || int32(got) != badHandle {
			t.Errorf("%s of a connection: %d, %v", function, int32(got), err)
		}
	}
	g.want(badHandle, "read", conn, 0, 128, 8)
	g.want(badHandle, "http_status", head)
	g.want(badHandle, "http_header", head, 128, 1, 128, 1)
	g.want(invalid, "tcp_tls", conn, ptr, n)
	g.want(invalid, "tcp_tls", conn, 0, maxServerName+1)
	g.want(badRange, "tcp_tls", conn, memoryEnd-1, 2)
	g.want(badHandle, "tcp_tls", head, 0, 0)

	g.want(0, "close", head)
	g.want(badHandle, "close", head)
	g.want(badHandle, "read", head, 0, 128, 8)
	g.want(int32(n), "tcp_write", conn, ptr, n, 1000)
	g.want(0, "close", conn)
	g.want(badHandle, "close", conn)
	g.want(badHandle, "tcp_read", conn, 512, 5, forever)
	p.wantOpen(t, 0)
	if c.held != 0 || sockets.Open() != 0 {
		t.Errorf("%d bytes and %d sockets are held after all", c.held, sockets.Open())
	}
	g.dial(int32(head), p.addr) // the handles are used again
	c.Release()
}

func TestNative_TCPOpen_Refused(t *testing.T) {
	p := newPeer(t, echo)
	sockets := egress.NewSockets(100)
	c := dialing(t, sockets, p.addr)
	g := newGuest(t, c)
	for _, head := range []string{
		"", "{}", "[]", `{"address":1}`, `{"address":"a:1","tls":true}`, `{"address":"a:1","tls":"later"}`, `{"address":"a:1","timeout_ms":0}`,
		`{"address":"a:1","timeout_ms":-1}`, `{"address":"a:1","timeout_ms":1.5}`, `{"address":"a:1","proxy":"b:1"}`, `{"address":"a:1"} `[:10],
	} {
		ptr, n := g.put(64, head)
		g.want(invalid, "tcp_open", ptr, n)
	}
	g.want(badRange, "tcp_open", memoryEnd-1, 2)
	g.want(badRange, "tcp_open", highest, highest)
	g.want(tooLarge, "tcp_open", 0, hostfuncs.MaxTCPHead+1)

	g.dial(int32(handleConnections), "127.0.0.1:1")
	g.wantHead(firstConnection-1, `{"error":{"code":"egress_denied","message":"127.0.0.1 is not granted: add the rule \"127.0.0.1:1\"`)
	g.want(badHandle, "tcp_read", firstConnection, 512, 5, forever)
	g.dial(int32(handleConnections)+2, "nonsense")
	g.wantHead(firstConnection+1, `"code":"invalid_request"`)
	g.wantHead(firstConnection+1, `"field":"address"`)
	g.want(0, "close", firstConnection-1)
	g.dial(int32(handleConnections), p.addr)
	c.Release()

	denied := newGuest(t, &Call{Host: &hostfuncs.Call{TCP: hostfuncs.DeniedTCP("nothing is granted")}})
	denied.dial(int32(handleConnections), p.addr)
	denied.wantHead(firstConnection-1, `{"error":{"code":"egress_denied","message":"nothing is granted"}}`)
	none := newGuest(t, &Call{Host: &hostfuncs.Call{}})
	none.dial(notAvailable, p.addr)
}

// A call has so many connections and no more, and a guest that forgets their heads gets no further either.
func TestNative_TCPOpen_Limits(t *testing.T) {
	p := newPeer(t, echo)
	c := dialing(t, egress.NewSockets(100), p.addr)
	c.Budget = memory.NewBudget(1 << 20)
	g := newGuest(t, c)
	for i := range hostfuncs.MaxConnections {
		g.dial(int32(handleConnections)+int32(2*i), p.addr)
	}
	last := uint64(handleConnections) + 2*hostfuncs.MaxConnections
	g.dial(int32(last), p.addr)
	g.wantHead(last, `"code":"overloaded","message":"the call has 16 connections open`)
	p.wantOpen(t, hostfuncs.MaxConnections)
	g.want(0, "close", firstConnection)
	g.dial(int32(last)+2, p.addr)
	g.wantHead(last+2, `{"ok":true}`)
	p.wantOpen(t, hostfuncs.MaxConnections)
	for i := len(c.connections); i < maxResponses; i++ {
		g.dial(int32(handleConnections)+int32(2*i), "x:1")
	}
	g.dial(tooLarge, "x:1")
	c.Release()
	p.wantOpen(t, 0)
	if used := c.Budget.Used(); used != 0 {
		t.Errorf("%d bytes are not given back", used)
	}

	c = dialing(t, egress.NewSockets(100), p.addr)
	c.Budget = memory.NewBudget(1)
	g = newGuest(t, c)
	g.dial(int32(handleConnections), p.addr)
	g.dial(tooLarge, p.addr)
	if !c.Starved() {
		t.Error("connections are not counted")
	}
	c.Release()
}

// However a call ends, its connections end with it.
func TestCall_Release_ClosesConnections(t *testing.T) {
	silent := newPeer(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	const each = 3
	for name, e := range endings(map[string]ending{
		"the deadline, reading": {again("tcp_read", firstConnection, 512, 8, forever), sandbox.OutOfTime},
		"the deadline, writing": {again("tcp_write", firstConnection, 512, 8, forever), sandbox.OutOfTime},
		"the deadline, in TLS":  {again("tcp_tls", firstConnection, 0, 0), sandbox.OutOfTime},
	}) {
		t.Run(name, func(t *testing.T) {
			sockets := egress.NewSockets(100)
			e.end(t, dialing(t, sockets, silent.addr), func(g *guest, _ context.Context) {
				for i := range each {
					g.dial(int32(handleConnections)+int32(2*i), silent.addr)
				}
				silent.wantOpen(t, each)
			})
			silent.wantOpen(t, 0)
			if n := sockets.Open(); n != 0 {
				t.Errorf("%d sockets are held", n)
			}
		})
	}
	// A host function that panics unwinds the guest like that.
	c := dialing(t, egress.NewSockets(100), silent.addr)
	g := newGuest(t, c)
	g.dial(int32(handleConnections), silent.addr)
	c.Host.TCP = panicking{}
	ptr, n := g.put(64, `{"address":"a:1"}`)
	if _, err := g.try(context.Background(), "tcp_open", ptr, n); err == nil || !strings.Contains(err.Error(), errPanicking.Error()) {
		t.Errorf("got %v", err)
	}
	c.Release()
	silent.wantOpen(t, 0)
}

var errPanicking = errors.New("a defect of the host")

type panicking struct{}

func (panicking) Dial(context.Context, *egress.DialRequest) (*egress.Conn, *egress.Error) {
	panic(errPanicking)
}

// What the peer does to a connection is told.
func TestNative_TCP_PeerEnds(t *testing.T) {
	p := newPeer(t, func(conn net.Conn) { _, _ = io.WriteString(conn, "bye") })
	c := dialing(t, egress.NewSockets(100), p.addr)
	defer c.Release()
	g := newGuest(t, c)
	g.dial(int32(handleConnections), p.addr)
	g.want(3, "tcp_read", firstConnection, 512, 8, forever)
	g.want(0, "tcp_read", firstConnection, 512, 8, forever)
	g.want(0, "tcp_read", firstConnection, 512, 8, forever)

	// Data that came before TLS, and TLS that the peer does not speak, end the connection, and the head says why.
	g.dial(int32(handleConnections)+2, p.addr)
	p.wantOpen(t, 0)
	g.want(closed, "tcp_tls", firstConnection+2, 0, 0)
	g.wantHead(firstConnection+1, `{"error":{"code":"unread_data","message":"TLS with 127.0.0.1 was not begun`)
	g.want(closed, "tcp_read", firstConnection+2, 512, 8, forever)
	g.want(closed, "tcp_write", firstConnection+2, 512, 8, forever)

	chatty := newPeer(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 1))
		_, _ = io.WriteString(conn, "500 what?\r\n")
	})
	c = dialing(t, egress.NewSockets(100), chatty.addr)
	defer c.Release()
	g = newGuest(t, c)
	g.dial(int32(handleConnections), chatty.addr)
	name, n := g.put(256, "127.0.0.1")
	g.want(closed, "tcp_tls", firstConnection, name, n)
	g.wantHead(firstConnection-1, `{"error":{"code":"tls","message":"TLS with 127.0.0.1 failed: the peer does not speak TLS"`)
}

// A guest can still answer when a peer was too slow: waiting ends before the call does.
func TestNative_TCPRead_LeavesTime(t *testing.T) {
	silent := newPeer(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	c := dialing(t, egress.NewSockets(100), silent.addr)
	defer c.Release()
	g := newGuest(t, c)
	g.dial(int32(handleConnections), silent.addr)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	began := time.Now()
	result, err := g.try(ctx, "tcp_read", firstConnection, 512, 8, forever)
	if took := time.Since(began); err != nil || int32(result) != timedOut || took > 1500*time.Millisecond {
		t.Errorf("%d, %v after %v", int32(result), err, took)
	}
}
