package envelope

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	tests := []struct {
		name, head, body string
		want             Answer
	}{
		{"least", `{}`, ``, Answer{Mimetype: "application/json"}},
		{"white space", " {\n} ", " 1.50\n", Answer{Mimetype: "application/json", Body: []byte("1.50")}},
		{"all", `{"http_status":404,"mimetype":"text/x; charset=utf-8","headers":{"a": [1,{"b":null}]},"body":"json","error":{"code":"HttpError404","message":""}}`,
			`{"a":12345678901234567890123,"b":1.0}`,
			Answer{HTTPStatus: 404, Mimetype: "text/x; charset=utf-8", Headers: []byte(`{"a": [1,{"b":null}]}`),
				Body: []byte(`{"a":12345678901234567890123,"b":1.0}`), Error: &Error{Code: "HttpError404"}}},
		{"lowest status", `{"http_status":100}`, ``, Answer{Mimetype: "application/json", HTTPStatus: 100}},
		{"highest status", `{"http_status":599}`, ``, Answer{Mimetype: "application/json", HTTPStatus: 599}},
		{"text", `{"body":"text"}`, "no \"JSON\"\x00", Answer{Mimetype: "application/json", Text: true, Body: []byte("no \"JSON\"\x00")}},
		{"empty text", `{"body":"text"}`, "", Answer{Mimetype: "application/json", Text: true}},
		{"no error", `{"error":null}`, ``, Answer{Mimetype: "application/json"}},
		{"error, unescaped", `{"error":{"message":"\u00fc\n","code":"A\"B"}}`, ``, Answer{Mimetype: "application/json", Error: &Error{`A"B`, "ü\n"}}},
		{"the last of two counts", `{"http_status":200,"error":{"code":"x","message":"y"},"http_status":201,"error":null}`, ``,
			Answer{Mimetype: "application/json", HTTPStatus: 201}},
		{"escaped name", `{"\u0062ody":"text"}`, `x`, Answer{Mimetype: "application/json", Text: true, Body: []byte("x")}},
		{"bare", `{"response":{"status":202}}`, "\xff", Answer{Mimetype: "application/json", Bare: 202, Body: []byte("\xff")}},
		{"bare, with its type", `{"response":{"status":599},"mimetype":"text/x","body":"json","error":null}`, "",
			Answer{Mimetype: "text/x", Bare: 599}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			var body []byte
			if tc.body != "" {
				body = []byte(tc.body)
			}
			got, err := Parse([]byte(tc.head), body, false)
			if err != nil || !reflect.DeepEqual(*got, tc.want) {
				t.Errorf("got  %+v, %v\nwant %+v", got, err, tc.want)
			}
		})
	}
}

func TestParse_Errors(t *testing.T) {
	const secret = "s3cret"
	deep := strings.Repeat("[", 17) + strings.Repeat("]", 17)
	tests := []struct{ head, body, expectedErr string }{
		{``, ``, "the text ends too early"},
		{`null`, ``, "not a JSON object"},
		{`[]`, ``, "not a JSON object"},
		{`"s3cret"`, ``, "not a JSON object"},
		{`{"body":"json"`, ``, "the text ends too early"},
		{`{"body":"json"} s3cret`, ``, "text after the value"},
		{`{"body":s3cret}`, ``, "no value begins here"},
		{"{\"mimetype\":\"\xff\"}", ``, "UTF-8"},
		{`{"headers":{"a":` + deep + `}}`, ``, "nested too deeply"},
		{`{"eror":"s3cret"}`, ``, "a member that does not exist; known are http_status"},
		{`{"":1}`, ``, "a member that does not exist"},
		{`{"http_status":99}`, ``, `"http_status" must be an integer from 100 to 599`},
		{`{"http_status":600}`, ``, `"http_status" must be`},
		{`{"http_status":-200}`, ``, `"http_status" must be`},
		{`{"http_status":200.0}`, ``, `"http_status" must be`},
		{`{"http_status":2e2}`, ``, `"http_status" must be`},
		{`{"http_status":"200"}`, ``, `"http_status" must be`},
		{`{"http_status":null}`, ``, `"http_status" must be`},
		{`{"http_status":99999999999999999999}`, ``, `"http_status" must be`},
		{`{"mimetype":""}`, ``, `"mimetype" must be a media type`},
		{`{"mimetype":null}`, ``, `"mimetype" must be`},
		{`{"mimetype":1}`, ``, `"mimetype" must be`},
		{`{"mimetype":"text/x\r\ns3cret: 1"}`, ``, `"mimetype" must be`},
		{`{"mimetype":"text/\u007f"}`, ``, `"mimetype" must be`},
		{`{"mimetype":"text/ü"}`, ``, `"mimetype" must be`},
		{`{"headers":[]}`, ``, `"headers" must be an object`},
		{`{"headers":null}`, ``, `"headers" must be an object`},
		{`{"headers":"s3cret"}`, ``, `"headers" must be an object`},
		{`{"body":"s3cret"}`, ``, `"body" must be "json" or "text"`},
		{`{"body":null}`, ``, `"body" must be`},
		{`{"body":{}}`, ``, `"body" must be`},
		{`{"error":"s3cret"}`, ``, `"error" must be null or an object`},
		{`{"error":{}}`, ``, `"error" must be`},
		{`{"error":[]}`, ``, `"error" must be`},
		{`{"error":{"code":"s3cret"}}`, ``, `"error" must be`},
		{`{"error":{"message":"s3cret"}}`, ``, `"error" must be`},
		{`{"error":{"code":"","message":"s3cret"}}`, ``, `"error" must be`},
		{`{"error":{"code":404,"message":"s3cret"}}`, ``, `"error" must be`},
		{`{"error":{"code":"x","message":null}}`, ``, `"error" must be`},
		{`{"error":{"code":"x","message":"y","detail":"s3cret"}}`, ``, `"error" must be`},
		{`{"response":{}}`, ``, `"response" must be an object of "status"`},
		{`{"response":null}`, ``, `"response" must be`},
		{`{"response":404}`, ``, `"response" must be`},
		{`{"response":{"status":199}}`, ``, `"response" must be`},
		{`{"response":{"status":600}}`, ``, `"response" must be`},
		{`{"response":{"status":"404"}}`, ``, `"response" must be`},
		{`{"response":{"status":404,"body":"s3cret"}}`, ``, `"response" must be`},
		{`{"response":{"status":404},"http_status":404}`, ``, `"response" goes with "mimetype" only`},
		{`{"response":{"status":404},"error":{"code":"s3cret","message":""}}`, ``, `"response" goes with`},
		{`{"response":{"status":404},"headers":{}}`, ``, `"response" goes with`},
		{`{"body":"text","response":{"status":404}}`, `x`, `"response" goes with`},
		{`{}`, `s3cret`, "the body is not valid JSON at byte 0"},
		{`{}`, ` `, "the body is not valid JSON"},
		{`{}`, `{"a":1`, "the body is not valid JSON at byte 6"},
		{`{}`, `{} {}`, "the body is not valid JSON at byte 3"},
		{`{}`, "\"\xff\"", "not UTF-8"},
		{`{}`, "\xef\xbb\xbf{}", "the body is not valid JSON"},
		{`{}`, strings.Repeat("[", 513) + strings.Repeat("]", 513), "nested too deeply"},
		{`{"body":"text"}`, "s3cret\xff", "not UTF-8"},
	}
	for _, tc := range tests {
		got, err := Parse([]byte(tc.head), []byte(tc.body), false)
		if got != nil || err == nil || !strings.Contains(err.Error(), tc.expectedErr) {
			t.Errorf("%s with %.20q: got %+v, %v; want %s", tc.head, tc.body, got, err, tc.expectedErr)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v quotes the guest", tc.head, err)
		}
	}
}

func TestAnswer_AppendV2(t *testing.T) {
	const end = `,"command_response_version":2,"error":null,"spiff__logs":[]}`
	tests := []struct {
		name   string
		answer Answer
		want   string
	}{
		{"least", Answer{Mimetype: "application/json"}, `{"command_response":{"body":null,"mimetype":"application/json"}` + end},
		{"JSON as it is", Answer{Mimetype: "m", Body: []byte(`{"b":1.0,"a":"\u00fc"}`)},
			`{"command_response":{"body":{"b":1.0,"a":"\u00fc"},"mimetype":"m"}` + end},
		{"text", Answer{Mimetype: "text/plain", Body: []byte("a\"\\\n\u2028<ü>\x01"), Text: true},
			`{"command_response":{"body":"a\"\\\n\u2028<ü>\u0001","mimetype":"text/plain"}` + end},
		{"empty text", Answer{Mimetype: "m", Text: true}, `{"command_response":{"body":"","mimetype":"m"}` + end},
		{"all", Answer{HTTPStatus: 503, Mimetype: `a"b`, Headers: []byte(`{"x": "y"}`), Body: []byte("[]"),
			Error: &Error{`C"`, "m\n"}, Logs: []string{"one", "t\"wo"}},
			`{"command_response":{"body":[],"mimetype":"a\"b","http_status":503,"headers":{"x": "y"}},"command_response_version":2,` +
				`"error":{"error_code":"C\"","message":"m\n"},"spiff__logs":["one","t\"wo"]}`},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			got := tc.answer.AppendV2([]byte("before"))
			if string(got) != "before"+tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			checkV2(t, &tc.answer, got[len("before"):])
		})
	}
}

// checkV2 reads an envelope back by the standard library.
func checkV2(t testing.TB, a *Answer, text []byte) {
	t.Helper()
	var top map[string]json.RawMessage
	if err := json.Unmarshal(text, &top); err != nil {
		t.Fatalf("%v: %q", err, text)
	}
	for _, key := range []string{"command_response", "command_response_version", "error", "spiff__logs"} {
		if len(top[key]) == 0 {
			t.Errorf("%s is missing: %s", key, text)
		}
	}
	var v2 struct {
		CommandResponse struct {
			Body       json.RawMessage
			Mimetype   string
			HTTPStatus int `json:"http_status"`
			Headers    map[string]json.RawMessage
		} `json:"command_response"`
		Version int `json:"command_response_version"`
		Error   *struct {
			Code    string `json:"error_code"`
			Message string
		}
		Logs []string `json:"spiff__logs"`
	}
	if err := json.Unmarshal(text, &v2); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	r := v2.CommandResponse
	if len(top) != 4 || v2.Version != 2 || r.Mimetype != a.Mimetype || r.HTTPStatus != a.HTTPStatus || v2.Logs == nil ||
		len(v2.Logs) != len(a.Logs) || (v2.Error == nil) != (a.Error == nil) {
		t.Errorf("%+v was written as %s", a, text)
	}
	if v2.Error != nil && (v2.Error.Code != a.Error.Code || v2.Error.Message != a.Error.Message) {
		t.Errorf("%+v was written as %+v", a.Error, v2.Error)
	}
	switch {
	case a.Text:
		var s string
		if err := json.Unmarshal(r.Body, &s); err != nil || s != string(a.Body) {
			t.Errorf("the text %q was written as %s", a.Body, r.Body)
		}
	case len(a.Body) > 0:
		if string(r.Body) != string(a.Body) {
			t.Errorf("the body %s was written as %s", a.Body, r.Body)
		}
	case string(r.Body) != "null":
		t.Errorf("no body was written as %s", r.Body)
	}
}

func TestAppendDispatch(t *testing.T) {
	got := AppendDispatch([]byte("before"), MissingParameter, "The \"url\"\nis missing.")
	want := `before{"command_response":{},"error":{"error_code":"missing_parameter","message":"The \"url\"\nis missing."}}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !json.Valid(got[len("before"):]) {
		t.Error("it is not JSON")
	}
}

// Whatever a guest answers, what goes out is an envelope.
func FuzzParse(f *testing.F) {
	for _, seed := range [][2]string{
		{`{}`, `null`}, {`{"body":"text"}`, "x\xff"}, {`{"http_status":200,"headers":{"a":"b"}}`, `{"a":[1,2.50]}`},
		{`{"error":{"code":"c","message":"m"},"mimetype":"a/b"}`, ``}, {`{"response":{"status":404}}`, `x`}, {`{"eror":1}`, ` 1 `},
	} {
		f.Add([]byte(seed[0]), []byte(seed[1]))
	}
	f.Fuzz(func(t *testing.T, head, body []byte) {
		a, err := Parse(head, append([]byte(nil), body...), false)
		if err != nil {
			if a != nil {
				t.Error("an answer and an error")
			}
			return
		}
		if a.Mimetype == "" || a.HTTPStatus != 0 && (a.HTTPStatus < 100 || a.HTTPStatus > 599) {
			t.Errorf("got %+v", a)
		}
		if a.Bare != 0 {
			if a.Bare < 200 || a.Bare > 599 || string(a.Body) != string(body) || a.Error != nil {
				t.Errorf("got %+v", a)
			}
			return
		}
		a.Logs = []string{"a line"}
		checkV2(t, a, a.AppendV2(nil))
	})
}
