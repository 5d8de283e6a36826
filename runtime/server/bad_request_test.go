package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"sluice/runtime"
	"sluice/runtime/server/servertest"
)

// TestDo_Errors sends every kind of request that can't be executed, each followed by one that can.
func TestDo_Errors(t *testing.T) {
	t.Parallel()
	const canary = "c4n4ry7f1e"
	s := servertest.MustServe(t, servertest.Shared(), servertest.Install(echo.Module()), servertest.Bodies(1<<20, 8<<20),
		servertest.Grant("echo", runtime.Grant{Memory: 2 << 20}))
	s.Logs.Canary(canary)
	deep := strings.Repeat("[", 600) + strings.Repeat("]", 600)
	all := want{400, "missing_parameter", "s, i, b, a"}
	invalid := func(says string) want { return want{400, "invalid_parameter", says} }
	tests := []struct {
		name        string
		command     string // echo/Params unless said
		contentType string // application/json unless said; "-" for none
		header      http.Header
		body        string
		want        want
	}{
		{name: "empty", body: ``, want: want{400, "invalid_body", "ends too early"}},
		{name: "white space", body: " \r\n\t", want: want{400, "invalid_body", "ends too early"}},
		{name: "not JSON", body: `hello ` + canary, want: want{400, "invalid_body", "at byte 0"}},
		{name: "a form's text", body: `s=` + canary, want: want{400, "invalid_body", "at byte 0"}},
		{name: "single quotes", body: `{'s': 1}`, want: want{400, "invalid_body", "at byte 1: a member's name in double quotes"}},
		{name: "comment", body: `{"s": 1} // x`, want: want{400, "invalid_body", "at byte 9: text after the value"}},
		{name: "trailing comma", body: `{"s": 1,}`, want: want{400, "invalid_body", "at byte 8"}},
		{name: "two objects", body: `{}{}`, want: want{400, "invalid_body", "at byte 2"}},
		{name: "NaN", body: `{"a": NaN}`, want: want{400, "invalid_body", "at byte 6"}},
		{name: "cut off", body: `{"s": "` + canary, want: want{400, "invalid_body", "ends too early"}},
		{name: "cut off in an escape", body: `{"s": "\u12`, want: want{400, "invalid_body", "ends too early"}},
		{name: "byte order mark", body: "\ufeff{}", want: want{400, "invalid_body", "at byte 0"}},
		{name: "invalid UTF-8 in a value", body: "{\"s\": \"\xff\"}", want: want{400, "invalid_body", "not UTF-8"}},
		{name: "invalid UTF-8 in a name", body: "{\"\xc3\x28\": 1}", want: want{400, "invalid_body", "not UTF-8"}},
		{name: "invalid UTF-8 in what is dropped", body: "{\"spiff__x\": \"\xff\"}", want: want{400, "invalid_body", "not UTF-8"}},
		{name: "UTF-16", body: "{\x00}\x00", want: want{400, "invalid_body", "at byte 1"}},
		{name: "control character", body: "{\"s\": \"a\nb\"}", want: want{400, "invalid_body", "control character"}},
		{name: "null", body: `null`, want: want{400, "invalid_body", "must be a JSON object"}},
		{name: "array", body: `[]`, want: want{400, "invalid_body", "must be a JSON object"}},
		{name: "array of an object", body: `[{"s": 1}]`, want: want{400, "invalid_body", "must be a JSON object"}},
		{name: "number", body: `5`, want: want{400, "invalid_body", "must be a JSON object"}},
		{name: "string", body: `"` + canary + `"`, want: want{400, "invalid_body", "must be a JSON object"}},
		{name: "nested too deeply", body: `{"a": ` + deep + `}`, want: want{400, "invalid_body", "nested too deeply"}},
		{name: "nested too deeply in what is dropped", body: `{"spiff__x": ` + deep + `}`, want: want{400, "invalid_body", "nested too deeply"}},

		{name: "too many members", body: manyMembers(10_001), want: want{400, "invalid_body", "10,000 members"}},

		{name: "form", contentType: "application/x-www-form-urlencoded", body: `s=1`, want: want{415, "unsupported_media_type", "application/json"}},
		{name: "multipart form", contentType: "multipart/form-data; boundary=x", body: "--x--", want: want{415, "unsupported_media_type", "application/json"}},
		{name: "plain text", contentType: "text/plain", body: `{}`, want: want{415, "unsupported_media_type", "application/json"}},
		{name: "plain text that mentions JSON", contentType: "text/plain; x=application/json", body: `{}`, want: want{415, "unsupported_media_type", "application/json"}},
		{name: "two types", contentType: "application/json, text/plain", body: `{}`, want: want{415, "unsupported_media_type", "application/json"}},
		{name: "a longer type", contentType: "application/jsonp", body: `{}`, want: want{415, "unsupported_media_type", "application/json"}},
		{name: "nonsense for a type", contentType: "???", body: `{}`, want: want{415, "unsupported_media_type", "application/json"}},
		{name: "gzip", header: servertest.Header("Content-Encoding", "gzip"), body: "\x1f\x8b", want: want{415, "unsupported_media_type", "Content-Encoding"}},

		{name: "unknown connector", command: "nothing/Params", body: `{}`, want: want{404, "command_not_found", "/v1/commands"}},
		{name: "unknown command", command: "echo/Nothing", body: `{}`, want: want{404, "command_not_found", "/v1/commands"}},
		{name: "command in other case", command: "echo/params", body: `{}`, want: want{404, "command_not_found", "/v1/commands"}},
		{name: "unknown command with a bad body", command: "echo/Nothing", body: `nonsense`, want: want{404, "command_not_found", "/v1/commands"}},

		{name: "all missing", command: "echo/Required", body: `{}`, want: all},
		{name: "some missing", command: "echo/Required", body: `{"i": 1, "a": null}`, want: want{400, "missing_parameter", "null: s, b."}},
		{name: "null for what is required", command: "echo/Required", body: `{"s": null, "i": null, "b": null, "a": 1}`, want: want{400, "missing_parameter", "null: s, i, b."}},
		{name: "null wins as the last", command: "echo/Required", body: `{"s": "x", "i": 1, "b": true, "a": 1, "s": null}`, want: want{400, "missing_parameter", "null: s."}},
		{name: "missing and mistyped", command: "echo/Required", body: `{"s": [], "i": 1, "b": 1}`, want: want{400, "missing_parameter", "null: a."}},
		{name: "str: object", body: `{"s": {"` + canary + `": 1}}`, want: invalid("s (str")},
		{name: "str: array", body: `{"s": []}`, want: invalid("s (str")},
		{name: "int: fraction", body: `{"i": 1.5}`, want: invalid("i (int")},
		{name: "int: small fraction", body: `{"i": 1e-400}`, want: invalid("i (int")},
		{name: "int: endless", body: `{"i": 1e400}`, want: invalid("i (int")},
		{name: "int: an exponent beyond all", body: `{"i": 1e99999999999999999999}`, want: invalid("i (int")},
		{name: "int: word", body: `{"i": "` + canary + `"}`, want: invalid("i (int")},
		{name: "int: empty string", body: `{"i": ""}`, want: invalid("i (int")},
		{name: "int: sign only", body: `{"i": "-"}`, want: invalid("i (int")},
		{name: "int: quoted fraction", body: `{"i": "1.5"}`, want: invalid("i (int")},
		{name: "int: quoted exponent", body: `{"i": "1e3"}`, want: invalid("i (int")},
		{name: "int: two numbers", body: `{"i": "1 2"}`, want: invalid("i (int")},
		{name: "int: digits of another script", body: `{"i": "٣"}`, want: invalid("i (int")},
		{name: "int: boolean", body: `{"i": true}`, want: invalid("i (int")},
		{name: "int: array", body: `{"i": [1]}`, want: invalid("i (int")},
		{name: "int: object", body: `{"i": {}}`, want: invalid("i (int")},
		{name: "all that is mistyped is named", body: `{"i": {}, "s": []}`, want: invalid("s (str: a string, number or boolean), i (int: a number without fraction, or one in a string)")},

		{name: "above a quarter of the memory", body: `{"s": "` + strings.Repeat("x", 512<<10) + `"}`, want: want{413, "body_too_large", "524288 bytes together, a quarter of the memory"}},
		{name: "above body.max", body: `{"spiff__x": "` + strings.Repeat("x", 1<<20) + `"}`, want: want{413, "body_too_large", "larger than 1048576 bytes"}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			h := tc.header
			if h == nil {
				h = http.Header{}
			}
			switch tc.contentType {
			case "":
				h.Set("Content-Type", "application/json")
			case "-":
			default:
				h.Set("Content-Type", tc.contentType)
			}
			if tc.command == "" {
				tc.command = "echo/Params"
			}
			a := s.Send("POST", "/v1/do/"+tc.command, h, tc.body)
			tc.want.check(t, a)
			if strings.Contains(string(a.Body), canary) {
				t.Errorf("the answer quotes the request: %s", a)
			}
			if !strings.HasPrefix(string(a.Body), `{"command_response":{},"error":{"error_code":`) {
				t.Errorf("the answer is no dispatch failure: %s", a)
			}
			alive(t, s)
		})
	}
}

// TestDo_MediaTypes has what is taken beside the plain type.
func TestDo_MediaTypes(t *testing.T) {
	t.Parallel()
	s := servertest.MustServe(t, servertest.Shared(), servertest.Install(echo.Module()))
	for _, media := range []string{
		"", "application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8", "Application/JSON", "application/json ; charset=\"utf-8\"",
	} {
		h := http.Header{}
		if media != "" {
			h.Set("Content-Type", media)
		}
		if a := s.Send("POST", "/v1/do/echo/Params", h, `{"i": 1}`); a.Status != 200 || a.Result() != `{"i":1}` {
			t.Errorf("%q: got %s", media, a)
		}
	}
	if a := s.Send("POST", "/v1/do/echo/Params", servertest.Header("Content-Encoding", "identity"), `{}`); a.Status != 200 {
		t.Errorf("identity: got %s", a)
	}
}

// TestPaths_Errors has paths and methods that nothing answers.
func TestPaths_Errors(t *testing.T) {
	t.Parallel()
	s := servertest.MustServe(t, servertest.Shared(), servertest.Install(echo.Module()))
	missing := want{404, "not_found", "GET /v1/commands"}
	tests := []struct {
		method, path string
		want         want
		allow        string
	}{
		{method: "GET", path: "/nothing", want: missing},
		{method: "GET", path: "/v1", want: missing},
		{method: "GET", path: "/v1/", want: missing},
		{method: "GET", path: "/v2/commands", want: missing},
		{method: "GET", path: "/v1/commands/", want: missing},
		{method: "GET", path: "/v1/commands/x", want: missing},
		{method: "POST", path: "/v1/do", want: missing},
		{method: "POST", path: "/v1/do/echo", want: missing},
		{method: "POST", path: "/v1/do/echo/", want: missing},
		{method: "POST", path: "/v1/do/echo/Params/", want: missing},
		{method: "POST", path: "/v1/do/echo/Params/more", want: missing},
		{method: "POST", path: "/v1/do/echo%2FParams", want: want{415, "unsupported_media_type", ""}}, // the same as with a slash
		{method: "POST", path: "/v1/do/echo/Par%2561ms", want: want{415, "unsupported_media_type", ""}},
		{method: "GET", path: "/V1/commands", want: missing},
		{method: "GET", path: "/v1/auth/x", want: want{404, "not_found", "sign-in is not part of the protocol"}},
		{method: "GET", path: "/v1/auth", want: want{404, "not_found", "sign-in is not part of the protocol"}},
		{method: "GET", path: "/v1/typeahead/x", want: missing},
		{method: "GET", path: "/console", want: missing},
		{method: "GET", path: "/%00", want: missing},
		{method: "GET", path: "/" + strings.Repeat("a", 8000), want: missing},
		{method: "GET", path: "/v1/do/echo/Params", want: want{405, "method_not_allowed", "Allow"}, allow: "POST"},
		{method: "PUT", path: "/v1/do/echo/Params", want: want{405, "method_not_allowed", "Allow"}, allow: "POST"},
		{method: "DELETE", path: "/v1/do/echo/Params", want: want{405, "method_not_allowed", "Allow"}, allow: "POST"},
		{method: "POST", path: "/v1/commands", want: want{405, "method_not_allowed", "Allow"}, allow: "GET"},
		{method: "POST", path: "/v1/auths", want: want{405, "method_not_allowed", "Allow"}, allow: "GET"},
		{method: "POST", path: "/v1/liveness", want: want{405, "method_not_allowed", "Allow"}, allow: "GET"},
		{method: "POST", path: "/liveness", want: want{405, "method_not_allowed", "Allow"}, allow: "GET"},
		{method: "BREW", path: "/liveness", want: want{405, "method_not_allowed", "Allow"}, allow: "GET"},
		{method: "POST", path: "/", want: want{405, "method_not_allowed", "Allow"}, allow: "GET"},
	}
	for _, tc := range tests {
		t.Run(tc.method+" "+tc.path[:min(len(tc.path), 40)], func(t *testing.T) {
			a := s.Send(tc.method, tc.path, servertest.Header("Content-Type", "text/plain"), "")
			tc.want.check(t, a)
			contains(t, a.Header.Get("Allow"), tc.allow)
			alive(t, s)
		})
	}
}

// manyMembers is a body of n parameters.
func manyMembers(n int) string {
	var b strings.Builder
	b.WriteString(`{"p0": 0`)
	for i := 1; i < n; i++ {
		fmt.Fprintf(&b, `, "p%d": 0`, i)
	}
	return b.String() + "}"
}
