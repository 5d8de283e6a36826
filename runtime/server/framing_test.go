package server_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"sluice/runtime/server/servertest"
)

const doHead = "POST /v1/do/echo/Params HTTP/1.1\r\nHost: sluice.example\r\n"

// chunked is a body of these chunks.
func chunked(chunks ...string) string {
	var b strings.Builder
	for _, c := range chunks {
		fmt.Fprintf(&b, "%x\r\n%s\r\n", len(c), c)
	}
	return b.String() + "0\r\n\r\n"
}

// TestFraming has requests that are cut as they say.
func TestFraming(t *testing.T) {
	t.Parallel()
	s := servertest.MustServe(t, servertest.Shared(), servertest.Install(echo.Module()))
	body := `{"s":"framed"}`
	tests := []struct{ name, request string }{
		{"length", doHead + "Content-Length: 14\r\n\r\n" + body},
		{"names in other case", "POST /v1/do/echo/Params HTTP/1.1\r\nhOST: x\r\ncONTENT-lENGTH: 14\r\n\r\n" + body},
		{"HTTP/1.0", "POST /v1/do/echo/Params HTTP/1.0\r\nContent-Length: 14\r\n\r\n" + body},
		{"one chunk", doHead + "Transfer-Encoding: chunked\r\n\r\n" + chunked(body)},
		{"a chunk a byte", doHead + "Transfer-Encoding: chunked\r\n\r\n" + chunked(strings.Split(body, "")...)},
		{"absolute target", "POST http://sluice.example/v1/do/echo/Params HTTP/1.1\r\nHost: sluice.example\r\nContent-Length: 14\r\n\r\n" + body},
		{"expectation", doHead + "Expect: 100-continue\r\nContent-Length: 14\r\n\r\n" + body},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			answers := s.Raw(tc.request)
			if len(answers) > 1 && answers[0].Status == 100 {
				answers = answers[1:]
			}
			if len(answers) != 1 || answers[0].Status != 200 || answers[0].Result() != body {
				t.Errorf("got %s", answers)
			}
		})
	}
	t.Run("two on one connection", func(t *testing.T) {
		one := doHead + "Content-Length: 14\r\n\r\n" + body
		other := doHead + "Transfer-Encoding: chunked\r\n\r\n" + chunked(`{"i"`, `:2}`)
		answers := s.Raw(one + other + one)
		if len(answers) != 3 || answers[0].Result() != body || answers[1].Result() != `{"i":2}` || answers[2].Result() != body {
			t.Errorf("got %s", answers)
		}
	})
}

// TestFraming_Errors has what two servers in a row may cut differently, and what is no HTTP. None of it is executed,
// and nothing after it on the connection is taken for a request.
func TestFraming_Errors(t *testing.T) {
	t.Parallel()
	s := servertest.MustServe(t, servertest.Shared(), servertest.Install(echo.Module()), servertest.Bodies(1<<20, 8<<20))
	const smuggled = "POST /v1/do/echo/Params HTTP/1.1\r\nHost: x\r\nContent-Length: 16\r\n\r\n{\"s\":\"smuggled\"}"
	bad := want{400, "bad_framing", ""}
	length := fmt.Sprint(len(smuggled))
	tests := []struct {
		name, request string
		want          want
	}{
		{"length and encoding", doHead + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", bad},
		{"encoding and length", doHead + "Transfer-Encoding: chunked\r\nContent-Length: " + length + "\r\n\r\n0\r\n\r\n", bad},
		{"encoding and length 0", doHead + "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n" + chunked("{}"), bad},
		{"encoding and a length in other case", doHead + "transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n" + chunked("{}"), bad},
		{"encoding in HTTP/1.0", "POST /v1/do/echo/Params HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked("{}"), bad},
		{"two lengths", doHead + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", bad},
		{"two equal lengths", doHead + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", bad},
		{"list of lengths", doHead + "Content-Length: 2, 2\r\n\r\n{}", bad},
		{"negative length", doHead + "Content-Length: -1\r\n\r\n{}", bad},
		{"length with a sign", doHead + "Content-Length: +2\r\n\r\n{}", bad},
		{"hexadecimal length", doHead + "Content-Length: 0x2\r\n\r\n{}", bad},
		{"length with a fraction", doHead + "Content-Length: 2.0\r\n\r\n{}", bad},
		{"empty length", doHead + "Content-Length: \r\n\r\n{}", bad},
		{"length beyond 64 bits", doHead + "Content-Length: 18446744073709551618\r\n\r\n{}", bad},
		{"space before the colon of a length", doHead + "Content-Length : 2\r\n\r\n{}", bad},
		{"space before the colon of an encoding", doHead + "Transfer-Encoding : chunked\r\n\r\n" + chunked("{}"), bad},
		{"unknown encoding", doHead + "Transfer-Encoding: cow\r\n\r\n{}", bad},
		{"encoding identity", doHead + "Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}", bad},
		{"encoding not last", doHead + "Transfer-Encoding: chunked, identity\r\n\r\n" + chunked("{}"), bad},
		{"two encodings", doHead + "Transfer-Encoding: gzip, chunked\r\n\r\n" + chunked("{}"), bad},
		{"the encoding twice", doHead + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked("{}"), bad},
		{"the encoding and another", doHead + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + chunked("{}"), bad},
		{"encoding behind a control character", doHead + "Transfer-Encoding: \x0bchunked\r\n\r\n" + chunked("{}"), bad},
		{"folded encoding", doHead + "Transfer-Encoding:\r\n chunked\r\n\r\n" + chunked("{}"), bad},
		{"folded header", doHead + "X-Folded: a\r\n b\r\nContent-Length: 2\r\n\r\n{}", bad},
		{"header line that ends in LF", doHead + "X-Y: a\nContent-Length: 2\r\n\r\n{}", bad},
		{"a second head behind LF LF", doHead + "X-Y: a\n\nContent-Length: 2\r\n\r\n{}", bad},
		{"version 0.9", "POST /v1/do/echo/Params HTTP/0.9\r\nContent-Length: 2\r\n\r\n{}", bad},
		{"version 1.2", "POST /v1/do/echo/Params HTTP/1.2\r\nContent-Length: 2\r\n\r\n{}", bad},
		{"two hosts", doHead + "Host: y\r\nContent-Length: 2\r\n\r\n{}", bad},
		{"header without a colon", doHead + "Content-Length 2\r\n\r\n{}", bad},
		{"header without a name", doHead + ": x\r\nContent-Length: 2\r\n\r\n{}", bad},
		{"name that is no token", doHead + "X Y: x\r\nContent-Length: 2\r\n\r\n{}", bad},
		{"NUL in a value", doHead + "X-Y: a\x00b\r\nContent-Length: 2\r\n\r\n{}", bad},
		{"CR in a value", doHead + "X-Y: a\rContent-Length: 2\r\n\r\n{}", bad},
		{"white space before the first header", "POST /v1/do/echo/Params HTTP/1.1\r\n Host: x\r\nContent-Length: 2\r\n\r\n{}", bad},
		{"no version", "POST /v1/do/echo/Params\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", bad},
		{"version 2", "POST /v1/do/echo/Params HTTP/2.0\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", bad},
		{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", bad},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", bad},
		{"nonsense", "nonsense\r\n\r\n", bad},
		{"chunk size that is no number", doHead + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", want{400, "invalid_body", ""}},
		{"chunk size with a sign", doHead + "Transfer-Encoding: chunked\r\n\r\n+2\r\n{}\r\n0\r\n\r\n", want{400, "invalid_body", ""}},
		{"negative chunk size", doHead + "Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n", want{400, "invalid_body", ""}},
		{"chunk size with 0x", doHead + "Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n", want{400, "invalid_body", ""}},
		{"chunk size beyond 64 bits", doHead + "Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\n{}\r\n0\r\n\r\n", want{400, "invalid_body", ""}},
		{"chunk size of nothing", doHead + "Transfer-Encoding: chunked\r\n\r\n\r\n{}\r\n0\r\n\r\n", want{400, "invalid_body", ""}},
		{"chunk longer than it says", doHead + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}xx\r\n0\r\n\r\n", want{400, "invalid_body", ""}},
		{"chunk lines that end in LF", doHead + "Transfer-Encoding: chunked\r\n\r\n2\n{}\n0\n\n", want{400, "invalid_body", ""}},
		{"chunk without its end", doHead + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}0\r\n\r\n", want{400, "invalid_body", ""}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			answers := s.Raw(tc.request + smuggled)
			if len(answers) != 1 {
				t.Fatalf("got %d answers: %s", len(answers), answers)
			}
			tc.want.check(t, answers[0])
			alive(t, s)
		})
	}
}

// TestFraming_Cut has bodies that end before they should, or are too large however their length is told.
func TestFraming_Cut(t *testing.T) {
	t.Parallel()
	s := servertest.MustServe(t, servertest.Shared(), servertest.Install(echo.Module()), servertest.Bodies(1<<20, 8<<20))
	large := `{"s": "` + strings.Repeat("x", 2<<20) + `"}`
	tests := []struct {
		name, request string
		want          want
	}{
		{"body cut off", doHead + "Content-Length: 100\r\n\r\n{\"s\": 1", want{400, "invalid_body", "ended early"}},
		{"chunked body cut off", doHead + "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"s\"", want{400, "invalid_body", "ended early"}},
		{"chunks without the last", doHead + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", want{400, "invalid_body", "ended early"}},
		{"too large by its length", doHead + "Content-Length: " + fmt.Sprint(len(large)) + "\r\n\r\n{", want{413, "body_too_large", "1048576 bytes"}},
		{"too large by its length, and sent", doHead + "Content-Length: " + fmt.Sprint(len(large)) + "\r\n\r\n" + large, want{413, "body_too_large", "1048576 bytes"}},
		{"too large in chunks", doHead + "Transfer-Encoding: chunked\r\n\r\n" + chunked(large[:1<<20], large[1<<20:]), want{413, "body_too_large", "1048576 bytes"}},
		{"headers too large", doHead + "X-Y: " + strings.Repeat("x", 40<<10) + "\r\nContent-Length: 2\r\n\r\n{}", want{431, "headers_too_large", "32 KiB"}},
		{"too many headers", doHead + strings.Repeat("X-Y: x\r\n", 6000) + "Content-Length: 2\r\n\r\n{}", want{431, "headers_too_large", "32 KiB"}},
		{"path too long", "POST /" + strings.Repeat("x", 40<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n", want{431, "headers_too_large", "32 KiB"}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			answers := s.Raw(tc.request)
			if len(answers) != 1 {
				t.Fatalf("got %d answers: %s", len(answers), answers)
			}
			tc.want.check(t, answers[0])
			alive(t, s)
		})
	}
}

// TestFraming_Refused: the body of a request that was refused is not taken for the next request.
func TestFraming_Refused(t *testing.T) {
	t.Parallel()
	s := servertest.MustServe(t, servertest.Shared(), servertest.Install(echo.Module()), servertest.Keys("key", ""), servertest.Bodies(1<<10, 8<<20))
	inner := "GET /liveness HTTP/1.1\r\nHost: x\r\n\r\n"
	long := strings.Repeat(inner, 4000)
	for _, tc := range []struct{ name, request string }{
		{"no key", doHead + "Content-Length: " + fmt.Sprint(len(inner)) + "\r\n\r\n" + inner},
		{"no key, long", doHead + "Content-Length: " + fmt.Sprint(len(long)) + "\r\n\r\n" + long},
		{"no key, chunked", doHead + "Transfer-Encoding: chunked\r\n\r\n" + chunked(inner)},
		{"no key, long in chunks", doHead + "Transfer-Encoding: chunked\r\n\r\n" + chunked(long)},
		{"too large", doHead + "Spiff-Connector-Proxy-Api-Key: key\r\nContent-Length: " + fmt.Sprint(len(long)) + "\r\n\r\n" + long},
		{"not found", "POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: " + fmt.Sprint(len(long)) + "\r\n\r\n" + long},
		{"body of a GET", "GET /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: " + fmt.Sprint(len(inner)) + "\r\n\r\n" + inner},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, a := range s.Raw(tc.request) {
				if a.Status < 400 {
					t.Errorf("got %s", a)
				}
			}
		})
	}
}

// TestRefusedBody: a client that sends all of a large body before it looks at the answer gets it, and no reset.
func TestRefusedBody(t *testing.T) {
	t.Parallel()
	s := servertest.MustServe(t, servertest.Shared(), servertest.Keys("key", "key"), servertest.Bodies(1<<20, 8<<20))
	large := strings.Repeat("x", 4<<20)
	for range 20 {
		want{401, "unauthorized", "admin key"}.check(t, s.Send("POST", "/admin/v1/connectors", nil, large))
		want{413, "body_too_large", "1048576"}.check(t, s.Send("POST", "/admin/v1/connectors", s.Operator("Content-Type", "application/wasm"), large))
		if a := s.Send("POST", "/v1/do/echo/Params", nil, large); a.Status != 401 {
			t.Errorf("got %s", a)
		}
	}
}

// TestReadTimeout: who sends a request too slowly is answered and cut off.
func TestReadTimeout(t *testing.T) {
	t.Parallel()
	s := servertest.MustServe(t, servertest.Shared(), servertest.Install(echo.Module()), servertest.ReadTimeout(300*time.Millisecond))
	for _, tc := range []struct{ name, request string }{
		{"within the headers", doHead},
		{"within the body", doHead + "Content-Length: 10\r\n\r\n{"},
		{"within a chunk", doHead + "Transfer-Encoding: chunked\r\n\r\n5\r\n{"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			conn := s.Dial()
			defer func() { _ = conn.Close() }()
			if _, err := io.WriteString(conn, tc.request); err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(conn)
			if err != nil {
				t.Fatal(err)
			}
			contains(t, string(text), "HTTP/1.1 408 ", `"error_code":"request_timeout"`, "http.read_timeout")
		})
	}
	conn := s.Dial()
	defer func() { _ = conn.Close() }()
	if text, err := io.ReadAll(conn); err != nil { // nothing was asked; that the connection ends is what counts
		t.Errorf("a silent connection: %v, %q", err, text)
	}
}
