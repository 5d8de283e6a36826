package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"sluice/runtime"
	"sluice/runtime/catalog"
	"sluice/runtime/server"
	"sluice/runtime/server/servertest"
)

// TestDo_Params has what a guest gets for what was sent.
func TestDo_Params(t *testing.T) {
	t.Parallel()
	s := servertest.MustServe(t, servertest.Shared(), servertest.Install(echo.Module()))
	many := make([]string, 40)
	for i := range many {
		many[i] = fmt.Sprintf(`"p%d":%d`, i, i)
	}
	list := strings.Join(many, ",")
	tests := []struct{ name, sent, got string }{
		{"nothing", `{}`, `{}`},
		{"white space", " {\t\"s\"\r:\n\"x\" } ", `{"s":"x"}`},
		{"str: string", `{"s":"a\u00e9\ud83d\ude00\n\/"}`, `{"s":"a\u00e9\ud83d\ude00\n\/"}`},
		{"str: integer", `{"s":5}`, `{"s":"5"}`},
		{"str: number keeps its text", `{"s":1.50e+3}`, `{"s":"1.50e+3"}`},
		{"str: boolean", `{"s":true}`, `{"s":"true"}`},
		{"str: null is not given", `{"s":null}`, `{}`},
		{"int: integer", `{"i":5}`, `{"i":5}`},
		{"int: negative", `{"i":-5}`, `{"i":-5}`},
		{"int: zero", `{"i":0}`, `{"i":0}`},
		{"int: minus zero", `{"i":-0}`, `{"i":0}`},
		{"int: minus zero with a fraction", `{"i":-0.0}`, `{"i":0}`},
		{"int: 23 digits", `{"i":12345678901234567890123}`, `{"i":12345678901234567890123}`},
		{"int: 23 quoted digits", `{"i":"12345678901234567890123"}`, `{"i":12345678901234567890123}`},
		{"int: no fraction", `{"i":5.0}`, `{"i":5}`},
		{"int: exponent", `{"i":1e3}`, `{"i":1000}`},
		{"int: exponent with a sign", `{"i":-2.5E+1}`, `{"i":-25}`},
		{"int: negative exponent", `{"i":5000e-3}`, `{"i":5}`},
		{"int: zero with an exponent", `{"i":0e5}`, `{"i":0}`},
		{"int: 300 digits", `{"i":1e299}`, `{"i":1` + strings.Repeat("0", 299) + `}`},
		{"int: quoted", `{"i":"587"}`, `{"i":587}`},
		{"int: quoted with blanks", `{"i":" 587\n"}`, `{"i":587}`},
		{"int: quoted with a plus", `{"i":"+587"}`, `{"i":587}`},
		{"int: quoted with leading zeros", `{"i":"-0587"}`, `{"i":-587}`},
		{"int: quoted zeros", `{"i":"-000"}`, `{"i":0}`},
		{"int: quoted with an escape", `{"i":"\u0035"}`, `{"i":5}`},
		{"int: null is not given", `{"i":null}`, `{}`},
		{"bool: true", `{"b":true}`, `{"b":true}`},
		{"bool: false", `{"b":false}`, `{"b":false}`},
		{"bool: the word false is true", `{"b":"false"}`, `{"b":true}`},
		{"bool: empty string", `{"b":""}`, `{"b":false}`},
		{"bool: blank string", `{"b":" "}`, `{"b":true}`},
		{"bool: zero", `{"b":0}`, `{"b":false}`},
		{"bool: zeros", `{"b":-0.00e9}`, `{"b":false}`},
		{"bool: number", `{"b":0.1}`, `{"b":true}`},
		{"bool: empty array", `{"b":[ ]}`, `{"b":false}`},
		{"bool: array", `{"b":[false]}`, `{"b":true}`},
		{"bool: empty object", `{"b":{}}`, `{"b":false}`},
		{"bool: object", `{"b":{"a":0}}`, `{"b":true}`},
		{"bool: null is not given", `{"b":null}`, `{}`},
		{"any: number keeps its text", `{"a":1.0}`, `{"a":1.0}`},
		{"any: numbers within", `{"a":[1.0,12345678901234567890123,-0,1E400]}`, `{"a":[1.0,12345678901234567890123,-0,1E400]}`},
		{"any: order of keys", `{"a":{"z":1,"a":2,"m":{"y":1,"b":2}}}`, `{"a":{"z":1,"a":2,"m":{"y":1,"b":2}}}`},
		{"any: null is not given", `{"a":null}`, `{}`},
		{"any: date", `{"a":{"value":"2026-01-01T00:00:00","typename":"datetime"}}`, `{"a":{"value":"2026-01-01T00:00:00","typename":"datetime"}}`},
		{"order of parameters", `{"i":1,"zz":2,"s":"x","aa":3}`, `{"i":1,"zz":2,"s":"x","aa":3}`},
		{"duplicates: the last wins, in the place of the first", `{"s":"a","i":1,"s":"b"}`, `{"s":"b","i":1}`},
		{"duplicates by an escape", `{"s":"a","\u0073":"b"}`, `{"s":"b"}`},
		{"names with escapes", `{"\u0069":"7","\"\\":1}`, `{"i":7,"\"\\":1}`},
		{"empty name", `{"":1}`, `{"":1}`},
		{"undeclared ones are passed as they are", `{"x":null,"y":"5","S":1}`, `{"x":null,"y":"5","S":1}`},
		{"reserved ones are dropped", `{"spiff__":1,"spiff__x":{"a":1},"s":"x","spiff__logs":[]}`, `{"s":"x"}`},
		{"reserved ones by an escape", `{"\u0073piff__x":1,"spiff_x":2}`, `{"spiff_x":2}`},
		{"many", `{` + list + `}`, `{` + list + `}`},
		{"many, one of them twice", `{` + list + `,"p3":null,"p39":[],"i":"1"}`, strings.NewReplacer(`"p3":3,`, `"p3":null,`, `"p39":39`, `"p39":[],"i":1`).Replace(`{` + list + `}`)},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			if a := s.Do("echo/Params", tc.sent); a.Status != 200 || a.Result() != tc.got {
				t.Errorf("got %s, want %s", a, tc.got)
			}
		})
	}
	t.Run("null for what may be anything", func(t *testing.T) {
		if a := s.Do("echo/Required", `{"s":1,"i":"2","b":"","a":null}`); a.Result() != `{"s":"1","i":2,"b":false,"a":null}` {
			t.Errorf("got %s", a)
		}
	})
}

// TestDo_Context: what the engine says of a call reaches the guest, its data only where the manifest asks.
func TestDo_Context(t *testing.T) {
	t.Parallel()
	s := servertest.MustServe(t, servertest.Shared(), servertest.Install(echo.Module()))
	const body = `{"spiff__process_instance_id": 12345678901234567890123, "spiff__process_model_identifier": "a/b", "spiff__task_id": "t-1",
		"spiff__task_data": {"z": 1.0, "a": []}, "spiff__callback_url": "https://arena.example/cb?x=1"}`
	type context struct {
		Command, Connector string
		CallID             string          `json:"call_id"`
		Deadline           int64           `json:"deadline_ms"`
		Instance           json.RawMessage `json:"process_instance_id"`
		Model              string          `json:"process_model_identifier"`
		Task               string          `json:"task_id"`
		Data               json.RawMessage `json:"task_data"`
		Callback           string          `json:"callback_url"`
	}
	a := s.Do("echo/Context", body)
	got := decode[context](t, []byte(a.Result()))
	if got.Command != "Context" || got.Connector != "echo" || got.CallID != a.Header.Get("X-Request-Id") || got.CallID == "" || got.Deadline < 1 || got.Deadline > 40_000 ||
		string(got.Instance) != "12345678901234567890123" || got.Model != "a/b" || got.Task != "t-1" || string(got.Data) != `{"z": 1.0, "a": []}` || got.Callback != "https://arena.example/cb?x=1" {
		t.Errorf("got %s", a)
	}
	if a := s.Do("echo/NoData", body); strings.Contains(a.Result(), "task_data") || a.Status != 200 {
		t.Errorf("unasked, a command gets the task's data: %s", a)
	}
	if a := s.Do("echo/Context", `{"spiff__process_instance_id": {}, "spiff__process_model_identifier": 5, "spiff__task_id": [], "spiff__task_data": "x", "spiff__callback_url": ""}`); a.Status != 200 ||
		strings.Contains(a.Result(), "process_") || strings.Contains(a.Result(), "task_") || strings.Contains(a.Result(), "callback") {
		t.Errorf("values of other kinds are passed: %s", a)
	}
	for _, line := range s.Logs.Lines(`"command":"echo/Context"`) {
		if !strings.Contains(line, `"outcome":"ok"`) {
			t.Errorf("the log has %s", line)
		}
	}
	if len(s.Logs.Lines(`"process_instance":"12345678901234567890123","process_model":"a/b","task":"t-1"`)) != 2 {
		t.Errorf("the log does not tell what calls belong to: %s", s.Logs)
	}
}

// echoCommand is a command of a runtime without a server.
func echoCommand(t testing.TB) *runtime.Command {
	t.Helper()
	cmd, _ := echoRuntime(t).Command("echo", "Params")
	return cmd
}

// echoRuntime is a runtime in which the echo guest is installed.
func echoRuntime(t testing.TB) *runtime.Runtime {
	t.Helper()
	store, err := catalog.Open(t.TempDir(), catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	rt, err := runtime.New(context.Background(), runtime.Config{Store: store, Limits: runtime.DefaultLimits(), MaxSockets: 16, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rt.Close(context.Background()) })
	if _, _, err := rt.Install(context.Background(), echo.Module(), false); err != nil {
		t.Fatal(err)
	}
	return rt
}

// FuzzBind compares what a guest gets with what encoding/json makes of the same body.
func FuzzBind(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"s":1,"i":"2","b":[],"a":null}`, `{"i":1.0e2,"s":true,"i":-0}`, `{"\u0073":"x","s":"y","spiff__x":1}`, `{"a":{"a":1,"a":2}}`, `[]`, `{"i":5e-1}`, `{"i":"1e3"}`, `{"b":-0.0e1}`,
		`{"i":0.5e1,"b":1e-400}`, `{"":[],"\ud800":1,"\ud801":2}`, `{"i":1e401}`,
	} {
		f.Add([]byte(seed))
	}
	cmd := echoCommand(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		call, err := server.Bind(cmd, body)
		want, wantErr := oracle(body)
		if (err == nil) != (wantErr == "") {
			if strings.Contains(fmt.Sprint(err), "nested too deeply") {
				return
			}
			t.Fatalf("Bind: %v, the oracle: %q", err, wantErr)
		}
		if err != nil {
			if !strings.HasPrefix(err.Error(), wantErr) {
				t.Fatalf("Bind: %v, the oracle: %q", err, wantErr)
			}
			return
		}
		got, names := members(t, call.Params)
		if len(got) != names {
			t.Fatalf("%s has a name twice", call.Params)
		}
		if !maps.EqualFunc(got, want, func(a, b json.RawMessage) bool { return compact(t, a) == compact(t, b) }) {
			t.Fatalf("got %s, want %s", got, want)
		}
	})
}

// oracle is Bind for echo/Params in the plain way: members by name, or the code of the error.
func oracle(body []byte) (map[string]json.RawMessage, string) {
	var sent map[string]json.RawMessage
	if !utf8.Valid(body) || json.Unmarshal(body, &sent) != nil || sent == nil {
		return nil, "invalid_body"
	}
	for name, value := range sent {
		if strings.HasPrefix(name, "spiff__") {
			delete(sent, name)
			continue
		}
		declared := map[string]func(any) (string, bool){"s": oracleStr, "i": oracleInt, "b": oracleBool, "a": nil}
		as, ok := declared[name]
		if ok && string(value) == "null" {
			delete(sent, name)
			continue
		}
		if as == nil {
			continue
		}
		d := json.NewDecoder(bytes.NewReader(value))
		d.UseNumber()
		var v any
		if d.Decode(&v) != nil {
			return nil, "invalid_body"
		}
		text, ok := as(v)
		if !ok {
			return nil, "invalid_parameter"
		}
		sent[name] = json.RawMessage(text)
	}
	return sent, ""
}

func oracleStr(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		b, _ := json.Marshal(v)
		return string(b), true
	case bool:
		return `"` + strconv.FormatBool(v) + `"`, true
	case json.Number:
		return `"` + v.String() + `"`, true
	}
	return "", false
}

func oracleInt(v any) (string, bool) {
	switch v := v.(type) {
	case json.Number:
		mantissa, exponent, _ := strings.Cut(strings.ToLower(v.String()), "e")
		if e, err := strconv.Atoi(exponent); exponent != "" && (err != nil || e > 10_000 || e < -10_000) {
			return "0", strings.Trim(mantissa, "-0.") == "" && err == nil // big.Rat would write it out
		}
		r, ok := new(big.Rat).SetString(v.String())
		if !ok || !r.IsInt() {
			return "", false
		}
		digits := r.Num().String()
		return digits, !strings.ContainsAny(v.String(), ".eE") || len(strings.TrimPrefix(digits, "-")) <= 400
	case string:
		text := strings.TrimSpace(v)
		if strings.Trim(strings.TrimPrefix(strings.TrimPrefix(text, "+"), "-"), "0123456789") != "" {
			return "", false
		}
		n, ok := new(big.Int).SetString(text, 10)
		if !ok {
			return "", false
		}
		return n.String(), true
	}
	return "", false
}

func oracleBool(v any) (string, bool) {
	truth := true
	switch v := v.(type) {
	case bool:
		truth = v
	case string:
		truth = v != ""
	case []any:
		truth = len(v) > 0
	case map[string]any:
		truth = len(v) > 0
	case json.Number:
		mantissa, _, _ := strings.Cut(strings.ToLower(v.String()), "e")
		truth = strings.Trim(mantissa, "-0.") != ""
	}
	return strconv.FormatBool(truth), true
}

// members are an object's members, and how many there are with duplicates.
func members(t *testing.T, object []byte) (map[string]json.RawMessage, int) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(object))
	if token, err := d.Token(); err != nil || token != json.Delim('{') {
		t.Fatalf("%s is no object: %v", object, err)
	}
	out, n := map[string]json.RawMessage{}, 0
	for ; d.More(); n++ {
		name, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			t.Fatal(err)
		}
		out[name.(string)] = value
	}
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	return out, n
}

// compact is a value without white space, a string in one way of writing it.
func compact(t *testing.T, value []byte) string {
	t.Helper()
	if len(value) > 0 && value[0] == '"' {
		return strconv.Quote(decode[string](t, value))
	}
	var b bytes.Buffer
	if err := json.Compact(&b, value); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
