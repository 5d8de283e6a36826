package egress

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"sluice/hostfuncs/egress/fault"
)

// TestStream_Bulkhead: a stream counts among what is under way until it has ended.
func TestStream_Bulkhead(t *testing.T) {
	for name, tt := range map[string]struct {
		serve func(net.Conn, *bufio.Reader)
		end   func(t testing.TB, s *Stream)
	}{
		"read to its end": {answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", true), func(t testing.TB, s *Stream) {
			if _, err := io.ReadAll(s); err != nil {
				t.Error(err)
			}
		}},
		"closed": {dripping, func(_ testing.TB, s *Stream) { s.Close() }},
		"failed": {answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", false), func(t testing.TB, s *Stream) {
			expectEnd(t, s, CodeIncomplete)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			server := newRawServer(t, tt.serve)
			c := newClient(t, func(config *Config) { config.Fault.Concurrent = 1 })
			for range 3 {
				r := streamFrom(t, c, &Request{URL: server.url})
				expectCode(t, c, &Request{Method: "GET", URL: server.url, Stream: true}, CodeOverloaded)
				tt.end(t, r.Stream)
			}
		})
	}
}

// TestStream_Circuit: what becomes of the body says whether the destination works. What its reader does, does not.
func TestStream_Circuit(t *testing.T) {
	for name, tt := range map[string]struct {
		serve  func(net.Conn, *bufio.Reader)
		use    func(t testing.TB, s *Stream)
		refuse bool
	}{
		"bodies are cut off": {answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", false), func(t testing.TB, s *Stream) {
			expectEnd(t, s, CodeIncomplete)
		}, true},
		"errors":   {answering("HTTP/1.1 500 Sorry\r\nContent-Length: 2\r\n\r\nno", true), func(_ testing.TB, s *Stream) { s.Close() }, true},
		"given up": {dripping, func(_ testing.TB, s *Stream) { s.Close() }, false},
		"read too late": {dripping, func(t testing.TB, s *Stream) {
			s.start = s.start.Add(-time.Minute) // which its reader took
			<-s.ctx.Done()
			expectEnd(t, s, CodeTimeout)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newRawServer(t, tt.serve)
			c := newClient(t, func(config *Config) { config.Fault = fault.Config{Open: time.Minute} })
			for range 12 {
				r, err := c.Do(context.Background(), &Request{Method: "GET", URL: server.url, Stream: true, Timeout: 20 * time.Millisecond})
				if err != nil {
					break
				}
				tt.use(t, r.Stream)
			}
			r, failure := c.Do(context.Background(), &Request{Method: "GET", URL: server.url, Stream: true})
			if refused := failure != nil && failure.Code == CodeCircuitOpen; refused != tt.refuse {
				t.Errorf("refused %t: %v", refused, failure)
			}
			r.giveUp()
		})
	}
}

// TestStream_RedirectsAndRetries come before the head is handed over, and leave nothing open.
func TestStream_RedirectsAndRetries(t *testing.T) {
	var count atomic.Int64
	s := newRecorder(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/moved":
			w.Header().Set("Location", "/there")
			w.WriteHeader(http.StatusFound)
			_, _ = w.Write(make([]byte, 100_000))
		case r.URL.Path == "/failing" && count.Add(1) <= 2:
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write(make([]byte, 100_000))
		case r.URL.Path == "/led":
			http.Redirect(w, r, "/cut", http.StatusFound)
		case r.URL.Path == "/cut":
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		default:
			_, _ = io.WriteString(w, "at last")
		}
	})
	c := newClient(t, func(config *Config) {
		config.Redirects, config.Retry, config.Fault.Concurrent = 1, Retry{Statuses: []int{503}, Attempts: 3}, 1
	})
	for path, redirected := range map[string]string{"/moved": s.URL, "/failing": ""} {
		r, err := doWhole(c, &Request{Method: "GET", URL: s.URL + path, Stream: true})
		if err != nil || r.Status != 200 || string(r.Body) != "at last" || r.Redirected != redirected {
			t.Errorf("%s: %+v, %v", path, r, err)
		}
	}
	// The last of the attempts is handed out with what came.
	count.Store(-10)
	r, err := doWhole(c, &Request{Method: "GET", URL: s.URL + "/failing", Stream: true})
	if err != nil || r.Status != 503 || len(r.Body) != 100_000 {
		t.Errorf("%+v, %v", r, err)
	}
	if n := len(s.requests()); n != 8 {
		t.Errorf("%d requests", n)
	}
	_, err = doWhole(c, &Request{Method: "GET", URL: s.URL + "/led", Stream: true})
	if err == nil || err.Code != CodeIncomplete || !slices.Equal(err.Locations, []string{"/cut"}) {
		t.Errorf("behind a redirect: %+v", err)
	}
	s.CloseClientConnections()
	await(t, "all sockets are given back", func() bool { return c.config.Sockets.Open() == 0 })
}
