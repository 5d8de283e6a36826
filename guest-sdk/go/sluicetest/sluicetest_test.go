package sluicetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/guest-sdk/go/abi"
	"sluice/runtime/manifest"
)

// bareGuest is a guest without an SDK.
type bareGuest struct {
	manifest string
	execute  func(abi.Host)
}

func (g bareGuest) Describe(h abi.Host)          { h.Write([]byte(g.manifest)) }
func (g bareGuest) Execute(h abi.Host, _ uint32) { g.execute(h) }
func (bareGuest) Warm(abi.Host)                  {}

const manifestText = `{"name": "bare", "version": "1.0.0", "commands": [{"name": "Run"}]}`

func TestRun(t *testing.T) {
	tests := []struct {
		name    string
		execute func(abi.Host)
		want    func(Result) bool
	}{
		{"answer", func(h abi.Host) { h.Write([]byte("1")); h.Answer([]byte("{}")) },
			func(r Result) bool { return string(r.Body) == "1" && r.Crash == "" }},
		{"no answer", func(abi.Host) {}, func(r Result) bool { return strings.Contains(r.Crash, "without an answer") }},
		{"trap", func(h abi.Host) { h.Trap() }, func(r Result) bool { return r.Crash == "trap" }},
		{"unknown member", func(h abi.Host) { h.Answer([]byte(`{"eror": 1}`)) },
			func(r Result) bool { return strings.Contains(r.Crash, "a member that does not exist") }},
		{"second answer", func(h abi.Host) {
			if a, b := h.Answer([]byte("{}")), h.Answer([]byte("{}")); a != 0 || abi.Code(b) != abi.Invalid {
				t.Errorf("Answer = %d, then %d", a, b)
			}
		}, func(r Result) bool { return r.Crash == "" }},
		{"handles", func(h abi.Host) {
			p := make([]byte, 8)
			got := []int64{
				h.Size(abi.Params), h.Size(9), int64(h.Read(9, 0, p)), int64(h.Read(abi.Params, 2, p)), int64(h.Read(abi.Params, -1, p)),
				int64(h.Close(9)), int64(h.Close(abi.Params)), h.Size(abi.Params), int64(h.HTTPSend([]byte(`{}`), nil)),
			}
			if want := []int64{2, -1, -1, 0, 0, -1, 0, 2, -4}; !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
			h.Answer([]byte("{}"))
		}, func(r Result) bool { return r.Crash == "" }},
		{"log", func(h abi.Host) {
			for _, bad := range []string{"a\nb", "\xff"} {
				if r := h.Log(abi.Info, []byte(bad)); abi.Code(r) != abi.Invalid {
					t.Errorf("Log(%q) = %d", bad, r)
				}
			}
			h.Log(4, nil)
			h.Log(abi.Warn, []byte("line"))
			h.Answer([]byte("{}"))
		}, func(r Result) bool { return slices.Equal(r.Logs, []Line{{Level: "warn", Text: "line"}}) }},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			abi.Register(bareGuest{manifestText, tc.execute})
			defer abi.Register(nil)
			if got := Run(t, "Run", Call{}); !tc.want(got) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestResult_String(t *testing.T) {
	for _, tc := range []struct {
		r    Result
		want string
	}{
		{Result{Body: json.RawMessage(`{"a":1}`), Mimetype: "application/json"}, `body {"a":1} (application/json)`},
		{Result{Body: json.RawMessage("null"), Mimetype: "text/plain", HTTPStatus: 404, Headers: json.RawMessage(`{"x":"y"}`), ErrorCode: "NotFound", Message: "There is none.", Logs: []Line{{"warn", "a"}, {"info", "b"}}},
			"body null (text/plain), status 404, headers {\"x\":\"y\"}, error NotFound: There is none.\n\twarn: a\n\tinfo: b"},
		{Result{Body: json.RawMessage("<p>"), Mimetype: "text/html", Bare: 200}, "body <p> (text/html), status 200"},
		{Result{Crash: "trap"}, "no answer: trap"},
	} {
		if got := fmt.Sprintf("%+v", tc.r); got != tc.want {
			t.Errorf("got %s, want %s", got, tc.want)
		}
	}
}

// A program that registers its connector in main, which nothing calls, is told so.
func TestRun_Nobody(t *testing.T) {
	before := abi.Registered()
	t.Cleanup(func() { abi.Register(before) })
	abi.Register(nil)
	for name, enter := range map[string]func(h *host, g abi.Guest){
		"describe": func(h *host, g abi.Guest) { g.Describe(h) },
		"execute":  func(h *host, g abi.Guest) { g.Execute(h, 0) },
		"warm":     func(h *host, g abi.Guest) { g.Warm(h) },
	} {
		h := &host{t: t}
		crash := h.enter(func(g abi.Guest) { enter(h, g) })
		if crash != "trap" || len(h.logs) != 1 || !strings.Contains(h.logs[0].Text, "call Register in an init function") {
			t.Errorf("%s: got %s, %v", name, crash, h.logs)
		}
	}
}

func TestAdmit(t *testing.T) {
	command := &manifest.Command{Parameters: []manifest.Parameter{
		{ID: "s", Type: manifest.TypeString, Required: true}, {ID: "i", Type: manifest.TypeInt},
		{ID: "b", Type: manifest.TypeBool}, {ID: "a", Type: manifest.TypeAny, Required: true}, {ID: "o", Type: manifest.TypeAny},
	}}
	tests := []struct{ params, want, expectedErr string }{
		{`{"z": 1.0, "s": "x", "a": null, "i": null, "o": null, "b": false}`, `{"z":1.0,"s":"x","a":null,"b":false}`, ""},
		{``, ``, `"s" is required`},
		{`{"s": null, "a": 1}`, ``, `"s" is required`},
		{`{"s": "x"}`, ``, `"a" is required`},
		{`{"s": 1, "a": 1}`, ``, `"s" is not of the type str`},
		{`{"s": "", "a": 1, "i": "1"}`, ``, `"i" is not of the type int`},
		{`{"s": "", "a": 1, "b": 0}`, ``, `"b" is not of the type bool`},
		{`{"s": "", "s": ""}`, ``, `"s" is there twice`},
		{`[]`, ``, "not a JSON object"},
	}
	for _, tc := range tests {
		got, err := admit(command, tc.params)
		if tc.expectedErr == "" && (err != nil || string(got) != tc.want) {
			t.Errorf("%s: got %s, %v", tc.params, got, err)
		}
		if tc.expectedErr != "" && (err == nil || !strings.Contains(err.Error(), tc.expectedErr)) {
			t.Errorf("%s: got %v, want %q", tc.params, err, tc.expectedErr)
		}
	}
}

func TestDescribing(t *testing.T) {
	h := &host{t: t, maxOutput: 10}
	unavailable := map[string]int64{
		"Size": h.Size(0), "Read": int64(h.Read(0, 0, nil)), "Close": int64(h.Close(0)), "Answer": int64(h.Answer([]byte("{}"))),
		"Sleep": int64(h.Sleep(1)), "HTTPSend": int64(h.HTTPSend(nil, nil)),
	}
	for name, r := range unavailable {
		if abi.Code(r) != abi.NotAvailable {
			t.Errorf("%s = %d while describing", name, r)
		}
	}
	if r := h.Write(make([]byte, 11)); abi.Code(r) != abi.TooLarge || h.body != nil {
		t.Errorf("Write = %d", r)
	}
}

func TestRequestHead_Check(t *testing.T) {
	tests := []struct {
		head  requestHead
		field string
	}{
		{requestHead{Method: "GET", URL: "https://a.example/"}, ""},
		{requestHead{Method: "GET", URL: "https://a.example/", Headers: [][2]string{{"Accept", "a\tb"}}}, ""},
		{requestHead{Method: "get", URL: "https://a.example/"}, "method"},
		{requestHead{Method: "GET", URL: "ftp://a.example/"}, "url"},
		{requestHead{Method: "GET", URL: "https://a.example/", Headers: [][2]string{{"Proxy-Connection", "x"}}}, "headers"},
		{requestHead{Method: "GET", URL: "https://a.example/", Headers: [][2]string{{"", "x"}}}, "headers"},
	}
	for _, tc := range tests {
		_, err := tc.head.check()
		if e, _ := err.(*HTTPError); (e == nil) != (tc.field == "") || e != nil && e.Field != tc.field {
			t.Errorf("%+v: got %v, want %q", tc.head, err, tc.field)
		}
	}
}

func TestContextOf(t *testing.T) {
	m := &manifest.Manifest{Name: "c"}
	got := contextOf(m, &manifest.Command{Name: "Run"}, Call{Deadline: time.Second, Context: Context{TaskID: "t", TaskData: "{}"}})
	var x map[string]any
	if err := json.Unmarshal(got, &x); err != nil {
		t.Fatal(err)
	}
	if _, ok := x["task_data"]; ok || x["task_id"] != "t" || x["deadline_ms"] != 1000.0 || x["command"] != "Run" {
		t.Errorf("got %s", got)
	}
}
