package runtime

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"sluice/hostfuncs/secret"
	"sluice/internal/guests"
)

func TestParseGrant_Auth(t *testing.T) {
	text := `{"auth":[{"rule":"https://a.example","kind":"basic","user":"u","secret":"s"},` +
		`{"rule":"https://b.example/v1","kind":"oauth2","user":"id","secret":"s","token_url":"https://t.example/token","scopes":["x","y"]},` +
		`{"rule":"https://c.example","kind":"sigv4","user":"AK","secret":"s","region":"eu-central-1","service":"s3"}]}`
	g, err := ParseGrant([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	written, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseGrant(written)
	if err != nil || !reflect.DeepEqual(g, again) || len(g.Auth) != 3 || g.Auth[1].TokenURL != "https://t.example/token" {
		t.Errorf("got %+v, %v from %s", again, err, written)
	}
}

func TestParseGrant_Auth_Errors(t *testing.T) {
	for text, want := range map[string]string{
		`{"auth":{}}`:   "auth must be a list",
		`{"auth":[1]}`:  "auth is wrong at item 1: it is no mapping",
		`{"auth":[{}]}`: "auth is wrong at item 1: it has no rule: write",
		`{"auth":[{"rule":"https://a","kind":"bearer","secret":1}]}`:                         "auth is wrong at item 1: secret must be a text",
		`{"auth":[{"rule":"https://a","kind":"bearer"}]}`:                                    "auth is wrong at item 1: secret is missing",
		`{"auth":[{"rule":"https://a","kind":"token","secret":"s"}]}`:                        "auth is wrong at item 1: kind must be one of",
		`{"auth":[{"rule":"https://a","kind":"bearer","secret":"s","username":"u"}]}`:        "auth is wrong at item 1: it has the unknown member username; there are kind, ",
		`{"auth":[{"rule":"https://a","kind":"bearer","secret":"s","scopes":"u"}]}`:          "auth is wrong at item 1: scopes must be a list",
		`{"auth":[{"rule":"https://a","kind":"bearer","secret":"s","user":"u"}]}`:            "user does not belong to the kind",
		`{"auth":[{"rule":"https://a","kind":"oauth2","secret":"s","user":"u"}]}`:            "token_url is missing",
		`{"auth":[{"rule":"https://a?b","kind":"bearer","secret":"s"}]}`:                     "auth is wrong at item 1: egress rule",
		`{"auth":[{"rule":"https://a","kind":"header","name":"x","secret":"s","name2":""}]}`: "name2",
		`{"auth":[{"rule":"https://a","kind":"header","name":"Host","secret":"s"}]}`:         "auth is wrong at item 1: name can't be that: the header Host is set by the host",
	} {
		if _, err := ParseGrant([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}

// A connector's requests are authenticated with a secret that it never sees, and many calls share one token.
func TestRuntime_Auth(t *testing.T) {
	const value = "c4n4ry-of-the-client"
	var tokens atomic.Int64
	token := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tokens.Add(1)
		if _, password, _ := r.BasicAuth(); password != value {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"c4n4ry-of-the-token","token_type":"Bearer","expires_in":3600}`)
	}))
	defer token.Close()
	var wrong atomic.Int64
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer c4n4ry-of-the-token" {
			wrong.Add(1)
		}
		fmt.Fprint(w, "seen: ", r.Header.Get("Authorization"))
	}))
	defer service.Close()

	t.Setenv("CLIENT_SECRET", value)
	grant, err := ParseGrant([]byte(fmt.Sprintf(`{"http":[%q],"addresses":["loopback"],
		"auth":[{"rule":%q,"kind":"oauth2","user":"me","secret":"client","token_url":%q}]}`, service.URL, service.URL, token.URL+"/token")))
	if err != nil {
		t.Fatal(err)
	}
	h := start(t, open(t, t.TempDir()), func(c *Config) {
		c.Grants = map[string]Grant{"misbehave": grant}
		c.Secrets = map[string]secret.Definition{"client": {From: "env:CLIENT_SECRET", Origins: []string{token.URL, service.URL}}}
	})
	h.install(guests.Module(t, "misbehave"))
	params := fmt.Sprintf(`{"url":%q}`, service.URL)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 50 {
				a, err := h.execute(context.Background(), "misbehave/Fetch", params)
				if err != nil || a.Error != nil || strings.Contains(string(a.Body), "c4n4ry") {
					t.Errorf("got %+v, %v", a, err)
				}
			}
		})
	}
	all.Wait()
	if tokens.Load() != 1 || wrong.Load() != 0 {
		t.Errorf("%d tokens were fetched, %d requests came without", tokens.Load(), wrong.Load())
	}
	if strings.Contains(h.log.String(), "c4n4ry") {
		t.Errorf("the log has a secret:\n%s", h.log)
	}

	// A secret that is not bound to the token service goes nowhere, and one that is bound to it alone gives no token to others.
	h = start(t, open(t, t.TempDir()), func(c *Config) {
		c.Grants = map[string]Grant{"misbehave": grant}
		c.Secrets = map[string]secret.Definition{"client": {From: "env:CLIENT_SECRET", Origins: []string{service.URL}}}
	})
	h.install(guests.Module(t, "misbehave"))
	a, err := h.execute(context.Background(), "misbehave/Fetch", params)
	if err != nil || a.Error == nil || a.Error.Code != "secret_denied" || tokens.Load() != 1 {
		t.Errorf("got %+v, %v", a, err)
	}
}
