package hostfuncs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sluice/hostfuncs/egress"
	"sluice/hostfuncs/egress/egresstest"
	"sluice/hostfuncs/secret"
)

// service is a server, and a client that reaches it.
func service(t *testing.T, serve http.HandlerFunc) (url string, client *egress.Client) {
	t.Helper()
	s := httptest.NewServer(serve)
	t.Cleanup(s.Close)
	return s.URL, egresstest.Client(t, nil, "http://*")
}

// stream sends a request whose response is streamed, as an ABI does.
func (c *Call) stream(ctx context.Context, t *testing.T, url string, open int) (*Body, *egress.Error) {
	t.Helper()
	r, errno := c.ParseHTTP([]byte(`{"method":"GET","url":"` + url + `","stream":true}`))
	if errno != OK || !r.Stream {
		t.Fatalf("%+v, %d", r, errno)
	}
	response, failure, err := c.StreamHTTP(ctx, r, open)
	if err != nil {
		t.Fatal(err)
	}
	if response, failure = c.MaskHTTP(response, failure, nil); failure != nil {
		return nil, failure
	}
	b := c.BodyOf(response)
	t.Cleanup(b.Close)
	return b, nil
}

// all reads a body to its end, in pieces of so many bytes.
func all(b *Body, size int) ([]byte, *egress.Error, error) {
	var out []byte
	p := make([]byte, size)
	waits := 0
	waiting := func() func() { waits++; return func() { waits-- } }
	for {
		n, failure, err := b.Read(p, waiting, nil)
		if out = append(out, p[:n]...); n == 0 || waits != 0 {
			return out, failure, err
		}
	}
}

func TestBody(t *testing.T) {
	text := strings.Repeat("some text, and more of it\n", 20_000)
	url, client := service(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/known":
			w.Header().Set("Content-Length", "520000")
		case "/none":
			return
		case "/held": // nobody has all of it before the call is over
			_, _ = io.WriteString(w, text)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return
		}
		_, _ = io.WriteString(w, text)
		if r.URL.Path == "/cut" {
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
	})
	c := &Call{HTTP: client, Counters: new(egress.Counters)}
	for path, size := range map[string]int64{"/known": 520_000, "/unknown": -1} {
		for _, piece := range []int{1000, 1 << 20} {
			b, failure := c.stream(context.Background(), t, url+path, 0)
			if failure != nil || b.Size() != size || !b.Open() || b.Memory() == 0 {
				t.Fatalf("%s: %v, size %d", path, failure, b.Size())
			}
			if n, _, _ := b.Read(nil, nil, nil); n != 0 {
				t.Errorf("%d bytes went nowhere", n)
			}
			got, failure, err := all(b, piece)
			if string(got) != text || failure != nil || err != nil || b.Offset() != uint64(len(text)) || b.Size() != int64(len(text)) {
				t.Errorf("%s: %d bytes, %v, %v", path, len(got), failure, err)
			}
			if b.Open() || b.Memory() != 0 {
				t.Errorf("at its end it is open, with %d bytes", b.Memory())
			}
			b.Close()
		}
	}
	b, failure := c.stream(context.Background(), t, url+"/none", 0)
	if got, failed, err := all(b, 10); failure != nil || failed != nil || err != nil || len(got) != 0 || b.Size() != 0 || b.Open() {
		t.Errorf("%q, %v, %v, %v", got, failure, failed, err)
	}
	b, _ = c.stream(context.Background(), t, url+"/cut", 0)
	for range 2 {
		if _, failure, err := all(b, 1000); failure == nil || failure.Code != egress.CodeIncomplete || err != nil || b.Open() || b.Size() >= 0 {
			t.Errorf("%v, %v", failure, err)
		}
	}
	if counted := c.Counters.Failures(); counted[egress.Failure{Capability: capabilityHTTP, Code: egress.CodeIncomplete}] != 1 || len(counted) != 1 {
		t.Errorf("counted %v", counted)
	}
	ctx, cancel := context.WithCancel(context.Background())
	b, _ = c.stream(ctx, t, url+"/held", 0)
	cancel()
	if _, failure, err := all(b, 1000); failure != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v", failure, err)
	}
}

// TestBody_Limit: a call has so many open and no more.
func TestBody_Limit(t *testing.T) {
	url, client := service(t, func(http.ResponseWriter, *http.Request) {})
	c := &Call{HTTP: client}
	if _, failure := c.stream(context.Background(), t, url, MaxStreams-1); failure != nil {
		t.Error(failure)
	}
	_, failure := c.stream(context.Background(), t, url, MaxStreams)
	if failure == nil || failure.Code != egress.CodeOverloaded || !strings.Contains(failure.Message, "16 streamed responses") {
		t.Errorf("got %v", failure)
	}
}

// TestBody_Masked: what is bound to the origin, and what the host itself has put in, does not come through, wherever the
// pieces end.
func TestBody_Masked(t *testing.T) {
	const credential = "the host's own"
	text := strings.Repeat("x", maskedPiece-5) + secretB + " " + credential + strings.Repeat("\\u0076alueofsecretb1 ", 5000)
	url, client := service(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Echo", secretB)
		if r.URL.Path == "/cut" {
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, text)
	})
	origin, err := egress.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	set, err := secret.NewSet(secret.Config{
		Definitions: map[string]secret.Definition{"b": {From: "env:B", Origins: []string{origin.Origin()}}},
		LookupEnv:   func(string) (string, bool) { return secretB, true },
	})
	if err != nil {
		t.Fatal(err)
	}
	c := &Call{
		HTTP:    client,
		Secrets: secret.Call{Access: set.Access("c", []string{"b"}, []secret.Grant{{Name: "b"}})},
	}
	c.Secrets.Use(credential)
	want := secret.NewMasker([]string{secretB, credential}).Bytes([]byte(text))
	for _, piece := range []int{3, 1000, 1 << 20} {
		b, failure := c.stream(context.Background(), t, url, 0)
		if failure != nil || b.Size() >= 0 || b.Memory() < maskedPiece {
			t.Fatalf("%v, size %d, %d bytes", failure, b.Size(), b.Memory())
		}
		got, failure, err := all(b, piece)
		if failure != nil || err != nil || !bytes.Equal(got, want) || b.Size() != int64(len(want)) {
			t.Errorf("in pieces of %d: %d bytes, %v, %v", piece, len(got), failure, err)
		}
	}
	// Why a body ended is masked too: it names a host.
	set, err = secret.NewSet(secret.Config{
		Definitions: map[string]secret.Definition{"b": {From: "env:B"}},
		LookupEnv:   func(string) (string, bool) { return "127.0.0.1", true },
	})
	if err != nil {
		t.Fatal(err)
	}
	named := &Call{HTTP: client, Secrets: secret.Call{Access: set.Access("c", []string{"b"}, []secret.Grant{{Name: "b"}})}}
	b, failed := named.stream(context.Background(), t, url+"/cut", 0)
	if failed != nil {
		t.Fatal(failed)
	}
	if _, failure, _ := all(b, 1000); failure == nil || failure.Message != secret.Mask+" closed the connection within the response" {
		t.Errorf("got %v", failure)
	}
	// Looking for secrets is paid for, and can be ended.
	b, _ = c.stream(context.Background(), t, url, 0)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("it could not be ended")
			}
		}()
		_, _, _ = b.Read(make([]byte, 100), func() func() { return func() {} }, func(int) { panic("over") })
	}()
}
