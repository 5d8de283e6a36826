package server_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"sluice/runtime"
	"sluice/runtime/envelope"
	"sluice/runtime/server/servertest"

	"github.com/valyala/fasthttp/fasthttputil"
)

// mirror is an executor whose answers point into the calls: the parameters, bare where they say so. What a call is
// lent may be overwritten as soon as it has been answered, and no sooner.
type mirror struct{ *ready }

// Execute implements server.Executor.
func (mirror) Execute(_ context.Context, _ *runtime.Command, call *runtime.Call) (*envelope.Answer, error) {
	a := &envelope.Answer{Mimetype: envelope.DefaultMimetype, Body: call.Params, Headers: call.TaskData}
	if call.TaskID != nil {
		a.Bare = 200
	}
	return a, nil
}

// TestHammer_Lent: calls at the same time, of all sizes, good and bad, each get what is theirs.
func TestHammer_Lent(t *testing.T) {
	s := newCallServer(mirror{readyExecutor(t)}, slog.New(slog.DiscardHandler))
	ln := fasthttputil.NewInmemoryListener()
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	const callers, calls = 8, 300
	var wait sync.WaitGroup
	for caller := range callers {
		wait.Go(func() {
			client := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return ln.Dial() }}}
			defer client.CloseIdleConnections()
			for i := range calls {
				if err := mirrored(client, caller, i); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wait.Wait()
	if err := ln.Close(); err != nil {
		t.Error(err)
	}
	<-served
}

// mirrored sends a call and returns what is wrong with its answer.
func mirrored(client *http.Client, caller, i int) error {
	mark := fmt.Sprintf("%d-%d;", caller, i)
	params := fmt.Sprintf(`{"s":%q,"n%s":1,"i":%d}`, strings.Repeat(mark, 1+(i*i)%4000), mark, i)
	data := fmt.Sprintf(`{"data":%q}`, mark)
	body, want := params[:len(params)-1]+`,"spiff__task_data":`+data, `{"command_response":{"body":`+params+`,"mimetype":"application/json","headers":`+data+
		`},"command_response_version":2,"error":null,"spiff__logs":[]}`
	switch i % 5 {
	case 1:
		body, want = body+`,"spiff__task_id":"`+mark+`"`, params
	case 2:
		body, want = body+`,"i":"x"`, `{"command_response":{},"error":{"error_code":"invalid_parameter","message":"Parameters have values that their type can't take: i (int: a number without fraction, or one in a string)."}}`
	}
	var sent io.Reader = strings.NewReader(body + "}")
	if i%3 == 0 {
		sent = io.MultiReader(sent) // of unknown length, so that it is chunked
	}
	request, err := http.NewRequest("POST", "http://server/v1/do/echo/Params", sent)
	if err != nil {
		return err
	}
	request.Header = servertest.Header("Content-Type", "application/json", "Spiff-Connector-Proxy-Api-Key", "benchmark-key")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if string(got) != want {
		return fmt.Errorf("call %s got %d %.200q, want %.200q", mark, response.StatusCode, got, want)
	}
	return nil
}
