package sluice_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	sluice "sluice/guest-sdk/go"
	"sluice/guest-sdk/go/sluicetest"
)

// streaming serves text by path: with its length, without, or not to its end.
func streaming(t *testing.T, text string) http.RoundTripper {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-A", "b")
		if r.URL.Path != "/known" {
			w.(http.Flusher).Flush()
		}
		_, _ = io.WriteString(w, text)
		switch r.URL.Path {
		case "/cut":
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		case "/slow":
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}
	}))
	t.Cleanup(server.Close)
	return sluicetest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
		r.URL.Scheme, r.URL.Host = "http", strings.TrimPrefix(server.URL, "http://")
		return http.DefaultTransport.RoundTrip(r)
	})
}

// in is what a command answers that reads what a path of streaming sends.
func in(t *testing.T, text, path string, f func(c *sluice.Call, r *sluice.Response) (any, error)) sluicetest.Result {
	t.Helper()
	return run(t, sluicetest.Call{HTTP: streaming(t, text), MaxOutput: 1000}, func(c *sluice.Call, _ none) (any, error) {
		r := sluice.Request{URL: "https://api.example" + path, Stream: true}
		if path == "/slow" {
			r.Timeout = 50_000_000
		}
		response, err := c.HTTP(r)
		if err != nil {
			return nil, err
		}
		return f(c, response)
	})
}

func TestBody_Streamed(t *testing.T) {
	const text = `["what", "comes"]`
	read := func(_ *sluice.Call, r *sluice.Response) (any, error) {
		size, known := r.Body.Size(), r.Body.IsJSON()
		p := make([]byte, 3)
		n, err := io.ReadFull(r.Body, p)
		if err != nil {
			return nil, err
		}
		rest, err := r.Body.Bytes()
		_, closed := r.Body.Read(p)
		return []any{size, known, n, string(rest), r.Header("x-a"), r.Headers().Get("X-A"), errors.Is(closed, io.ErrClosedPipe)}, err
	}
	tests := []struct {
		name, path string
		f          func(c *sluice.Call, r *sluice.Response) (any, error)
		want, code string
	}{
		{"known", "/known", read, `[17,false,3,"hat\", \"comes\"]","b","b",true]`, ""},
		{"unknown", "/unknown", read, `[-1,false,3,"hat\", \"comes\"]","b","b",true]`, ""},
		{"decoded", "/unknown", func(_ *sluice.Call, r *sluice.Response) (any, error) {
			var words []string
			err := r.JSON(&words)
			return words, err
		}, `["what","comes"]`, ""},
		{"to the end", "/unknown", func(_ *sluice.Call, r *sluice.Response) (any, error) {
			n, err := io.Copy(io.Discard, r.Body)
			_, again := r.Body.Read(make([]byte, 1))
			return []any{n, again == io.EOF}, err
		}, `[17,true]`, ""},
		{"passed on", "/known", func(_ *sluice.Call, r *sluice.Response) (any, error) { return sluice.RawFrom(r.Body), nil }, text, ""},
		{"passed on after some of it", "/unknown", func(_ *sluice.Call, r *sluice.Response) (any, error) {
			_, err := io.ReadFull(r.Body, make([]byte, 8))
			return sluice.TextFrom(r.Body), err
		}, `" \"comes\"]"`, ""},
		{"left open", "/slow", func(*sluice.Call, *sluice.Response) (any, error) { return "left", nil }, `"left"`, ""},
		{"cut off", "/cut", func(_ *sluice.Call, r *sluice.Response) (any, error) {
			_, err := r.Body.Bytes()
			if _, again := r.Body.Read(make([]byte, 1)); again != err {
				return nil, fmt.Errorf("then %w", again)
			}
			return nil, err
		}, `null`, "incomplete"},
		{"too slow", "/slow", func(_ *sluice.Call, r *sluice.Response) (any, error) {
			headers := r.Headers()
			_, err := io.Copy(io.Discard, r.Body)
			if headers.Get("x-a") != "b" || r.Header("x-a") != "b" {
				return nil, errors.New("headers that were read are gone")
			}
			return nil, err
		}, `null`, "timeout"},
		{"cut off, passed on", "/cut", func(_ *sluice.Call, r *sluice.Response) (any, error) { return sluice.RawFrom(r.Body), nil }, `null`, "incomplete"},
		{"cut off before, passed on", "/cut", func(_ *sluice.Call, r *sluice.Response) (any, error) {
			_, _ = io.Copy(io.Discard, r.Body)
			return sluice.RawFrom(r.Body).WithStatus(200), nil
		}, `null`, "incomplete"},
		{"cut off, passed on by a failure of its own", "/cut", func(_ *sluice.Call, r *sluice.Response) (any, error) {
			return sluice.RawFrom(r.Body), sluice.Errorf("Own", 400, "It is mine.")
		}, `null`, "Own"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			got := in(t, text, tc.path, tc.f)
			if string(got.Body) != tc.want || got.ErrorCode != tc.code || got.Crash != "" {
				t.Errorf("got %s, error %q %s, crash %q", got.Body, got.ErrorCode, got.Message, got.Crash)
			}
		})
	}
	long := strings.Repeat(" ", 2000)
	got := in(t, long, "/unknown", func(_ *sluice.Call, r *sluice.Response) (any, error) { return sluice.TextFrom(r.Body), nil })
	if got.ErrorCode != "output_too_large" || strings.Contains(got.Message, "-1") {
		t.Errorf("got %+v", got)
	}
}

// A call has 16 such bodies open at most.
func TestBody_Streamed_Limit(t *testing.T) {
	got := run(t, sluicetest.Call{HTTP: streaming(t, "x")}, func(c *sluice.Call, _ none) (any, error) {
		var first *sluice.Response
		for range 16 {
			r, err := c.HTTP(sluice.Request{URL: "https://api.example/slow", Stream: true})
			if err != nil {
				return nil, err
			}
			if first == nil {
				first = r
			}
		}
		_, err := c.HTTP(sluice.Request{URL: "https://api.example/slow", Stream: true})
		first.Body.Close()
		if _, again := c.HTTP(sluice.Request{URL: "https://api.example/slow", Stream: true}); again != nil {
			return nil, again
		}
		return nil, err
	})
	if got.ErrorCode != "overloaded" || got.HTTPStatus != 503 {
		t.Errorf("got %+v", got)
	}
}
