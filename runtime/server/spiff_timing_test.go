package server_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"sluice/runtime"
	"sluice/runtime/envelope"
	"sluice/runtime/server"

	"github.com/valyala/fasthttp"
)

// BenchmarkDo is POST /v1/do/{connector}/{command} from the connection's bytes to the answer's, with an executor that
// has its answer ready; beside it fasthttp alone, which reads the same request and writes an answer of the same size.
func BenchmarkDo(b *testing.B) {
	executor, request := readyExecutor(b), callText("/v1/do/echo/Params", callBody)
	b.Run("server", func(b *testing.B) {
		b.ReportAllocs()
		s := newCallServer(executor, slog.New(slog.DiscardHandler))
		serveCopies(b, s.ServeConn, request, "200", b.N)
	})
	b.Run("server-logging", func(b *testing.B) {
		b.ReportAllocs()
		s := newCallServer(executor, slog.New(slog.NewJSONHandler(io.Discard, nil)))
		serveCopies(b, s.ServeConn, request, "200", b.N)
	})
	b.Run("fasthttp", func(b *testing.B) {
		b.ReportAllocs()
		answer := executor.answer.AppendV2(nil)
		plain := &fasthttp.Server{
			Handler: func(ctx *fasthttp.RequestCtx) {
				ctx.SetContentType("application/json")
				ctx.SetBody(answer)
			},
			NoDefaultServerHeader: true, NoDefaultDate: true,
		}
		serveCopies(b, plain.ServeConn, request, "200", b.N)
	})
}

// callBody is a call's body as an engine sends it.
const callBody = `{"s":"https://api.example.com/v1/items?q=1","a":{"Accept":"application/json"},"i":"4711","b":true,` +
	`"spiff__process_instance_id":42,"spiff__process_model_identifier":"order/ship",` +
	`"spiff__task_id":"0b5c9d7e-3a51-4c5e-9f6e-2f1d5a1f3b0c","spiff__task_data":{"order":{"id":4711,"price":12.50}},` +
	`"spiff__callback_url":"http://127.0.0.1:8000/callback"}`

const callHead = "POST %s HTTP/1.1\r\nHost: 127.0.0.1:8200\r\nUser-Agent: python-requests/2.32.3\r\n" +
	"Accept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: keep-alive\r\n" +
	"Spiff-Connector-Proxy-Api-Key: benchmark-key\r\nContent-Type: application/json\r\n"

// callText is a call with a body of known length.
func callText(path, body string) string {
	return fmt.Sprintf(callHead+"Content-Length: %d\r\n\r\n%s", path, len(body), body)
}

// chunkedText is a call with its body in two chunks.
func chunkedText(path, body string) string {
	half := len(body) / 2
	return fmt.Sprintf(callHead+"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n",
		path, half, body[:half], len(body)-half, body[half:])
}

// ready is an executor that has its answer ready.
type ready struct {
	cmd      *runtime.Command
	commands []*runtime.Command
	answer   *envelope.Answer
}

func readyExecutor(t testing.TB) *ready {
	t.Helper()
	cmd := echoCommand(t)
	return &ready{cmd, []*runtime.Command{cmd}, &envelope.Answer{
		HTTPStatus: 200, Mimetype: envelope.DefaultMimetype, Headers: []byte("{}"),
		Body: []byte(`{"id":4711,"name":"Ada Lovelace","tags":["first","second","third"],"price":12.50,"stock":null,"active":true}`),
	}}
}

func (r *ready) Command(connector, command string) (*runtime.Command, bool) {
	return r.cmd, connector == "echo" && command == "Params"
}

func (r *ready) Commands() ([]*runtime.Command, uint64) { return r.commands, 1 }

func (r *ready) Execute(context.Context, *runtime.Command, *runtime.Call) (*envelope.Answer, error) {
	return r.answer, nil
}

func newCallServer(e server.Executor, logger *slog.Logger) *server.Server {
	return server.New(server.Config{
		Executor: e, APIKey: "benchmark-key", BodyMax: 8 << 20, BodyBudget: 64 << 20,
		ReadTimeout: time.Minute, IdleTimeout: time.Minute, Logger: logger,
	})
}

// serveCopies serves n copies of a request on one connection, each of which must be answered with the status.
func serveCopies(b testing.TB, serve func(net.Conn) error, request, status string, n int) {
	b.Helper()
	conn := &copiesConn{request: request, status: status, left: n}
	if err := serve(conn); err != nil && err != io.EOF {
		b.Fatal(err)
	}
	if conn.left > 0 || conn.answered < n {
		b.Fatalf("%d requests are not read, %d are answered", conn.left, conn.answered)
	}
}

// copiesConn is a connection on which copies of one request come, each once the one before it is answered.
type copiesConn struct {
	request  string
	status   string
	left     int
	answered int
	addr     net.TCPAddr
}

// Read implements net.Conn.
func (c *copiesConn) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	c.left--
	return copy(p, c.request), nil
}

// Write implements net.Conn.
func (c *copiesConn) Write(p []byte) (int, error) {
	if bytes.HasPrefix(p, []byte("HTTP/1.1 "+c.status+" ")) {
		c.answered++
	}
	return len(p), nil
}

func (c *copiesConn) Close() error                     { return nil }
func (c *copiesConn) LocalAddr() net.Addr              { return &c.addr }
func (c *copiesConn) RemoteAddr() net.Addr             { return &c.addr }
func (c *copiesConn) SetDeadline(time.Time) error      { return nil }
func (c *copiesConn) SetReadDeadline(time.Time) error  { return nil }
func (c *copiesConn) SetWriteDeadline(time.Time) error { return nil }
