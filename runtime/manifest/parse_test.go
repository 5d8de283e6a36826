package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

const minimal = `{"name": "a", "version": "0.1.0", "commands": [{"name": "Run"}]}`

const complete = ` {"name": "weather", "version": "1.2.0-rc.1+7", "description": "Forecasts by city\n\twith \u00fc and \ud83c\udf26",
 "capabilities": [{"name": "http", "reason": "asks the service", "hosts": ["https://api.weather.example", "https://*.example.com"]}],
 "commands": [
   {"name": "GetForecast", "description": "One city", "async": false, "task_data": true,
    "parameters": [{"id": "city", "type": "str", "required": true, "description": "Its name", "secret": false},
                   {"id": "days", "type": "int"}, {"id": "key", "type": "any", "secret": true}, {"id": "metric", "type": "bool"}]},
   {"name": "Alert", "async": true, "parameters": []}]}
`

func TestParse(t *testing.T) {
	m, err := Parse([]byte(complete))
	if err != nil {
		t.Fatal(err)
	}
	want := &Manifest{
		Name: "weather", Version: "1.2.0-rc.1+7", Description: "Forecasts by city\n\twith ü and 🌦",
		Capabilities: []Capability{{Name: "http", Reason: "asks the service", Hosts: []string{"https://api.weather.example", "https://*.example.com"}}},
		Commands: []Command{
			{Name: "GetForecast", Description: "One city", TaskData: true, Parameters: []Parameter{
				{ID: "city", Type: TypeString, Required: true, Description: "Its name"},
				{ID: "days", Type: TypeInt}, {ID: "key", Type: TypeAny, Secret: true}, {ID: "metric", Type: TypeBool},
			}},
			{Name: "Alert", Async: true},
		},
	}
	if !reflect.DeepEqual(m, want) {
		t.Errorf("got  %+v\nwant %+v", m, want)
	}
}

func TestParse_Limits(t *testing.T) {
	for name, text := range map[string]string{
		"256 commands":          withCommands(256),
		"256 parameters":        withParameters(256),
		"64 hosts of 512 bytes": withHosts(64, 512),
		"4 KiB of description":  withDescription(4096),
		"1 MiB":                 minimal + strings.Repeat(" ", 1<<20-len(minimal)),
	} {
		if _, err := Parse([]byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParse_Errors(t *testing.T) {
	const rest = `"version": "1.0.0", "commands": [{"name": "Run"}]`
	command := func(members string) string {
		return `{"name": "a", "version": "1.0.0", "commands": [{"name": "First"}, {` + members + `}]}`
	}
	parameter := func(members string) string { return command(`"name": "Run", "parameters": [{` + members + `}]`) }
	capability := func(members string) string { return `{"name": "a", ` + rest + `, "capabilities": [{` + members + `}]}` }

	for _, tc := range []struct{ name, text, expectedErr string }{
		{"empty", "", "the document is empty; write one JSON object"},
		{"blank", " \n", "the document is empty; write one JSON object"},
		{"too large", minimal + strings.Repeat(" ", 1<<20), "the document has 1048640 bytes; shorten it to at most 1048576"},
		{"not UTF-8", "{\"name\": \"\xff\"}", "the document is not valid UTF-8; encode it as UTF-8"},
		{"not JSON", `{"name": 'a'}`, `the document is not strict JSON: invalid character '\'' looking for beginning of value (byte 10); write one JSON object and nothing after it`},
		{"cut off", `{"name": "a"`, `the document is not strict JSON: unexpected end of JSON input (byte 12); write one JSON object and nothing after it`},
		{"trailing data", minimal + "{}", `the document is not strict JSON: invalid character '{' after top-level value (byte 65); write one JSON object and nothing after it`},
		{"comma at the end", `{"name": "a",}`, `the document is not strict JSON: invalid character '}' looking for beginning of object key string (byte 14); write one JSON object and nothing after it`},
		{"comment", "// a\n" + minimal, `the document is not strict JSON: invalid character '/' looking for beginning of value (byte 1); write one JSON object and nothing after it`},
		{"byte order mark", "\ufeff" + minimal, `the document is not strict JSON: invalid character 'ï' looking for beginning of value (byte 1); write one JSON object and nothing after it`},
		{"raw line break in a string", "{\"name\": \"a\nb\"}", `the document is not strict JSON: invalid character '\n' in string literal (byte 12); write one JSON object and nothing after it`},
		{"half a surrogate pair", `{"name": "\ud800"}`, "the document has half of a surrogate pair (byte 11); write the character itself"},
		{"low surrogate alone", `{"name": "\udc00"}`, "the document has half of a surrogate pair (byte 11); write the character itself"},
		{"two high surrogates", `{"name": "\ud800\ud800"}`, "the document has half of a surrogate pair (byte 11); write the character itself"},
		{"too deep", `{"x": ` + strings.Repeat("[", 16) + strings.Repeat("]", 16) + `}`, "the document nests deeper than 16 levels (byte 22); a manifest needs 5"},
		{"an array", "[]", "the document is an array; make it an object"},
		{"null", "null", "the document is null; make it an object, or leave the member out where it is optional"},
		{"an empty object", "{}", `name is missing; add the connector's name, such as "weather"; ` +
			`version is missing; add a semantic version, such as "1.0.0"; commands is missing; add an array of at least one command`},

		{"unknown member", `{"name": "a", "verison": {"a": [null, 1]}, ` + rest + `}`, `the document has the unknown member "verison"; did you mean "version"?`},
		{"unknown member of other case", `{"name": "a", "Description": "", ` + rest + `}`, `the document has the unknown member "Description"; did you mean "description"?`},
		{"unknown member like none", `{"name": "a", "colour": [1, null], ` + rest + `}`, `the document has the unknown member "colour"; known are name, version, description, capabilities, commands`},
		{"unknown empty member", `{"name": "a", "": 1, ` + rest + `}`, `the document has the unknown member ""; known are name, version, description, capabilities, commands`},
		{"long unknown member", `{"name": "a", "` + strings.Repeat("ü", 65) + `": 1, ` + rest + `}`, `the document has the unknown member "` + strings.Repeat("ü", 64) + `"…; known are name, version, description, capabilities, commands`},
		{"member twice", `{"name": "a", "n\u0061me": "b", ` + rest + `}`, "name appears twice; keep one of them"},

		{"name of capitals", `{"name": "Weather", ` + rest + `}`, `name is "Weather"; use 1 to 64 of a-z, 0-9, '.', '_', '-', beginning with a letter or digit`},
		{"empty name", `{"name": "", ` + rest + `}`, `name is ""; use 1 to 64 of a-z, 0-9, '.', '_', '-', beginning with a letter or digit`},
		{"name is a number", `{"name": 1e999, ` + rest + `}`, "name is a number; make it a string"},
		{"version with v", `{"name": "a", "version": "v1.0.0", "commands": [{"name": "Run"}]}`, `version is "v1.0.0"; write it without the v`},
		{"version of two numbers", `{"name": "a", "version": "1.0", "commands": [{"name": "Run"}]}`, `version is "1.0"; write a semantic version of at most 128 bytes, such as "1.0.0" or "1.0.0-rc.1"`},
		{"version is null", `{"name": "a", "version": null, "commands": [{"name": "Run"}]}`, "version is null; make it a string, or leave the member out where it is optional"},
		{"long description", withDescription(4097), "description has 4097 bytes; shorten it to at most 4096"},
		{"escape in a description", `{"name": "a", "description": "\u001b[2J", ` + rest + `}`, "description holds the control character U+001B; remove it"},
		{"carriage return in a description", `{"name": "a", "description": "a\r\nb", ` + rest + `}`, "description holds the control character U+000D; remove it"},
		{"C1 control in a description", `{"name": "a", "description": "\u009b", ` + rest + `}`, "description holds the control character U+009B; remove it"},

		{"no command", `{"name": "a", "version": "1.0.0", "commands": []}`, "commands has 0 commands; add at least 1"},
		{"257 commands", withCommands(257), "commands has 257 commands; keep at most 256"},
		{"commands is an object", `{"name": "a", "version": "1.0.0", "commands": {"name": "Run"}}`, "commands is an object; make it an array of commands"},
		{"command is a string", `{"name": "a", "version": "1.0.0", "commands": ["Run"]}`, "commands[0] is a string; make it an object"},
		{"command without name", command(`"async": true`), `commands[1].name is missing; add the command's name, such as "GetForecast"`},
		{"command's name", command(`"name": "a/b"`), `commands[1].name is "a/b"; use 1 to 64 of A-Z, a-z, 0-9, '_', '.', '-', beginning with a letter or digit`},
		{"command twice", command(`"name": "First"`), `commands[1].name is "First", like that of commands[0]; give each its own`},
		{"async is a string", command(`"name": "Run", "async": "true"`), "commands[1].async is a string; make it true or false"},
		{"task_data is an array", command(`"name": "Run", "task_data": [[]]`), "commands[1].task_data is an array; make it true or false"},
		{"unknown member of a command", command(`"name": "Run", "asnyc": true`), `commands[1] has the unknown member "asnyc"; did you mean "async"?`},

		{"257 parameters", withParameters(257), "commands[0].parameters has 257 parameters; keep at most 256"},
		{"parameter without members", parameter(``), `commands[1].parameters[0].id is missing; add the parameter's name, such as "city"; commands[1].parameters[0].type is missing; add one of: str, int, bool, any`},
		{"parameter's type", parameter(`"id": "x", "type": "string"`), `commands[1].parameters[0].type is the unknown type "string"; known are str, int, bool, any`},
		{"parameter's type misspelt", parameter(`"id": "x", "type": "Int"`), `commands[1].parameters[0].type is the unknown type "Int"; did you mean "int"?`},
		{"parameter's type is false", parameter(`"id": "x", "type": false`), "commands[1].parameters[0].type is a boolean; make it a string"},
		{"parameter's id", parameter(`"id": "_x", "type": "int"`), `commands[1].parameters[0].id is "_x"; use 1 to 64 of A-Z, a-z, 0-9, '_', '.', '-', beginning with a letter or digit`},
		{"reserved id", parameter(`"id": "spiff__x", "type": "int"`), `commands[1].parameters[0].id is "spiff__x"; names that begin with spiff__ belong to the workflow engine, choose another`},
		{"parameter twice", parameter(`"id": "x", "type": "int"}, {"id": "x", "type": "str"`), `commands[1].parameters[1].id is "x", like that of parameters[0]; give each its own`},
		{"parameter's description", parameter(`"id": "x", "type": "int", "description": "\u0000"`), "commands[1].parameters[0].description holds the control character U+0000; remove it"},

		{"unknown capability", capability(`"name": "https", "reason": "r", "hosts": ["https://*"]`), `capabilities[0].name is the unknown capability "https"; did you mean "http"?`},
		{"capability like none", capability(`"name": "files", "reason": "r", "hosts": ["https://*"]`), `capabilities[0].name is the unknown capability "files"; known are http, tcp, secret, cache`},
		{"capability without members", capability(``), `capabilities[0].name is missing; add one of: http, tcp, secret, cache; capabilities[0].reason is missing; add a sentence that tells the operator what it is for`},
		{"blank reason", capability(`"name": "http", "reason": " ", "hosts": ["https://*"]`), "capabilities[0].reason is empty; tell the operator what the capability is for"},
		{"hosts of a cache", capability(`"name": "cache", "reason": "r", "hosts": ["https://*"]`), `capabilities[0].hosts does not belong to the capability cache; leave it out`},
		{"http without hosts", capability(`"name": "http", "reason": "r"`), "capabilities[0].hosts is missing; add the hosts it needs, such as [\"https://api.example.com\"]"},
		{"reason is null", capability(`"name": "http", "reason": null, "hosts": ["https://*"]`), "capabilities[0].reason is null; make it a string, or leave the member out where it is optional"},
		{"capability twice", capability(`"name": "http", "reason": "r", "hosts": ["https://*"]}, {"name": "http", "reason": "r", "hosts": ["https://*"]`), `capabilities[1].name is "http", like that of capabilities[0]; give each its own`},
		{"65 hosts", withHosts(65, 20), "capabilities[0].hosts has 65 hosts; keep at most 64"},
		{"no hosts", withHosts(0, 0), "capabilities[0].hosts has 0 hosts; add at least 1"},
		{"long host", withHosts(1, 513), "capabilities[0].hosts[0] has 513 bytes; shorten it to at most 512"},
		{"empty host", withHosts(1, 0), `capabilities[0].hosts[0] is empty; write a rule such as "https://api.example.com", or leave it out`},
		{"line break in a host", capability(`"name": "http", "reason": "r", "hosts": ["https://a\n"]`), "capabilities[0].hosts[0] holds the control character U+000A; remove it"},
		{"host is an object", capability(`"name": "http", "reason": "r", "hosts": [{"url": ["a", null]}]`), "capabilities[0].hosts[0] is an object; make it a string"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, err := Parse([]byte(tc.text))
			if err == nil {
				t.Fatalf("accepted as %+v", m)
			}
			if m != nil {
				t.Error("a manifest came with the error")
			}
			if got, want := err.Error(), "the manifest is not valid: "+tc.expectedErr; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			var e *Error
			if !errors.As(err, &e) || e.Code() != "invalid_manifest" {
				t.Errorf("%T", err)
			}
		})
	}
}

func TestParse_CollectsProblems(t *testing.T) {
	commands := strings.Repeat(`{"name": "!"},`, 29) + `{"name": "!"}`
	_, err := Parse([]byte(`{"name": "a", "version": "1", "commands": [` + commands + `]}`))
	var e *Error
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	if len(e.Problems) != 20 || e.Omitted != 11 {
		t.Errorf("%d problems and %d omitted, want 20 and 11", len(e.Problems), e.Omitted)
	}
	if e.Problems[0].Path != "version" || e.Problems[19].Path != "commands[18].name" {
		t.Errorf("the first is %v, the last %v", e.Problems[0], e.Problems[19])
	}
	if !strings.HasSuffix(err.Error(), "; and 11 more") {
		t.Error(err)
	}
}

// The text of a manifest is a guest's: an error about it stays short and on one line, whatever the guest wrote.
func TestParse_ErrorIsBounded(t *testing.T) {
	hostile := strings.Repeat(`\n\u001b\u202e`, 1000)
	member := `{"name": "` + hostile + `", "type": "` + hostile + `", "` + hostile + `": 1}`
	_, err := Parse([]byte(`{"name": "a", "version": "` + hostile + `", "commands": [` + strings.Repeat(member+",", 15) + member + `]}`))
	if err == nil {
		t.Fatal("accepted")
	}
	if n := len(err.Error()); n > 20<<10 {
		t.Errorf("the error has %d bytes", n)
	}
	if strings.ContainsAny(err.Error(), "\n\x1b\u202e") {
		t.Errorf("%q", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{minimal, complete, "", "null", "{}", withHosts(2, 20), withParameters(3), `{"name": {"a": [null]}, "commands": [[], {}]}`, `["\ud83c\udf26"]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || m != nil || len(e.Problems) == 0 || len(e.Problems) > maxProblems {
				t.Fatalf("%+v, %v", m, err)
			}
			for _, p := range e.Problems {
				if strings.Contains(p.Message, "can't be read") {
					t.Fatalf("%v in %q", err, b)
				}
			}
			return
		}
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if len(text) > maxDocumentBytes {
			return // the encoder escapes what the author had not
		}
		again, err := Parse(text)
		if err != nil || !reflect.DeepEqual(m, again) {
			t.Fatalf("%+v became %+v, %v", m, again, err)
		}
	})
}

func withCommands(n int) string {
	commands := make([]string, n)
	for i := range commands {
		commands[i] = fmt.Sprintf(`{"name": "C%d"}`, i)
	}
	return `{"name": "a", "version": "1.0.0", "commands": [` + strings.Join(commands, ",") + `]}`
}

func withParameters(n int) string {
	parameters := make([]string, n)
	for i := range parameters {
		parameters[i] = fmt.Sprintf(`{"id": "p%d", "type": "any"}`, i)
	}
	return `{"name": "a", "version": "1.0.0", "commands": [{"name": "Run", "parameters": [` + strings.Join(parameters, ",") + `]}]}`
}

func withHosts(n, size int) string {
	hosts := make([]string, n)
	for i := range hosts {
		hosts[i] = `"` + strings.Repeat("h", size) + `"`
	}
	return `{"name": "a", "version": "1.0.0", "commands": [{"name": "Run"}], "capabilities": [{"name": "http", "reason": "r", "hosts": [` + strings.Join(hosts, ",") + `]}]}`
}

func withDescription(size int) string {
	return `{"name": "a", "version": "1.0.0", "commands": [{"name": "Run"}], "description": "` + strings.Repeat("d", size) + `"}`
}
