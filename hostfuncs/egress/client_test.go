package egress

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestClient_Do(t *testing.T) {
	var got *http.Request
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.Header().Add("X-Twice", "b")
		w.Header().Add("X-Twice", "a")
		w.Header().Set("X-Latin", "caf\xe9")
		w.Header().Set("X-Utf8", "café")
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(201)
		_, _ = io.WriteString(w, "made")
	}))
	defer server.Close()
	c := newClient(t, nil)
	r, err := c.Do(context.Background(), &Request{
		Method: "POST", URL: server.URL + "/x?y=1#z", Body: []byte("hello"),
		Headers: [][2]string{{"x-one", "1"}, {"X-Two", "a"}, {"x-two", "b"}, {"Content-Type", "text/plain"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.Method != "POST" || got.RequestURI != "/x?y=1" || string(body) != "hello" || got.ContentLength != 5 {
		t.Errorf("the server got %s %s %q", got.Method, got.RequestURI, body)
	}
	if ua, ae := got.UserAgent(), got.Header.Get("Accept-Encoding"); ua != "sluice/1.2.3" || ae != "gzip, deflate, br" {
		t.Errorf("User-Agent %q, Accept-Encoding %q", ua, ae)
	}
	if two := got.Header["X-Two"]; !slices.Equal(two, []string{"a", "b"}) {
		t.Errorf("X-Two: %q", two)
	}
	if r.Status != 201 || string(r.Body) != "made" {
		t.Errorf("%d %q", r.Status, r.Body)
	}
	headers := slices.DeleteFunc(r.Headers, func(h [2]string) bool { return h[0] == "date" })
	expected := [][2]string{{"content-length", "4"}, {"content-type", "text/plain"}, {"x-latin", "café"}, {"x-twice", "b"}, {"x-twice", "a"}, {"x-utf8", "café"}}
	if !slices.Equal(headers, expected) {
		t.Errorf("headers %q", headers)
	}
}

func TestClient_GuestHeadersWin(t *testing.T) {
	var got http.Header
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header }))
	defer server.Close()
	_, err := newClient(t, nil).Do(context.Background(), &Request{Method: "GET", URL: server.URL,
		Headers: [][2]string{{"user-agent", "mine"}, {"accept-encoding", "br"}}})
	if err != nil || got.Get("User-Agent") != "mine" || got.Get("Accept-Encoding") != "br" {
		t.Errorf("%v %v", err, got)
	}
}

func TestClient_Methods(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %d", r.Method, len(b))
	}))
	defer server.Close()
	c := newClient(t, nil)
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
		for _, body := range []string{"", "abc"} {
			r, err := c.Do(context.Background(), &Request{Method: method, URL: server.URL, Body: []byte(body)})
			if err != nil {
				t.Fatalf("%s: %v", method, err)
			}
			expected := fmt.Sprintf("%s %d", method, len(body))
			if method == "HEAD" {
				expected = ""
			}
			if string(r.Body) != expected {
				t.Errorf("%s: %q", method, r.Body)
			}
		}
	}
}

// TestClient_SendsTargetVerbatim compares the request line on the wire.
func TestClient_SendsTargetVerbatim(t *testing.T) {
	heads := make(chan string, 1)
	server := newRawServer(t, func(conn net.Conn, r *bufio.Reader) {
		for head := readHead(r); head != ""; head = readHead(r) {
			heads <- head
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	})
	c := newClient(t, nil)
	for _, tt := range []struct{ tail, target string }{
		{"", "/"},
		{"/", "/"},
		{"?", "/?"},
		{"?a", "/?a"},
		{"/?", "/?"},
		{"/a%2fb%2Fc", "/a%2fb%2Fc"},
		{"/a/../b/./c", "/a/../b/./c"},
		{"/%61%zz%", "/%61%zz%"},
		{"/a|b{c}\"<>^`\\", "/a|b{c}\"<>^`\\"},
		{"/*", "/*"},
		{"/a;b=c,d:e@f!$&'()*+=~", "/a;b=c,d:e@f!$&'()*+=~"},
		{"/?q=a+b%20c&&=?/?#frag", "/?q=a+b%20c&&=?/?"},
		{"/?q={\"a\":[1|2]}", "/?q={\"a\":[1|2]}"},
		{"//double/slash", "//double/slash"},
		{"//double?x=//y", "//double?x=//y"},
		{"//double?", "//double?"},
		{"//", "//"},
		{"///x%2F", "///x%2F"},
		{"/http://other.example/", "/http://other.example/"},
	} {
		if _, err := c.Do(context.Background(), &Request{Method: "GET", URL: server.url + tt.tail}); err != nil {
			t.Errorf("%s: %v", tt.tail, err)
			continue
		}
		head := <-heads
		line, rest, _ := strings.Cut(head, "\r\n")
		if expected := "GET " + tt.target + " HTTP/1.1"; line != expected {
			t.Errorf("expected %q, was %q", expected, line)
		}
		if !strings.HasPrefix(rest, "Host: "+server.addr+"\r\n") {
			t.Errorf("%q", rest)
		}
	}
	e := expectCode(t, c, &Request{Method: "GET", URL: server.url + "//a|b"}, CodeInvalidRequest)
	if e.Field != FieldURL {
		t.Errorf("field %q", e.Field)
	}
}

func TestClient_InvalidRequest(t *testing.T) {
	server := newRawServer(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true))
	c := newClient(t, nil)
	header := func(pairs ...[2]string) *Request {
		return &Request{Method: "GET", URL: server.url, Headers: pairs}
	}
	tests := []struct {
		request *Request
		field   string
	}{
		{&Request{Method: "", URL: server.url}, FieldMethod},
		{&Request{Method: "get", URL: server.url}, FieldMethod},
		{&Request{Method: "TRACE", URL: server.url}, FieldMethod},
		{&Request{Method: "CONNECT", URL: server.url}, FieldMethod},
		{&Request{Method: "GET / HTTP/1.1\r\n", URL: server.url}, FieldMethod},
		{&Request{Method: "GET", URL: ""}, FieldURL},
		{&Request{Method: "GET", URL: "http://user:hunter2@" + server.addr}, FieldURL},
		{header(make([][2]string, maxHeaders+1)...), FieldHeaders},
		{header([2]string{strings.Repeat("a", maxHeaderName+1), ""}), FieldHeaders},
		{header([2]string{"a", strings.Repeat("a", maxHeaderBytes)}), FieldHeaders},
	}
	for _, name := range []string{"Host", "host", "Content-Length", "content-length", "Transfer-Encoding", "TRANSFER-ENCODING", "Connection", "connection",
		"Proxy-Authorization", "proxy-x", "PROXY-CONNECTION", "Proxy-", "Upgrade", "Keep-Alive", "keep-alive", "TE", "te", "Trailer",
		"", " ", "a b", "a:", ":authority", "a\r\nb", "a\n", "a\x00", "ü", "a\x7f", "(a)", "a/b", "a\"b"} {
		tests = append(tests, struct {
			request *Request
			field   string
		}{header([2]string{name, "x"}), FieldHeaders})
	}
	for _, value := range []string{"a\r\nb: c", "a\nb", "a\rb", "\x00", "a\x1fb", "a\tb", "\x7f", "a\r\n"} {
		tests = append(tests, struct {
			request *Request
			field   string
		}{header([2]string{"x-a", value}), FieldHeaders})
	}
	for _, tt := range tests {
		e := expectCode(t, c, tt.request, CodeInvalidRequest)
		if e.Field != tt.field {
			t.Errorf("%.60q: expected field %s, was %s", tt.request.Headers, tt.field, e.Field)
		}
		if strings.Contains(e.Message, "hunter2") || strings.ContainsAny(e.Message, "\r\n\x00") {
			t.Errorf("message %q", e.Message)
		}
	}
	if n := server.accepted.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
	if _, err := c.Do(context.Background(), header([2]string{"x-a", "a b;c=\"d\" é"})); err != nil {
		t.Error(err)
	}
}

func TestClient_KeepsConnections(t *testing.T) {
	for name, text := range map[string]string{
		"content-length": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"chunked":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"empty":          "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"no content":     "HTTP/1.1 204 No Content\r\n\r\n",
		"not modified":   "HTTP/1.1 304 Not Modified\r\nContent-Encoding: gzip\r\n\r\n",
		"informational":  "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			server := newRawServer(t, answering(text, true))
			c := newClient(t, nil)
			for range 20 {
				get(t, c, server.url)
			}
			if n := server.accepted.Load(); n != 1 {
				t.Errorf("%d connections", n)
			}
			if open := c.config.Sockets.Open(); open != 1 {
				t.Errorf("%d sockets are counted", open)
			}
		})
	}
}

func TestClient_NeverFollowsRedirects(t *testing.T) {
	hits := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits++
		var status int
		fmt.Sscanf(r.URL.Path, "/%d", &status)
		w.Header().Set("Location", "/canary")
		w.WriteHeader(status)
	}))
	defer server.Close()
	c := newClient(t, nil)
	for i, status := range []int{300, 301, 302, 303, 305, 307, 308} {
		r := get(t, c, fmt.Sprintf("%s/%d", server.URL, status))
		if r.Status != status || hits != i+1 {
			t.Errorf("%d: %d after %d hits", status, r.Status, hits)
		}
	}
}

func TestClient_KeepsNoCookies(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if cookie := r.Header.Get("Cookie"); cookie != "" {
			t.Errorf("a cookie was sent: %q", cookie)
		}
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "canary"})
	}))
	defer server.Close()
	c := newClient(t, nil)
	for range 3 {
		get(t, c, server.URL)
	}
}

func TestClient_IgnoresProxyEnvironment(t *testing.T) {
	proxy := newRawServer(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nproxy", false))
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"} {
		t.Setenv(name, proxy.url)
	}
	t.Setenv("NO_PROXY", "")
	t.Setenv("no_proxy", "")
	server := newRawServer(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ndirect", true))
	resolver := newResolver(t, func(string) (string, []netip.Addr) { return "", parseAddrs("127.0.0.1") })
	c := newClient(t, func(config *Config) { config.Resolver = resolver })
	_, port, _ := net.SplitHostPort(server.addr)
	// A name, because net/http never asks a proxy for loopback addresses.
	if r := get(t, c, "http://service.example:"+port); string(r.Body) != "direct" {
		t.Errorf("%q", r.Body)
	}
	if n := proxy.accepted.Load(); n != 0 {
		t.Errorf("the proxy got %d connections", n)
	}
}

// TestClient_AllowancesDoNotShareConnections: a connection that was opened under one allowance serves no other, within
// a client and across clients.
func TestClient_AllowancesDoNotShareConnections(t *testing.T) {
	server := newRawServer(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true))
	policy := newPolicy(t, anywhere,
		Entry{Rules: rules(t, server.url+"/a", server.url+"/b"), Addresses: addresses(t, "loopback")},
		Entry{Rules: rules(t, server.url+"/b", server.url+"/c"), Addresses: addresses(t, "loopback", "private")},
		Entry{Rules: rules(t, server.url+"/d")})
	one := newClient(t, func(config *Config) { config.Policy = policy })
	for _, step := range []struct {
		path  string
		conns int64
	}{{"/a", 1}, {"/a/x", 1}, {"/b", 2}, {"/c", 2}, {"/a", 2}} {
		get(t, one, server.url+step.path)
		if n := server.accepted.Load(); n != step.conns {
			t.Errorf("%s: %d connections", step.path, n)
		}
	}
	expectCode(t, one, &Request{Method: "GET", URL: server.url + "/d"}, CodeEgressDenied)
	two := newClient(t, func(config *Config) { config.Policy = policy })
	get(t, two, server.url+"/a")
	if n := server.accepted.Load(); n != 3 {
		t.Errorf("two clients: %d connections", n)
	}
}

func TestClient_HTTP2(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/reset":
			panic(http.ErrAbortHandler)
		case "/half":
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		case "/headers":
			for i := range 16 {
				w.Header().Set(fmt.Sprintf("X-Large-%d", i), strings.Repeat("x", maxResponseHeader/16))
			}
		case "/slow":
			<-r.Context().Done()
		}
		fmt.Fprintf(w, "%s %s %d", r.Proto, r.RequestURI, len(b))
	}))
	server.EnableHTTP2 = true
	var conns atomic.Int64
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	server.Config.ErrorLog = nil
	server.StartTLS()
	defer server.Close()
	c := newClient(t, func(config *Config) {
		config.RootCAs = server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	})
	for range 5 {
		r, err := c.Do(context.Background(), &Request{Method: "POST", URL: server.URL + "//a%2Fb?c|d", Body: []byte("xyz")})
		if err != nil {
			t.Fatal(err)
		}
		if string(r.Body) != "HTTP/2.0 //a%2Fb?c|d 3" {
			t.Errorf("%q", r.Body)
		}
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
	expectCode(t, c, &Request{Method: "GET", URL: server.URL + "/reset"}, CodeClosed)
	expectCode(t, c, &Request{Method: "GET", URL: server.URL + "/half"}, CodeIncomplete)
	expectCode(t, c, &Request{Method: "GET", URL: server.URL + "/headers"}, CodeResponseTooLarge)
	expectCode(t, c, &Request{Method: "GET", URL: server.URL + "/slow", Timeout: 50 * time.Millisecond}, CodeTimeout)
}

// TestClient_LentBody: the request's memory is not read once Do has returned, though the server answers early and reads
// on later.
func TestClient_LentBody(t *testing.T) {
	proceed, result := make(chan struct{}), make(chan bool, 1)
	server := newRawServer(t, func(conn net.Conn, r *bufio.Reader) {
		readHead(r)
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		<-proceed
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		rest, _ := io.ReadAll(r)
		result <- strings.Contains(string(rest), "canary")
	})
	body := []byte(strings.Repeat("first ", 4<<20))
	c := newClient(t, nil)
	if _, err := c.Do(context.Background(), &Request{Method: "POST", URL: server.url, Body: body}); err != nil {
		t.Fatal(err)
	}
	for i := 0; i+6 <= len(body); i += 6 {
		copy(body[i:], "canary")
	}
	close(proceed)
	if <-result {
		t.Error("memory was read after Do returned")
	}
}

func TestClient_Close(t *testing.T) {
	release, arrived := make(chan struct{}), make(chan struct{})
	server := newRawServer(t, func(conn net.Conn, r *bufio.Reader) {
		for head := readHead(r); head != ""; head = readHead(r) {
			if strings.HasPrefix(head, "GET /wait") {
				close(arrived)
				<-release
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	c := newClient(t, nil)
	get(t, c, server.url)
	done := make(chan *Response)
	go func() { done <- get(t, c, server.url+"/wait") }()
	<-arrived
	c.Close()
	c.Close()
	if _, err := c.Do(context.Background(), &Request{Method: "GET", URL: server.url}); err == nil || err.Code != CodeEnded || !errors.Is(err, ErrClosed) {
		t.Errorf("%v", err)
	}
	close(release)
	if r := <-done; string(r.Body) != "ok" {
		t.Errorf("the request under way got %q", r.Body)
	}
	await(t, "its connection is closed too", func() bool { return c.config.Sockets.Open() == 0 })
}

// Authorise says what Do says of method and URL, in the same words, and sends nothing.
func TestClient_Authorise(t *testing.T) {
	server := newRawServer(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true))
	get, err := ParseGrantRule("GET " + server.url)
	if err != nil {
		t.Fatal(err)
	}
	denials := 0
	c := newClient(t, func(config *Config) {
		granted := Entry{Rules: []Rule{get}, Addresses: addresses(t, "loopback")}
		config.OnDenied = func(Denial) { denials++ }
		config.Policy = newPolicy(t, anywhere, Entry{Rules: rules(t, anywhere...), Addresses: addresses(t, "loopback")})
		config.Observe = &Observe{Enforced: newPolicy(t, anywhere, granted), Record: func(Observation) {}}
	})
	for _, tc := range []struct {
		Request
		code Code // none where it may be sent
	}{
		{Request{Method: "GET", URL: server.url}, ""},
		{Request{Method: "GET", URL: server.url, Confined: true}, ""},
		{Request{Method: "POST", URL: server.url}, ""},
		{Request{Method: "POST", URL: server.url, Confined: true}, CodeEgressDenied},
		{Request{Method: "GET", URL: "http://other.example/", Confined: true}, CodeEgressDenied},
		{Request{Method: "get", URL: server.url}, CodeInvalidRequest},
		{Request{Method: "GET", URL: "nowhere"}, CodeInvalidRequest},
	} {
		before, accepted := denials, server.accepted.Load()
		failure := c.Authorise(&tc.Request)
		if reported := denials - before; reported > 1 || (reported == 1) != (tc.code == CodeEgressDenied) {
			t.Errorf("%+v: %d denials are reported", tc.Request, reported)
		}
		if server.accepted.Load() != accepted {
			t.Errorf("%+v: a connection was opened", tc.Request)
		}
		_, done := c.Do(context.Background(), &tc.Request)
		switch {
		case tc.code == "" && (failure != nil || done != nil):
			t.Errorf("%+v: %v, and %v when it is sent", tc.Request, failure, done)
		case tc.code != "" && (failure == nil || done == nil || failure.Code != tc.code || failure.Message != done.Message || failure.Field != done.Field):
			t.Errorf("%+v: %v, and %v when it is sent", tc.Request, failure, done)
		}
	}
}
