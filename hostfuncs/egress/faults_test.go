package egress

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/hostfuncs/egress/fault"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// faultyProxy returns a TCP proxy before an address, to which faults can be added.
func faultyProxy(t testing.TB, upstream string) *toxiproxy.Proxy {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := toxiproxy.NewProxy(server, strings.ReplaceAll(t.Name(), "/", " "), "127.0.0.1:0", strings.TrimPrefix(upstream, "http://"))
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

func addFault(t testing.TB, p *toxiproxy.Proxy, text string) {
	t.Helper()
	if _, err := p.Toxics.AddToxicJson(strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
}

// outcomes counts what calls came to.
type outcomes struct {
	mu    sync.Mutex
	codes map[Code]int
}

// call makes n calls with as many at once as workers.
func call(c *Client, url string, n, workers int, timeout time.Duration) map[Code]int {
	o := outcomes{codes: make(map[Code]int)}
	var left atomic.Int64
	left.Store(int64(n))
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				_, err := c.Do(context.Background(), &Request{Method: "GET", URL: url, Timeout: timeout})
				code := Code("")
				if err != nil {
					code = err.Code
				}
				o.mu.Lock()
				o.codes[code]++
				o.mu.Unlock()
			}
		})
	}
	all.Wait()
	return o.codes
}

// TestClient_Faults: whatever is wrong with a destination, its circuit opens, calls to it come to no more than 1.1 times
// as many attempts, and another destination serves every call meanwhile, in the time it always took.
func TestClient_Faults(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for faults")
	}
	for _, tt := range []struct {
		name    string
		toxic   string // of the proxy; "" for one that is stopped
		failure Code
		workers int
	}{
		{"dead", "", CodeConnect, 4},
		{"reset", `{"type":"reset_peer","stream":"upstream","attributes":{"timeout":0}}`, CodeClosed, 4},
		{"latency", `{"type":"latency","attributes":{"latency":5000}}`, CodeTimeout, 12},
		{"slow close", `{"type":"slow_close","attributes":{"delay":5000}}`, CodeTimeout, 12},
		{"cut off", `{"type":"limit_data","attributes":{"bytes":70}}`, CodeIncomplete, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			// A response without a length ends with its connection, which a slow close puts off.
			answer := "HTTP/1.1 200 OK\r\nConnection: close\r\nX: y\r\n\r\nsome body text"
			if tt.failure == CodeIncomplete {
				answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1000\r\n\r\n" + strings.Repeat("x", 1000)
			}
			sick := newRawServer(t, answering(answer, false))
			well := newRawServer(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", true))
			proxy := faultyProxy(t, sick.url)
			url := "http://" + proxy.Listen
			c := newClient(t, func(c *Config) {
				c.Retry = Retry{Statuses: []int{502, 503, 504}, Attempts: 3}
				c.Fault = fault.Config{Open: 2 * time.Second}
			})
			if got := call(c, url, 20, 2, patience); got[""] != 20 {
				t.Fatalf("while all is well: %v", got)
			}
			var attempts atomic.Int64
			c.attempted = func(u *URL) {
				if u.Origin() == url {
					attempts.Add(1)
				}
			}
			if tt.toxic == "" {
				proxy.Stop()
			} else {
				addFault(t, proxy, tt.toxic)
			}

			stop := make(chan struct{})
			var slowest, answers atomic.Int64
			var served sync.WaitGroup
			served.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					start := time.Now()
					if r, err := c.Do(context.Background(), &Request{Method: "GET", URL: well.url}); err != nil || r.Status != 200 {
						t.Errorf("the other destination: %v", err)
						return
					}
					answers.Add(1)
					slowest.Store(max(slowest.Load(), int64(time.Since(start))))
				}
			})
			const calls = 200
			got := call(c, url, calls, tt.workers, 1200*time.Millisecond)
			close(stop)
			served.Wait()

			if got[tt.failure] == 0 || got[CodeCircuitOpen] < calls/2 || got[""] > 0 {
				t.Errorf("calls came to %v", got)
			}
			if n := attempts.Load(); float64(n) > 1.1*calls || n < 10 {
				t.Errorf("%d attempts for %d calls", n, calls)
			}
			if answers.Load() < attempts.Load() {
				t.Errorf("the other destination answered %d times during %d attempts", answers.Load(), attempts.Load())
			}
			t.Logf("%d calls: %d attempts, %v; the other destination took at most %v", calls, attempts.Load(), got, time.Duration(slowest.Load()))
			failure := expectCode(t, c, &Request{Method: "GET", URL: url}, CodeCircuitOpen)
			if !strings.Contains(failure.Message, string(tt.failure)) || failure.RetryAfter <= 0 {
				t.Errorf("%+v", failure)
			}

			// When it is well again, a probe closes the circuit.
			if tt.toxic == "" {
				if err := proxy.Start(); err != nil {
					t.Fatal(err)
				}
			} else {
				proxy.Toxics.ResetToxics(context.Background())
			}
			await(t, "the circuit closes", func() bool {
				_, err := c.Do(context.Background(), &Request{Method: "GET", URL: url})
				return err == nil
			})
			if got := call(c, url, 20, 2, patience); got[""] < 19 {
				t.Errorf("well again: %v", got)
			}
		})
	}
}

// TestClient_Circuit_Verdicts: which outcomes open a circuit.
func TestClient_Circuit_Verdicts(t *testing.T) {
	for _, tt := range []struct {
		answer  string
		timeout time.Duration
		opens   bool
	}{
		{"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n", 0, true},
		{"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n", 0, true},
		{"SSH-2.0\r\n\r\n", 0, true},
		{"HTTP/1.1 501 X\r\nContent-Length: 0\r\n\r\n", 0, false},
		{"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n", 0, false},
		{"HTTP/1.1 429 X\r\nContent-Length: 0\r\n\r\n", 0, false},
		{"HTTP/1.1 302 X\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", 0, false},
		{"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n", 0, false},
		{"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx", 0, false},
		{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", 5 * time.Millisecond, false}, // the guest's impatience
	} {
		t.Run(tt.answer[:9], func(t *testing.T) {
			s := newRawServer(t, answering(tt.answer, true))
			c := newClient(t, nil)
			got := call(c, s.url, 15, 1, tt.timeout)
			if opened := got[CodeCircuitOpen] > 0; opened != tt.opens {
				t.Errorf("%v", got)
			}
			if tt.opens && got[CodeCircuitOpen] != 5 {
				t.Errorf("it opened after %d", 15-got[CodeCircuitOpen])
			}
		})
	}
	t.Run("denied", func(t *testing.T) {
		c := newClient(t, nil)
		if got := call(c, "http://10.0.0.1/", 15, 1, 0); got[CodeEgressDenied] != 15 {
			t.Errorf("%v", got)
		}
	})
}

func TestClient_Bulkhead(t *testing.T) {
	release := make(chan struct{})
	s := newRecorder(t, func(http.ResponseWriter, *http.Request) { <-release })
	other := newRecorder(t, failing(0, 0))
	c := newClient(t, func(c *Config) { c.Fault = fault.Config{Concurrent: 4} })
	done := make(chan map[Code]int)
	go func() { done <- call(c, s.URL, 4, 4, patience) }()
	await(t, "four are under way", func() bool { return len(s.requests()) == 4 })
	failure := expectCode(t, c, &Request{Method: "GET", URL: s.URL}, CodeOverloaded)
	if !strings.Contains(failure.Message, "127.0.0.1") {
		t.Error(failure)
	}
	if r := get(t, c, other.URL); r.Status != 200 {
		t.Error("the other destination is full too")
	}
	close(release)
	if got := <-done; fmt.Sprint(got) != "map[:4]" {
		t.Error(got)
	}
	if r := get(t, c, s.URL); r.Status != 200 {
		t.Error(r.Status)
	}
}
