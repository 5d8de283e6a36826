package nethttp_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	sluice "sluice/guest-sdk/go"
	"sluice/guest-sdk/go/abi"
	"sluice/guest-sdk/go/nethttp"
	"sluice/guest-sdk/go/sluicetest"
)

// run calls a command that is f.
func run(t *testing.T, transport http.RoundTripper, f func(c *sluice.Call) (string, error)) sluicetest.Result {
	t.Helper()
	abi.Register(nil)
	t.Cleanup(func() { abi.Register(nil) })
	sluice.Connector{
		Name: "test", Version: "1.0.0", Capabilities: []sluice.Capability{sluice.HTTP("tests", "http://*")},
	}.Register(sluice.Command("Run", "", func(c *sluice.Call, _ struct{}) (string, error) { return f(c) }))
	return sluicetest.Run(t, "Run", sluicetest.Call{HTTP: transport})
}

func TestClient(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/here?a=%20b", http.StatusFound)
			return
		}
		body, _ := io.ReadAll(r.Body)
		user, password, _ := r.BasicAuth()
		fmt.Fprintf(w, "%s %s %s %s:%s %q", r.Method, r.URL, r.Header["X-Two"], user, password, body)
	}))
	defer server.Close()
	tests := []struct{ name, method, path, body, want string }{
		{"get", "GET", "/here?a=%20b#fragment", "", `GET /here?a=%20b [1 2] u:p ""`},
		{"post", "POST", "/here", "text", `POST /here [1 2] u:p "text"`},
		{"redirect", "GET", "/moved", "", `GET /here?a=%20b [1 2] u:p ""`},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			got := run(t, http.DefaultTransport, func(c *sluice.Call) (string, error) {
				target := strings.Replace(server.URL, "://", "://u:p@", 1) + tc.path
				r, err := http.NewRequest(tc.method, target, strings.NewReader(tc.body))
				if err != nil {
					return "", err
				}
				r.Header["X-Two"] = []string{"1", "2"}
				w, err := nethttp.Client(c).Do(r)
				if err != nil {
					return "", err
				}
				defer w.Body.Close()
				if w.Status != "200 OK" || w.Header.Get("Content-Type") == "" || w.ContentLength < 0 {
					t.Errorf("got %+v", w)
				}
				body, err := io.ReadAll(w.Body)
				return string(body), err
			})
			if want := fmt.Sprintf("%q", tc.want); string(got.Body) != want {
				t.Errorf("got %+v, want %s", got, want)
			}
		})
	}
}

// A body is read as it comes, and its failure is one that a command may return.
func TestTransport_Streams(t *testing.T) {
	read := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "first")
		w.(http.Flusher).Flush()
		<-read
		_, _ = io.WriteString(w, "second")
		if r.URL.Path == "/cut" {
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
	}))
	defer server.Close()
	for path, want := range map[string]string{"/": `"second"`, "/cut": "incomplete"} {
		got := run(t, http.DefaultTransport, func(c *sluice.Call) (string, error) {
			w, err := nethttp.Client(c).Get(server.URL + path)
			if err != nil {
				return "", err
			}
			defer w.Body.Close()
			if _, err := io.ReadFull(w.Body, make([]byte, 5)); err != nil || w.ContentLength != -1 {
				t.Errorf("%v, length %d", err, w.ContentLength)
			}
			read <- struct{}{}
			rest, err := io.ReadAll(w.Body)
			return string(rest), err
		})
		if string(got.Body) != want && got.ErrorCode != want {
			t.Errorf("%s: got %+v", path, got)
		}
	}
}

type brokenBody struct{ closed bool }

func (b *brokenBody) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
func (b *brokenBody) Close() error             { b.closed = true; return nil }

func TestTransport_Errors(t *testing.T) {
	refused := sluicetest.RoundTripFunc(func(*http.Request) (*http.Response, error) {
		return nil, &sluicetest.HTTPError{Code: "connect_timeout", Message: "no connection"}
	})
	past, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	request := func(ctx context.Context, change func(*http.Request)) *http.Request {
		r, err := http.NewRequestWithContext(ctx, "GET", "http://api.example/", nil)
		if err != nil {
			t.Fatal(err)
		}
		change(r)
		return r
	}
	tests := []struct {
		name        string
		request     *http.Request
		expectedErr string
	}{
		{"no response", request(t.Context(), func(*http.Request) {}), "connect_timeout: no connection"},
		{"late", request(past, func(*http.Request) {}), context.DeadlineExceeded.Error()},
		{"other host", request(t.Context(), func(r *http.Request) { r.Host = "other.example" }), "Host is not that of its URL"},
		{"no URL", request(t.Context(), func(r *http.Request) { r.URL = nil }), "no URL"},
		{"body", request(t.Context(), func(r *http.Request) { r.Body = &brokenBody{} }), io.ErrUnexpectedEOF.Error()},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			run(t, refused, func(c *sluice.Call) (string, error) {
				_, err := nethttp.Transport(c).RoundTrip(tc.request)
				if err == nil || !strings.Contains(err.Error(), tc.expectedErr) {
					t.Errorf("got %v, want %q", err, tc.expectedErr)
				}
				if b, ok := tc.request.Body.(*brokenBody); ok && !b.closed {
					t.Error("the body was not closed")
				}
				return "", nil
			})
		})
	}
}

func TestClient_Timeout(t *testing.T) {
	got := run(t, sluicetest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
		deadline, ok := r.Context().Deadline()
		if left := time.Until(deadline); !ok || left > 5*time.Second {
			t.Errorf("the request has %v, %v left", left, ok)
		}
		return nil, &sluicetest.HTTPError{Code: "timeout", Message: "too late"}
	}), func(c *sluice.Call) (string, error) {
		client := nethttp.Client(c)
		client.Timeout = 5 * time.Second
		_, err := client.Get("http://api.example/?token=secret")
		if e, ok := err.(interface{ Timeout() bool }); !ok || !e.Timeout() {
			t.Errorf("%v is no timeout", err)
		}
		return "", err
	})
	if got.ErrorCode != "timeout" || got.HTTPStatus != 504 || strings.Contains(got.Message, "secret") {
		t.Errorf("got %+v", got)
	}
}
