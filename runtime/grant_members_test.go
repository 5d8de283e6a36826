package runtime

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// grantSchema is the schema, compiled.
func grantSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(GrantSchema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("mem:///grant", document); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("mem:///grant")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestParseGrant holds the parser and the schema against one table: both take a grant, or both refuse it.
func TestParseGrant(t *testing.T) {
	schema := grantSchema(t)
	for _, tc := range []struct {
		text string
		want Grant
	}{
		{`{}`, Grant{}},
		{` {"http": []} `, Grant{}},
		{`{"http": ["https://api.example.com/v1", "HTTP://*", "https://*.example.org:8443", "http://[fd12::5]:8080"]}`,
			Grant{HTTP: []string{"https://api.example.com/v1", "HTTP://*", "https://*.example.org:8443", "http://[fd12::5]:8080"}}},
		{`{"addresses": ["public", "private", "loopback", "10.1.0.0/16", "10.1.2.3", "fd12::/64", "fd12::5"]}`,
			Grant{Addresses: []string{"public", "private", "loopback", "10.1.0.0/16", "10.1.2.3", "fd12::/64", "fd12::5"}}},
		{`{"cache": "1MiB", "memory": "256MiB", "response": 2097152, "deadline": "1m30s"}`, Grant{Cache: 1 << 20, Memory: 256 << 20, Response: 2 << 20, Deadline: 90 * time.Second}},
		{`{"memory": 65536, "response": "1 GiB"}`, Grant{Memory: 64 << 10, Response: 1 << 30}},
		{`{"memory": 4294967296, "response": "1024", "deadline": "1.5s"}`, Grant{Memory: 4 << 30, Response: 1 << 10, Deadline: 1500 * time.Millisecond}},
		{`{"\u0068ttp": ["https:\/\/a.example"]}`, Grant{HTTP: []string{"https://a.example"}}},
	} {
		g, err := ParseGrant([]byte(tc.text))
		if err != nil || !reflect.DeepEqual(g, tc.want) {
			t.Errorf("%s: got %+v, %v", tc.text, g, err)
		}
		if err := fits(schema, tc.text); err != nil {
			t.Errorf("the schema refuses %s: %v", tc.text, err)
		}
		// What is written is read back to the same, and fits too.
		written, err := json.Marshal(tc.want)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseGrant(written)
		if err != nil || !reflect.DeepEqual(back, tc.want) || back.Digest() != tc.want.Digest() {
			t.Errorf("%s is read back as %+v, %v", written, back, err)
		}
		if err := fits(schema, string(written)); err != nil {
			t.Errorf("the schema refuses %s: %v", written, err)
		}
	}
}

func fits(schema *jsonschema.Schema, text string) error {
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return err
	}
	return schema.Validate(v)
}

func TestParseGrant_Errors(t *testing.T) {
	schema := grantSchema(t)
	for _, tc := range []struct {
		text, expectedErr string
		beyond            bool // a schema can't say it
	}{
		{`[]`, "must be a mapping", false},
		{`null`, "must be a mapping", false},
		{`"all"`, "must be a mapping", false},
		{`{"adresses": ["private"]}`, `adresses is no member of a grant; did you mean "addresses"?`, false},
		{`{"colour": "blue"}`, "colour is no member of a grant; there are http, addresses", false},
		{`{"a\nb": 1}`, `"a\nb" is no member`, false},
		{`{"http": "https://*"}`, "http must be a list", false},
		{`{"http": null}`, "http must be a list", false},
		{`{"http": [1]}`, "http must be a list of texts", false},
		{`{"http": ["api.example.com"]}`, "http is wrong at item 1: egress rule", false},
		{`{"http": ["https://*", "ftp://x"]}`, "http is wrong at item 2: egress rule", false},
		{`{"http": ["https://user:hunter2@example.com"]}`, "user information", false},
		{`{"http": ["https://example.com/?key=hunter2"]}`, "no query", false},
		{`{"http": ["https://a.*.example"]}`, "http is wrong at item 1", true},
		{`{"http": ["https://example.com/a/../b"]}`, "http is wrong at item 1", true},
		{`{"addresses": ["privat"]}`, "addresses is wrong at item 1: egress address", false},
		{`{"addresses": ["10.1.2.3/16"]}`, "write 10.1.0.0/16", true},
		{`{"addresses": ["224.0.0.1"]}`, "cannot be reached", true},
		{`{"memory": 1}`, "memory is not a size from 65536", false},
		{`{"memory": "1KiB"}`, "memory is not a size from 65536", true},
		{`{"memory": 1.5}`, "memory is not a size", false},
		{`{"memory": true}`, "memory must be a size", false},
		{`{"memory": "5GiB"}`, "memory is not a size", true},
		{`{"response": "lots"}`, "response is not a size", false},
		{`{"response": 1073741825}`, "response is not a size", false},
		{`{"deadline": 40}`, "deadline must be a text", false},
		{`{"deadline": "0s"}`, "deadline is not a duration", true},
		{`{"deadline": "soon"}`, "deadline is not a duration", false},
		{`{"deadline": "1s", "deadline": "2s"}`, "deadline stands there twice", true},
		{`{"http": ["` + strings.Repeat(`https://*","`, 1000) + `https://*"]}`, "http has more than 1000 items", false},
		{`{`, "not valid JSON", false},
		{`{} {}`, "not valid JSON", false},
		{``, "not valid JSON", false},
		{`{"http": ` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + `}`, "nested too deeply", false},
		{`{"http": ["` + strings.Repeat("x", MaxGrantText) + `"]}`, "larger than 65536 bytes", false},
	} {
		g, err := ParseGrant([]byte(tc.text))
		if err == nil || !strings.Contains(err.Error(), tc.expectedErr) || strings.Contains(fmt.Sprint(err), "hunter2") {
			t.Errorf("%.80s: got %+v, %v; want %s", tc.text, g, err, tc.expectedErr)
		}
		if err := fits(schema, tc.text); (err == nil) != tc.beyond {
			t.Errorf("the schema says of %.80s: %v", tc.text, err)
		}
	}
}

// Every member is described, and every field of a grant has one.
func TestGrantMembers(t *testing.T) {
	if fields := reflect.TypeFor[Grant]().NumField(); fields != len(grantMembers) {
		t.Errorf("a grant has %d fields and %d members", fields, len(grantMembers))
	}
	for _, m := range grantMembers {
		var s struct {
			Description string `json:"description"`
		}
		if err := json.Unmarshal([]byte(m.schema), &s); err != nil || s.Description == "" {
			t.Errorf("the schema of %s: %v, %+v", m.name, err, s)
		}
		if v := m.write(Grant{}); v != nil {
			t.Errorf("an empty grant writes %s as %v", m.name, v)
		}
	}
}

func FuzzParseGrant(f *testing.F) {
	f.Add([]byte(`{"http": ["https://*"], "memory": "1MiB", "deadline": "1s"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		g, err := ParseGrant(text)
		if err != nil {
			return
		}
		written, err := g.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if len(written) > MaxGrantText {
			return
		}
		if back, err := ParseGrant(written); err != nil || !reflect.DeepEqual(back, g) {
			t.Errorf("%s is read back as %+v, %v", written, back, err)
		}
	})
}
