package abi

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"sluice/hostfuncs"
	"sluice/hostfuncs/egress"
	"sluice/hostfuncs/egress/egresstest"
	"sluice/runtime/sandbox/memory"
)

// source is a service that streams, and counts the requests that it has under way.
type source struct {
	url  string
	open atomic.Int64
}

// streaming is a call that may send requests to a service of the test. What the call leaves open is found at the end.
func streaming(t testing.TB, limit int64, serve http.HandlerFunc) (*Call, *source) {
	t.Helper()
	src := &source{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		src.open.Add(1)
		defer src.open.Add(-1)
		serve(w, r)
	}))
	src.url = s.URL
	t.Cleanup(s.Close)
	client := egresstest.Client(t, func(c *egress.Config) { c.StreamLimit = limit }, "http://*")
	c := &Call{Host: &hostfuncs.Call{HTTP: client}, OutputLimit: 1 << 20}
	t.Cleanup(func() {
		c.Release()
		src.wantOpen(t, 0)
	})
	return c, src
}

// wantOpen waits until so many requests are under way.
func (s *source) wantOpen(t testing.TB, n int64) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); s.open.Load() != n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d requests are under way, want %d", s.open.Load(), n)
		}
	}
}

// stream sends a request whose response is streamed.
func (g *guest) stream(want int32, url string) {
	g.t.Helper()
	ptr, n := g.put(64, fmt.Sprintf(`{"method":"GET","url":%q,"stream":true}`, url))
	g.want(want, "http_send", ptr, n, 0, 0)
}

// wantSize checks what size answers.
func (g *guest) wantSize(want int64, h uint64) {
	g.t.Helper()
	if got, err := g.try(context.Background(), "size", h); err != nil || int64(got) != want {
		g.t.Errorf("the size behind %d is %d, %v, want %d", h, int64(got), err, want)
	}
}

// readOn reads a stream on until the result is no number of bytes, and returns that and how many bytes came.
func (g *guest) readOn(h, offset uint64) (last int32, end uint64) {
	g.t.Helper()
	for {
		n := g.do("read", h, offset, 1024, 4096)
		if n <= 0 {
			return n, offset
		}
		offset += uint64(n)
	}
}

// endless sends until nobody reads any more.
func endless(w http.ResponseWriter, r *http.Request) {
	for r.Context().Err() == nil {
		_, _ = io.WriteString(w, "x")
		w.(http.Flusher).Flush()
		time.Sleep(time.Millisecond)
	}
}

func TestNative_Stream(t *testing.T) {
	const text = "what comes is read in the order in which it comes"
	c, src := streaming(t, 1<<20, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/unknown" {
			w.(http.Flusher).Flush()
		}
		w.Header().Set("X-A", "b")
		_, _ = io.WriteString(w, text)
	})
	g := newGuest(t, c)
	g.stream(2, src.url)
	g.want(200, "http_status", 2)
	g.wantHead(2, `["x-a","b"]`)
	g.wantSize(int64(len(text)), 3)
	g.want(invalid, "is_json", 3)

	g.want(0, "read", 3, 0, 1024, 0)
	for _, offset := range []uint64{1, 1 << 40, 1<<64 - 1} {
		g.want(invalid, "read", 3, offset, 1024, 8)
	}
	g.want(badRange, "read", 3, 0, memoryEnd-1, 2)
	g.want(badHandle, "read", 5, 0, 1024, 8)
	g.want(9, "read", 3, 0, 1024, 9)
	g.wantMemory(1024, text[:9])
	for _, offset := range []uint64{0, 8, 10} {
		g.want(invalid, "read", 3, offset, 1024, 8)
	}
	if last, end := g.readOn(3, 9); last != 0 || end != uint64(len(text)) {
		t.Errorf("the end is %d at %d", last, end)
	}
	g.want(0, "read", 3, uint64(len(text)), 1024, 8)
	g.want(invalid, "read", 3, 0, 1024, 8)
	g.want(invalid, "read", 3, uint64(len(text))+1, 1024, 8)
	g.want(0, "write_from", 3)
	g.wantSize(int64(len(text)), 3)
	g.want(200, "http_status", 2)
	g.want(0, "close", 3)
	g.want(badHandle, "close", 3)
	g.want(badHandle, "read", 3, uint64(len(text)), 1024, 8)
	g.want(0, "close", 2)
	if c.held != 0 {
		t.Errorf("%d bytes are held after all", c.held)
	}

	g.stream(2, src.url+"/unknown") // the handles are used again
	g.wantSize(int64(invalid), 3)
	g.want(5, "read", 3, 0, 1024, 5)
	g.want(0, "write_from", 3)
	if _, body, _, _ := c.Output(); string(body) != text[5:] {
		t.Errorf("the answer is %q", body)
	}
	g.wantSize(int64(len(text)), 3)

	for _, head := range []string{`"stream":1`, `"stream":"true"`, `"stream":null`, `"streams":true`} {
		ptr, n := g.put(64, `{"method":"GET","url":"http://x/",`+head+`}`)
		g.want(invalid, "http_send", ptr, n, 0, 0)
	}
	g.stream(4, "http://10.0.0.1/")
	g.wantHead(4, `"code":"egress_denied"`)
	g.want(0, "read", 5, 0, 1024, 8)
	g.want(0, "http_status", 4)
}

// A body that does not come to its end says so: its reading is closed, and its head tells why.
func TestNative_Stream_Failures(t *testing.T) {
	c, src := streaming(t, 1<<20, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/cut":
			_, _ = io.WriteString(w, "some of it")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		case "/bad":
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, "this is no gzip")
		case "/large":
			_, _ = w.Write(make([]byte, 1<<20+1))
		default:
			endless(w, r)
		}
	})
	for path, code := range map[string]string{"/cut": "incomplete", "/bad": "decode", "/large": "response_too_large", "/slow": "timeout"} {
		for _, function := range []string{"read", "write_from"} {
			call := &Call{Host: &hostfuncs.Call{HTTP: c.Host.HTTP}, OutputLimit: 4 << 20}
			g := newGuest(t, call)
			ptr, n := g.put(256, "before")
			g.want(0, "write", ptr, n)
			ptr, n = g.put(64, fmt.Sprintf(`{"method":"GET","url":%q,"stream":true,"timeout_ms":300}`, src.url+path))
			g.want(2, "http_send", ptr, n, 0, 0)
			var end uint64
			if function == "read" {
				var last int32
				if last, end = g.readOn(3, 0); last != closed {
					t.Errorf("%s: it ended with %d", path, last)
				}
			} else {
				g.want(closed, "write_from", 3)
				end = c.endOf(call)
			}
			g.want(closed, "read", 3, end, 1024, 8)
			g.want(closed, "write_from", 3)
			g.wantSize(int64(invalid), 3)
			g.wantHead(2, `{"error":{"code":"`+code+`","message":"`)
			g.want(0, "http_status", 2)
			g.want(absent, "http_header", 2, 64, 1, 128, 8)
			if _, body, _, over := call.Output(); string(body) != "before" || over {
				t.Errorf("%s: %d bytes are left in the answer, too large %t", path, len(body), over)
			}
			g.want(0, "close", 2)
			g.want(0, "close", 3)
			if call.held != 0 {
				t.Errorf("%s: %d bytes are held", path, call.held)
			}
			call.Release()
		}
	}
	// Where the head is closed, nothing is left to say why.
	g := newGuest(t, c)
	g.stream(2, src.url+"/cut")
	g.want(0, "close", 2)
	if last, _ := g.readOn(3, 0); last != closed {
		t.Errorf("it ended with %d", last)
	}
	g.want(badHandle, "http_status", 2)
}

// endOf is where the body of a call's first response has ended.
func (*Call) endOf(c *Call) uint64 { return c.responses[0].stream.Offset() }

// What goes into the answer counts against its limit, and what streams take against the budget.
func TestNative_Stream_Limits(t *testing.T) {
	c, src := streaming(t, 1<<20, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/known":
			w.Header().Set("Content-Length", "2000")
			fallthrough
		case "/unknown":
			w.(http.Flusher).Flush()
			_, _ = w.Write(make([]byte, 2000))
		default:
			endless(w, r)
		}
	})
	c.OutputLimit = 1000
	g := newGuest(t, c)
	for i, path := range []string{"/known", "/unknown"} {
		g.stream(int32(2+2*i), src.url+path)
		c.tooLarge = false
		g.want(tooLarge, "write_from", uint64(3+2*i))
		if _, body, _, over := c.Output(); len(body) != 0 || !over {
			t.Errorf("%s: %d bytes were taken, too large %t", path, len(body), over)
		}
	}
	c.Release()

	c.responses, c.held = nil, 0
	for i := range hostfuncs.MaxStreams {
		g.stream(int32(2+2*i), src.url)
	}
	last := uint64(2 + 2*hostfuncs.MaxStreams)
	g.stream(int32(last), src.url)
	g.wantHead(last, `"code":"overloaded","message":"the call has 16 streamed responses open`)
	src.wantOpen(t, hostfuncs.MaxStreams)
	g.want(0, "close", 3)
	src.wantOpen(t, hostfuncs.MaxStreams-1)
	g.stream(int32(last)+2, src.url)
	g.want(200, "http_status", last+2)
	c.Release()
	src.wantOpen(t, 0)

	c.Budget, c.responses, c.held = memory.NewBudget(1), nil, uncharged-1
	g.stream(tooLarge, src.url)
	src.wantOpen(t, 0)
	if !c.Starved() {
		t.Error("streams are not counted")
	}
}
