package hostfuncs

import (
	"context"
	"sort"
	"strings"
	"testing"
	"time"

	"sluice/hostfuncs/egress"
	"sluice/hostfuncs/egress/worktest"
	"sluice/hostfuncs/secret"
)

// secretB is granted, and bound to the origin b.
const secretB = "valueofsecretb1"

func withSecretB(t *testing.T, d *doer) *Call {
	t.Helper()
	set, err := secret.NewSet(secret.Config{
		Definitions: map[string]secret.Definition{"b": {From: "env:B", Origins: []string{"https://b.example"}}},
		LookupEnv:   func(string) (string, bool) { return secretB, true },
	})
	if err != nil {
		t.Fatal(err)
	}
	return &Call{HTTP: d, Secrets: secret.Call{Access: set.Access("c", []string{"b"}, []secret.Grant{{Name: "b"}})}}
}

// What an origin holds of a secret that is bound to it is masked, however a request came to it.
func TestCall_MaskHTTP(t *testing.T) {
	for name, tc := range map[string]struct {
		url, redirected string
		masked          bool
	}{
		"the origin itself":      {"https://b.example/", "", true},
		"redirected to it":       {"https://a.example/", "https://b.example", true},
		"redirected away":        {"https://b.example/", "https://a.example", true},
		"another origin, no use": {"https://a.example/", "", false},
	} {
		response := &egress.Response{
			Status: 200, Redirected: tc.redirected, Headers: [][2]string{{"content-length", "21"}, {"x", secretB}}, Body: []byte("it is " + secretB),
		}
		c := withSecretB(t, &doer{response: response})
		head, body, errno, err := sendHTTP(c, context.Background(), []byte(`{"method":"GET","url":"`+tc.url+`"}`), nil)
		if errno != OK || err != nil || strings.Contains(string(body), secretB) == tc.masked || strings.Contains(string(head), "content-length") == tc.masked {
			t.Errorf("%s: got %q, %v, %v", name, body, errno, err)
		}
	}
}

// How much more than a secret a guest may send says nothing of how long the secret is.
func TestCall_SendHTTP_Length(t *testing.T) {
	const origin = "https://api.example"
	rule, err := egress.ParseRule(origin)
	if err != nil {
		t.Fatal(err)
	}
	policy, err := egress.NewPolicy([]egress.Entry{{Rules: []egress.Rule{rule}}}, []egress.Rule{rule})
	if err != nil {
		t.Fatal(err)
	}
	client := egress.NewClient(egress.Config{Policy: policy, Guard: egress.NewGuard(), Sockets: egress.NewSockets(0)}) // nothing goes out
	defer client.Close()
	most := func(value string, request func(reference, padding string) *egress.Request) int {
		set, err := secret.NewSet(secret.Config{
			Definitions: map[string]secret.Definition{"a": {From: "env:A", Origins: []string{origin}, Places: []secret.Place{secret.Header, secret.Query}}},
			LookupEnv:   func(string) (string, bool) { return value, true },
		})
		if err != nil {
			t.Fatal(err)
		}
		c := &Call{HTTP: client, Secrets: secret.Call{Access: set.Access("evil", []string{"a"}, []secret.Grant{{Name: "a"}})}}
		reference, err := c.Secrets.Reference("a")
		if err != nil {
			t.Fatal(err)
		}
		return sort.Search(128<<10, func(padding int) bool {
			r := request(reference, strings.Repeat("a", padding))
			r.Method, r.Timeout = "GET", time.Minute
			_, failure, err := c.SendHTTP(t.Context(), r)
			if failure == nil || err != nil {
				t.Fatal(failure, err)
			}
			return failure.Code == egress.CodeInvalidRequest
		})
	}
	for where, request := range map[string]func(reference, padding string) *egress.Request{
		"header": func(reference, padding string) *egress.Request {
			return &egress.Request{URL: origin, Headers: [][2]string{{"x", reference + padding}, {"y", reference}}}
		},
		"query": func(reference, padding string) *egress.Request {
			return &egress.Request{URL: origin + "/?a=" + reference + "&b=" + reference + "&c=" + padding}
		},
	} {
		short, long := most(strings.Repeat("s", 17), request), most(strings.Repeat("/", 20_000), request)
		if short != long || short < 10_000 {
			t.Errorf("beside a short one in the %s fit %d bytes, beside a long one %d", where, short, long)
		}
	}
}

// A failure's message is masked whatever the origin: redirects may have led the request by any.
func TestCall_MaskHTTP_Failure(t *testing.T) {
	for _, url := range []string{"https://b.example/", "https://a.example/"} {
		failure := &egress.Error{Code: egress.CodeEgressDenied, Message: strings.ToUpper(secretB) + ".example is not granted", Locations: []string{"/there"}}
		c := withSecretB(t, &doer{failure: failure})
		head, _, _, err := sendHTTP(c, context.Background(), []byte(`{"method":"GET","url":"`+url+`"}`), nil)
		if err != nil || !strings.Contains(string(head), `"message":"`+secret.Mask+`.example is not granted"`) {
			t.Errorf("got %s, %v", head, err)
		}
		if !strings.Contains(failure.Message, strings.ToUpper(secretB)) {
			t.Error("an error that others may hold was changed")
		}
		failure.Locations = []string{"https://x/" + secretB}
		if head, _, _, err := sendHTTP(c, context.Background(), []byte(`{"method":"GET","url":"`+url+`"}`), nil); err != nil || strings.Contains(string(head), "example") {
			t.Errorf("got %s, %v", head, err)
		}
	}
}

// Looking for secrets in a large body is paid for, and can be ended.
func TestCall_MaskHTTP_Long(t *testing.T) {
	c := withSecretB(t, &doer{response: &egress.Response{Status: 200, Body: []byte(strings.Repeat("%41", 1<<18))}})
	r, _ := c.ParseHTTP([]byte(`{"method":"GET","url":"https://b.example/"}`))
	response, failure, err := c.SendHTTP(context.Background(), r)
	if failure != nil || err != nil {
		t.Fatal(failure, err)
	}
	total := 0
	c.MaskHTTP(response, nil, func(n int) { total += n })
	if total < 8<<20 {
		t.Errorf("it was told to take %d ns", total)
	}
	defer func() {
		if recover() == nil {
			t.Error("it could not be ended")
		}
	}()
	response, _, _ = c.SendHTTP(context.Background(), r)
	c.MaskHTTP(response, nil, func(int) { panic("over") })
}

// Whoever sends requests is told what must not be taken elsewhere, in whatever case and encoding it comes back.
func TestCall_SendHTTP_Keeper(t *testing.T) {
	d := &doer{response: &egress.Response{Status: 200}}
	c := withSecretB(t, d)
	if _, _, _, err := sendHTTP(c, context.Background(), []byte(`{"method":"GET","url":"https://b.example/"}`), nil); err != nil {
		t.Fatal(err)
	}
	for location, want := range map[string]bool{
		"https://x.example/?a=" + secretB: true, "https://" + strings.ToUpper(secretB) + ".example/": true,
		"https://x.example/%76" + secretB[1:]: true, "https://x.example/": false, "": false,
	} {
		if got := d.got.Keeper.GivesAway(location, func(int) {}); got != want {
			t.Errorf("%q gives a secret away: %t", location, got)
		}
	}
}

// A request that is not allowed costs nothing: nobody looks for references in it, or for values.
func TestCall_SendHTTP_Denied(t *testing.T) {
	body := []byte(strings.Repeat("sluice-secret-v1", 1<<16))
	for name, doer := range map[string]Doer{
		"nothing is granted":   Denied("nothing is granted"),
		"something else is":    &doer{denial: &egress.Error{Code: egress.CodeEgressDenied, Message: "it is not granted"}},
		"it would be searched": &doer{response: &egress.Response{Status: 200}},
	} {
		c := withSecretB(t, nil)
		c.HTTP = doer
		if _, err := c.Secrets.Reference("b"); err != nil {
			t.Fatal(err)
		}
		var w worktest.Worker
		_, failure, err := c.SendHTTP(context.Background(), &egress.Request{Method: "POST", URL: "https://b.example/", Body: body, Worker: &w})
		if failure == nil || err != nil {
			t.Fatalf("%s: %v, %v", name, failure, err)
		}
		if denied := failure.Code == egress.CodeEgressDenied; denied == (w.Total > 0) {
			t.Errorf("%s: %v after %d ns", name, failure, w.Total)
		}
	}
}
