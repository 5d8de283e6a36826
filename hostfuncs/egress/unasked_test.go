package egress

import (
	"bytes"
	"context"
	"crypto/elliptic"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// newHTTP2Server answers every request with status 200 and no body, and has then done with the connection what after says.
func newHTTP2Server(t testing.TB, after func(f *http2.Framer) error) (url string, authority *authority, accepted *atomic.Int64) {
	t.Helper()
	authority, accepted = newAuthority(t, "root", elliptic.P256()), new(atomic.Int64)
	ln, err := tls.Listen("tcp4", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{authority.leaf(nil)}, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			accepted.Add(1)
			serving.Go(func() {
				defer conn.Close()
				serveHTTP2(conn, after)
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		serving.Wait()
	})
	return "https://" + ln.Addr().String(), authority, accepted
}

func serveHTTP2(conn net.Conn, after func(f *http2.Framer) error) {
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	f := http2.NewFramer(conn, conn)
	err := f.WriteSettings()
	for err == nil {
		var frame http2.Frame
		if frame, err = f.ReadFrame(); err != nil {
			return
		}
		if h, ok := frame.(*http2.HeadersFrame); ok {
			var b bytes.Buffer
			_ = hpack.NewEncoder(&b).WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
			if err = f.WriteHeaders(http2.HeadersFrameParam{StreamID: h.StreamID, BlockFragment: b.Bytes(), EndStream: true, EndHeaders: true}); err == nil {
				err = after(f)
			}
		}
	}
}

// TestClient_HTTP2_Flood: a peer that goes on after its response has its connection closed, and the next request another.
func TestClient_HTTP2_Flood(t *testing.T) {
	url, authority, accepted := newHTTP2Server(t, func(f *http2.Framer) error {
		for { // until the connection is closed; the answers are not read
			if err := f.WritePing(false, [8]byte{}); err != nil {
				return err
			}
		}
	})
	c := newClient(t, func(c *Config) { c.RootCAs, c.IdleTimeout = authority.roots(), time.Hour })
	for n := int64(1); n <= 4; n++ {
		streamed := n%2 == 0
		r, failure := c.Do(context.Background(), &Request{Method: "GET", URL: url, Stream: streamed})
		if failure != nil {
			t.Fatal(failure)
		}
		if streamed {
			r.Stream.Close()
		}
		await(t, "the connection is closed", func() bool { return c.config.Sockets.Open() == 0 })
		if accepted.Load() != n {
			t.Errorf("%d connections for %d requests", accepted.Load(), n)
		}
	}
}

// TestClient_HTTP2_Pings: what a service says between two requests in good faith changes nothing.
func TestClient_HTTP2_Pings(t *testing.T) {
	url, authority, accepted := newHTTP2Server(t, func(f *http2.Framer) error {
		for range 100 {
			if err := f.WritePing(false, [8]byte{}); err != nil {
				return err
			}
		}
		return f.WriteSettings()
	})
	c := newClient(t, func(c *Config) { c.RootCAs = authority.roots() })
	for range 20 { // together far beyond the bound
		get(t, c, url)
	}
	if n := accepted.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// TestClient_HTTP2_Asked: responses that were asked for may be large, several at a time, and one that is given up costs no more
// than its connection.
func TestClient_HTTP2_Asked(t *testing.T) {
	body := bytes.Repeat([]byte("x"), 64*maxUnasked)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/endless" {
			for err := error(nil); err == nil; {
				_, err = w.Write(body)
			}
			return
		}
		_, _ = w.Write(body)
	}))
	server.EnableHTTP2 = true
	var conns atomic.Int64
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	server.StartTLS()
	defer server.Close()
	c := newClient(t, func(config *Config) {
		config.RootCAs = server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	})
	get(t, c, server.URL)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 3 {
				if r := get(t, c, server.URL); !bytes.Equal(r.Body, body) {
					t.Error("another body")
				}
			}
		})
	}
	all.Wait()
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
	for range 3 { // those that are streamed have connections of their own
		r, failure := c.Do(context.Background(), &Request{Method: "GET", URL: server.URL, Stream: true})
		if failure != nil {
			t.Fatal(failure)
		}
		if got, err := io.ReadAll(r.Stream); err != nil || !bytes.Equal(got, body) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		if n := conns.Load(); n != 2 {
			t.Errorf("%d connections", n)
		}
	}
	for range 3 {
		expectCode(t, c, &Request{Method: "GET", URL: server.URL + "/endless"}, CodeResponseTooLarge)
		// The connection may be closed for what was under way; whether the request finds that out before is chance.
		await(t, "there is a connection", func() bool {
			r, err := c.Do(context.Background(), &Request{Method: "GET", URL: server.URL})
			return err == nil && bytes.Equal(r.Body, body)
		})
	}
}
