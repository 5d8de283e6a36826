package egress

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// doWhole sends a request and reads the response to its end, if it is streamed too.
func doWhole(c *Client, r *Request) (*Response, *Error) {
	response, failure := c.Do(context.Background(), r)
	if failure != nil || response.Stream == nil {
		return response, failure
	}
	defer response.Stream.Close()
	body, err := io.ReadAll(response.Stream)
	if err != nil {
		failure, ok := errors.AsType[*Error](err)
		if !ok {
			failure = &Error{Code: "no *Error", Message: err.Error()}
		}
		return nil, failure
	}
	response.Body = body
	return response, nil
}

// streamFrom sends a request whose response is streamed and must come.
func streamFrom(t testing.TB, c *Client, r *Request) *Response {
	t.Helper()
	if r.Method == "" {
		r.Method = "GET"
	}
	r.Stream = true
	response, err := c.Do(context.Background(), r)
	if err != nil || response.Stream == nil {
		t.Fatalf("%s: %+v, %v", r.URL, response, err)
	}
	t.Cleanup(response.Stream.Close)
	return response
}

// expectEnd reads a stream, which must end with this code.
func expectEnd(t testing.TB, s *Stream, code Code) (read int) {
	t.Helper()
	p := make([]byte, 1000)
	for {
		n, err := s.Read(p)
		read += n
		if err == nil {
			continue
		}
		failure, _ := errors.AsType[*Error](err)
		if failure == nil || failure.Code != code || failure.Message == "" {
			t.Errorf("expected %s, was %v", code, err)
		}
		if _, again := s.Read(p); again != err || s.Memory() != 0 || s.Open() {
			t.Errorf("then %v, with %d bytes", again, s.Memory())
		}
		return read
	}
}

func TestStream_Framings(t *testing.T) {
	body := strings.Repeat("0123456789abcdef", 10_000)
	for name, tt := range map[string]struct {
		method, text, body string
		size               int64
		connections        int64
	}{
		"content-length": {"GET", fmt.Sprintf("200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body), body, int64(len(body)), 1},
		"chunked":        {"GET", fmt.Sprintf("200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body), body, -1, 1},
		"to the end":     {"GET", "200 OK\r\nConnection: close\r\n\r\n" + body, body, -1, 2},
		"empty":          {"GET", "200 OK\r\nContent-Length: 0\r\n\r\n", "", 0, 1},
		"no content":     {"GET", "204 No Content\r\n\r\n", "", 0, 1},
		"not modified":   {"GET", "304 Not Modified\r\nContent-Encoding: gzip\r\n\r\n", "", 0, 1},
		"HEAD":           {"HEAD", "200 OK\r\nContent-Length: 5\r\n\r\n", "", 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			server := newRawServer(t, answering("HTTP/1.1 "+tt.text, tt.connections == 1))
			c := newClient(t, nil)
			for range 2 {
				r := streamFrom(t, c, &Request{Method: tt.method, URL: server.url})
				if n := r.Stream.Size(); n != tt.size {
					t.Errorf("at first its size is %d, want %d", n, tt.size)
				}
				got, err := io.ReadAll(r.Stream)
				if err != nil || string(got) != tt.body || r.Stream.Size() != int64(len(tt.body)) || r.Stream.Memory() != 0 {
					t.Errorf("%d bytes, %v, size %d", len(got), err, r.Stream.Size())
				}
			}
			if n := server.accepted.Load(); n != tt.connections {
				t.Errorf("%d connections", n)
			}
		})
	}
}

// TestStream_HeadFirst: the head is handed over before anything of the body has come, and then what has come.
func TestStream_HeadFirst(t *testing.T) {
	for _, encoding := range []string{"", "gzip", "zlib", "br"} {
		texts := make(chan string)
		server := newRawServer(t, func(conn net.Conn, r *bufio.Reader) {
			head := "HTTP/1.1 200 OK\r\nConnection: close\r\n"
			if encoding != "" {
				head += "Content-Encoding: " + strings.Replace(encoding, "zlib", "deflate", 1) + "\r\n"
			}
			readHead(r)
			_, _ = io.WriteString(conn, head+"\r\n")
			for text := range texts {
				_, _ = io.WriteString(conn, text)
			}
		})
		c := newClient(t, nil)
		s := streamFrom(t, c, &Request{URL: server.url}).Stream
		var sent string
		if encoding == "" {
			sent = "one"
			texts <- sent
			p := make([]byte, 10)
			if n, err := s.Read(p); err != nil || string(p[:n]) != sent {
				t.Errorf("%q, %v", p[:n], err)
			}
			sent = "two"
			texts <- sent
		} else {
			sent = "all of it"
			texts <- string(pack(t, encoding, []byte(sent)))
		}
		close(texts)
		if rest, err := io.ReadAll(s); err != nil || string(rest) != sent {
			t.Errorf("%s: %q, %v", encoding, rest, err)
		}
	}
}

func TestStream_Errors(t *testing.T) {
	const limit = 100_000
	const ok = "HTTP/1.1 200 OK\r\n"
	part := strings.Repeat("x", 5000)
	for _, tt := range []struct {
		name, answer string
		code         Code
		least        int  // bytes that come before
		reset        bool // how the connection ends
	}{
		{"cut off", ok + "Content-Length: 10000\r\n\r\n" + part, CodeIncomplete, 5000, false},
		{"reset", ok + "Content-Length: 10000\r\n\r\n" + part, CodeIncomplete, 0, true},
		{"cut off between chunks", ok + "Transfer-Encoding: chunked\r\n\r\n1388\r\n" + part + "\r\n", CodeIncomplete, 5000, false},
		{"no chunk", ok + "Transfer-Encoding: chunked\r\n\r\n1388\r\n" + part + "\r\nnonsense\r\n", CodeProtocol, 5000, false},
		{"over the limit", ok + "Connection: close\r\n\r\n" + strings.Repeat("x", limit+1), CodeResponseTooLarge, limit / 2, false},
		{"cut off in gzip", ok + "Content-Encoding: gzip\r\nContent-Length: 10000\r\n\r\n" + string(pack(t, "gzip", []byte(part))), CodeIncomplete, 0, false},
		{"no gzip", ok + "Content-Encoding: gzip\r\nConnection: close\r\n\r\n" + part, CodeDecode, 0, false},
		{"bomb", ok + "Content-Encoding: gzip\r\nConnection: close\r\n\r\n" + string(pack(t, "gzip", make([]byte, 16<<20))), CodeResponseTooLarge, limit / 2, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := newRawServer(t, func(conn net.Conn, r *bufio.Reader) {
				readHead(r)
				_, _ = io.WriteString(conn, tt.answer)
				if tt.reset {
					_ = conn.(*net.TCPConn).SetLinger(0)
					return
				}
				_ = conn.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, r)
			})
			c := newClient(t, func(config *Config) { config.StreamLimit = limit })
			r := streamFrom(t, c, &Request{URL: server.url + "/path?secret=x"})
			if n := expectEnd(t, r.Stream, tt.code); n < tt.least || n > limit {
				t.Errorf("%d bytes came before", n)
			}
			await(t, "the socket is given back", func() bool { return c.config.Sockets.Open() == 0 })
		})
	}
	server := newRawServer(t, answering(ok+fmt.Sprintf("Content-Length: %d\r\n\r\n", limit+1), false))
	c := newClient(t, func(config *Config) { config.StreamLimit = limit })
	expectCode(t, c, &Request{Method: "GET", URL: server.url, Stream: true}, CodeResponseTooLarge)
	expectCode(t, c, &Request{Method: "GET", URL: "http://10.0.0.1/", Stream: true}, CodeEgressDenied)
}

// dripping sends a head and then ever more, until the other side is gone.
func dripping(conn net.Conn, r *bufio.Reader) {
	for readHead(r) != "" {
		_, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
		for err == nil {
			time.Sleep(time.Millisecond)
			_, err = io.WriteString(conn, "x")
		}
	}
}

// TestStream_Time: the request's time goes on while the body is read, and the call's end ends it.
func TestStream_Time(t *testing.T) {
	server := newRawServer(t, dripping)
	c := newClient(t, nil)
	r := streamFrom(t, c, &Request{URL: server.url, Timeout: 50 * time.Millisecond})
	expectEnd(t, r.Stream, CodeTimeout)

	// Nobody reads: the connection ends all the same.
	r = streamFrom(t, c, &Request{URL: server.url, Timeout: 50 * time.Millisecond})
	await(t, "the socket is given back", func() bool { return c.config.Sockets.Open() == 0 })
	expectEnd(t, r.Stream, CodeTimeout)

	ctx, cancel := context.WithCancel(context.Background())
	r, err := c.Do(ctx, &Request{Method: "GET", URL: server.url, Stream: true})
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(20*time.Millisecond, cancel)
	expectEnd(t, r.Stream, CodeEnded)
	if _, err := r.Stream.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	await(t, "the socket is given back", func() bool { return c.config.Sockets.Open() == 0 })
}

// TestStream_Close: what is given up takes its connection with it, and is not read any more.
func TestStream_Close(t *testing.T) {
	server := newRawServer(t, dripping)
	c := newClient(t, nil)
	for i := range int64(3) {
		r := streamFrom(t, c, &Request{URL: server.url})
		if i > 0 {
			if _, err := r.Stream.Read(make([]byte, 10)); err != nil {
				t.Error(err)
			}
		}
		if n := c.config.Sockets.Open(); n != 1 || r.Stream.Memory() == 0 {
			t.Errorf("%d sockets, %d bytes", n, r.Stream.Memory())
		}
		r.Stream.Close()
		r.Stream.Close()
		if n, err := r.Stream.Read(make([]byte, 10)); n != 0 || err == nil || err == io.EOF {
			t.Errorf("after its end %d, %v", n, err)
		}
		await(t, "the socket is given back", func() bool { return c.config.Sockets.Open() == 0 })
		if n := server.accepted.Load(); n != i+1 {
			t.Errorf("%d connections", n)
		}
	}
}

// TestStream_RequestBody: the request may still be sent when its response has come. Its body is the caller's no more then.
func TestStream_RequestBody(t *testing.T) {
	proceed := make(chan struct{})
	got := make(chan []byte, 1)
	server := newRawServer(t, func(conn net.Conn, r *bufio.Reader) {
		readHead(r)
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
		<-proceed
		body := make([]byte, 8<<20)
		_, err := io.ReadFull(r, body)
		fmt.Fprint(conn, err)
		got <- body
	})
	c := newClient(t, nil)
	body := bytes.Repeat([]byte("mine"), 2<<20)
	r := streamFrom(t, c, &Request{Method: "POST", URL: server.url, Body: body})
	if n := r.Stream.Memory(); n < len(body) {
		t.Errorf("it says that it takes %d bytes", n)
	}
	copy(body, bytes.Repeat([]byte("else"), 2<<20))
	close(proceed)
	if said, err := io.ReadAll(r.Stream); err != nil || string(said) != "<nil>" {
		t.Errorf("%q, %v", said, err)
	}
	if !bytes.Equal(<-got, bytes.Repeat([]byte("mine"), 2<<20)) {
		t.Error("the service got something else")
	}
}

// TestStream_HTTP2: what nobody reads waits with its sender.
func TestStream_HTTP2(t *testing.T) {
	var written atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		piece := make([]byte, 4096)
		for written.Load() < 8<<20 {
			n, err := w.Write(piece)
			if written.Add(int64(n)); err != nil {
				return
			}
		}
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	c := newClient(t, func(config *Config) { config.RootCAs = roots })
	r := streamFrom(t, c, &Request{URL: server.URL})
	await(t, "the service waits", func() bool {
		before := written.Load()
		time.Sleep(20 * time.Millisecond)
		return before > 0 && before == written.Load()
	})
	if n := written.Load(); n > 3*streamWindow || r.Stream.Memory() < streamWindow {
		t.Errorf("%d bytes are under way, %d are counted", n, r.Stream.Memory())
	}
	if body, err := io.ReadAll(r.Stream); err != nil || len(body) != 8<<20 {
		t.Errorf("%d bytes, %v", len(body), err)
	}
	written.Store(0)
	r = streamFrom(t, c, &Request{URL: server.URL})
	r.Stream.Close()
	if n := c.config.Sockets.Open(); n != 1 {
		t.Errorf("%d sockets: giving a stream up costs it alone", n)
	}
}

// TestStream_Hammer: streams are read, given up, and cut off, many at once, and each gets what is its own.
func TestStream_Hammer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat(r.URL.RawQuery+"\n", 5000))
	}))
	defer server.Close()
	c := newClient(t, func(config *Config) { config.Sockets = NewSockets(16) })
	var group sync.WaitGroup
	for g := range 12 {
		group.Go(func() {
			for i := range 30 {
				query := fmt.Sprintf("id=%d.%d", g, i)
				ctx, cancel := context.WithCancel(context.Background())
				r, err := c.Do(ctx, &Request{Method: "GET", URL: server.URL + "?" + query, Stream: true})
				if err != nil {
					if err.Code != CodeOverloaded { // connections end a little after their streams
						t.Error(err)
					}
					cancel()
					continue
				}
				switch i % 3 {
				case 0:
					body, err := io.ReadAll(r.Stream)
					if err != nil || string(body) != strings.Repeat(query+"\n", 5000) {
						t.Errorf("%s: %d bytes, %v", query, len(body), err)
					}
				case 1:
					p := make([]byte, 100)
					if n, err := r.Stream.Read(p); err != nil || !strings.HasPrefix(string(p[:n]), query) {
						t.Errorf("%s: %q, %v", query, p[:n], err)
					}
				}
				if i%2 == 0 {
					cancel()
				}
				r.Stream.Close()
				cancel()
			}
		})
	}
	group.Wait()
}
