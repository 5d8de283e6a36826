package sluicetest

import (
	"encoding/hex"
	"errors"
	"fmt"
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

func TestHMAC(t *testing.T) {
	const key = "Jefe"
	granted := map[string]Secret{"password": {Value: key, Sign: true}, "api-token": {Value: "x", Clear: true}}
	for _, tc := range []struct {
		secret string
		hash   sluice.Hash
		data   string // @ is a reference
		want   string
	}{
		{"password", sluice.SHA1, "what do ya want for nothing?", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
		{"password", sluice.SHA256, "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
		{"password", sluice.SHA512, "", "b9d14c51a6d4dd41604eb06c9c240f1f64f143b5cfd"},
		{"password", sluice.SHA256, "x@", "secret_denied 403"},
		{"api-token", sluice.SHA256, "x", "secret_denied 403"},
		{"other", sluice.SHA256, "x", "secret_denied 403"},
		{"No Name", sluice.SHA256, "x", "invalid_secret 500"},
		{"password", "md5", "x", "invalid_secret 500"},
		{"password", sluice.SHA256, strings.Repeat("x", maxSigned+1), "invalid_secret 500"},
	} {
		t.Run(fmt.Sprintf("%s with %s", tc.hash, tc.secret), func(t *testing.T) {
			register(t, func(c *sluice.Call) (sluice.Answer, error) {
				reference, err := c.Secret("api-token")
				if err != nil {
					return sluice.Answer{}, err
				}
				mac, err := c.HMAC(tc.secret, tc.hash, []byte(strings.ReplaceAll(tc.data, "@", reference)))
				if e, ok := errors.AsType[*sluice.Error](err); ok {
					return sluice.Text(fmt.Sprint(e.Code, " ", e.Status)), nil
				}
				return sluice.Text(hex.EncodeToString(mac)), err
			})
			result := Run(t, "Run", Call{Secrets: granted})
			if got := strings.Trim(string(result.Body), `"`); result.ErrorCode != "" || !strings.HasPrefix(got, tc.want) {
				t.Errorf("%.40q: got %s %s", tc.data, got, result.ErrorCode)
			}
		})
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
	result := Run(t, "Run", Call{Secrets: map[string]Secret{"password": {Value: "hunter22", Clear: true}, "api-token": {Value: "x"}}})
	if got := strings.Trim(string(result.Body), `"`) + result.ErrorCode; got != want && got != "null"+want {
		t.Errorf("%s: got %s, want %s", name, got, want)
	}
}
