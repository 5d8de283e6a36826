package abi

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"strings"
	"testing"

	"sluice/hostfuncs"
	"sluice/hostfuncs/egress"
	"sluice/hostfuncs/secret"
)

// secrets is a call that may use the secret token, read the secret clear, and sign with the secret key.
func secrets(t testing.TB) *Call {
	t.Helper()
	definition := secret.Definition{From: "env:X", Origins: []string{"api.example"}}
	set, err := secret.NewSet(secret.Config{
		Definitions: map[string]secret.Definition{"token": definition, "clear": definition, "key": definition},
		LookupEnv:   func(string) (string, bool) { return "hunter22", true },
	})
	if err != nil {
		t.Fatal(err)
	}
	access := set.Access("weather", []string{"token", "clear", "key"}, []secret.Grant{{Name: "token"}, {Name: "clear", Clear: true}, {Name: "key", Sign: true}})
	return &Call{OutputLimit: 1 << 10, Host: &hostfuncs.Call{Secrets: secret.Call{Access: access}, HTTP: answering(
		func(_ context.Context, r *egress.Request) (*egress.Response, *egress.Error) {
			return &egress.Response{Status: 200, Headers: [][2]string{{"x-echo", r.Headers[0][1]}}, Body: []byte(r.Headers[0][1] + "!")}, nil
		})}}
}

func TestNative_Secret(t *testing.T) {
	g := newGuest(t, secrets(t))
	name, n := g.put(0, "token")
	g.want(48, "secret", name, n, 64, 48)
	reference := string(g.get(64, 48))
	g.want(48, "secret", name, n, 128, 100)
	g.wantMemory(128, reference)
	head, headLen := g.put(1024, `{"method":"GET","url":"https://api.example/","headers":[["x","`+reference+`"]]}`)
	g.want(2, "http_send", head, headLen, 0, 0)
	g.want(200, "http_status", 2)
	g.want(int32(len(secret.Mask))+1, "read", 3, 0, 2048, 100)
	g.wantMemory(2048, secret.Mask+"!")

	g.want(int32(hostfuncs.Invalid), "secret", name, n, 64, 47)
	g.want(int32(hostfuncs.Invalid), "secret", name, 0, 64, 48)
	g.want(int32(hostfuncs.BadRange), "secret", name, n, memoryEnd-47, 48)
	g.want(int32(hostfuncs.BadRange), "secret", memoryEnd-1, 2, 64, 48)
	for i := range 63 {
		other, n := g.put(512, "s"+strings.Repeat("x", i))
		g.want(48, "secret", other, n, 64, 48)
	}
	other, n := g.put(512, "one-more")
	g.want(int32(hostfuncs.TooLarge), "secret", other, n, 64, 48)
}

func TestNative_SecretValue(t *testing.T) {
	g := newGuest(t, secrets(t))
	name, n := g.put(0, "clear")
	g.want(2, "secret_value", name, n)
	g.want(11, "read", 2, 0, 64, 100)
	g.wantMemory(64, `{"ok":true}`)
	g.want(8, "read", 3, 0, 64, 100)
	g.wantMemory(64, "hunter22")
	g.want(0, "http_status", 2)
	g.want(int32(hostfuncs.Absent), "http_header", 2, name, n, 64, 8)
	g.want(0, "close", 2)
	g.want(0, "close", 3)

	name, n = g.put(0, "token")
	g.want(2, "secret_value", name, n)
	size, err := g.try(context.Background(), "size", 2)
	if err != nil {
		t.Fatal(err)
	}
	g.want(int32(size), "read", 2, 0, 64, size)
	if head := string(g.get(64, int(size))); !strings.HasPrefix(head, `{"error":{"code":"secret_denied","message":"the secret \"token\" is not granted in the clear`) {
		t.Errorf("the head is %s", head)
	}
	if size, err := g.try(context.Background(), "size", 3); size != 0 || err != nil {
		t.Errorf("the value has %d bytes, %v", size, err)
	}
	g.want(int32(hostfuncs.BadRange), "secret_value", memoryEnd-1, 2)
	g.want(int32(hostfuncs.Invalid), "secret_value", name, 0)
}

func TestNative_SecretDescribing(t *testing.T) {
	g := newGuest(t, &Call{Host: &hostfuncs.Call{Describing: true}})
	name, n := g.put(0, "token")
	g.want(int32(hostfuncs.NotAvailable), "secret", name, n, 64, 48)
	g.want(int32(hostfuncs.NotAvailable), "secret_value", name, n)
	algorithm, algorithmLen := g.put(64, "sha256")
	g.want(int32(hostfuncs.NotAvailable), "hmac", name, n, algorithm, algorithmLen, name, n)
}

func TestNative_HMAC(t *testing.T) {
	g := newGuest(t, secrets(t))
	name, n := g.put(0, "key")
	algorithm, algorithmLen := g.put(64, "sha256")
	data, dataLen := g.put(128, "Hi There")
	// head wants what is behind the first handle to begin with a text, and closes both.
	head := func(want string) {
		t.Helper()
		size, err := g.try(context.Background(), "size", 2)
		if err != nil {
			t.Fatal(err)
		}
		g.want(int32(size), "read", 2, 0, 4096, size)
		if head := string(g.get(4096, int(size))); !strings.HasPrefix(head, want) {
			t.Errorf("the head is %s, want %s", head, want)
		}
		g.want(0, "close", 2)
		g.want(0, "close", 3)
	}
	for algorithm, size := range map[string]int{"sha1": 20, "sha256": 32, "sha512": 64} {
		at, n2 := g.put(64, algorithm)
		g.want(2, "hmac", name, n, at, n2, data, dataLen)
		g.want(int32(size), "read", 3, 0, 256, 100)
		mac := hmac.New(map[string]func() hash.Hash{"sha1": sha1.New, "sha256": sha256.New, "sha512": sha512.New}[algorithm], []byte("hunter22"))
		mac.Write([]byte("Hi There"))
		g.wantMemory(256, string(mac.Sum(nil)))
		head(`{"ok":true}`)
	}
	g.put(64, "sha256")
	g.want(2, "hmac", name, n, algorithm, algorithmLen, data, 0)
	g.want(32, "read", 3, 0, 256, 100)
	head(`{"ok":true}`)

	for _, other := range []string{"token", "clear", "other"} {
		at, n := g.put(512, other)
		g.want(2, "hmac", at, n, algorithm, algorithmLen, data, dataLen)
		if size, err := g.try(context.Background(), "size", 3); size != 0 || err != nil {
			t.Errorf("the signature with %s has %d bytes, %v", other, size, err)
		}
		head(`{"error":{"code":"secret_denied","message":"the `)
	}
	token, tokenLen := g.put(512, "token")
	g.want(48, "secret", token, tokenLen, 1024, 48)
	g.want(2, "hmac", name, n, algorithm, algorithmLen, 1000, 100)
	head(`{"error":{"code":"secret_denied","message":"what is to be signed holds what stands for the secret \"token\"`)

	g.want(int32(hostfuncs.Invalid), "hmac", name, 0, algorithm, algorithmLen, data, dataLen)
	g.want(int32(hostfuncs.Invalid), "hmac", name, n, algorithm, 0, data, dataLen)
	g.want(int32(hostfuncs.Invalid), "hmac", name, n, algorithm, algorithmLen-1, data, dataLen)
	g.want(int32(hostfuncs.BadRange), "hmac", memoryEnd-1, 2, algorithm, algorithmLen, data, dataLen)
	g.want(int32(hostfuncs.BadRange), "hmac", name, n, memoryEnd-1, 2, data, dataLen)
	g.want(int32(hostfuncs.BadRange), "hmac", name, n, algorithm, algorithmLen, memoryEnd-1, 2)
}
