package sluice_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	sluice "sluice/guest-sdk/go"
	"sluice/guest-sdk/go/abi"
	"sluice/guest-sdk/go/sluicetest"
)

type none struct{}

// register makes these commands the program's connector until the test ends.
func register(t *testing.T, c sluice.Connector, commands ...sluice.Definition) {
	t.Helper()
	abi.Register(nil)
	c.Register(commands...)
	t.Cleanup(func() { abi.Register(nil) })
}

// run calls a connector's only command.
func run[R any](t *testing.T, call sluicetest.Call, f func(*sluice.Call, none) (R, error), options ...sluice.Option) sluicetest.Result {
	t.Helper()
	register(t, sluice.Connector{Name: "test", Version: "1.0.0", Capabilities: []sluice.Capability{sluice.HTTP("tests", "https://*")}},
		sluice.Command("Run", "", f, options...))
	return sluicetest.Run(t, "Run", call)
}

func TestConnector_Register(t *testing.T) {
	register(t, sluice.Connector{
		Name: "weather", Version: "1.2.0", Description: "Forecasts",
		Capabilities: []sluice.Capability{sluice.HTTP("asks the service", "https://api.weather.example")},
	},
		sluice.Command("First", "The first", func(*sluice.Call, none) (string, error) { return "1", nil }, sluice.Async()),
		sluice.Command("Second", "", func(_ *sluice.Call, p struct {
			City string `sluice:"city,required,secret" desc:"Where"`
		}) (string, error) {
			return p.City, nil
		}, sluice.TaskData(), sluice.Types(map[string][]int{}, nil)),
	)
	text, err := json.Marshal(sluicetest.Manifest(t))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"name":"weather","version":"1.2.0","description":"Forecasts",` +
		`"capabilities":[{"name":"http","reason":"asks the service","hosts":["https://api.weather.example"]}],"commands":[` +
		`{"name":"First","description":"The first","async":true,"task_data":false},` +
		`{"name":"Second","async":false,"task_data":true,"parameters":[` +
		`{"id":"city","type":"str","required":true,"description":"Where","secret":true}]}]}`
	if string(text) != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	if got := sluicetest.Run(t, "Second", sluicetest.Call{Params: `{"city": "Rome"}`}); string(got.Body) != `"Rome"` {
		t.Errorf("got %+v", got)
	}
}

// ended is how a bare host ends a call.
type ended struct{}

// bareHost is just enough of a host for describing.
type bareHost struct {
	abi.Host
	logs []string
}

func (h *bareHost) Log(_ int32, line []byte) int32 { h.logs = append(h.logs, string(line)); return 0 }
func (h *bareHost) Trap()                          { panic(ended{}) }

func TestConnector_Register_Errors(t *testing.T) {
	good := sluice.Command("Good", "", func(*sluice.Call, none) (string, error) { return "", nil })
	bad := sluice.Command("Bad", "", func(*sluice.Call, struct{ A string }) (string, error) { return "", nil })
	tests := []struct {
		name        string
		register    func()
		expectedLog string
	}{
		{"bad parameters", func() { sluice.Connector{}.Register(good, bad) }, "command Bad: struct { A string }: A has no sluice tag"},
		{"twice", func() { sluice.Connector{}.Register(good); sluice.Connector{}.Register(good) }, "two connectors"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			abi.Register(nil)
			defer abi.Register(nil)
			tc.register()
			h := &bareHost{}
			func() {
				defer func() {
					if r := recover(); r != (ended{}) {
						t.Errorf("describe ended with %v", r)
					}
				}()
				abi.Registered().Describe(h)
			}()
			if len(h.logs) != 1 || !strings.Contains(h.logs[0], tc.expectedLog) {
				t.Errorf("logged %q, want %q", h.logs, tc.expectedLog)
			}
		})
	}
}

func TestAnswer(t *testing.T) {
	const jsonType = "application/json"
	tests := []struct {
		name   string
		answer sluice.Answer
		err    error
		want   sluicetest.Result
	}{
		{"zero", sluice.Answer{}, nil, sluicetest.Result{Body: json.RawMessage("null"), Mimetype: jsonType}},
		{"json", sluice.JSON(map[string]any{"a": "<é>", "n": json.Number("1.0")}).WithStatus(201), nil,
			sluicetest.Result{Body: json.RawMessage(`{"a":"<é>","n":1.0}`), Mimetype: jsonType, HTTPStatus: 201}},
		{"raw", sluice.Raw(json.RawMessage(`{"b": 1.0, "a": 12345678901234567890123}`)), nil,
			sluicetest.Result{Body: json.RawMessage(`{"b": 1.0, "a": 12345678901234567890123}`), Mimetype: jsonType}},
		{"text", sluice.Text("a \"b\"").WithMimetype("text/plain"), nil,
			sluicetest.Result{Body: json.RawMessage(`"a \"b\""`), Mimetype: "text/plain"}},
		{"headers", sluice.JSON(1).WithHeaders(sluice.Header{{"ETag", "x"}, {"Vary", "a"}, {"vary", "b"}}), nil,
			sluicetest.Result{Body: json.RawMessage("1"), Mimetype: jsonType, Headers: json.RawMessage(`{"etag":"x","vary":"a, b"}`)}},
		{"no headers", sluice.JSON(1).WithHeaders(sluice.Header{}), nil,
			sluicetest.Result{Body: json.RawMessage("1"), Mimetype: jsonType, Headers: json.RawMessage(`{}`)}},
		{"bare", sluice.Bare(404, "text/html", []byte("<p>\xff")), nil,
			sluicetest.Result{Body: json.RawMessage("<p>\xff"), Mimetype: "text/html", Bare: 404}},
		{"error", sluice.Answer{}, sluice.Errorf("NotFound", 404, "no %s", "city"),
			sluicetest.Result{Body: json.RawMessage("null"), Mimetype: jsonType, HTTPStatus: 404, ErrorCode: "NotFound", Message: "no city"}},
		{"error with body", sluice.JSON("b").WithStatus(200), sluice.Errorf("Refused", 0, "no"),
			sluicetest.Result{Body: json.RawMessage(`"b"`), Mimetype: jsonType, HTTPStatus: 200, ErrorCode: "Refused", Message: "no"}},
		{"error with bare body", sluice.Bare(200, "text/html", nil), sluice.Errorf("Refused", 400, "no"),
			sluicetest.Result{Body: json.RawMessage("null"), Mimetype: jsonType, HTTPStatus: 400, ErrorCode: "Refused", Message: "no"}},
		{"wrapped error", sluice.Answer{}, fmt.Errorf("outer secret: %w", sluice.Errorf("Inner", 500, "inner")),
			sluicetest.Result{Body: json.RawMessage("null"), Mimetype: jsonType, HTTPStatus: 500, ErrorCode: "Inner", Message: "inner"}},
		{"bad status", sluice.JSON(1).WithStatus(99), nil, sluicetest.Result{Body: json.RawMessage("null"), Mimetype: jsonType, HTTPStatus: 500,
			ErrorCode: sluice.CodeInvalidAnswer, Message: "The answer of the command cannot be sent: its http_status is not 100 to 599."}},
		{"bad bare status", sluice.Bare(100, "", nil), nil, sluicetest.Result{Body: json.RawMessage("null"), Mimetype: jsonType, HTTPStatus: 500,
			ErrorCode: sluice.CodeInvalidAnswer, Message: "The answer of the command cannot be sent: the status of a bare answer is 200 to 599."}},
		{"not JSON", sluice.Raw(json.RawMessage("{")), nil, sluicetest.Result{
			Crash: "the answer: the body is not valid JSON at byte 1: the text ends too early"}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			got := run(t, sluicetest.Call{}, func(*sluice.Call, none) (sluice.Answer, error) { return tc.answer, tc.err })
			if !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got  %+v\nwant %+v", got, tc.want)
			}
		})
	}
}

// shy is a type that can't encode itself, and a secret of which its error tells.
type shy struct{}

func (shy) MarshalJSON() ([]byte, error) { return nil, errors.New("secret") }

type loop struct{ Next *loop }

// What can't be encoded is named by its types, never by its values.
func TestAnswer_NoJSON(t *testing.T) {
	round := &loop{}
	round.Next = round
	for want, value := range map[string]any{
		"its body, of the Go type func(), cannot be encoded as JSON: it holds a func()":                                         func() {},
		"its body, of the Go type map[string]interface {}, cannot be encoded as JSON: it holds a chan int":                      map[string]any{"secret": make(chan int)},
		"its body, of the Go type []float64, cannot be encoded as JSON: it holds a float64 that is infinite or not a number":    []float64{math.Inf(1)},
		"its body, of the Go type []sluice_test.shy, cannot be encoded as JSON: sluice_test.shy does not encode itself":         []shy{{}},
		"its body, of the Go type json.Number, cannot be encoded as JSON":                                                       json.Number("secret"),
		"its body, of the Go type *sluice_test.loop, cannot be encoded as JSON: a *sluice_test.loop in it leads back to itself": round,
	} {
		got := run(t, sluicetest.Call{}, func(*sluice.Call, none) (any, error) { return value, nil })
		if got.ErrorCode != sluice.CodeInvalidAnswer || got.HTTPStatus != 500 || got.Message != "The answer of the command cannot be sent: "+want+"." {
			t.Errorf("got  %v\nwant %s", got, want)
		}
	}
}

func TestAnswer_UnclassifiedError(t *testing.T) {
	got := run(t, sluicetest.Call{}, func(*sluice.Call, none) (string, error) {
		_, err := strconv.Atoi("secret")
		return "lost", fmt.Errorf("reading the secret: %w", err)
	})
	if got.ErrorCode != sluice.CodeUnclassified || got.HTTPStatus != 500 || string(got.Body) != "null" {
		t.Errorf("got %+v", got)
	}
	if strings.Contains(got.Message, "secret") {
		t.Errorf("the message %q quotes the error", got.Message)
	}
}

func TestAnswer_TooLarge(t *testing.T) {
	got := run(t, sluicetest.Call{MaxOutput: 10}, func(*sluice.Call, none) (string, error) { return "more than ten bytes", nil })
	if got.ErrorCode != sluice.CodeOutputTooLarge || got.HTTPStatus != 500 || string(got.Body) != "null" {
		t.Errorf("got %+v", got)
	}
}

func TestExecute_Panic(t *testing.T) {
	tests := map[string]func(){
		"value":       func() { panic("secret") },
		"runtime":     func() { _ = []int{}[len("secret")] },
		"nil pointer": func() { _ = *(*int)(nil) },
	}
	for name, f := range tests {
		t.Run(name, func(t *testing.T) {
			got := run(t, sluicetest.Call{}, func(*sluice.Call, none) (string, error) { f(); return "", nil })
			if got.Crash != "trap" || len(got.Logs) != 1 || got.Logs[0].Level != "error" {
				t.Fatalf("got %+v", got)
			}
			if line := got.Logs[0].Text; strings.Contains(line, "secret") || !strings.Contains(line, "sluice_test.go:") {
				t.Errorf("logged %q, want the place and not the value", line)
			}
		})
	}
}

// touchy is a type that made-up values do not go through.
type touchy struct{}

func (touchy) MarshalJSON() ([]byte, error) { panic("no such value") }

func TestWarm(t *testing.T) {
	ran := false
	register(t, sluice.Connector{Name: "test", Version: "1.0.0"},
		sluice.Command("Run", "", func(*sluice.Call, struct {
			When time.Time `sluice:"when"`
			Any  any       `sluice:"any"`
		}) (map[string]int, error) {
			ran = true
			return nil, nil
		}, sluice.Types(touchy{}, nil, &touchy{}, func() {})))
	h := &bareHost{}
	abi.Registered().Warm(h)
	if ran || h.logs != nil {
		t.Errorf("warming ran the command: %v; logged %q", ran, h.logs)
	}
}

func TestCall_Context(t *testing.T) {
	call := sluicetest.Call{
		Params: `{"b": 1.0, "a": "x"}`,
		Context: sluicetest.Context{
			ProcessInstanceID: "7", ProcessModelIdentifier: "group/model", TaskID: "5a5d",
			CallbackURL: "http://arena/callback", TaskData: `{"x": 1.0}`,
		},
		Deadline: 3 * time.Second,
	}
	ask := func(c *sluice.Call, _ none) ([]string, error) {
		return []string{
			c.Command(), c.Connector(), c.ID(), c.ProcessInstanceID(), c.ProcessModelIdentifier(), c.TaskID(), c.CallbackURL(),
			string(c.TaskData()), string(c.Params()), c.Deadline().Sub(c.Now()).String(),
		}, nil
	}
	tests := []struct {
		name    string
		call    sluicetest.Call
		options []sluice.Option
		want    string
	}{
		{"all", call, []sluice.Option{sluice.TaskData()}, `["Run","test","test","7","group/model","5a5d","http://arena/callback","{\"x\":1.0}","{\"b\":1.0,\"a\":\"x\"}","3s"]`},
		{"no task data", call, nil, `["Run","test","test","7","group/model","5a5d","http://arena/callback","","{\"b\":1.0,\"a\":\"x\"}","3s"]`},
		{"nothing", sluicetest.Call{}, nil, `["Run","test","test","","","","","","{}","40s"]`},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			if got := run(t, tc.call, ask, tc.options...); string(got.Body) != tc.want {
				t.Errorf("got %+v, want %s", got, tc.want)
			}
		})
	}
}

func TestCall_Sleep(t *testing.T) {
	got := run(t, sluicetest.Call{}, func(c *sluice.Call, _ none) (string, error) {
		before := c.Now()
		c.Sleep(-time.Second)
		c.Sleep(1500 * time.Microsecond)
		return c.Now().Sub(before).String(), nil
	})
	if string(got.Body) != `"2ms"` {
		t.Errorf("got %+v", got)
	}
	got = run(t, sluicetest.Call{Deadline: time.Second}, func(c *sluice.Call, _ none) (string, error) {
		c.Sleep(time.Minute)
		return "late", nil
	})
	if got.Crash != "deadline_exceeded" || got.Logs != nil {
		t.Errorf("got %+v", got)
	}
}

func TestCall_Rand(t *testing.T) {
	f := func(c *sluice.Call, _ none) ([]uint64, error) {
		return []uint64{c.Rand().Uint64(), c.Rand().Uint64()}, nil
	}
	one, two := run(t, sluicetest.Call{}, f), run(t, sluicetest.Call{}, f)
	if string(one.Body) == string(two.Body) {
		t.Errorf("two calls drew %s and %s", one.Body, two.Body)
	}
}

func TestCall_Log(t *testing.T) {
	got := run(t, sluicetest.Call{}, func(c *sluice.Call, _ none) (string, error) {
		c.Log().Debugf("%d of %d", 1, 2)
		c.Log().Infof("two\r\nlines\n")
		c.Log().Warnf("no UTF-8: \xff")
		c.Log().Errorf("100%%")
		return "", nil
	})
	want := []sluicetest.Line{
		{Level: "debug", Text: "1 of 2"}, {Level: "info", Text: "two"}, {Level: "info", Text: "lines"},
		{Level: "warn", Text: "no UTF-8: \uFFFD"}, {Level: "error", Text: "100%"},
	}
	if !reflect.DeepEqual(got.Logs, want) {
		t.Errorf("got %q, want %q", got.Logs, want)
	}
}

func TestCall_HTTP(t *testing.T) {
	service := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("X-Two", "1")
		w.Header().Add("X-Two", "2")
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprintf(w, `{"method":%q,"url":%q,"auth":%q,"big":12345678901234567890123,"length":%d}`,
			r.Method, r.URL, r.Header.Get("Authorization"), r.ContentLength)
	})
	type reply struct {
		Method, URL, Auth string
		Big               any
		Length            int
	}
	got := run(t, sluicetest.Call{HTTP: sluicetest.Handler(service)}, func(c *sluice.Call, _ none) (sluice.Answer, error) {
		response, err := c.HTTP(sluice.Request{
			Method: "POST", URL: "https://api.example/v1?q=a%20b", Header: sluice.Header{{"Authorization", "Bearer x"}}, Body: []byte("hi"),
		})
		if err != nil {
			return sluice.Answer{}, err
		}
		if two := response.Headers().Values("X-TWO"); !reflect.DeepEqual(two, []string{"1", "2"}) || response.Header("x-two") != "1" {
			return sluice.Answer{}, sluice.Errorf("Headers", 0, "%v", response.Headers())
		}
		var r reply
		if err := response.JSON(&r); err != nil {
			return sluice.Answer{}, err
		}
		return sluice.JSON(r).WithStatus(response.Status), nil
	}, sluice.Types(reply{}))
	const want = `{"Method":"POST","URL":"https://api.example/v1?q=a%20b","Auth":"Bearer x","Big":12345678901234567890123,"Length":2}`
	if string(got.Body) != want || got.HTTPStatus != 418 {
		t.Errorf("got %+v\nwant %s", got, want)
	}
}

func TestCall_HTTP_Errors(t *testing.T) {
	fail := func(code string) http.RoundTripper {
		return sluicetest.RoundTripFunc(func(*http.Request) (*http.Response, error) {
			return nil, &sluicetest.HTTPError{Code: code, Message: "the host says so"}
		})
	}
	good := sluice.Request{URL: "https://api.example/"}
	tests := []struct {
		name    string
		request sluice.Request
		http    http.RoundTripper
		code    string
		status  int
	}{
		{"dns", good, fail("dns"), "dns", 500},
		{"connect", good, fail("connect"), "connect", 500},
		{"timeout", good, fail("timeout"), "timeout", 504},
		{"circuit open", good, fail("circuit_open"), "circuit_open", 503},
		{"redirect", good, fail("redirect"), "redirect", 422},
		{"tls", good, fail("tls"), "tls", 500},
		{"no credential", good, fail("auth_refused"), "auth_refused", 403},
		{"no token service", good, fail("auth_unavailable"), "auth_unavailable", 503},
		{"denied", good, nil, "egress_denied", 403},
		{"method", sluice.Request{Method: "BREW", URL: "https://api.example/"}, fail(""), "invalid_request", 400},
		{"user information", sluice.Request{URL: "https://u:p@api.example/"}, fail(""), "invalid_request", 400},
		{"relative", sluice.Request{URL: "/path"}, fail(""), "invalid_request", 400},
		{"no URL", sluice.Request{}, fail(""), "invalid_request", 400},
		{"host header", sluice.Request{URL: "https://api.example/", Header: sluice.Header{{"Host", "x"}}}, fail(""), "invalid_request", 400},
		{"line break", sluice.Request{URL: "https://api.example/", Header: sluice.Header{{"X", "a\nb"}}}, fail(""), "invalid_request", 400},
		{"time is over", sluice.Request{URL: "https://api.example/", Timeout: -1}, fail(""), "timeout", 504},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			got := run(t, sluicetest.Call{HTTP: tc.http}, func(c *sluice.Call, _ none) (string, error) {
				_, err := c.HTTP(tc.request)
				return "", err
			})
			if got.ErrorCode != tc.code || got.HTTPStatus != tc.status {
				t.Errorf("got %+v, want %s, %d", got, tc.code, tc.status)
			}
		})
	}
}

func TestBody(t *testing.T) {
	service := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "0123456789") })
	got := run(t, sluicetest.Call{HTTP: sluicetest.Handler(service)}, func(c *sluice.Call, _ none) (string, error) {
		response, err := c.HTTP(sluice.Request{URL: "https://api.example/"})
		if err != nil {
			return "", err
		}
		body, piece := response.Body, make([]byte, 4)
		n, err := body.Read(piece)
		if n != 4 || err != nil || body.Size() != 10 {
			t.Errorf("Read = %d, %v; Size = %d", n, err, body.Size())
		}
		rest, err := body.Bytes()
		if err != nil || body.Close() != nil {
			t.Errorf("Bytes: %v", err)
		}
		if _, err := body.Read(piece); err == nil {
			t.Error("a closed body was read")
		}
		return string(piece) + "|" + string(rest), nil
	})
	if string(got.Body) != `"0123|456789"` {
		t.Errorf("got %+v", got)
	}
}

func TestBody_JSON_Errors(t *testing.T) {
	service := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"a":"secret"}`) })
	got := run(t, sluicetest.Call{HTTP: sluicetest.Handler(service)}, func(c *sluice.Call, _ none) (string, error) {
		response, err := c.HTTP(sluice.Request{URL: "https://api.example/"})
		if err != nil {
			return "", err
		}
		return "", response.JSON(&struct{ A int }{})
	})
	if got.ErrorCode != "invalid_response" || got.HTTPStatus != 400 || strings.Contains(got.Message, "secret") {
		t.Errorf("got %+v", got)
	}
}
