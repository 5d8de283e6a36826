package egress

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// lender lends up to most bytes, and knows how many are lent and were at most.
type lender struct {
	mu               sync.Mutex
	most, lent, peak int
}

func (l *lender) Take(n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lent+n > l.most {
		return false
	}
	l.lent += n
	l.peak = max(l.peak, l.lent)
	return true
}

func (l *lender) Give(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lent -= n
}

func (l *lender) is() (lent, peak int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lent, l.peak
}

// TestClient_Memory: what a body takes is lent before it is taken, and what is lent afterwards is the body.
func TestClient_Memory(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB
	packed := map[string][]byte{"gzip": pack(t, "gzip", body), "deflate": pack(t, "zlib", body), "br": pack(t, "br", body)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text := body
		switch encoding := r.URL.Path[1:]; encoding {
		case "sized":
			w.Header().Set("Content-Length", fmt.Sprint(len(text)))
		case "chunked":
		case "empty":
			text = nil
		case "broken":
			w.Header().Set("Content-Encoding", "gzip")
		case "endless":
			for err := error(nil); err == nil; {
				_, err = w.Write(body)
			}
		case "cut":
			w.Header().Set("Content-Length", fmt.Sprint(len(text)+1))
		default:
			w.Header().Set("Content-Encoding", encoding)
			text = packed[encoding]
		}
		_, _ = w.Write(text)
	}))
	defer server.Close()
	c := newClient(t, nil)
	for path, tt := range map[string]struct {
		lent  int // in the end
		least int // at most during it
		code  Code
	}{
		"sized": {lent: len(body), least: len(body)}, "chunked": {lent: len(body), least: 2 * len(body)}, "empty": {},
		"gzip": {lent: len(body), least: 2*len(body) + inflateMemory}, "deflate": {lent: len(body), least: 2*len(body) + inflateMemory},
		"br":     {lent: len(body), least: 2*len(body) + brotliTables},
		"broken": {code: CodeDecode}, "endless": {least: DefaultResponseLimit, code: CodeResponseTooLarge}, "cut": {least: len(body), code: CodeIncomplete},
	} {
		l := &lender{most: 64 << 20}
		r, failure := c.Do(context.Background(), &Request{Method: "GET", URL: server.URL + "/" + path, Memory: l})
		switch {
		case tt.code != "" && (failure == nil || failure.Code != tt.code):
			t.Errorf("%s: got %v, want %s", path, failure, tt.code)
		case tt.code == "" && (failure != nil || len(r.Body) != tt.lent):
			t.Errorf("%s: %v", path, failure)
		}
		if lent, peak := l.is(); lent != tt.lent || peak < tt.least || peak > tt.least+8<<20 {
			t.Errorf("%s: %d bytes are lent, %d were; want %d and %d", path, lent, peak, tt.lent, tt.least)
		}
		for _, most := range []int{0, tt.least / 2, tt.least - 1} {
			if tt.least == 0 {
				continue
			}
			l := &lender{most: most}
			e := expectCode(t, c, &Request{Method: "GET", URL: server.URL + "/" + path, Memory: l}, CodeOverloaded)
			if lent, _ := l.is(); lent != 0 || !strings.Contains(e.Message, "no memory is left") {
				t.Errorf("%s with %d bytes: %d are lent, %v", path, most, lent, e)
			}
		}
	}
}

// TestClient_Memory_Drip: a body that comes slowly counts as it comes, and no more when nobody waits for it.
func TestClient_Memory_Drip(t *testing.T) {
	const part = 1 << 20
	s := newRawServer(t, func(conn net.Conn, r *bufio.Reader) {
		readHead(r)
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n"+strings.Repeat("x", part))
		_, _ = io.Copy(io.Discard, r)
	})
	c := newClient(t, nil)
	shared := &lender{most: 4*part + 4*chunkSize}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { _, _ = c.Do(ctx, &Request{Method: "GET", URL: s.url, Memory: shared}) })
	}
	await(t, "all four have come so far", func() bool { lent, _ := shared.is(); return lent == shared.most })
	expectCode(t, c, &Request{Method: "GET", URL: s.url, Memory: shared}, CodeOverloaded)
	cancel()
	all.Wait()
	if lent, _ := shared.is(); lent != 0 {
		t.Errorf("%d bytes are lent", lent)
	}
}

// TestClient_Memory_Again: what came before a redirect or a retry is not kept.
func TestClient_Memory_Again(t *testing.T) {
	body := strings.Repeat("x", 1<<20)
	server := newRecorder(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/moved":
			w.Header().Set("Location", "/failing")
			w.WriteHeader(http.StatusFound)
		case "/failing":
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = io.WriteString(w, body)
	})
	c := newClient(t, func(c *Config) {
		c.Redirects, c.Retry = 1, Retry{Statuses: []int{503}, Attempts: 3}
	})
	l := &lender{most: 64 << 20}
	r, failure := c.Do(context.Background(), &Request{Method: "GET", URL: server.URL + "/moved", Memory: l, Timeout: time.Minute})
	if failure != nil || r.Status != 503 || len(server.requests()) != 4 {
		t.Fatalf("%v, %v, %d requests", r, failure, len(server.requests()))
	}
	if lent, peak := l.is(); lent != len(body) || peak > 4*len(body) {
		t.Errorf("%d bytes are lent, %d were", lent, peak)
	}
}
