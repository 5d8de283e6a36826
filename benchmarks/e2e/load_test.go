package main

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

func TestLoad(t *testing.T) {
	address := serveConstant(t, func(ctx *fasthttp.RequestCtx) { ctx.SetBodyString("12345") })
	l := load{Address: address, Request: requestOf(address, "{}"), Body: 5, Connections: 3, Duration: 50 * time.Millisecond}
	r, err := l.run()
	if err != nil {
		t.Fatal(err)
	}
	if r.Requests < 3 || r.All != r.Requests || r.P50 <= 0 || r.P99 < r.P50 || r.Took < l.Duration {
		t.Errorf("got %+v", r)
	}
}

func TestLoad_Errors(t *testing.T) {
	for _, tc := range []struct {
		name    string
		handler fasthttp.RequestHandler
		want    string
	}{
		{"status", func(ctx *fasthttp.RequestCtx) { ctx.Error("12345", 503) }, "another status"},
		{"length", func(ctx *fasthttp.RequestCtx) { ctx.SetBodyString("123456") }, "6 bytes instead of 5"},
		{"large head", func(ctx *fasthttp.RequestCtx) { ctx.Response.Header.Set("X", strings.Repeat("x", 20<<10)) }, "larger than"},
		{"closed", func(ctx *fasthttp.RequestCtx) { ctx.HijackSetNoResponse(true); ctx.Hijack(func(net.Conn) {}) }, "EOF"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			address := serveConstant(t, tc.handler)
			l := load{Address: address, Request: requestOf(address, "{}"), Body: 5, Connections: 1, Duration: time.Second}
			if _, err := l.run(); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

func TestParseHead(t *testing.T) {
	n, err := parseHead([]byte("HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 12\r\n"))
	if n != 12 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
}

func TestParseHead_Errors(t *testing.T) {
	for _, head := range []string{
		"HTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n",
		"HTTP/1.1 200 OK\r\nServer: x\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n",
	} {
		if n, err := parseHead([]byte(head)); err == nil {
			t.Errorf("%q: got %d", head, n)
		}
	}
}

func serveConstant(t *testing.T, h fasthttp.RequestHandler) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &fasthttp.Server{Handler: h}
	go func() { _ = s.Serve(ln) }()
	t.Cleanup(func() { _ = s.Shutdown() })
	return ln.Addr().String()
}
