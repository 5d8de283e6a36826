package sluicetest

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	sluice "sluice/guest-sdk/go"
	"sluice/guest-sdk/go/abi"
)

type noParams struct{}

// register makes a connector with one command the registered one, until the test ends.
func register(t *testing.T, run func(*sluice.Call) (sluice.Answer, error)) {
	t.Helper()
	before := abi.Registered()
	t.Cleanup(func() { abi.Register(before) })
	sluice.Connector{
		Name: "mailer", Version: "1.0.0",
		Capabilities: []sluice.Capability{sluice.HTTP("asks", "https://*"), sluice.Secrets("signs in", "api-token", "password")},
	}.Register(sluice.Command("Run", "", func(c *sluice.Call, _ noParams) (sluice.Answer, error) { return run(c) }))
}

func TestSecret(t *testing.T) {
	const value = `hunter "22"&`
	granted := map[string]Secret{"api-token": {Value: value}}
	for _, tc := range []struct {
		name, secret, url string // @ is the reference
		header            string
		contentType, body string
		secrets           map[string]Secret
		want              string // what the service gets, or the error's code
	}{
		{name: "header", header: "Bearer @", secrets: granted, want: "Bearer " + value},
		{name: "query", url: "?key=@", secrets: granted, want: "key=" + url.QueryEscape(value)},
		{name: "JSON", contentType: "application/json; charset=utf-8", body: `{"key":"@"}`, secrets: granted, want: `{"key":"hunter \"22\"&"}`},
		{name: "form", contentType: "application/x-www-form-urlencoded", body: `key=@`, secrets: granted, want: "key=" + url.QueryEscape(value)},
		{name: "text", contentType: "text/plain", body: `@`, secrets: granted, want: "secret_denied"},
		{name: "path", url: "@", secrets: granted, want: "secret_denied"},
		{name: "not granted", header: "@", want: "secret_denied"},
		{name: "not asked for", secret: "other", header: "@", secrets: map[string]Secret{"other": {Value: "x"}}, want: "secret_denied"},
		{name: "no name", secret: "No Name", want: "invalid_secret"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.secret == "" {
				tc.secret = "api-token"
			}
			register(t, func(c *sluice.Call) (sluice.Answer, error) {
				reference, err := c.Secret(tc.secret)
				if err != nil {
					return sluice.Answer{}, err
				}
				if again, err := c.Secret(tc.secret); err != nil || again != reference || len(reference) != 48 {
					t.Errorf("got %q and %q, %v", reference, again, err)
				}
				put := func(s string) string { return strings.ReplaceAll(s, "@", reference) }
				r := sluice.Request{Method: "POST", URL: "https://api.example/" + put(tc.url), Body: []byte(put(tc.body))}
				r.Header.Add("X-Key", put(tc.header))
				r.Header.Add("Content-Type", tc.contentType)
				_, err = c.HTTP(r)
				return sluice.Answer{}, err
			})
			got := ""
			result := Run(t, "Run", Call{Secrets: tc.secrets, HTTP: Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				got = r.Header.Get("X-Key") + r.URL.RawQuery + string(body)
			}))})
			if got+result.ErrorCode != tc.want {
				t.Errorf("the service got %q, the error is %s %s", got, result.ErrorCode, result.Message)
			}
		})
	}
}

func TestSecretValue(t *testing.T) {
	for name, want := range map[string]string{"password": "hunter22", "api-token": "secret_denied", "other": "secret_denied", "No Name": "invalid_secret"} {
		t.Run(name, func(t *testing.T) { testSecretValue(t, name, want) })
	}
}

func testSecretValue(t *testing.T, name, want string) {
	register(t, func(c *sluice.Call) (sluice.Answer, error) {
		value, err := c.SecretValue(name)
		if e, ok := errors.AsType[*sluice.Error](err); ok && (value != "" || e.Code == "secret_denied" && e.Status != 403) {
			t.Errorf("%s: %q, %v", name, value, err)
		}
		return sluice.Text(value), err
	})
	result := Run(t, "Run", Call{Secrets: map[string]Secret{"password": {"hunter22", true}, "api-token": {Value: "x"}}})
	if got := strings.Trim(string(result.Body), `"`) + result.ErrorCode; got != want && got != "null"+want {
		t.Errorf("%s: got %s, want %s", name, got, want)
	}
}
