package egress

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// patience bounds what a test waits for that is bound to come.
const patience = 20 * time.Second

// newClient returns a client that may go anywhere on loopback. When the test ends, no socket may be left.
func newClient(t testing.TB, change func(*Config)) *Client {
	t.Helper()
	config := Config{
		Policy: newPolicy(t, anywhere,
			Entry{Rules: rules(t, anywhere...), Addresses: addresses(t, "loopback")}),
		Guard:   NewGuard(),
		Sockets: NewSockets(1000),
		Version: "1.2.3",
	}
	if change != nil {
		change(&config)
	}
	c := NewClient(config)
	t.Cleanup(func() {
		c.Close()
		if len(config.Sockets.process.snapshot()) == 0 { // no other client shares them
			await(t, "all sockets are given back", func() bool { return config.Sockets.Open() == 0 })
		}
	})
	return c
}

func await(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func get(t testing.TB, c *Client, url string) *Response {
	t.Helper()
	r, err := c.Do(context.Background(), &Request{Method: "GET", URL: url})
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	return r
}

func expectCode(t testing.TB, c *Client, r *Request, code Code) *Error {
	t.Helper()
	response, err := c.Do(context.Background(), r)
	if err == nil {
		t.Fatalf("expected %s, was status %d with %d bytes", code, response.Status, len(response.Body))
	}
	if response != nil {
		t.Error("both a response and an error")
	}
	if err.Code != code {
		t.Fatalf("expected %s, was %v", code, err)
	}
	if err.Message == "" {
		t.Error("the error has no message")
	}
	return err
}

// rawServer answers every connection with serve, which gets the request's head.
type rawServer struct {
	addr     string
	url      string
	accepted atomic.Int64
}

func newRawServer(t testing.TB, serve func(conn net.Conn, r *bufio.Reader)) *rawServer {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &rawServer{addr: listener.Addr().String(), url: "http://" + listener.Addr().String()}
	var open sync.WaitGroup
	var mu sync.Mutex
	conns := make(map[net.Conn]struct{})
	open.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.accepted.Add(1)
			mu.Lock()
			conns[conn] = struct{}{}
			mu.Unlock()
			open.Go(func() {
				defer conn.Close()
				serve(conn, bufio.NewReader(conn))
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		mu.Lock()
		for c := range conns {
			c.Close()
		}
		mu.Unlock()
		open.Wait()
	})
	return s
}

// readHead reads a request's head and returns it, "" at the end of the connection.
func readHead(r *bufio.Reader) string {
	var head strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return ""
		}
		head.WriteString(line)
		if line == "\r\n" {
			return head.String()
		}
	}
}

// answering serves the same bytes for every request, then goes on or closes.
func answering(text string, keep bool) func(net.Conn, *bufio.Reader) {
	return func(conn net.Conn, r *bufio.Reader) {
		for readHead(r) != "" {
			if _, err := io.WriteString(conn, text); err != nil || !keep {
				return
			}
		}
	}
}

// newResolver returns a resolver whose name server, on loopback, answers with what lookup returns for a name in lower
// case without its last dot; nil is "no such name". alias, where not empty, is sent as a CNAME before the addresses.
func newResolver(t testing.TB, lookup func(name string) (alias string, addrs []netip.Addr)) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		packet := make([]byte, 1500)
		for {
			n, peer, err := conn.ReadFrom(packet)
			if err != nil {
				return
			}
			if answer := answerDNS(packet[:n], lookup); answer != nil {
				_, _ = conn.WriteTo(answer, peer)
			}
		}
	}()
	t.Cleanup(func() {
		conn.Close()
		<-done
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp4", conn.LocalAddr().String())
	}}
}

func answerDNS(packet []byte, lookup func(string) (string, []netip.Addr)) []byte {
	var query dnsmessage.Message
	if query.Unpack(packet) != nil || len(query.Questions) != 1 {
		return nil
	}
	q := query.Questions[0]
	alias, addrs := lookup(strings.TrimSuffix(strings.ToLower(q.Name.String()), "."))
	answer := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: query.ID, Response: true, RecursionAvailable: true},
		Questions: query.Questions,
	}
	if addrs == nil {
		answer.RCode = dnsmessage.RCodeNameError
	}
	owner := q.Name
	header := func(t dnsmessage.Type) dnsmessage.ResourceHeader {
		return dnsmessage.ResourceHeader{Name: owner, Type: t, Class: dnsmessage.ClassINET}
	}
	if alias != "" {
		answer.Answers = append(answer.Answers, dnsmessage.Resource{
			Header: header(dnsmessage.TypeCNAME), Body: &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(alias)}})
		owner = dnsmessage.MustNewName(alias)
	}
	for _, a := range addrs {
		switch {
		case a.Is4() && q.Type == dnsmessage.TypeA:
			answer.Answers = append(answer.Answers, dnsmessage.Resource{Header: header(q.Type), Body: &dnsmessage.AResource{A: a.As4()}})
		case a.Is6() && q.Type == dnsmessage.TypeAAAA:
			answer.Answers = append(answer.Answers, dnsmessage.Resource{Header: header(q.Type), Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	packed, err := answer.Pack()
	if err != nil {
		return nil
	}
	return packed
}

func parseAddrs(texts ...string) []netip.Addr {
	var list []netip.Addr
	for _, s := range texts {
		list = append(list, netip.MustParseAddr(s))
	}
	return list
}
