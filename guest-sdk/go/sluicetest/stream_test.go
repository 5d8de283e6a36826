package sluicetest

import (
	"fmt"
	"io"
	"net/http"
	"testing"

	"sluice/guest-sdk/go/abi"
)

const streamManifest = `{"name": "bare", "version": "1.0.0", "commands": [{"name": "Run"}], "capabilities": [{"name": "http", "reason": "tests", "hosts": ["http://*"]}]}`

// A streamed body is read in order and once, as the host has it.
func TestStream(t *testing.T) {
	t.Cleanup(func() { abi.Register(nil) })
	abi.Register(bareGuest{streamManifest, func(h abi.Host) {
		head := h.HTTPSend([]byte(`{"method":"GET","url":"http://api.example/","stream":true}`), nil)
		body := uint32(head) + 1
		p := make([]byte, 100)
		want := func(what string, got, want int64) {
			t.Helper()
			if got != want {
				t.Errorf("%s: got %d, want %d", what, got, want)
			}
		}
		want("status", int64(h.HTTPStatus(uint32(head))), 200)
		want("size", h.Size(body), int64(abi.Invalid))
		want("is JSON", int64(h.IsJSON(body)), int64(abi.Invalid))
		want("beyond", int64(h.Read(body, 1, p)), int64(abi.Invalid))
		want("nothing", int64(h.Read(body, 0, nil)), 0)
		want("a bit", int64(h.Read(body, 0, p[:3])), 3)
		want("again", int64(h.Read(body, 0, p)), int64(abi.Invalid))
		want("the rest", int64(h.Read(body, 3, p)), 4)
		want("the end", int64(h.Read(body, 7, p)), 0)
		want("its size", h.Size(body), 7)
		want("what is left", int64(h.WriteFrom(body)), 0)
		want("close", int64(h.Close(body)), 0)
		want("closed", int64(h.Read(body, 7, p)), int64(abi.BadHandle))
		want("head", int64(h.Close(uint32(head))), 0)
		h.Answer([]byte("{}"))
	}})
	got := Run(t, "Run", Call{HTTP: Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "a body.")
	}))})
	if got.Crash != "" || string(got.Body) != "null" {
		t.Errorf("got %+v", got)
	}
	abi.Register(bareGuest{streamManifest, func(h abi.Host) {
		head := h.HTTPSend([]byte(`{"method":"GET","url":"http://api.example/","stream":true}`), nil)
		if n := h.Read(uint32(head)+1, 0, make([]byte, 1)); n != int32(abi.Closed) || h.HTTPStatus(uint32(head)) != 0 {
			t.Errorf("a body that fails: %d, status %d", n, h.HTTPStatus(uint32(head)))
		}
		h.Answer([]byte("{}"))
	}})
	Run(t, "Run", Call{HTTP: RoundTripFunc(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, ContentLength: -1, Body: io.NopCloser(failingBody{})}, nil
	})})
}

type failingBody struct{}

func (failingBody) Read([]byte) (int, error) {
	return 0, &HTTPError{Code: "protocol", Message: "nonsense"}
}
