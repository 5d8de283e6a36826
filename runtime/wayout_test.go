package runtime

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"sluice/hostfuncs/egress"
	"sluice/internal/guests"
)

// TestRuntime_WayOut: what a grant says of redirects, retries, methods and authorities holds for what a guest sends.
func TestRuntime_WayOut(t *testing.T) {
	var requests atomic.Int64
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n := requests.Add(1); {
		case n == 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.URL.Path == "/":
			http.Redirect(w, r, "/there", http.StatusFound)
		default:
			_, _ = w.Write([]byte("arrived"))
		}
	}))
	t.Cleanup(s.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	params, err := json.Marshal(map[string]string{"url": s.URL + "/"})
	if err != nil {
		t.Fatal(err)
	}
	full := Grant{
		HTTP: []string{"GET " + s.URL}, Addresses: []string{"loopback"}, CA: ca,
		Redirects: 1, Retry: egress.Retry{Statuses: []int{503}, Attempts: 2},
	}
	store := open(t, t.TempDir())
	for _, tc := range []struct {
		name   string
		change func(*Grant)
		body   string
		denied string
	}{
		{"all", func(*Grant) {}, `{"body":"arrived","status":200}`, ""},
		{"no retry", func(g *Grant) { g.Retry = egress.Retry{} }, `"status":503`, ""},
		{"no redirect", func(g *Grant) { g.Redirects = 0 }, `"status":302`, ""},
		{"no authority", func(g *Grant) { g.CA = "" }, "", "not trusted"},
		{"no method", func(g *Grant) { g.HTTP = []string{"POST " + s.URL} }, "", "add GET to the methods"},
		{"a dead proxy", func(g *Grant) { g.Proxy = "http://127.0.0.1:1" }, "", "the egress proxy cannot be reached"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			requests.Store(0)
			grant := full
			tc.change(&grant)
			h := start(t, store, func(c *Config) { c.Grants = map[string]Grant{"misbehave": grant} })
			if len(h.Connectors()) == 0 {
				h.install(guests.Module(t, "misbehave"))
			}
			a, err := h.execute(context.Background(), "misbehave/Fetch", string(params))
			if err != nil {
				t.Fatal(err)
			}
			if tc.denied != "" {
				if a.Error == nil || !strings.Contains(a.Error.Message, tc.denied) {
					t.Errorf("got %s, %+v", a.Body, a.Error)
				}
			} else if a.Error != nil || !strings.Contains(string(a.Body), tc.body) {
				t.Errorf("got %s, %+v", a.Body, a.Error)
			}
			h.stop()
		})
	}
}
