package egress

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// TestHammer lets many requests of several clients share a server, a guard and a budget that is too small, while the
// clients are closed under them. Every answer belongs to its request.
func TestHammer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, _ := strconv.Atoi(r.URL.Query().Get("id"))
		body := strings.Repeat(r.URL.RawQuery+"\n", 1+id%3000)
		if id%2 == 0 {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(pack(t, "gzip", []byte(body)))
			return
		}
		_, _ = w.Write([]byte(body))
	}))
	defer server.Close()
	sockets, guard := NewSockets(12), NewGuard()
	policy := newPolicy(t, anywhere,
		Entry{Rules: rules(t, server.URL+"/a"), Addresses: addresses(t, "loopback")},
		Entry{Rules: rules(t, server.URL+"/b"), Addresses: addresses(t, "loopback", "private")},
		Entry{Rules: rules(t, server.URL+"/c")})
	const goroutines, calls = 16, 60
	for range 2 {
		var clients []*Client
		for range 3 {
			clients = append(clients, newClient(t, func(config *Config) {
				config.Policy, config.Sockets, config.Guard = policy, sockets, guard
			}))
		}
		var group sync.WaitGroup
		for g := range goroutines {
			group.Go(func() {
				for i := range calls {
					query := fmt.Sprintf("id=%d", g*calls+i)
					path := []string{"/a", "/b", "/c"}[i%3]
					c := clients[(g+i)%len(clients)]
					r, err := c.Do(context.Background(), &Request{Method: "GET", URL: server.URL + path + "?" + query})
					switch {
					case err == nil && path != "/c":
						if lines := bytes.Count(r.Body, []byte(query+"\n")); lines != 1+(g*calls+i)%3000 || len(r.Body) != lines*(len(query)+1) {
							t.Errorf("%s: another answer", query)
						}
					case err == nil:
						t.Errorf("%s%s was allowed", server.URL, path)
					case err.Code == CodeEgressDenied && path == "/c", err.Code == CodeOverloaded, err.Code == CodeEnded:
					default:
						t.Errorf("%s: %v", path, err)
					}
					if i == calls/2 && g == 0 {
						clients[0].Close()
					}
				}
			})
		}
		group.Wait()
		for _, c := range clients {
			c.Close()
		}
		await(t, "all sockets are given back", func() bool { return sockets.Open() == 0 })
	}
}
