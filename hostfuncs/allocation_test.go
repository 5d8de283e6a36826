package hostfuncs

import (
	"context"
	"testing"

	"sluice/hostfuncs/egress"
)

// TestCall_SendHTTP_Allocations: beside what the client does, a request costs itself, the copy of its head, the list of
// its headers, and the response's head.
func TestCall_SendHTTP_Allocations(t *testing.T) {
	head := []byte(`{"method":"GET","url":"http://127.0.0.1:9000/json","headers":[["accept","application/json"],["user-agent","sluice-http/1.0.0"]],"timeout_ms":30000}`)
	c := Call{HTTP: &doer{response: &egress.Response{Status: 200, Headers: [][2]string{{"content-type", "application/json"}, {"content-length", "2"}}}}}
	ctx := context.Background()
	if n := testing.AllocsPerRun(1000, func() {
		if _, _, errno, err := sendHTTP(&c, ctx, head, nil); errno != OK || err != nil {
			t.Error(errno, err)
		}
	}); n != 4 {
		t.Errorf("%v allocations, want 4", n)
	}
}
