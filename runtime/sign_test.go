package runtime

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"hash"
	"strings"
	"testing"
	"time"

	"sluice/hostfuncs/secret"
	"sluice/internal/guests"
	"sluice/runtime/envelope"
	"sluice/runtime/sandbox/wasmtest"
)

// A guest signs where that is granted. The key is not in its memory, and kept out of its log, wherever it has it from.
func TestSecrets_Sign(t *testing.T) {
	t.Setenv("SLUICE_TEST_CANARY", canarySecret)
	signing := secret.Grant{Name: "canary", Sign: true}
	h := start(t, open(t, t.TempDir()), func(c *Config) {
		c.Dev = true
		c.Secrets = map[string]secret.Definition{"canary": {From: "env:SLUICE_TEST_CANARY"}, "other": {From: "env:SLUICE_TEST_MISSING"}}
		c.Grants = map[string]Grant{"misbehave": {Secrets: []secret.Grant{signing, {Name: "other", Sign: true}}}}
	})
	h.install(guests.Module(t, "misbehave"))
	params := func(name, hash, text, line string) string {
		b, err := json.Marshal(map[string]string{"name": name, "hash": hash, "text": text, "line": line})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for algorithm, of := range map[string]func() hash.Hash{"sha1": sha1.New, "sha256": sha256.New, "sha512": sha512.New} {
		mac := hmac.New(of, []byte(canarySecret))
		mac.Write([]byte("the body"))
		a, err := h.execute(t.Context(), "misbehave/Sign", params("canary", algorithm, "the body", "knows "+canarySecret))
		if want := hex.EncodeToString(mac.Sum(nil)); err != nil || a.Error != nil || string(a.Body) != want {
			t.Errorf("%s: got %s, %+v, %v; want %s", algorithm, a.Body, a.Error, err, want)
		}
		if len(a.Logs) != 1 || a.Logs[0] != "knows "+secret.Mask {
			t.Errorf("logged %q", a.Logs)
		}
	}
	find, _ := inSandbox(t, h, "Sign", params("canary", "sha256", "the body", ""))
	for _, form := range formsOf(canarySecret) {
		if at, found := find(form); found {
			t.Errorf("the guest's memory holds %q at %d", form, at)
		}
	}
	if _, found := find("the body"); !found {
		t.Error("what was signed is not in the guest's memory: it was not looked through")
	}
	for _, tc := range []struct{ name, hash, text, code string }{
		{"ungranted", "sha256", "x", "secret_denied"}, {"unknown", "sha256", "x", "secret_denied"},
		{"canary", "sha256", "x@", "secret_denied"}, {"other", "sha256", "x", "secret_unavailable"},
		{"canary", "md5", "x", "invalid_secret"}, {"No Name", "sha256", "x", "invalid_secret"},
	} {
		a, err := h.execute(t.Context(), "misbehave/Sign", params(tc.name, tc.hash, tc.text, ""))
		if err != nil || a.Error == nil || a.Error.Code != tc.code {
			t.Errorf("%s: got %+v, %v", tc.name, a.Error, err)
		}
	}
	if strings.Contains(h.log.String(), canarySecret) {
		t.Errorf("the log has it: %s", h.log)
	}
}

// Without the grant to sign there is no signature, for a secret that may be used or read either.
func TestSecrets_Sign_NotGranted(t *testing.T) {
	h := secretHarness(t, secret.Definition{})
	for _, name := range []string{"canary", "other", "ungranted", "unknown"} {
		a, err := h.execute(t.Context(), "misbehave/Sign", `{"name":"`+name+`","hash":"sha256","text":"x"}`)
		if err != nil || a.Error == nil || a.Error.Code != "secret_denied" || a.HTTPStatus != 403 {
			t.Errorf("%s: got %+v, %v", name, a.Error, err)
		}
	}
}

// What is signed is paid for: a guest that signs for ever is ended by its budget.
func TestSecrets_Sign_Fuel(t *testing.T) {
	t.Setenv("SLUICE_TEST_CANARY", canarySecret)
	const (
		native, name, algorithm = "sluice:host/v1", "canary", "sha512"
		data, length            = wasmtest.NativeFree + len(name+algorithm), 1 << 20
	)
	m := wasmtest.Native(`{"name":"mill","version":"1.0.0","commands":[{"name":"Sign"}],` +
		`"capabilities":[{"name":"secret","reason":"tests","secrets":["canary"]}]}`)
	sign, closing := len(m.Imports), len(m.Imports)+1
	m.Imports = append(m.Imports,
		wasmtest.Import{Module: native, Name: "hmac", Params: "iiiiii", Results: "i"},
		wasmtest.Import{Module: native, Name: "close", Params: "i", Results: "i"})
	m.Pages = length>>16 + 2
	m.Data = append(m.Data, wasmtest.Data{At: wasmtest.NativeFree, Text: name + algorithm})
	m.Functions[1].Code = wasmtest.Loop(
		wasmtest.I32(wasmtest.NativeFree), wasmtest.I32(len(name)), wasmtest.I32(wasmtest.NativeFree+len(name)), wasmtest.I32(len(algorithm)),
		wasmtest.I32(data), wasmtest.I32(length), wasmtest.Call(sign), wasmtest.I32(2), wasmtest.Equal, wasmtest.I32Eqz, wasmtest.If(wasmtest.Unreachable),
		wasmtest.I32(2), wasmtest.Call(closing), wasmtest.Drop, wasmtest.I32(3), wasmtest.Call(closing), wasmtest.Drop, wasmtest.Br(0))
	h := start(t, open(t, t.TempDir()), func(c *Config) {
		c.Limits.CPU = 200 * time.Millisecond
		c.Secrets = map[string]secret.Definition{"canary": {From: "env:SLUICE_TEST_CANARY"}}
		c.Grants = map[string]Grant{"mill": {Secrets: []secret.Grant{{Name: "canary", Sign: true}}}}
	})
	h.install(m.Bytes())
	h.wantFailure("mill/Sign", "{}", envelope.FuelExhausted)
}
