package benchmarks

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"testing"

	"sluice/runtime"
	"sluice/runtime/envelope"
	"sluice/runtime/server"

	"github.com/valyala/fasthttp"
)

// BenchmarkExecute is one call without the server around it: each connector in its sandbox, and natively. Both calls
// of http/GetRequest go out to a service on loopback.
func BenchmarkExecute(b *testing.B) {
	stand := openStand(b)
	params := []byte(`{"url":"http://` + service(b) + `/","headers":{"Accept":"application/json"}}`)
	b.Run("http/sandbox", func(b *testing.B) { execute(b, stand.Runtime, "http", "GetRequest", params) })
	b.Run("http/twin", func(b *testing.B) { execute(b, stand.Twin, "http", "GetRequest", params) })

	params = []byte(`{"message":"hello"}`)
	b.Run("example/sandbox", func(b *testing.B) { execute(b, stand.Runtime, "example", "Example", params) })
	b.Run("example/twin", func(b *testing.B) { execute(b, nativeExample{stand.Runtime}, "example", "Example", params) })
}

func execute(b *testing.B, e server.Executor, connector, command string, params []byte) {
	cmd, ok := e.Command(connector, command)
	if !ok {
		b.Skipf("%s/%s is not bundled: run make build first", connector, command)
	}
	call := runtime.Call{ID: "benchmark", Params: params}
	b.ReportAllocs()
	for b.Loop() {
		answer, err := e.Execute(context.Background(), cmd, &call)
		if err != nil || answer.Error != nil {
			b.Fatal(answer, err)
		}
	}
}

// nativeExample is what the connector example does, in Go.
type nativeExample struct{ *runtime.Runtime }

// Execute implements server.Executor.
func (nativeExample) Execute(_ context.Context, _ *runtime.Command, call *runtime.Call) (*envelope.Answer, error) {
	var params struct {
		Message string `json:"message"`
	}
	if err := json.Unmarshal(call.Params, &params); err != nil {
		return nil, err
	}
	body, err := json.Marshal(map[string]string{
		"connector_response": "You passed the example connector: '" + params.Message + "'. Have a good day!",
	})
	return &envelope.Answer{Mimetype: envelope.DefaultMimetype, Body: body}, err
}

func openStand(b *testing.B) *Stand {
	stand, err := Open(b.Context(), Setup{
		Dir: b.TempDir(), Logger: slog.New(slog.DiscardHandler), Connectors: []string{"http", "example"},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := stand.Close(); err != nil {
			b.Error(err)
		}
	})
	return stand
}

// service runs a service on loopback that answers Document, and returns its address.
func service(b *testing.B) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) {
		ctx.SetContentType("application/json")
		ctx.SetBodyString(Document)
	}}
	go func() { _ = s.Serve(ln) }()
	b.Cleanup(func() { _ = s.Shutdown() })
	return ln.Addr().String()
}
