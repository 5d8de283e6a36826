package runtime

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/internal/guests"
	"sluice/runtime/catalog"
	"sluice/runtime/envelope"
	"sluice/runtime/sandbox/wasmtest"
)

// get makes a request of the connector http, and returns the status that its answer has.
func (h *harness) get(url string) int {
	h.t.Helper()
	a, err := h.execute(context.Background(), "http/GetRequest", fmt.Sprintf(`{"url": %q}`, url))
	if err != nil {
		h.t.Fatal(err)
	}
	return a.HTTPStatus
}

func service(t testing.TB) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"ok": true}`))
	}))
	t.Cleanup(s.Close)
	return s
}

func (h *harness) setGrant(name string, g *Grant) Connector {
	h.t.Helper()
	c, err := h.SetGrant(context.Background(), name, g)
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

// wantRefusal checks an error's code, and that its message has this text.
func wantRefusal(t testing.TB, err error, code, text string) {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) || r.Code != code || !strings.Contains(r.Message, text) {
		t.Errorf("got %v; want %s with %q", err, code, text)
	}
}

// A grant counts for the next call, and is there after the next start.
func TestSetGrant(t *testing.T) {
	s := service(t)
	dir := t.TempDir()
	store := open(t, dir)
	h := start(t, store, nil)
	h.install(guests.Module(t, "http"))
	if got := h.get(s.URL); got != 403 {
		t.Errorf("without a grant: %d", got)
	}
	g := Grant{HTTP: []string{s.URL}, Addresses: []string{"loopback"}, Deadline: 30 * time.Second}
	c := h.setGrant("http", &g)
	if !reflect.DeepEqual(c.Grant, g) || c.GrantSource != GrantFromCatalog || c.Limits.Deadline != 30*time.Second {
		t.Errorf("got %+v", c)
	}
	if got := h.get(s.URL); got != 200 {
		t.Errorf("granted: %d", got)
	}
	h.stop()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	store = open(t, dir)
	h = start(t, store, nil)
	if got := h.get(s.URL); got != 200 {
		t.Errorf("after a start: %d", got)
	}
	if c, err := h.Connector("http"); err != nil || c.GrantSource != GrantFromCatalog || !reflect.DeepEqual(c.Grant, g) {
		t.Errorf("got %+v, %v", c, err)
	}
	if c := h.setGrant("http", nil); c.GrantSource != GrantNone || !reflect.DeepEqual(c.Grant, Grant{}) {
		t.Errorf("got %+v", c)
	}
	if got := h.get(s.URL); got != 403 {
		t.Errorf("after a reset: %d", got)
	}
	// It went with its connector.
	h.setGrant("http", &g)
	if err := h.Remove(context.Background(), "http"); err != nil {
		t.Fatal(err)
	}
	if c := h.install(guests.Module(t, "http")); c.GrantSource != GrantNone {
		t.Errorf("got %+v", c)
	}
}

// The file's grant counts before the catalog's, and that before the shipped one.
func TestSetGrant_Precedence(t *testing.T) {
	dir := t.TempDir()
	store := open(t, dir)
	bundled := func(c *Config) { c.Bundled = map[string][]byte{"http": guests.Module(t, "http")} }
	h := start(t, store, bundled)
	want := func(h *harness, source GrantSource, rules ...string) {
		t.Helper()
		c, err := h.Connector("http")
		if err != nil || c.GrantSource != source || !reflect.DeepEqual(c.Grant.HTTP, rules) {
			t.Errorf("got %v %v, %v; want %s %v", c.GrantSource, c.Grant.HTTP, err, source, rules)
		}
	}
	want(h, GrantShipped, anywhere...)
	h.setGrant("http", &Grant{HTTP: []string{"https://catalog.example"}, Memory: 256 << 20})
	want(h, GrantFromCatalog, "https://catalog.example")
	h.stop()
	h = start(t, store, func(c *Config) {
		bundled(c)
		c.Grants = map[string]Grant{"http": {HTTP: []string{"https://file.example"}}}
	})
	want(h, GrantFromFile, "https://file.example")
	_, err := h.SetGrant(context.Background(), "http", &Grant{})
	wantRefusal(t, err, RefusedGrantInFile, "grants.http")
	_, err = h.SetGrant(context.Background(), "http", nil)
	wantRefusal(t, err, RefusedGrantInFile, "grants.http")
	h.stop()
	h = start(t, store, bundled)
	want(h, GrantFromCatalog, "https://catalog.example")
	h.setGrant("http", nil)
	want(h, GrantShipped, anywhere...)
}

func TestSetGrant_Errors(t *testing.T) {
	h := start(t, open(t, t.TempDir()), nil)
	h.install(guests.Module(t, "greeter"))
	ctx := context.Background()
	_, err := h.SetGrant(ctx, "nobody", &Grant{})
	wantRefusal(t, err, RefusedUnknown, `"nobody"`)
	_, err = h.SetGrant(ctx, "greeter", &Grant{HTTP: []string{"ftp://x"}})
	wantRefusal(t, err, RefusedGrant, "http is wrong at item 1")
	_, err = h.SetGrant(ctx, "greeter", &Grant{Memory: 64 << 10})
	wantRefusal(t, err, RefusedMemory, "grants.greeter.memory")
	if c, err := h.Connector("greeter"); err != nil || c.GrantSource != GrantNone {
		t.Errorf("got %+v, %v", c, err)
	}
	h.wantBody("greeter/Greet", `{"name":"Ada"}`, `{"greeting":"Hello, Ada","version":"1.0.0"}`)
	_, err = h.Connector("nobody")
	wantRefusal(t, err, RefusedUnknown, `"nobody"`)
}

// A new version has the grant of the one before it.
func TestSetGrant_NewVersion(t *testing.T) {
	h := start(t, open(t, t.TempDir()), nil)
	h.install(guests.Module(t, "greeter"))
	g := Grant{HTTP: []string{"https://a.example"}, Deadline: 5 * time.Second}
	h.setGrant("greeter", &g)
	c := h.install(guests.Module(t, "greeter-v2"))
	if !reflect.DeepEqual(c.Grant, g) || c.GrantSource != GrantFromCatalog || c.Limits.Deadline != 5*time.Second {
		t.Errorf("got %+v", c)
	}
}

// keepGrant puts a text into the catalog that SetGrant would refuse.
func keepGrant(t testing.TB, store *catalog.Local, name, text string) {
	t.Helper()
	e, err := store.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	e.Grant = []byte(text)
	if _, err := store.CompareAndSwap(t.Context(), e, e.Revision); err != nil {
		t.Fatal(err)
	}
}

// A connector that could not be served for want of memory is, once it is granted.
func TestSetGrant_Unavailable(t *testing.T) {
	store := open(t, t.TempDir())
	h := start(t, store, nil)
	h.install(guests.Module(t, "greeter"))
	h.stop()
	keepGrant(t, store, "greeter", `{"memory": 65536}`)
	h = start(t, store, nil)
	if c, err := h.Connector("greeter"); err != nil || !strings.Contains(c.Unavailable, "memory_not_granted") {
		t.Fatalf("got %+v, %v", c, err)
	}
	if c := h.setGrant("greeter", &Grant{Memory: 64 << 20}); c.Unavailable != "" {
		t.Errorf("got %+v", c)
	}
	h.wantBody("greeter/Greet", `{"name":"Ada"}`, `{"greeting":"Hello, Ada","version":"1.0.0"}`)
}

// What the catalog has and can't be understood allows nothing.
func TestSetGrant_Unreadable(t *testing.T) {
	store := open(t, t.TempDir())
	h := start(t, store, nil)
	h.install(guests.Module(t, "greeter"))
	h.stop()
	keepGrant(t, store, "greeter", `{"http": ["https://*"], "later": true}`)
	h = start(t, store, nil)
	if c, err := h.Connector("greeter"); err != nil || len(c.Grant.HTTP) != 0 || c.GrantSource != GrantFromCatalog {
		t.Errorf("got %+v, %v", c, err)
	}
	if !strings.Contains(h.log.String(), "can't be read") {
		t.Errorf("logged %s", h.log)
	}
}

// Calls go on while the grant changes under them, and never see another than they began with or the new one.
func TestSetGrant_Hammer(t *testing.T) {
	s := service(t)
	h := start(t, open(t, t.TempDir()), func(c *Config) { c.MaxSockets = 256 })
	h.install(guests.Module(t, "http"))
	open := Grant{HTTP: []string{s.URL}, Addresses: []string{"loopback"}}
	h.setGrant("http", &open)
	var stop atomic.Bool
	var wait sync.WaitGroup
	var calls atomic.Int64
	for range 4 {
		wait.Go(func() {
			for !stop.Load() {
				a, err := h.execute(context.Background(), "http/GetRequest", fmt.Sprintf(`{"url": %q}`, s.URL))
				if err != nil || a.HTTPStatus != 200 && a.HTTPStatus != 403 {
					t.Errorf("got %+v, %v", a, err)
					return
				}
				calls.Add(1)
			}
		})
	}
	for i := range 40 {
		if i%2 == 0 {
			h.setGrant("http", &Grant{})
			if got := h.get(s.URL); got != 403 {
				t.Errorf("not granted: %d", got)
			}
		} else {
			h.setGrant("http", &open)
			if got := h.get(s.URL); got != 200 {
				t.Errorf("granted: %d", got)
			}
		}
	}
	stop.Store(true)
	wait.Wait()
	if calls.Load() == 0 {
		t.Error("no call was made meanwhile")
	}
}

// A grant that names a file which is gone keeps its connector from being served, not the server from starting.
func TestSetGrant_FileGone(t *testing.T) {
	for _, bundled := range []bool{true, false} {
		t.Run(fmt.Sprintf("bundled %t", bundled), func(t *testing.T) {
			store := open(t, t.TempDir())
			const manifest = `{"name":"word","version":"1.0.0","commands":[{"name":"Say"}],` +
				`"capabilities":[{"name":"http","reason":"tests","hosts":["https://*"]}]}`
			m := wasmtest.Native(manifest, wasmtest.Answer(wasmtest.NativeFree, 4))
			m.Data = append(m.Data, wasmtest.Data{At: wasmtest.NativeFree, Text: `"hi"`})
			word := m.Bytes()
			change := func(c *Config) {
				if bundled {
					c.Bundled = map[string][]byte{"word": word}
				}
			}
			authorities := filepath.Join(t.TempDir(), "ca.pem")
			service := httptest.NewTLSServer(nil)
			service.Close()
			text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: service.Certificate().Raw})
			if err := os.WriteFile(authorities, text, 0o600); err != nil {
				t.Fatal(err)
			}
			h := start(t, store, change)
			if !bundled {
				h.install(word)
			}
			if _, err := h.SetGrant(context.Background(), "word", &Grant{HTTP: []string{"https://a.example"}, CA: authorities}); err != nil {
				t.Fatal(err)
			}
			h.wantBody("word/Say", "{}", `"hi"`)
			h.stop()
			if err := os.Remove(authorities); err != nil {
				t.Fatal(err)
			}

			h = start(t, store, change)
			if why := h.Unavailable()["word"]; !strings.Contains(why, "in ca can't be used") {
				t.Errorf("unavailable because of %q", why)
			}
			h.wantFailure("word/Say", "{}", envelope.ConnectorUnavailable)
			if _, err := h.SetGrant(context.Background(), "word", nil); err != nil {
				t.Fatal(err)
			}
			h.wantBody("word/Say", "{}", `"hi"`)
		})
	}
}
