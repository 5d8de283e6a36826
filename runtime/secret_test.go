package runtime

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sluice/hostfuncs/secret"
	"sluice/internal/guests"
	"sluice/runtime/abi"
	"sluice/runtime/envelope"
)

// canarySecret has what each way of writing it writes differently.
const canarySecret = `c4n4ry/S3cr3t+with "quotes" & ümlaut`

// formsOf are the ways in which a value could be somewhere.
func formsOf(value string) []string {
	quoted, _ := json.Marshal(value)
	forms := []string{value, url.QueryEscape(value), url.PathEscape(value), string(quoted[1 : len(quoted)-1]), hex.EncodeToString([]byte(value))}
	for _, form := range forms[:4] {
		for shift := range 3 {
			for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
				forms = append(forms, e.EncodeToString([]byte(strings.Repeat(" ", shift) + form))[4:len(form)])
			}
		}
		again, _ := json.Marshal(form)
		forms = append(forms, string(again[1:len(again)-1]), url.QueryEscape(form), url.PathEscape(form))
	}
	return forms
}

// checkAbsent fails the test where a value is in a text, however it is written.
func checkAbsent(t testing.TB, where string, text []byte, value string) {
	t.Helper()
	for _, form := range formsOf(value) {
		if bytes.Contains(text, []byte(form)) {
			t.Errorf("the secret is in %s, as %q", where, form)
		}
	}
}

// mirror is a service that keeps what it is sent, and sends it back in every form.
type mirror struct {
	url string

	mu   sync.Mutex
	sent []*http.Request
	body []string
}

func newMirror(t testing.TB) *mirror {
	m := &mirror{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		m.mu.Lock()
		defer m.mu.Unlock()
		m.sent, m.body = append(m.sent, r), append(m.body, string(body))
		all := r.URL.String() + "\n" + r.URL.Query().Get("key") + "\n" + r.Header.Get("Authorization") + "\n" + string(body)
		for i, form := range []string{r.Header.Get("Authorization"), url.PathEscape(all), base64.StdEncoding.EncodeToString([]byte(all))} {
			w.Header().Set(fmt.Sprintf("X-Echo-%d", i), form)
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode([]string{all, url.QueryEscape(all), base64.URLEncoding.EncodeToString([]byte(all)), "reflected"})
	}))
	t.Cleanup(s.Close)
	m.url = s.URL
	return m
}

// last is the last request and its body, and how many there were.
func (m *mirror) last() (*http.Request, string, int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(m.sent)
	if n == 0 {
		return nil, "", 0
	}
	return m.sent[n-1], m.body[n-1], n
}

// secretCall is a call of misbehave/Secret.
type secretCall struct {
	Name     string   `json:"name"`
	Method   string   `json:"method,omitempty"`
	URL      string   `json:"url"`
	Headers  []string `json:"headers,omitempty"`
	Body     string   `json:"body,omitempty"`
	Password string   `json:"password,omitempty"`
}

func (c secretCall) params() string {
	text, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// placesOfSecrets are a request for each place that a secret may be put into, and what the service must get there.
var placesOfSecrets = []struct {
	place secret.Place
	call  secretCall
	got   func(r *http.Request, body string) string
}{
	{secret.Header, secretCall{Headers: []string{"Authorization", "Bearer @"}}, func(r *http.Request, _ string) string {
		return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	}},
	{secret.Query, secretCall{URL: "/?a=1&key=@"}, func(r *http.Request, _ string) string { return r.URL.Query().Get("key") }},
	{secret.Body, secretCall{Method: "POST", Headers: []string{"Content-Type", "application/json"}, Body: `{"key":"@"}`}, func(_ *http.Request, body string) string {
		var v struct{ Key string }
		_ = json.Unmarshal([]byte(body), &v)
		return v.Key
	}},
	{secret.Body, secretCall{Method: "POST", Headers: []string{"Content-Type", "application/x-www-form-urlencoded"}, Body: `a=b&key=@`}, func(_ *http.Request, body string) string {
		form, _ := url.ParseQuery(body)
		return form.Get("key")
	}},
}

// sealedStore is a store of secrets in a catalog.
func sealedStore(t testing.TB, records secret.Records, values map[string]string) *secret.Store {
	t.Helper()
	s, err := secret.OpenStore(context.Background(), records, &secret.Key{1, 2, 3})
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range values {
		if err := s.Set(context.Background(), name, value); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// A secret from each source, put into each place, reaches the origin that it is bound to, and is nowhere else: not in what
// the caller is answered though the origin reflects it, not in logs, the data directory or the guest's memory, and not
// at another origin.
func TestSecrets_Canary(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(canarySecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SLUICE_TEST_CANARY", canarySecret)
	right, other := newMirror(t), newMirror(t)
	for _, from := range []string{"env:SLUICE_TEST_CANARY", "file:" + file, "store"} {
		t.Run(from[:4], func(t *testing.T) {
			data := filepath.Join(dir, from[:3])
			store := open(t, data)
			h := start(t, store, func(c *Config) {
				c.Dev, c.ShowGuests = true, true
				c.SecretStore = sealedStore(t, store, map[string]string{"canary": canarySecret})
				c.Secrets = map[string]secret.Definition{
					"canary": {From: from, Origins: []string{right.url}, Places: []secret.Place{secret.Header, secret.Query, secret.Body}},
				}
				c.Grants = map[string]Grant{"misbehave": {Secrets: []secret.Grant{{Name: "canary"}}}}
			})
			h.install(guests.Module(t, "misbehave"))
			seen := func(what string, a *envelope.Answer, err error) {
				t.Helper()
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				checkAbsent(t, "the answer of "+what, a.AppendV2(nil), canarySecret)
			}
			for _, tc := range placesOfSecrets {
				call := tc.call
				call.Name, call.URL = "canary", right.url+tc.call.URL
				a, err := h.execute(t.Context(), "misbehave/Secret", call.params())
				seen(string(tc.place), a, err)
				r, body, _ := right.last()
				if got := tc.got(r, body); got != canarySecret {
					t.Errorf("%s: the right origin got %q", tc.place, got)
				}
				if a.Error != nil || !strings.Contains(string(a.Body), "reflected") || !strings.Contains(string(a.Body), secret.Mask) {
					t.Errorf("%s: answered %s, %+v", tc.place, a.Body, a.Error)
				}
				call.URL = other.url + tc.call.URL
				a, err = h.execute(t.Context(), "misbehave/Secret", call.params())
				seen(string(tc.place)+" toward another origin", a, err)
				if a.Error == nil || a.Error.Code != "secret_denied" || a.HTTPStatus != 403 || !strings.Contains(a.Error.Message, "is not bound to "+other.url) {
					t.Errorf("%s toward another origin: %+v", tc.place, a.Error)
				}
				call.URL = right.url + tc.call.URL
				searchMemory(t, h, call)
			}
			if _, _, n := other.last(); n != 0 {
				t.Errorf("the other origin got %d requests", n)
			}
			h.stop()
			checkAbsent(t, "the log", []byte(h.log.String()), canarySecret)
			if err := filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				text, err := os.ReadFile(path)
				checkAbsent(t, path, text, canarySecret)
				return err
			}); err != nil {
				t.Error(err)
			}
		})
	}
}

// searchMemory makes a call in a sandbox that is not reset afterwards, and looks through it.
func searchMemory(t testing.TB, h *harness, call secretCall) {
	t.Helper()
	i, _ := inSandbox(t, h, "Secret", call.params())
	if _, found := i("sluice-secret-v1"); !found {
		t.Error("what stands for the secret is not in the guest's memory: it was not looked through")
	}
	for _, form := range formsOf(canarySecret) {
		if at, found := i(form); found {
			t.Errorf("the guest's memory holds %q at %d", form, at)
		}
	}
}

// inSandbox runs a command of misbehave and returns what finds a text in the memory that it leaves.
func inSandbox(t testing.TB, h *harness, command, params string) (find func(string) (uint64, bool), entry *abi.Call) {
	t.Helper()
	cmd, ok := h.Command("misbehave", command)
	if !ok {
		t.Fatalf("there is no command %s", command)
	}
	c := cmd.connector
	i, err := c.code.image.Instance(h.config.Limits.sandbox())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.Close)
	entry = &abi.Call{
		Host:   c.hostCall(),
		Params: []byte(params), Context: cmd.context(context.Background(), &Call{}), OutputLimit: 1 << 20,
	}
	if err := entry.Execute(context.Background(), i, cmd.index); err != nil {
		t.Fatal(err)
	}
	return func(text string) (uint64, bool) { return i.Find([]byte(text)) }, entry
}

// secretHarness serves misbehave, which may use the secrets canary and, in the clear, other.
func secretHarness(t testing.TB, definition secret.Definition) *harness {
	t.Setenv("SLUICE_TEST_CANARY", canarySecret)
	h := start(t, open(t, t.TempDir()), func(c *Config) {
		c.Dev = true
		definition.From = "env:SLUICE_TEST_CANARY"
		missing := definition
		missing.From = "env:SLUICE_TEST_MISSING"
		c.Secrets = map[string]secret.Definition{"canary": definition, "other": missing, "ungranted": definition}
		c.Grants = map[string]Grant{"misbehave": {Secrets: []secret.Grant{{Name: "canary", Clear: true}, {Name: "other"}}}}
	})
	h.install(guests.Module(t, "misbehave"))
	return h
}

// What may not be sent is answered with the code that says so, and nothing of the request leaves.
func TestSecrets_Denied(t *testing.T) {
	service := newMirror(t)
	h := secretHarness(t, secret.Definition{Origins: []string{service.url}})
	for _, tc := range []struct {
		name          string
		call          secretCall
		code, message string
		status        int
	}{
		{"path", secretCall{Name: "canary", URL: "/@"}, "secret_denied", "in its URL but for the query", 403},
		{"place", secretCall{Name: "canary", URL: "/?@"}, "secret_denied", "add query to secrets.canary.places", 403},
		{"not granted", secretCall{Name: "ungranted", Headers: []string{"X", "@"}}, "secret_denied", "by `sluice grant misbehave --secrets ungranted`, or in the configuration as grants.misbehave.secrets", 403},
		{"not requested", secretCall{Name: "unknown", Headers: []string{"X", "@"}}, "secret_denied", `the manifest of "misbehave" does not ask for the secret "unknown"`, 403},
		{"no value", secretCall{Name: "other", Headers: []string{"X", "@"}}, "secret_unavailable", "its operator finds the reason in Sluice's log", 503},
		{"no name", secretCall{Name: "No Name"}, "invalid_secret", "by what is no name", 500},
	} {
		tc.call.URL = service.url + tc.call.URL
		a, err := h.execute(t.Context(), "misbehave/Secret", tc.call.params())
		if err != nil || a.Error == nil || a.Error.Code != tc.code || a.HTTPStatus != tc.status || !strings.Contains(a.Error.Message, tc.message) {
			t.Errorf("%s: got %+v, %v", tc.name, a.Error, err)
		}
	}
	if _, _, n := service.last(); n != 0 {
		t.Errorf("%d requests left", n)
	}
	const why = `connector=misbehave command=misbehave/Secret call=call-1 secret=other error="env:SLUICE_TEST_MISSING: it is not set"`
	if strings.Count(h.log.String(), why) != 1 {
		t.Errorf("the operator is not told why there is no value: %s", h.log)
	}
}

// The log says whose call it was that the host could not authenticate.
func TestSecrets_Unavailable_Auth(t *testing.T) {
	service := newMirror(t)
	h := start(t, open(t, t.TempDir()), func(c *Config) {
		c.Dev = true
		c.Secrets = map[string]secret.Definition{"key": {From: "env:SLUICE_TEST_MISSING", Origins: []string{service.url}}}
		g, err := ParseGrant([]byte(`{"auth": [{"rule": "` + service.url + `", "kind": "bearer", "secret": "key"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		c.Grants = map[string]Grant{"misbehave": g}
	})
	h.install(guests.Module(t, "misbehave"))
	a, err := h.execute(t.Context(), "misbehave/Fetch", `{"url":"`+service.url+`"}`)
	if err != nil || a.Error == nil || a.Error.Code != "secret_unavailable" {
		t.Errorf("got %+v, %v", a, err)
	}
	const why = `connector=misbehave command=misbehave/Fetch call=call-1 secret=key error="env:SLUICE_TEST_MISSING: it is not set"`
	if !strings.Contains(h.log.String(), why) {
		t.Errorf("logged %s", h.log)
	}
}

// A guest reads a secret only where it is granted in the clear, and what it read stays out of its log.
func TestSecrets_Clear(t *testing.T) {
	h := secretHarness(t, secret.Definition{})
	a, err := h.execute(t.Context(), "misbehave/SecretValue", `{"name":"canary"}`)
	if want := fmt.Sprintf(`{"length":%d}`, len(canarySecret)); err != nil || string(a.Body) != want || len(a.Logs) != 1 || a.Logs[0] != "it is "+secret.Mask {
		t.Errorf("got %s, %q, %v", a.Body, a.Logs, err)
	}
	if find, _ := inSandbox(t, h, "SecretValue", `{"name":"canary"}`); true {
		if _, found := find(canarySecret); !found {
			t.Error("a secret in the clear is not found in the guest's memory: the search finds nothing")
		}
	}
	for name, code := range map[string]string{"other": "secret_denied", "ungranted": "secret_denied", "unknown": "secret_denied", "No Name": "invalid_secret"} {
		a, err := h.execute(t.Context(), "misbehave/SecretValue", `{"name":"`+name+`"}`)
		if err != nil || a.Error == nil || a.Error.Code != code {
			t.Errorf("%s: got %+v, %v", name, a.Error, err)
		}
	}
}

// Parameters that are marked secret stay out of the log of their call.
func TestSecrets_Parameters(t *testing.T) {
	service := newMirror(t)
	h := secretHarness(t, secret.Definition{Origins: []string{service.url}})
	for password, want := range map[string]string{"hunter22": secret.Mask, "pa\"ss": secret.Mask, "abc": "abc", canaryPEM: secret.Mask} {
		a, err := h.execute(t.Context(), "misbehave/Secret", secretCall{Name: "canary", URL: service.url, Password: password}.params())
		if err != nil || len(a.Logs) != 1 || !strings.HasSuffix(a.Logs[0], " with "+want) {
			t.Errorf("%s: logged %q, %v", password, a.Logs, err)
		}
	}
}

// canaryPEM is a value of several lines, which the kit logs line by line.
const canaryPEM = "-----BEGIN CANARY-----\r\nc4n4ryOfTheFirstLine\nc4n4ryOfTheSecond==\n-----END CANARY-----\n"

// A secret of several lines is in no log, neither what the engine gets nor what a development server shows of a guest that failed.
func TestSecrets_Lines(t *testing.T) {
	t.Setenv("SLUICE_TEST_CANARY", canaryPEM)
	h := start(t, open(t, t.TempDir()), func(c *Config) {
		c.Dev, c.ShowGuests = true, true
		c.Secrets = map[string]secret.Definition{"canary": {From: "env:SLUICE_TEST_CANARY"}}
		c.Grants = map[string]Grant{"misbehave": {Secrets: []secret.Grant{{Name: "canary", Clear: true}}}}
	})
	h.install(guests.Module(t, "misbehave"))
	a, err := h.execute(t.Context(), "misbehave/SecretValue", `{"name":"canary"}`)
	if err != nil || len(a.Logs) != 1 || a.Logs[0] != "it is "+secret.Mask {
		t.Errorf("got %+v, %v", a, err)
	}
	if _, err := h.execute(t.Context(), "misbehave/SecretValue", `{"name":"canary","panic":true}`); err == nil {
		t.Error("the guest did not fail")
	}
	log := h.log.String()
	if !strings.Contains(log, `printed="printed [redacted]."`) || !strings.Contains(log, `logged="[it is [redacted] panic at`) {
		t.Errorf("logged %s", log)
	}
	for _, said := range []string{"the guest said before it failed", "a connector crashed"} {
		if !strings.Contains(log, said+`" connector=misbehave command=misbehave/SecretValue call=call-1 `) {
			t.Errorf("%q does not say of which call: %s", said, log)
		}
	}
	for line := range strings.Lines(canaryPEM) {
		checkAbsent(t, "the log", []byte(log), strings.TrimSpace(line))
	}
}

// Where there is too much to look for, nothing of the call is logged.
func TestSecrets_Withheld(t *testing.T) {
	h := secretHarness(t, secret.Definition{Origins: []string{"https://a.example"}})
	for name, password := range map[string]string{"lines": lines(1025), "bytes": strings.Repeat("x\n", 40<<10)} {
		a, err := h.execute(t.Context(), "misbehave/Secret", secretCall{Name: "canary", URL: "http://127.0.0.1:1/", Password: password}.params())
		if err != nil || len(a.Logs) != 1 || !strings.HasPrefix(a.Logs[0], "(withheld: ") {
			t.Errorf("%s: logged %q, %v", name, a.Logs, err)
		}
	}
}

// lines are n different ones.
func lines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "line%d\n", i)
	}
	return b.String()
}

// Grants of secrets that nobody defined, and definitions that make no sense, keep the runtime from starting.
func TestSecrets_Config(t *testing.T) {
	for _, tc := range []struct {
		secrets map[string]secret.Definition
		grants  map[string]Grant
		want    string
	}{
		{nil, map[string]Grant{"a": {Secrets: []secret.Grant{{Name: "b"}}}}, `the grant of connector "a": the secret "b" is not defined`},
		{map[string]secret.Definition{"b": {From: "x"}}, nil, `the secret "b": from:`},
	} {
		c := Config{Store: open(t, t.TempDir()), Limits: DefaultLimits(), MaxSockets: 64, Secrets: tc.secrets, Grants: tc.grants}
		if _, err := New(t.Context(), c); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("got %v, want %s", err, tc.want)
		}
	}
}
