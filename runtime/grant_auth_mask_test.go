package runtime

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"sluice/hostfuncs/secret"
	"sluice/internal/guests"
)

// A service that keeps what it was sent under one path, and tells it under another for which no credential is put in, does not
// hand the credential to the guest: not in another call, not after it has refused it, and not as the host of a redirect.
func TestRuntime_Auth_Masked(t *testing.T) {
	const value, given = "C4n4ry-of-the-client", "C4n4ry-of-the-token"
	token := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600}`, given)
	}))
	defer token.Close()
	t.Setenv("CLIENT_SECRET", value)
	for kind, credential := range map[string]string{
		`"kind":"bearer"`: value,
		`"kind":"oauth2","user":"me","token_url":"` + token.URL + `"`: given,
	} {
		t.Run(kind, func(t *testing.T) {
			var last atomic.Value
			service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/in":
					last.Store(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
					w.WriteHeader(http.StatusUnauthorized)
				case "/redirect":
					w.Header().Set("Location", "https://"+last.Load().(string)+".example/")
					w.WriteHeader(http.StatusFound)
				case "/split":
					w.Header().Set("Location", "https://"+strings.Replace(last.Load().(string), "-", "/../", 1)+"?"+last.Load().(string))
					w.WriteHeader(http.StatusFound)
				}
				fmt.Fprint(w, "it is ", last.Load())
			}))
			defer service.Close()
			grant, err := ParseGrant([]byte(fmt.Sprintf(`{"http":[%q],"addresses":["loopback"],"redirects":1,"auth":[{"rule":%q,"secret":"client",%s}]}`,
				service.URL, service.URL+"/in", kind)))
			if err != nil {
				t.Fatal(err)
			}
			h := start(t, open(t, t.TempDir()), func(c *Config) {
				c.Grants = map[string]Grant{"misbehave": grant}
				c.Secrets = map[string]secret.Definition{"client": {From: "env:CLIENT_SECRET", Origins: []string{token.URL, service.URL}}}
			})
			h.install(guests.Module(t, "misbehave"))
			for _, tc := range []struct{ path, want string }{
				{"/in", "it is " + secret.Mask}, {"/out", "it is " + secret.Mask}, {"/redirect", "a redirect led it"}, {"/split", "a redirect led it"},
			} {
				a, err := h.execute(context.Background(), "misbehave/Fetch", fmt.Sprintf(`{"url":%q}`, service.URL+tc.path))
				if err != nil {
					t.Fatal(err)
				}
				told := string(a.Body)
				if a.Error != nil {
					told += a.Error.Message
				}
				if !strings.Contains(told, tc.want) || strings.Contains(strings.ToLower(told), "c4n4ry") {
					t.Errorf("%s: the guest was told %s", tc.path, told)
				}
			}
			if last.Load() != credential {
				t.Errorf("the service was sent %q", last.Load())
			}
			if strings.Contains(strings.ToLower(h.log.String()), "c4n4ry") {
				t.Errorf("the log has it: %s", h.log)
			}
		})
	}
}
