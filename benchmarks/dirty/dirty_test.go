package dirty_test

import (
	"bytes"
	"log/slog"
	"net"
	"sync"
	"testing"

	"sluice/benchmarks"
	"sluice/runtime"

	"github.com/valyala/fasthttp"
)

// TestExecute holds the executor against the runtime, at once from several goroutines: the same request, the same answer.
func TestExecute(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	service := &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) {
		ctx.SetContentType("application/json")
		ctx.SetBodyString(benchmarks.Document)
	}}
	go func() { _ = service.Serve(ln) }()
	t.Cleanup(func() { _ = service.Shutdown() })
	stand, err := benchmarks.Open(t.Context(), benchmarks.Setup{
		Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler), Connectors: []string{"http"}, Dirty: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stand.Close(); err != nil {
			t.Error(err)
		}
	})
	cmd, ok := stand.Runtime.Command("http", "GetRequest")
	if !ok {
		t.Fatal("http/GetRequest is not in service")
	}
	call := runtime.Call{ID: "1", Params: []byte(`{"url":"http://` + ln.Addr().String() + `/"}`), TaskID: []byte(`"a task"`)}
	want, err := stand.Runtime.Execute(t.Context(), cmd, &call)
	if err != nil {
		t.Fatal(err)
	}
	const goroutines, rounds = 4, 20
	var wait sync.WaitGroup
	for range goroutines {
		wait.Go(func() {
			for range rounds {
				got, err := stand.Dirty.Execute(t.Context(), cmd, &call)
				if err != nil || !bytes.Equal(got.AppendV2(nil), want.AppendV2(nil)) {
					t.Errorf("got %v, %v", got, err)
					return
				}
			}
		})
	}
	wait.Wait()
}
