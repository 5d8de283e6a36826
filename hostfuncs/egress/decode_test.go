package egress

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"testing"

	"sluice/hostfuncs/egress/worktest"

	"github.com/andybalholm/brotli"
)

func pack(t testing.TB, encoding string, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch encoding {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "zlib":
		w = zlib.NewWriter(&b)
	case "br":
		w = brotli.NewWriter(&b)
	case "raw":
		w, _ = flate.NewWriter(&b, flate.BestCompression)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// decoded undoes the coding of a whole body.
func decoded(ctx context.Context, body []byte, c coding, limit int64, look func(n int)) ([]byte, error) {
	return decodeBody(ctx, &boundedReader{src: bytes.NewReader(body), left: limit}, c, limit, look, nil)
}

// encodedAnswers sends body with these Content-Encoding fields, once chunked and once with its length.
func encodedAnswers(fields []string, body []byte) map[string]string {
	head := "HTTP/1.1 200 OK\r\n"
	for _, f := range fields {
		head += "Content-Encoding: " + f + "\r\n"
	}
	chunk := ""
	if len(body) > 0 {
		chunk = fmt.Sprintf("%x\r\n%s\r\n", len(body), body)
	}
	return map[string]string{
		"length":  fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(body), body),
		"chunked": head + "Transfer-Encoding: chunked\r\n\r\n" + chunk + "0\r\n\r\n",
	}
}

func TestClient_Decode(t *testing.T) {
	const limit = 1 << 20
	text := []byte(strings.Repeat("all work and no play makes jack a dull boy\n", 1000))
	gz, zl, raw := pack(t, "gzip", text), pack(t, "zlib", text), pack(t, "raw", text)
	br := pack(t, "br", text)
	bomb := bytes.Repeat([]byte{0}, 16<<20)
	gzBomb := pack(t, "gzip", bomb)
	full := bytes.Repeat([]byte{'x'}, limit)
	for _, tt := range []struct {
		name     string
		fields   []string
		body     []byte
		expected []byte
		code     Code
	}{
		{"gzip", []string{"gzip"}, gz, text, ""},
		{"x-gzip in capitals", []string{"X-GZIP"}, gz, text, ""},
		{"deflate with zlib", []string{"deflate"}, zl, text, ""},
		{"deflate without", []string{"deflate"}, raw, text, ""},
		{"gzip in two members", []string{"gzip"}, append(bytes.Clone(gz), gz...), append(bytes.Clone(text), text...), ""},
		{"gzip of nothing", []string{"gzip"}, pack(t, "gzip", nil), []byte{}, ""},
		{"stacked", []string{"deflate, gzip"}, pack(t, "gzip", zl), nil, CodeDecode},
		{"stacked in fields", []string{"gzip", "deflate , identity"}, pack(t, "raw", gz), nil, CodeDecode},
		{"stacked with itself", []string{"br, br"}, pack(t, "br", br), nil, CodeDecode},
		{"identity", []string{"identity"}, text, text, ""},
		{"identity too", []string{"identity, gzip", ""}, gz, text, ""},
		{"empty", []string{"gzip"}, nil, []byte{}, ""},
		{"unknown", []string{"zstd"}, gz, gz, ""},
		{"unknown below", []string{"zstd, gzip"}, gz, gz, ""},
		{"brotli", []string{"br"}, br, text, ""},
		{"brotli in capitals", []string{"BR"}, br, text, ""},
		{"brotli of nothing", []string{"br"}, pack(t, "br", nil), []byte{}, ""},
		{"brotli, empty", []string{"br"}, nil, []byte{}, ""},
		{"brotli, the limit itself", []string{"br"}, pack(t, "br", full), full, ""},
		{"brotli, one over the limit", []string{"br"}, pack(t, "br", append(bytes.Clone(full), 'x')), nil, CodeResponseTooLarge},
		{"brotli bomb", []string{"br"}, pack(t, "br", bomb), nil, CodeResponseTooLarge},
		{"bytes after brotli", []string{"br"}, append(bytes.Clone(br), "canary"...), nil, CodeDecode},
		{"a byte after brotli", []string{"br"}, append(bytes.Clone(br), 0), nil, CodeDecode},
		{"two brotli streams", []string{"br"}, append(bytes.Clone(br), br...), nil, CodeDecode},
		{"no brotli", []string{"br"}, []byte("\x11\x11\x11\x11"), nil, CodeDecode},
		{"no brotli but text", []string{"br"}, text, nil, CodeDecode},
		{"the limit itself", []string{"gzip"}, pack(t, "gzip", full), full, ""},

		{"no gzip", []string{"gzip"}, text, nil, CodeDecode},
		{"no deflate", []string{"deflate"}, []byte("\xff\xff\xff\xff"), nil, CodeDecode},
		{"one byte", []string{"deflate"}, []byte("x"), nil, CodeDecode},
		{"half", []string{"gzip"}, gz[:len(gz)/2], nil, CodeDecode},
		{"half of deflate", []string{"deflate"}, zl[:len(zl)/2], nil, CodeDecode},
		{"half of raw", []string{"deflate"}, raw[:len(raw)/2], nil, CodeDecode},
		{"without checksum", []string{"gzip"}, gz[:len(gz)-8], nil, CodeDecode},
		{"wrong checksum", []string{"gzip"}, append(gz[:len(gz)-8:len(gz)-8], 1, 2, 3, 4, 5, 6, 7, 8), nil, CodeDecode},
		{"bytes after gzip", []string{"gzip"}, append(bytes.Clone(gz), "canary"...), nil, CodeDecode},
		{"bytes after deflate", []string{"deflate"}, append(bytes.Clone(zl), "canary"...), nil, CodeDecode},
		{"one over the limit", []string{"gzip"}, pack(t, "gzip", append(full, 'x')), nil, CodeResponseTooLarge},
		{"bomb", []string{"gzip"}, gzBomb, nil, CodeResponseTooLarge},
		{"deflate bomb", []string{"deflate"}, pack(t, "raw", bomb), nil, CodeResponseTooLarge},
		{"members of nothing", []string{"gzip"}, bytes.Repeat(pack(t, "gzip", nil), 20_000), nil, CodeDecode},
	} {
		for framing, answer := range encodedAnswers(tt.fields, tt.body) {
			server := newRawServer(t, answering(answer, true))
			c := newClient(t, func(config *Config) { config.ResponseLimit, config.StreamLimit = limit, limit })
			for _, streams := range []bool{false, true} {
				before := server.accepted.Load()
				for range 2 {
					r, err := doWhole(c, &Request{Method: "GET", URL: server.url, Stream: streams})
					switch {
					case err != nil && err.Code == tt.code:
					case err != nil || tt.code != "" || !bytes.Equal(r.Body, tt.expected):
						t.Errorf("%s, %s, streamed %t: %+v, %v; expected %d bytes, %q", tt.name, framing, streams, r, err, len(tt.expected), tt.code)
					}
				}
				if n := server.accepted.Load() - before; n != 1 && tt.code == "" {
					t.Errorf("%s, %s, streamed %t: %d connections", tt.name, framing, streams, n)
				}
			}
		}
	}
}

// TestClient_Decode_Stacked: nothing is undone of several encodings, and the message says what is.
func TestClient_Decode_Stacked(t *testing.T) {
	for _, answer := range encodedAnswers([]string{"br, br"}, pack(t, "br", slowBrotli(1<<20))) {
		server := newRawServer(t, answering(answer, true))
		c := newClient(t, nil)
		var w worktest.Worker
		failure := expectCode(t, c, &Request{Method: "GET", URL: server.url, Worker: &w}, CodeDecode)
		if !strings.Contains(failure.Message, "more than one content encoding, of which one at most is decoded") || w.Steps != 0 {
			t.Errorf("%v after %d steps", failure, w.Steps)
		}
	}
}

func TestClient_NoBodyToDecode(t *testing.T) {
	server := newRawServer(t, func(conn net.Conn, r *bufio.Reader) {
		for head := readHead(r); head != ""; head = readHead(r) {
			status := "200 OK\r\nContent-Length: 5"
			if strings.HasPrefix(head, "GET /204") {
				status = "204 No Content"
			} else if strings.HasPrefix(head, "GET /304") {
				status = "304 Not Modified\r\nContent-Length: 5"
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 "+status+"\r\nContent-Encoding: gzip\r\n\r\n")
		}
	})
	c := newClient(t, nil)
	for _, r := range []*Request{{Method: "HEAD", URL: server.url}, {Method: "GET", URL: server.url + "/204"}, {Method: "GET", URL: server.url + "/304"}} {
		if response, err := c.Do(context.Background(), r); err != nil || len(response.Body) != 0 {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
	}
	if n := server.accepted.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// TestReadBody_BombMemory: what is allocated for a bomb in all is bounded by the limit.
func TestReadBody_BombMemory(t *testing.T) {
	const limit = 4 << 20
	for name, c := range map[string]coding{"gzip": gzipped, "br": brotlied} {
		bomb := pack(t, name, bytes.Repeat([]byte{0}, 64<<20))
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		body, err := decoded(context.Background(), bomb, c, limit, nil)
		runtime.ReadMemStats(&after)
		if err != errTooLarge || body != nil {
			t.Fatalf("%s: %d bytes, %v", name, len(body), err)
		}
		n := after.TotalAlloc - before.TotalAlloc
		// A brotli stream has a window of its own, 4 MiB here, and tables.
		if n > 2*limit+256<<10 {
			t.Errorf("%s: %d bytes were allocated", name, n)
		}
	}
}

// TestBrotli_CutOff: a stream that is cut off anywhere is no whole one.
func TestBrotli_CutOff(t *testing.T) {
	r := rand.New(rand.NewChaCha8([32]byte{1}))
	noise := make([]byte, 3000)
	for i := range noise {
		noise[i] = byte(r.IntN(64))
	}
	for name, data := range map[string][]byte{"text": []byte(strings.Repeat("all work and no play\n", 50)), "noise": noise, "nothing": nil} {
		whole := pack(t, "br", data)
		for n := range whole {
			if n == 0 {
				continue // no body at all
			}
			if body, err := decoded(context.Background(), whole[:n], brotlied, 1<<20, nil); err != errDecode {
				t.Fatalf("%s: %d of %d bytes were taken for %d whole ones: %v", name, n, len(whole), len(body), err)
			}
		}
		body, err := decoded(context.Background(), whole, brotlied, 1<<20, nil)
		if err != nil || !bytes.Equal(body, data) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestBrotli_Window: a stream cannot claim more memory for its window than its content may have.
func TestBrotli_Window(t *testing.T) {
	sizes := make(map[int]bool)
	for bits := 10; bits <= 24; bits++ {
		var b bytes.Buffer
		w := brotli.NewWriterOptions(&b, brotli.WriterOptions{Quality: 5, LGWin: bits})
		for range 3 { // in pieces, so that the writer cannot choose a smaller one
			if _, err := w.Write([]byte("some text ")); err != nil {
				t.Fatal(err)
			}
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if got := brotliWindow(b.Bytes()[0]); got != 1<<bits {
			t.Errorf("%d bits are read as %d bytes", bits, got)
		}
		sizes[brotliWindow(b.Bytes()[0])] = true
		for _, limit := range []int64{1 << 10, 8 << 20, 16 << 20} {
			_, err := decoded(context.Background(), b.Bytes(), brotlied, limit, nil)
			if want := int64(1)<<bits > max(limit, usualWindow); want != (err == errTooLarge) || err != nil && !want {
				t.Errorf("%d bits, limit %d: %v", bits, limit, err)
			}
		}
	}
	if len(sizes) < 10 {
		t.Errorf("%v", sizes)
	}
}
