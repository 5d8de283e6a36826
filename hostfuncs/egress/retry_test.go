package egress

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// failing answers the first n requests with a status, and then 200.
func failing(n int64, status int, header ...string) http.HandlerFunc {
	var count atomic.Int64
	return func(w http.ResponseWriter, _ *http.Request) {
		if count.Add(1) > n {
			fmt.Fprint(w, "at last")
			return
		}
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
	}
}

func TestClient_Retry(t *testing.T) {
	retry := Retry{Statuses: []int{429, 503}, Attempts: 3}
	unsafe := retry
	unsafe.Unsafe = true
	for _, tt := range []struct {
		name     string
		retry    Retry
		method   string
		failures int64
		status   int
		want     int // status
		requests int
	}{
		{"nothing configured", Retry{}, "GET", 1, 503, 503, 1},
		{"once", retry, "GET", 1, 503, 200, 2},
		{"twice", retry, "GET", 2, 429, 200, 3},
		{"too often", retry, "GET", 3, 503, 503, 3},
		{"another status", retry, "GET", 1, 500, 500, 1},
		{"more than there may be", Retry{Statuses: []int{503}, Attempts: 100}, "GET", 9, 503, 503, 5},
		{"HEAD", retry, "HEAD", 1, 503, 200, 2},
		{"OPTIONS", retry, "OPTIONS", 1, 503, 200, 2},
		{"PUT", retry, "PUT", 1, 503, 200, 2},
		{"DELETE", retry, "DELETE", 1, 503, 200, 2},
		{"POST", retry, "POST", 1, 503, 503, 1},
		{"PATCH", retry, "PATCH", 1, 503, 503, 1},
		{"POST, unsafe", unsafe, "POST", 1, 503, 200, 2},
		{"PATCH, unsafe", unsafe, "PATCH", 1, 503, 200, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newRecorder(t, failing(tt.failures, tt.status))
			c := newClient(t, func(c *Config) { c.Retry = tt.retry })
			r, err := c.Do(context.Background(), &Request{Method: tt.method, URL: s.URL + "/x?y", Body: []byte("body"), Headers: [][2]string{{"a", "b"}}})
			if err != nil || r.Status != tt.want {
				t.Fatalf("%v %v", r, err)
			}
			requests := s.requests()
			if len(requests) != tt.requests {
				t.Errorf("%d requests, want %d", len(requests), tt.requests)
			}
			for _, got := range requests {
				if got.method != tt.method || got.path != "/x?y" || got.body != "body" || got.header.Get("A") != "b" {
					t.Errorf("%+v", got)
				}
			}
		})
	}
}

// TestClient_Retry_Connection: connections that end without a response are tried again, what the guest did wrong is not.
func TestClient_Retry_Connection(t *testing.T) {
	const whole = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	for _, tt := range []struct {
		name, first string
		method      string
		code        Code // "" for success
		accepted    int64
	}{
		{"closed", "", "GET", "", 2},
		{"incomplete", "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf", "GET", "", 2},
		{"closed, POST", "", "POST", CodeClosed, 1},
		{"protocol", "SSH-2.0-x\r\n\r\n", "GET", CodeProtocol, 1},
		{"too large", "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", "GET", CodeResponseTooLarge, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var count atomic.Int64
			s := newRawServer(t, func(conn net.Conn, r *bufio.Reader) {
				readHead(r)
				if count.Add(1) == 1 {
					_, _ = io.WriteString(conn, tt.first)
					return
				}
				_, _ = io.WriteString(conn, whole)
			})
			c := newClient(t, func(c *Config) { c.Retry = Retry{Attempts: 2} })
			request := &Request{Method: tt.method, URL: s.url, Timeout: patience}
			if tt.code != "" {
				expectCode(t, c, request, tt.code)
			} else if r, err := c.Do(context.Background(), request); err != nil || string(r.Body) != "ok" {
				t.Errorf("%v %v", r, err)
			}
			if n := s.accepted.Load(); n != tt.accepted {
				t.Errorf("%d connections, want %d", n, tt.accepted)
			}
		})
	}
}

func TestClient_Retry_After(t *testing.T) {
	retry := Retry{Statuses: []int{429}, Attempts: 3}
	t.Run("honoured", func(t *testing.T) {
		t.Parallel()
		s := newRecorder(t, failing(1, 429, "Retry-After", "1"))
		c := newClient(t, func(c *Config) { c.Retry = retry })
		start := time.Now()
		if r := get(t, c, s.URL); r.Status != 200 || time.Since(start) < time.Second {
			t.Errorf("status %d after %v", r.Status, time.Since(start))
		}
	})
	t.Run("never past the time", func(t *testing.T) {
		t.Parallel()
		s := newRecorder(t, failing(1, 429, "Retry-After", "5"))
		c := newClient(t, func(c *Config) { c.Retry = retry })
		start := time.Now()
		r, err := c.Do(context.Background(), &Request{Method: "GET", URL: s.URL, Timeout: 4 * time.Second})
		if err != nil || r.Status != 429 || time.Since(start) > 3*time.Second || len(s.requests()) != 1 {
			t.Errorf("%v %v after %v", r, err, time.Since(start))
		}
	})
	t.Run("ends with the call", func(t *testing.T) {
		t.Parallel()
		s := newRecorder(t, failing(1, 429, "Retry-After", "5"))
		c := newClient(t, func(c *Config) { c.Retry = retry })
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		defer cancel()
		time.AfterFunc(50*time.Millisecond, cancel)
		if _, err := c.Do(ctx, &Request{Method: "GET", URL: s.URL, Timeout: patience}); err != nil && err.Code != CodeEnded {
			t.Error(err)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"0": 0, "3": 3 * time.Second, "10": 10 * time.Second, "11": 10 * time.Second, "2147483647": 10 * time.Second,
		"99999999999999999999": 0, "-1": 0, "soon": 0, "": 0, "1.5": 0,
		now.Add(4 * time.Second).Format(http.TimeFormat): 4 * time.Second,
		now.Add(-time.Hour).Format(http.TimeFormat):      0,
		now.Add(time.Hour).Format(http.TimeFormat):       10 * time.Second,
	} {
		r := &Response{Headers: [][2]string{{"date", "x"}, {"retry-after", value}}}
		if got := retryAfter(r, now); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
	if got := retryAfter(&Response{}, now); got != 0 {
		t.Error(got)
	}
}

func TestBackoff(t *testing.T) {
	for n := 1; n < MaxAttempts; n++ {
		most, highest, lowest := backoffBase<<(n-1), time.Duration(0), time.Hour
		for range 2000 {
			pause := backoff(n)
			highest, lowest = max(highest, pause), min(lowest, pause)
		}
		if highest >= most || highest < most*9/10 || lowest > most/10 {
			t.Errorf("retry %d: from %v to %v of %v", n, lowest, highest, most)
		}
	}
}

// TestClient_Retry_Budget: without a circuit's help, which 429 does not open, the budget keeps what a service gets to at
// most 1.1 times the calls and the ten that it starts with; none where it is never well.
func TestClient_Retry_Budget(t *testing.T) {
	for _, tt := range []struct {
		name  string
		well  int // every nth request is answered, 0: none
		calls int
		most  int
	}{
		{"never well", 0, 300, 300 + 10}, {"well every second time", 2, 300, 330 + 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int64
			s := newRawServer(t, func(conn net.Conn, r *bufio.Reader) {
				for readHead(r) != "" {
					status := "429 Too Many Requests"
					if n := requests.Add(1); tt.well > 0 && n%int64(tt.well) == 0 {
						status = "200 OK"
					}
					if _, err := io.WriteString(conn, "HTTP/1.1 "+status+"\r\nContent-Length: 0\r\n\r\n"); err != nil {
						return
					}
				}
			})
			c := newClient(t, func(c *Config) { c.Retry = Retry{Statuses: []int{429}, Attempts: MaxAttempts} })
			for range tt.calls {
				get(t, c, s.url)
			}
			if n := int(requests.Load()); n > tt.most || n < tt.calls+10 {
				t.Errorf("%d requests for %d calls, at most %d", n, tt.calls, tt.most)
			}
		})
	}
}
