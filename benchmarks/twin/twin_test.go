package twin_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"os"
	"sort"
	"strings"
	"testing"
	"time"

	"sluice/benchmarks"
	"sluice/runtime/server"

	"github.com/valyala/fasthttp"
)

// dir is the stands' folder, one after the other: the second finds its modules compiled.
var dir string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	var err error
	if dir, err = os.MkdirTemp("", "twin"); err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	return m.Run()
}

// TestSameAnswers holds the twin against the connector: the same request, the same bytes.
func TestSameAnswers(t *testing.T) {
	stand, err := benchmarks.Open(t.Context(), benchmarks.Setup{Dir: dir, Logger: slog.New(slog.DiscardHandler), Connectors: []string{"http"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stand.Close(); err != nil {
			t.Error(err)
		}
	})
	connector, native := serve(t, stand.NewServer(stand.Runtime)), serve(t, stand.NewServer(stand.Twin))
	service := upstream(t)
	closed := closedPort(t)

	tests := []struct {
		name, params string
		want         string // a part of the answer, so that two empty ones are not the same
	}{
		{"json", `{"url":"{service}/json"}`, `{"body":{"n":1.50},"mimetype":"application/json","http_status":200,"headers":{}}`},
		{"white space around json", `{"url":"{service}/spaced"}`, `{"body":[1, 2],"mimetype"`},
		{"charset", `{"url":"{service}/charset"}`, `{"body":"é"`},
		{"not json", `{"url":"{service}/text"}`, `{"body":{"raw_response":"a \"text\"\nin é"}`},
		{"no body", `{"url":"{service}/empty"}`, `{"body":{"raw_response":""}`},
		{"broken json", `{"url":"{service}/broken"}`, `"raw_response":"{\"broken\":"`},
		{"status 404", `{"url":"{service}/missing"}`, `"error_code":"HttpError404"`},
		{"status 302", `{"url":"{service}/moved"}`, `"error_code":"HttpError302"`},
		{"status 500, a long text", `{"url":"{service}/long"}`, `(7 more bytes in the body)`},
		{"default headers", `{"url":"{service}/echo"}`, `"user-agent: sluice-http/`},
		{"headers", `{"url":"{service}/echo","headers":{"X-A":"é","n":1.0,"Accept":"text/plain","X-A":"b"}}`, `"x-a: b"`},
		{"headers as pairs", `{"url":"{service}/echo","headers":[["x-b","1"],["x-b",true]]}`, `"x-b: true"`},
		{"headers that frame", `{"url":"{service}/echo","headers":{"Content-Length":"9","Connection":"close"}}`, `"accept: */*"`},
		{"query", `{"url":"{service}/echo?q=a b&r=1#f"}`, `echo?q=a%20b&r=1`},
		{"query replaced", `{"url":"{service}/echo?q=1","params":{"a":"b c&","n":1.0,"é":true}}`, `echo?a=b+c%26&n=1.0&%C3%A9=true`},
		{"query as pairs", `{"url":"{service}/echo","params":[["a",1],["a","2"]]}`, `echo?a=1&a=2`},
		{"query as text", `{"url":"{service}/echo","params":"a=1 2&&b"}`, `echo?a=1+2&b=`},
		{"query removed", `{"url":"{service}/echo?q=1","params":""}`, `/echo"`},
		{"path", `{"url":"{service}/echo/é x%2Fy"}`, `/echo/%C3%A9%20x%2Fy`},
		{"credentials", `{"url":"{service}/echo","basic_auth_username":"u","basic_auth_password":"é"}`, `"authorization: Basic dTrDqQ=="`},
		{"credentials in the url", `{"url":"http://u%40:p@{host}/echo"}`, `"authorization: Basic dUA6cA=="`},
		{"other parameters", `{"url":"{service}/json","attempts":3,"spiff__task_id":"x","headers":null}`, `"http_status":200`},
		{"no scheme", `{"url":"nope"}`, `The URL must begin with http:// or https://.`},
		{"other scheme", `{"url":"ftp://h/x"}`, `The URL's scheme must be http or https.`},
		{"no host", `{"url":"http:///x"}`, `The URL has no host.`},
		{"headers of another shape", `{"url":"{service}/json","headers":5}`, `headers must be an object or a list of pairs.`},
		{"params of another shape", `{"url":"{service}/json","params":[["a"]]}`, `params must be an object`},
		{"refused header", `{"url":"{service}/json","headers":{"Upgrade":"x"}}`, `"http_status":400`},
		{"metadata address", `{"url":"http://169.254.169.254/"}`, `"error_code":"egress_denied"`},
		{"nobody listens", `{"url":"http://{closed}/"}`, `"http_status":500`},
		{"missing parameter", `{"headers":{}}`, `"error_code":"missing_parameter"`},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			body := strings.NewReplacer("{service}", "http://"+service, "{host}", service, "{closed}", closed).Replace(tc.params)
			status, got := post(t, connector, body)
			twinStatus, twinGot := post(t, native, body)
			if status != twinStatus || got != twinGot {
				t.Errorf("the answers differ:\nconnector %d %s\ntwin      %d %s", status, got, twinStatus, twinGot)
			}
			if !strings.Contains(got, tc.want) {
				t.Errorf("got %s, want %s in it", got, tc.want)
			}
		})
	}
}

func TestSameAnswers_Errors(t *testing.T) {
	stand, err := benchmarks.Open(t.Context(), benchmarks.Setup{Dir: dir, Logger: slog.New(slog.DiscardHandler), Connectors: []string{"http"}})
	if err != nil {
		t.Fatal(err)
	}
	native := serve(t, stand.NewServer(stand.Twin))
	service := upstream(t)
	for _, tc := range []struct{ path, params, want string }{
		{"http/HeadRequest", `{"url":"x"}`, "connector_unavailable"},
		{"http/GetRequest", `{"url":"x","include_response_headers":true}`, "invalid_parameter"},
		{"http/GetRequest", `{"url":"http://` + service + `/latin"}`, "invalid_parameter"},
	} {
		if _, got := postTo(t, native, tc.path, tc.params); !strings.Contains(got, tc.want) {
			t.Errorf("%s %s: got %s, want %s", tc.path, tc.params, got, tc.want)
		}
	}
	stand.Twin.Close()
	if _, got := post(t, native, `{"url":"http://`+service+`/json"}`); !strings.Contains(got, "shutting_down") {
		t.Errorf("after Close: got %s, want shutting_down", got)
	}
	if err := stand.Close(); err != nil {
		t.Error(err)
	}
}

// serve runs a server on loopback until the test ends, and returns its address.
func serve(t *testing.T, s *server.Server) string {
	ln := listen(t)
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		<-done
	})
	return ln.Addr().String()
}

// upstream runs the service that is asked.
func upstream(t *testing.T) string {
	answers := map[string]struct {
		status int
		media  string
		body   string
	}{
		"/json":    {200, "application/json", `{"n":1.50}`},
		"/spaced":  {200, "application/json", " [1, 2]\n"},
		"/charset": {200, `application/json; charset="UTF-8"`, `"é"`},
		"/latin":   {200, "text/plain; charset=iso-8859-1", "caf\xe9"},
		"/text":    {200, "text/plain", "a \"text\"\nin é"},
		"/empty":   {204, "application/json", ""},
		"/broken":  {200, "application/json", `{"broken":`},
		"/missing": {404, "application/json", `{"why": "not here"}`},
		"/moved":   {302, "text/html", "elsewhere"},
		"/long":    {500, "text/plain", strings.Repeat("é", 32<<10) + "and so on"[:7]},
	}
	s := &fasthttp.Server{NoDefaultDate: true, Handler: func(ctx *fasthttp.RequestCtx) {
		if a, ok := answers[string(ctx.Path())]; ok {
			ctx.SetStatusCode(a.status)
			ctx.SetContentType(a.media)
			ctx.SetBodyString(a.body)
			return
		}
		echo(ctx)
	}}
	ln := listen(t)
	go func() { _ = s.Serve(ln) }()
	t.Cleanup(func() { _ = s.Shutdown() })
	return ln.Addr().String()
}

// echo answers with the request's target and its headers, sorted.
func echo(ctx *fasthttp.RequestCtx) {
	lines := []string{string(ctx.RequestURI())}
	for name, value := range ctx.Request.Header.All() {
		lines = append(lines, strings.ToLower(string(name))+": "+string(value))
	}
	sort.Strings(lines[1:])
	var body strings.Builder
	e := json.NewEncoder(&body)
	e.SetEscapeHTML(false)
	_ = e.Encode(lines) // strings always have JSON
	ctx.SetContentType("application/json")
	ctx.SetBodyString(body.String())
}

func listen(t *testing.T) net.Listener {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// closedPort is an address at which nobody listens.
func closedPort(t *testing.T) string {
	ln := listen(t)
	defer func() { _ = ln.Close() }()
	return ln.Addr().String()
}

func post(t *testing.T, address, body string) (int, string) {
	return postTo(t, address, "http/GetRequest", body)
}

func postTo(t *testing.T, address, command, body string) (int, string) {
	t.Helper()
	request, response := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(request)
	defer fasthttp.ReleaseResponse(response)
	request.SetRequestURI("http://" + address + "/v1/do/" + command)
	request.Header.SetMethod(fasthttp.MethodPost)
	request.Header.SetContentType("application/json")
	request.Header.Set("Spiff-Connector-Proxy-Api-Key", benchmarks.Key)
	request.SetBodyString(body)
	if err := fasthttp.DoTimeout(request, response, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode(), string(response.Body())
}
