package sluice_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	sluice "sluice/guest-sdk/go"
	"sluice/guest-sdk/go/sluicetest"
)

// What a service said can be passed on without being read.
func TestRawFrom(t *testing.T) {
	service := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Latin", "caf\xe9")
		w.Header().Set("Content-Type", strings.Repeat("long/", 40)+"type")
		fmt.Fprint(w, r.URL.Query().Get("say"))
	})
	tests := []struct {
		name, say string
		answer    func(*sluice.Response) sluice.Answer
		want      string
		code      string
	}{
		{"json", `{"n":1.0}`, func(r *sluice.Response) sluice.Answer { return sluice.RawFrom(r.Body) }, `{"n":1.0}`, ""},
		{"text", `a "b"`, func(r *sluice.Response) sluice.Answer { return sluice.TextFrom(r.Body) }, `"a \"b\""`, ""},
		{"nothing", ``, func(r *sluice.Response) sluice.Answer { return sluice.RawFrom(r.Body) }, `null`, ""},
		{"read before", `[1]`, func(r *sluice.Response) sluice.Answer {
			_, _ = r.Body.Read(make([]byte, 2))
			return sluice.RawFrom(r.Body)
		}, `[1]`, ""},
		{"closed", `[1]`, func(r *sluice.Response) sluice.Answer { r.Body.Close(); return sluice.RawFrom(r.Body) }, `null`, "invalid_answer"},
		{"too large", `"` + strings.Repeat("x", 100) + `"`, func(r *sluice.Response) sluice.Answer { return sluice.RawFrom(r.Body) }, `null`, "output_too_large"},
		{"looked at", `[1]`, func(r *sluice.Response) sluice.Answer {
			known := r.Body.IsJSON()
			r.Body.Close()
			return sluice.JSON([]any{known, r.Body.IsJSON(), len(r.Header("content-type")), r.Header("none")})
		}, `[true,false,204,""]`, ""},
		{"latin", ``, func(r *sluice.Response) sluice.Answer {
			return sluice.JSON([]string{r.Header("latin"), r.Headers().Get("Latin"), r.Header("latin")})
		}, `["café","café","café"]`, ""},
		{"no json", `{`, func(r *sluice.Response) sluice.Answer {
			known := r.Body.IsJSON()
			return sluice.JSON([]any{known, len(r.Header("Content-Type")), r.Header("none")})
		}, `[false,204,""]`, ""},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			got := run(t, sluicetest.Call{HTTP: sluicetest.Handler(service), MaxOutput: 90}, func(c *sluice.Call, _ none) (sluice.Answer, error) {
				response, err := c.HTTP(sluice.Request{URL: "https://api.example/?say=" + url.QueryEscape(tc.say)})
				if err != nil {
					return sluice.Answer{}, err
				}
				return tc.answer(response), nil
			})
			if string(got.Body) != tc.want || got.ErrorCode != tc.code {
				t.Errorf("got %s, error %q %s", got.Body, got.ErrorCode, got.Crash)
			}
		})
	}
}
