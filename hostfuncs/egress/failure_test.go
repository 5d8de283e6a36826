package egress

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// TestClient_Failures sends what a broken or hostile server might.
func TestClient_Failures(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for _, tt := range []struct {
		name, answer string
		code         Code
	}{
		{"nothing", "", CodeClosed},
		{"half a status line", "HTTP/1.1 20", CodeProtocol},
		{"half the headers", ok + "Content-Length: 5\r\n", CodeClosed},
		{"half a header line", ok + "Content-Len", CodeProtocol},
		{"half a header value", ok + "Content-Length: 5", CodeClosed},
		{"half the body", ok + "Content-Length: 5\r\n\r\nabc", CodeIncomplete},
		{"none of the body", ok + "Content-Length: 5\r\n\r\n", CodeIncomplete},
		{"half a chunk", ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nabc", CodeIncomplete},
		{"no last chunk", ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", CodeIncomplete},
		{"no end of trailer", ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n", CodeIncomplete},
		{"half a chunk size", ok + "Transfer-Encoding: chunked\r\n\r\n1", CodeIncomplete},
		{"half a gzip response", ok + "Content-Encoding: gzip\r\nContent-Length: 100\r\n\r\n\x1f\x8b\x08", CodeIncomplete},
		{"another protocol", "SSH-2.0-OpenSSH_9.6\r\n", CodeProtocol},
		{"words of ours", "http: server closed idle connection\r\n", CodeProtocol},
		{"words of ours in a header", ok + "net/http: server response headers exceeded\r\n\r\n", CodeProtocol},
		{"no status", "HTTP/1.1 abc\r\n\r\n", CodeProtocol},
		{"a status of two digits", "HTTP/1.1 20 OK\r\n\r\n", CodeProtocol},
		{"a status below 100", "HTTP/1.1 099 ?\r\n\r\n", CodeProtocol},
		{"an upgrade", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", CodeProtocol},
		{"another version", "HTTP/9 200 OK\r\n\r\n", CodeProtocol},
		{"a header without colon", ok + "nonsense\r\n\r\n", CodeProtocol},
		{"a header name that is none", ok + "a\xff: c\r\n\r\n", CodeProtocol},
		{"two content lengths", ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", CodeProtocol},
		{"a negative content length", ok + "Content-Length: -1\r\n\r\n", CodeProtocol},
		{"a content length with a sign", ok + "Content-Length: +1\r\n\r\na", CodeProtocol},
		{"an unknown transfer encoding", ok + "Transfer-Encoding: x\r\n\r\n", CodeProtocol},
		{"a chunk size that is none", ok + "Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n", CodeProtocol},
		{"a chunk longer than its size", ok + "Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n", CodeProtocol},
		{"a chunk size beyond 64 bits", ok + "Transfer-Encoding: chunked\r\n\r\n1ffffffffffffffff\r\n", CodeProtocol},
		{"64 KiB of headers", ok + strings.Repeat("X-Pad: "+strings.Repeat("x", 1000)+"\r\n", 70) + "\r\n", CodeResponseTooLarge},
		{"one endless header", ok + "X-Pad: " + strings.Repeat("x", 70_000), CodeResponseTooLarge},
		{"endless early hints", strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 2000), CodeResponseTooLarge},
		{"a content length over the limit", ok + "Content-Length: 1025\r\n\r\n", CodeResponseTooLarge},
		{"a huge content length", ok + "Content-Length: 9223372036854775807\r\n\r\n", CodeResponseTooLarge},
		{"chunks over the limit", ok + "Transfer-Encoding: chunked\r\n\r\n401\r\n" + strings.Repeat("x", 1025) + "\r\n0\r\n\r\n", CodeResponseTooLarge},
		{"a body to the end over the limit", ok + "Connection: close\r\n\r\n" + strings.Repeat("x", 1025), CodeResponseTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := newRawServer(t, func(conn net.Conn, r *bufio.Reader) {
				readHead(r)
				_, _ = io.WriteString(conn, tt.answer)
				// A reset would take away what was sent: say that it is over, and wait for the other side.
				_ = conn.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, r)
			})
			c := newClient(t, func(config *Config) { config.ResponseLimit = 1024 })
			e := expectCode(t, c, &Request{Method: "GET", URL: server.url + "/path?secret=x"}, tt.code)
			if strings.Contains(e.Message, "secret") || strings.Contains(e.Message, "path") {
				t.Errorf("message %q", e.Message)
			}
			for _, theirs := range []string{"SSH", "nonsense", "abc"} {
				if strings.Contains(e.Message, theirs) {
					t.Errorf("the message repeats the peer: %q", e.Message)
				}
			}
		})
	}
}

// TestClient_BodyLimit: the limit itself is allowed, whatever the framing.
func TestClient_BodyLimit(t *testing.T) {
	const limit = 100_000
	for _, extra := range []int{-1, 0, 1} {
		body := strings.Repeat("x", limit+extra)
		for name, text := range map[string]string{
			"content-length": fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body),
			"chunked":        fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body),
			"to the end":     "Connection: close\r\n\r\n" + body,
		} {
			server := newRawServer(t, answering("HTTP/1.1 200 OK\r\n"+text, false))
			c := newClient(t, func(config *Config) { config.ResponseLimit = limit })
			r, err := c.Do(context.Background(), &Request{Method: "GET", URL: server.url})
			if extra > 0 {
				if err == nil || err.Code != CodeResponseTooLarge {
					t.Errorf("%s%+d: %v", name, extra, err)
				}
			} else if err != nil || string(r.Body) != body {
				t.Errorf("%s%+d: %v", name, extra, err)
			}
		}
	}
}

func TestClient_LargeBodies(t *testing.T) {
	for _, size := range []int{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, 3 * chunkSize, maxPresized, maxPresized + 1, 5 << 20} {
		body := strings.Repeat("0123456789abcdef", size/16+1)[:size]
		server := newRawServer(t, answering(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", size, body), true))
		c := newClient(t, nil)
		for range 2 {
			if r := get(t, c, server.url); string(r.Body) != body {
				t.Errorf("%d: %d bytes, or others", size, len(r.Body))
			}
		}
		if n := server.accepted.Load(); n != 1 {
			t.Errorf("%d: %d connections", size, n)
		}
	}
}

func TestClient_Reset(t *testing.T) {
	server := newRawServer(t, func(conn net.Conn, r *bufio.Reader) {
		readHead(r)
		_ = conn.(*net.TCPConn).SetLinger(0)
	})
	c := newClient(t, nil)
	expectCode(t, c, &Request{Method: "GET", URL: server.url + "/head"}, CodeClosed)
	expectCode(t, c, &Request{Method: "POST", URL: server.url + "/head", Body: []byte("x")}, CodeClosed)
}

func TestClient_Timeouts(t *testing.T) {
	drip := func(conn net.Conn, r *bufio.Reader) {
		if head := readHead(r); strings.HasPrefix(head, "GET /body") {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
		} else if strings.HasPrefix(head, "GET /head") {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nX-Drip: ")
		} else {
			_, _ = io.Copy(io.Discard, r)
			return
		}
		for {
			if _, err := io.WriteString(conn, "x"); err != nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
	server := newRawServer(t, drip)
	c := newClient(t, nil)
	for _, path := range []string{"/silent", "/head", "/body"} {
		expectCode(t, c, &Request{Method: "GET", URL: server.url + path, Timeout: 50 * time.Millisecond}, CodeTimeout)
	}
	for _, path := range []string{"/silent", "/head", "/body"} {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		_, err := c.Do(ctx, &Request{Method: "GET", URL: server.url + path})
		if err == nil || err.Code != CodeEnded || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("deadline, %s: %v", path, err)
		}
		cancel()
		ctx, cancel = context.WithCancel(context.Background())
		time.AfterFunc(20*time.Millisecond, cancel)
		_, err = c.Do(ctx, &Request{Method: "GET", URL: server.url + path})
		if err == nil || err.Code != CodeEnded || !errors.Is(err, context.Canceled) {
			t.Errorf("cancel, %s: %v", path, err)
		}
		if _, err = c.Do(ctx, &Request{Method: "GET", URL: server.url + path}); err == nil || !errors.Is(err, context.Canceled) {
			t.Errorf("before, %s: %v", path, err)
		}
	}
}

func TestClient_ConnectTimeout(t *testing.T) {
	hang := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	c := newClient(t, func(config *Config) {
		config.Resolver = hang
		config.ConnectTimeout = 50 * time.Millisecond
	})
	expectCode(t, c, &Request{Method: "GET", URL: "http://slow.example/"}, CodeConnectTimeout)
	c = newClient(t, func(config *Config) {
		config.Resolver = hang
		config.ConnectTimeout = time.Second
	})
	expectCode(t, c, &Request{Method: "GET", URL: "http://slow.example/", Timeout: 20 * time.Millisecond}, CodeConnectTimeout)
}

func TestClient_DNS(t *testing.T) {
	resolver := newResolver(t, func(string) (string, []netip.Addr) { return "", nil })
	c := newClient(t, func(config *Config) { config.Resolver = resolver })
	e := expectCode(t, c, &Request{Method: "GET", URL: "http://nowhere.example/?token=x"}, CodeDNS)
	if !strings.Contains(e.Message, "nowhere.example was not found") {
		t.Error(e.Message)
	}
}

func TestClient_TLS(t *testing.T) {
	quiet := func(server *httptest.Server) *httptest.Server {
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.StartTLS()
		t.Cleanup(server.Close)
		return server
	}
	handler := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	trusted := quiet(httptest.NewUnstartedServer(handler))
	old := httptest.NewUnstartedServer(handler)
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	quiet(old)
	plain := newRawServer(t, func(conn net.Conn, r *bufio.Reader) {
		_, _ = r.ReadByte()
		_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
	})
	closing := newRawServer(t, func(net.Conn, *bufio.Reader) {})
	silent := newRawServer(t, func(_ net.Conn, r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) })

	_, port, _ := net.SplitHostPort(strings.TrimPrefix(trusted.URL, "https://"))
	resolver := newResolver(t, func(string) (string, []netip.Addr) { return "", parseAddrs("127.0.0.1") })
	c := newClient(t, func(config *Config) {
		config.RootCAs = trusted.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
		config.Resolver = resolver
	})
	get(t, c, trusted.URL)
	for _, tt := range []struct{ url, expected string }{
		{"https://other.test:" + port, "the certificate is for another name"},
		{old.URL, ""},
		{"https://" + plain.addr, "the peer does not speak TLS"},
		{"https://" + closing.addr, "the peer closed the connection"},
	} {
		e := expectCode(t, c, &Request{Method: "GET", URL: tt.url}, CodeTLS)
		if !strings.Contains(e.Message, tt.expected) {
			t.Errorf("%s: %s", tt.url, e.Message)
		}
	}
	hasty := newClient(t, func(config *Config) { config.TLSTimeout = 50 * time.Millisecond })
	slow := expectCode(t, hasty, &Request{Method: "GET", URL: "https://" + silent.addr}, CodeTLS)
	if !strings.Contains(slow.Message, "the handshake took too long") {
		t.Error(slow.Message)
	}
	untrusting := newClient(t, nil)
	e := expectCode(t, untrusting, &Request{Method: "GET", URL: trusted.URL}, CodeTLS)
	if !strings.Contains(e.Message, "not trusted") {
		t.Error(e.Message)
	}
}

func TestClient_Denied(t *testing.T) {
	server := newRawServer(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true))
	_, port, _ := net.SplitHostPort(server.addr)
	resolver := newResolver(t, func(string) (string, []netip.Addr) { return "", parseAddrs("127.0.0.1") })
	var denials []Denial
	c := newClient(t, func(config *Config) {
		config.Resolver = resolver
		config.OnDenied = func(d Denial) { denials = append(denials, d) }
		config.Policy = newPolicy(t, anywhere, Entry{Rules: rules(t, "http://*.granted.example:"+port)})
	})
	e := expectCode(t, c, &Request{Method: "GET", URL: "http://other.example/?token=x"}, CodeEgressDenied)
	if !strings.Contains(e.Message, `"http://other.example"`) {
		t.Error(e.Message)
	}
	e = expectCode(t, c, &Request{Method: "GET", URL: "http://a.granted.example:" + port}, CodeEgressDenied)
	if !strings.Contains(e.Message, "a.granted.example stands for a loopback address") || strings.Contains(e.Message, "127.0.0.1") {
		t.Error(e.Message)
	}
	var d *Denial
	if !errors.As(e, &d) || d.Class != ClassLoopback {
		t.Errorf("%v", d)
	}
	if len(denials) != 2 {
		t.Fatalf("%d denials were reported", len(denials))
	}
	if d := denials[0]; d.Host != "other.example" || d.Class != ClassNone || d.Grant != "http://other.example" {
		t.Errorf("%+v", d)
	}
	if d := denials[1]; d.Scheme != "http" || d.Host != "a.granted.example" || fmt.Sprint(d.Port) != port ||
		d.Addr != netip.MustParseAddr("127.0.0.1") || d.Grant != "loopback" {
		t.Errorf("%+v", d)
	}
	if n := server.accepted.Load(); n != 0 {
		t.Errorf("%d connections", n)
	}
}
