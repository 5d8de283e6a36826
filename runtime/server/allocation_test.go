package server_test

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"sluice/runtime/server"
)

// TestDo_Allocations counts what a call allocates from the connection's bytes to the answer's, around an executor that
// has its answer ready. In every figure one is the call's id, and one is fasthttp's, which looks for the end of a body
// that it hands out as a stream. Reading, parsing, coercing, counting and answering allocate nothing.
func TestDo_Allocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes pools forget")
	}
	executor := readyExecutor(t)
	quiet, chatty := slog.New(slog.DiscardHandler), slog.New(slog.NewJSONHandler(io.Discard, nil))
	const path = "/v1/do/echo/Params"
	plain := strings.Replace(callBody, `"spiff__callback_url"`, `"spiff__x"`, 1)
	long := `{"` + strings.Repeat("name", 20) + `":1,"s":` + strings.Repeat("7", 80) + `,"a":"` + strings.Repeat("é\\n", 500) + `"}`
	for _, tc := range []struct {
		name    string
		request string
		status  string
		logger  *slog.Logger
		want    int
	}{
		{"plain", callText(path, plain), "200", quiet, 2},
		{"with a charset", strings.Replace(callText(path, plain), "/json\r", "/json; charset=UTF-8\r", 1), "200", quiet, 2},
		{"with a callback", callText(path, callBody), "200", quiet, 3}, // its URL
		{"logged", callText(path, plain), "200", chatty, 4},            // the engine's ids; the attributes beyond slog's first five
		{"by chunks", chunkedText(path, plain), "200", quiet, 2},
		{"long values", callText(path, long), "200", quiet, 2},
		{"an escaped path", callText("/v1/./do//echo/%50arams", plain), "200", quiet, 2},
		{"no such command", callText("/v1/do/echo/Nothing", plain), "404", quiet, 4}, // its name; the failure
		{"not JSON", callText(path, `{"s":`), "400", quiet, 7},                       // the failure, which says where
		{"no such value", callText(path, `{"i":"x"}`), "400", quiet, 7},              // the failure, which says what
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newCallServer(executor, tc.logger)
			const calls = 200
			// What a connection costs is spread over its calls, and vanishes when the fraction is dropped.
			got := testing.AllocsPerRun(10, func() { serveCopies(t, s.ServeConn, tc.request, tc.status, calls) }) / calls
			if int(got) > tc.want {
				t.Errorf("a call allocates %.2f times, want %d", got, tc.want)
			}
		})
	}
}

// TestDo_AllocationsWithSandbox counts the same with a guest behind it: a pooled sandbox, its meter, what the guest reads,
// writes and answers, and its being put back.
func TestDo_AllocationsWithSandbox(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes pools forget")
	}
	s := newCallServer(echoRuntime(t), slog.New(slog.NewJSONHandler(io.Discard, nil)))
	const calls, most = 200, 20
	got := testing.AllocsPerRun(10, func() { serveCopies(t, s.ServeConn, callText("/v1/do/echo/Params", callBody), "200", calls) }) / calls
	t.Logf("%.2f allocations a call", got)
	if got > most {
		t.Errorf("a call allocates %.2f times, want %d", got, most)
	}
}

// TestLeftover: what is kept for the next call has nothing of the last one in it, whatever that was.
func TestLeftover(t *testing.T) {
	cmd := echoCommand(t)
	var many strings.Builder
	for i := range 300 {
		fmt.Fprintf(&many, `,"p%d":"secret"`, i)
	}
	for _, body := range []string{
		`{}`, callBody, `{"s":5,"i":"-5","b":1,"a":null}`, `{"\u0073":"secret","s":1.5}`, `{"a":"` + strings.Repeat("secret", 20_000) + `"}`,
		`{"s":7` + many.String() + `}`, `{"i":"secret","s":[]}`, `{"s":"secret"`, `secret`,
	} {
		if left := server.Leftover(cmd, []byte(body)); left != nil {
			t.Errorf("after %.60q there is something in %q", body, left)
		}
	}
}
