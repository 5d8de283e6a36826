package runtime

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"sluice/hostfuncs/egress"
	"sluice/hostfuncs/secret"

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
		{`{"cache": "1MiB", "memory": "256MiB", "response": 2097152, "stream": "1024 GiB", "output": "3MiB", "deadline": "1m30s"}`, Grant{Cache: 1 << 20, Memory: 256 << 20, Response: 2 << 20, Stream: 1 << 40, Output: 3 << 20, Deadline: 90 * time.Second}},
		{`{"memory": 65536, "response": "1 GiB"}`, Grant{Memory: 64 << 10, Response: 1 << 30}},
		{`{"memory": 4294967296, "response": "1024", "deadline": "1.5s"}`, Grant{Memory: 4 << 30, Response: 1 << 10, Deadline: 1500 * time.Millisecond}},
		{`{"secrets": ["a", {"name": "b"}, {"name": "c", "clear": true}, {"sign": true, "name": "d"}, {"name": "e", "clear": true, "sign": true}, {"name": "f", "sign": false}]}`,
			Grant{Secrets: []secret.Grant{{Name: "a"}, {Name: "b"}, {Name: "c", Clear: true}, {Name: "d", Sign: true}, {Name: "e", Clear: true, Sign: true}, {Name: "f"}}}},
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
		{`{"http": [1]}`, "http is wrong at item 1: it must be a text", false},
		{`{"http": ["api.example.com"]}`, "http is wrong at item 1: egress rule", false},
		{`{"http": ["https://*", "ftp://x"]}`, "http is wrong at item 2: egress rule", false},
		{`{"http": ["https://user:hunter2@example.com"]}`, "user information", false},
		{`{"http": ["https://example.com/?key=hunter2"]}`, "no query", false},
		{`{"http": ["https://a.*.example"]}`, "http is wrong at item 1", true},
		{`{"http": ["https://example.com/a/../b"]}`, "http is wrong at item 1", true},
		{`{"addresses": ["privat"]}`, "addresses is wrong at item 1: egress address", false},
		{`{"addresses": ["10.1.2.3/16"]}`, "write 10.1.0.0/16", true},
		{`{"addresses": ["224.0.0.1"]}`, "cannot be reached", true},
		{`{"secrets": [{"name": "a", "sign": 1}]}`, "secrets is wrong at item 1: it must be a name", false},
		{`{"secrets": ["b", {"name": "a", "signs": true}]}`, `secrets is wrong at item 2: it has the unknown member signs; did you mean "sign"?`, false},
		{`{"secrets": [{"sign": true}]}`, "secrets is wrong at item 1: it must be a name", false},
		{`{"memory": 1}`, "memory is not a size from 65536", false},
		{`{"memory": "1KiB"}`, "memory is not a size from 65536", true},
		{`{"memory": 1.5}`, "memory is not a size", false},
		{`{"memory": true}`, "memory must be a size", false},
		{`{"memory": "5GiB"}`, "memory is not a size", true},
		{`{"response": "lots"}`, "response is not a size", false},
		{`{"response": 1073741825}`, "response is not a size", false},
		{`{"stream": 1099511627777}`, "stream is not a size", false},
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

// TestParseGrant_Bounds: what is countable has a least and a most, for parser and schema, and what is beyond is refused by
// its name with both.
func TestParseGrant_Bounds(t *testing.T) {
	schema := grantSchema(t)
	const day = 24 * 60 * 60 * 1000
	for _, tc := range []struct {
		text        string // of one number
		least, most int
		says        string
		beyond      bool // a schema says it in words only
	}{
		{`{"redirects": %d}`, 0, 5, "redirects is not a number from 0 to 5", false},
		{`{"retry": {"attempts": %d}}`, 2, 5, "retry attempts is not a number from 2 to 5", false},
		{`{"retry": {"attempts": 2, "on": [%d]}}`, 400, 599, "retry on holds a status that is not a number from 400 to 599", false},
		{`{"cache": %d}`, 1 << 10, 1 << 30, "cache is not a size from 1024 to 1073741824 bytes", false},
		{`{"cache": "%d"}`, 1 << 10, 1 << 30, "cache is not a size from 1024 to 1073741824 bytes", true},
		{`{"cache": "%dGiB"}`, 1, 1, "cache is not a size from 1024 to 1073741824 bytes", true},
		{`{"memory": %d}`, 64 << 10, 4 << 30, "memory is not a size from 65536 to 4294967296 bytes", false},
		{`{"memory": "%dKiB"}`, 64, 4 << 20, "memory is not a size from 65536 to 4294967296 bytes", true},
		{`{"response": %d}`, 1 << 10, 1 << 30, "response is not a size from 1024 to 1073741824 bytes", false},
		{`{"output": %d}`, 1 << 10, 1 << 30, "output is not a size from 1024 to 1073741824 bytes", false},
		{`{"deadline": "%dms"}`, 1, day, "deadline is not a duration from 1ms to 24h", true},
		{`{"deadline": "%dh"}`, 1, 24, "deadline is not a duration from 1ms to 24h", true},
	} {
		for _, n := range []int{tc.least, tc.most} {
			text := fmt.Sprintf(tc.text, n)
			if _, err := ParseGrant([]byte(text)); err != nil {
				t.Errorf("%s: %v", text, err)
			}
			if err := fits(schema, text); err != nil {
				t.Errorf("the schema refuses %s: %v", text, err)
			}
		}
		for _, n := range []int{tc.least - 1, tc.most + 1, -1, 1 << 62} {
			text := fmt.Sprintf(tc.text, n)
			if _, err := ParseGrant([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), tc.says) {
				t.Errorf("%s: %v", text, err)
			}
			if err := fits(schema, text); err == nil && !tc.beyond {
				t.Errorf("the schema takes %s", text)
			}
		}
	}
	for _, m := range grantMembers {
		if from := map[string]string{
			"cache": "From 1KiB to 1GiB.", "memory": "From 64KiB to 4GiB.", "response": "From 1KiB to 1GiB.", "output": "From 1KiB to 1GiB.", "deadline": "From 1ms to 24h,",
		}[m.name]; !strings.Contains(m.schema, from) {
			t.Errorf("the schema of %s does not say %q", m.name, from)
		}
	}
}

// TestParseGrant_Lists: no list of a grant is longer than 1,000, for parser and schema.
func TestParseGrant_Lists(t *testing.T) {
	schema := grantSchema(t)
	for _, tc := range []struct{ text, item, says string }{
		{`{"http": [%s]}`, `"https://a"`, "http has"},
		{`{"addresses": [%s]}`, `"10.0.0.1"`, "addresses has"},
		{`{"tcp": [%s]}`, `"a:1"`, "tcp has"},
		{`{"secrets": [%s]}`, `"s%d"`, "secrets has"},
		{`{"auth": [%s]}`, `{"rule":"https://a","kind":"bearer","secret":"s"}`, "auth must be a list of at most"},
		{`{"retry": {"attempts": 2, "on": [%s]}}`, `503`, "retry on has"},
		{`{"http": [{"rule": "https://a", "methods": [%s]}]}`, `"GET"`, "http is wrong at item 1: methods has"},
		{`{"auth": [{"rule":"https://a","kind":"oauth2","user":"me","token_url":"https://t","secret":"s","scopes":[%s]}]}`, `"a"`, "auth is wrong at item 1: scopes has"},
	} {
		items := func(n int) string {
			list := make([]string, n)
			for i := range list {
				if list[i] = tc.item; strings.Contains(tc.item, "%d") {
					list[i] = fmt.Sprintf(tc.item, i)
				}
			}
			return fmt.Sprintf(tc.text, strings.Join(list, ","))
		}
		if g, err := ParseGrant([]byte(items(maxGrantItems))); err != nil {
			t.Errorf("%s: %v, %+v", tc.says, err, g)
		}
		if err := fits(schema, items(maxGrantItems)); err != nil {
			t.Errorf("%s: the schema says %v", tc.says, err)
		}
		if _, err := ParseGrant([]byte(items(maxGrantItems + 1))); err == nil || !strings.HasPrefix(err.Error(), tc.says) || !strings.Contains(err.Error(), "1000") {
			t.Errorf("%s: %v", tc.says, err)
		}
		if err := fits(schema, items(maxGrantItems+1)); err == nil {
			t.Errorf("%s: the schema takes more", tc.says)
		}
	}
}

// TestNew_GrantBounds: a grant that nobody parsed is held against the same bounds before anything is served.
func TestNew_GrantBounds(t *testing.T) {
	for _, tc := range []struct {
		grant Grant
		says  string
	}{
		{Grant{Deadline: 25 * time.Hour}, "deadline is not a duration from 1ms to 24h"},
		{Grant{Deadline: -time.Second}, "deadline is not a duration"},
		{Grant{Memory: 1 << 40}, "memory is not a size"},
		{Grant{Memory: 1 << 63}, "memory is not a size"},
		{Grant{Response: 2 << 30}, "response is not a size"},
		{Grant{Response: -1}, "response is not a size"},
		{Grant{Output: 2 << 30}, "output is not a size"},
		{Grant{Cache: 2 << 30}, "cache is not a size"},
		{Grant{Redirects: 6}, "redirects is not a number from 0 to 5"},
		{Grant{Redirects: -1}, "redirects is not a number from 0 to 5"},
		{Grant{Retry: egress.Retry{Attempts: 6}}, "retry attempts is not a number from 2 to 5"},
		{Grant{Retry: egress.Retry{Statuses: []int{503}}}, "retry attempts is not a number from 2 to 5"},
		{Grant{Retry: egress.Retry{Attempts: 2, Statuses: []int{200}}}, "retry on holds a status"},
		{Grant{HTTP: make([]string, 1001)}, "http has more than 1000 items"},
	} {
		_, err := New(t.Context(), Config{Store: open(t, t.TempDir()), Limits: DefaultLimits(), MaxSockets: 64, Grants: map[string]Grant{"weather": tc.grant}})
		if err == nil || !strings.HasPrefix(err.Error(), `the grant of connector "weather": `+tc.says) {
			t.Errorf("%+.80v: %v", tc.grant, err)
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
