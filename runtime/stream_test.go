package runtime

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	goruntime "runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/hostfuncs/secret"
	"sluice/internal/guests"
	"sluice/runtime/envelope"
)

// counted is a server that counts what it has under way, and the connections that it got.
type counted struct {
	url               string
	open, connections atomic.Int64
}

func newCounted(t testing.TB, serve http.HandlerFunc) *counted {
	t.Helper()
	s := &counted{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.open.Add(1)
		defer s.open.Add(-1)
		serve(w, r)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// streamer starts a runtime in which streamer is installed and may reach this machine.
func streamer(t testing.TB, change func(*Config)) *harness {
	t.Helper()
	h := start(t, open(t, t.TempDir()), func(c *Config) {
		c.Dev, c.Limits.Memory = true, 16<<20
		if change != nil {
			change(c)
		}
	})
	h.install(guests.Module(t, "streamer"))
	return h
}

// summed is what streamer/Sum answers.
type summed struct {
	Bytes int64
	CRC32 uint32
	Reads int
}

// sum has a response read to its end.
func (h *harness) sum(url, more string) (s summed, a *envelope.Answer) {
	h.t.Helper()
	a, err := h.execute(context.Background(), "streamer/Sum", `{"url":"`+url+`"`+more+`}`)
	if err == nil && a.Error == nil {
		err = json.Unmarshal(a.Body, &s)
	}
	if err != nil {
		h.t.Fatalf("%v\n%s", err, h.log)
	}
	return s, a
}

// endless sends until nobody reads any more.
func endless(w http.ResponseWriter, r *http.Request) {
	for r.Context().Err() == nil {
		_, _ = io.WriteString(w, "x")
		w.(http.Flusher).Flush()
		time.Sleep(time.Millisecond)
	}
}

// TestStream_Large takes 50 MiB through a guest with 16 MiB of memory. The host does not hold them either, decoded or
// searched for a secret.
func TestStream_Large(t *testing.T) {
	const total = 50 << 20
	piece := bytes.Repeat([]byte("0123456789abcdef"), 4096)
	hash := crc32.NewIEEE()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	for range total / len(piece) {
		_, _ = hash.Write(piece)
		_, _ = z.Write(piece)
	}
	_ = z.Close()
	s := newCounted(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/gzip" {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(packed.Bytes())
			return
		}
		for range total / len(piece) {
			_, _ = w.Write(piece)
		}
	})
	t.Setenv("SLUICE_TEST_TOKEN", "0123456789abcdeX")
	h := streamer(t, func(c *Config) {
		c.Secrets = map[string]secret.Definition{"token": {From: "env:SLUICE_TEST_TOKEN", Origins: []string{s.url}}}
		c.Grants = map[string]Grant{"streamer": {Secrets: []secret.Grant{{Name: "token"}}}}
	})
	h.sum(s.url+"/gzip", "") // what is only made once
	for name, more := range map[string]string{"/plain": "", "/gzip": "", "/masked": `,"secret":"token"`} {
		var before, after goruntime.MemStats
		goruntime.GC()
		goruntime.ReadMemStats(&before)
		got, a := h.sum(s.url+name, more)
		goruntime.ReadMemStats(&after)
		if got.Bytes != total || got.CRC32 != hash.Sum32() || got.Reads < total/(256<<10) {
			t.Errorf("%s: got %+v, %+v", name, got, a.Error)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > total/2 {
			t.Errorf("%s: %d bytes were allocated", name, n)
		}
	}
	if n := s.connections.Load(); n != 1 {
		t.Errorf("%d connections: bodies that are read to their end give theirs back", n)
	}
}

// A response that comes little by little is read little by little, and its time ends.
func TestStream_Drip(t *testing.T) {
	s := newCounted(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/endless" {
			endless(w, r)
			return
		}
		for range 20 {
			_, _ = io.WriteString(w, "drop")
			w.(http.Flusher).Flush()
			time.Sleep(2 * time.Millisecond)
		}
	})
	h := streamer(t, nil)
	if got, a := h.sum(s.url, ""); got.Bytes != 80 || got.Reads < 2 {
		t.Errorf("got %+v, %+v", got, a.Error)
	}
	for what, more := range map[string]string{"reading": `,"timeout_ms":100`, "pausing": `,"timeout_ms":100,"pause_ms":200`} {
		if _, a := h.sum(s.url+"/endless", more); a.Error == nil || a.Error.Code != "timeout" || a.HTTPStatus != 504 {
			t.Errorf("%s: got %s, %+v", what, a.Body, a.Error)
		}
	}
	eventually(t, "the end of all requests", func() bool { return s.open.Load() == 0 })
}

// What ends a body before its end is an error with a code, whether it is read or passed on, and none of it is an answer.
func TestStream_Failures(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(make([]byte, 16<<20))
	_ = z.Close()
	s := newCounted(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/reset":
			conn, out, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = out.WriteString("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nsome of it")
			_ = out.Flush()
			time.Sleep(5 * time.Millisecond)
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb.Bytes())
		case "/no-gzip":
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, "this is none")
		case "/said":
			w.Header().Set("Content-Length", "1048577")
			_, _ = w.Write(make([]byte, 1<<20+1))
		case "/unsaid":
			w.(http.Flusher).Flush()
			_, _ = w.Write(make([]byte, 1<<20+1))
		}
	})
	h := streamer(t, func(c *Config) {
		c.Limits.Stream = 1 << 30
		c.Grants = map[string]Grant{"streamer": {Stream: 1 << 20}}
	})
	for path, code := range map[string]string{
		"/reset": "incomplete", "/bomb": "response_too_large", "/no-gzip": "decode", "/said": "response_too_large", "/unsaid": "response_too_large",
	} {
		for _, command := range []string{"Sum", "Pass"} {
			a, err := h.execute(context.Background(), "streamer/"+command, `{"url":"`+s.url+path+`"}`)
			if err != nil || a.Error == nil || a.Error.Code != code || len(a.Body) > len("null") {
				t.Errorf("%s, %s: got %+v, %+v, %v", path, command, a, a.Error, err)
			}
		}
	}
}

// What is passed on counts against the limit of answers, not against that of responses.
func TestStream_Pass(t *testing.T) {
	s := newCounted(t, func(w http.ResponseWriter, r *http.Request) {
		for range 40 {
			_, _ = w.Write(bytes.Repeat([]byte("x"), 64<<10))
		}
	})
	h := streamer(t, func(c *Config) { c.Limits.Response, c.Limits.Output = 1<<10, 3<<20 })
	a, err := h.execute(context.Background(), "streamer/Pass", `{"url":"`+s.url+`"}`)
	if err != nil || len(a.Body) != 40*64<<10 {
		t.Errorf("got %d bytes, %v", len(a.Body), err)
	}
	h = streamer(t, func(c *Config) { c.Limits.Output = 1 << 20 })
	h.wantFailure("streamer/Pass", `{"url":"`+s.url+`"}`, envelope.OutputTooLarge)
	eventually(t, "the end of all requests", func() bool { return s.open.Load() == 0 })
}

// However a guest's call ends, its streams end with it, as the other side sees it.
func TestStream_EndOfCall(t *testing.T) {
	s := newCounted(t, endless)
	h := streamer(t, func(c *Config) { c.Limits.CPU = 200 * time.Millisecond })
	before := int64(0)
	h.endCalls("streamer/Leave", fmt.Sprintf(`"url":%q`, s.url), func(how string) {
		eventually(t, how+": the end of all requests", func() bool { return s.open.Load() == 0 })
		eventually(t, how+": the end of all connections", func() bool { return h.sockets.Open() == 0 })
		if before += left; s.connections.Load() != before {
			t.Errorf("%s: %d connections: what was given up is not used again", how, s.connections.Load())
		}
	})
	eventually(t, "the end of all requests", func() bool { return s.open.Load() == 0 })
}

// Calls that stream at once get what is their own.
func TestStream_AtOnce(t *testing.T) {
	content := func(id string) []byte { return bytes.Repeat([]byte(id+"\n"), 50_000) }
	s := newCounted(t, func(w http.ResponseWriter, r *http.Request) {
		text := content(r.URL.RawQuery)
		for len(text) > 0 {
			n := min(len(text), 10_000)
			_, _ = w.Write(text[:n])
			w.(http.Flusher).Flush()
			text = text[n:]
		}
	})
	h := streamer(t, nil)
	var group sync.WaitGroup
	for g := range 4 {
		group.Go(func() {
			for i := range 5 {
				id := fmt.Sprintf("call-%d-%d", g, i)
				if i == 3 { // one that fails among them
					_, _ = h.execute(context.Background(), "streamer/Leave", fmt.Sprintf(`{"url":%q,"count":3,"how":"panic"}`, s.url+"?"+id))
					continue
				}
				want := content(id)
				a, err := h.execute(context.Background(), "streamer/Sum", `{"url":"`+s.url+"?"+id+`"}`)
				var got summed
				if err != nil || json.Unmarshal(a.Body, &got) != nil || got.Bytes != int64(len(want)) || got.CRC32 != crc32.ChecksumIEEE(want) {
					t.Errorf("%s: got %s, %v", id, a.Body, err)
				}
			}
		})
	}
	group.Wait()
}

// A secret that its origin sends back in a stream is not in the answer, wherever the pieces end.
func TestStream_Secret(t *testing.T) {
	t.Setenv("SLUICE_TEST_CANARY", canarySecret)
	s := newCounted(t, func(w http.ResponseWriter, r *http.Request) {
		got := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		quoted, _ := json.Marshal(got)
		for _, form := range []string{got, url.QueryEscape(got), string(quoted), base64.StdEncoding.EncodeToString([]byte(got)), got + got} {
			text := "it is " + form + ", "
			for cut := 0; cut < len(text); cut += 5 {
				_, _ = io.WriteString(w, text[cut:min(cut+5, len(text))])
				w.(http.Flusher).Flush()
			}
		}
		_, _ = io.WriteString(w, "reflected")
	})
	h := streamer(t, func(c *Config) {
		c.Secrets = map[string]secret.Definition{"token": {From: "env:SLUICE_TEST_CANARY", Origins: []string{s.url}}}
		c.Grants = map[string]Grant{"streamer": {Secrets: []secret.Grant{{Name: "token"}}}}
	})
	a, err := h.execute(context.Background(), "streamer/Pass", `{"url":"`+s.url+`","secret":"token"}`)
	if err != nil {
		t.Fatal(err)
	}
	checkAbsent(t, "the answer", a.AppendV2(nil), canarySecret)
	if text := string(a.Body); strings.Count(text, secret.Mask) != 5 || !strings.HasSuffix(text, "reflected") {
		t.Errorf("answered %q", text)
	}
}
