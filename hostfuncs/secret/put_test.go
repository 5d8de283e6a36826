package secret

import (
	"encoding/json"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"sluice/hostfuncs/egress"
)

func TestCall_Put(t *testing.T) {
	c, ref := calling(t, everywhere)
	r := &egress.Request{
		Method: "POST", URL: "https://API.example:443/v1?a=1&key=" + ref + "&b=" + ref + "#frag",
		Headers: [][2]string{{"content-type", "application/vnd.api+json; charset=utf-8"}, {"authorization", "Bearer " + ref}, {"x", "plain"}},
		Body:    []byte(`{"token":"` + ref + `","n":1}`),
	}
	headers, body := r.Headers, string(r.Body)
	lent := r.Body
	if failure := c.Put(r); failure != nil || c.Masker("") == nil {
		t.Fatalf("%v, %v", c.Masker(""), failure)
	}
	u, err := url.Parse(r.URL)
	if err != nil || u.Query().Get("key") != value || u.Query().Get("b") != value || u.Query().Get("a") != "1" || u.Fragment != "frag" || u.Path != "/v1" {
		t.Errorf("the URL is %s (%v)", r.URL, err)
	}
	if want := [][2]string{{"content-type", headers[0][1]}, {"authorization", "Bearer " + value}, {"x", "plain"}}; !reflect.DeepEqual(r.Headers, want) {
		t.Errorf("the headers are %q", r.Headers)
	}
	var sent struct {
		Token string
		N     int
	}
	if err := json.Unmarshal(r.Body, &sent); err != nil || sent.Token != value || sent.N != 1 {
		t.Errorf("the body is %s (%v)", r.Body, err)
	}
	if !r.Confined {
		t.Error("a redirect may take the request to another origin")
	}
	if headers[1][1] != "Bearer "+ref || string(lent) != body {
		t.Error("what was lent was changed")
	}
}

func TestCall_Put_Form(t *testing.T) {
	c, ref := calling(t, everywhere)
	r := &egress.Request{Method: "POST", URL: "https://api.example/", Headers: [][2]string{{"Content-Type", "application/x-www-form-urlencoded"}},
		Body: []byte("grant=x&secret=" + ref)}
	if failure := c.Put(r); failure != nil {
		t.Fatal(failure)
	}
	if form, err := url.ParseQuery(string(r.Body)); err != nil || form.Get("secret") != value || form.Get("grant") != "x" {
		t.Errorf("the body is %s (%v)", r.Body, err)
	}
}

// Every request here holds a reference that may not be where it is: it is refused, unchanged, with what would allow it.
func TestCall_Put_Denied(t *testing.T) {
	const form, text = "application/x-www-form-urlencoded", "text/plain"
	for _, tc := range []struct {
		name, method, url string // @ is the reference
		headers           [][2]string
		body, want        string
		places            []Place
	}{
		{name: "other host", url: "https://evil.example/?@", want: `is not bound to https://evil.example: add that origin to secrets.token.origins`},
		{name: "a name below", url: "https://api.example.evil.example/?@", want: "is not bound to https://api.example.evil.example"},
		{name: "a name above", url: "https://x.api.example/?@", want: "is not bound to https://x.api.example"},
		{name: "other scheme", url: "http://api.example/?@", want: "is not bound to http://api.example"},
		{name: "other port", url: "https://api.example:8443/?@", want: "is not bound to https://api.example:8443"},
		{name: "path", url: "https://api.example/@/x", want: "in its URL but for the query"},
		{name: "fragment", url: "https://api.example/?x=1#@", want: "in its URL but for the query"},
		{name: "a question mark in the fragment", url: "https://api.example/#?x=@", want: "in its URL but for the query"},
		{name: "host", url: "https://@.example/", want: "in its URL but for the query"},
		{name: "header's name", url: "https://api.example/", headers: [][2]string{{"x-@", "1"}}, want: "in a header's name"},
		{name: "header of another host", url: "https://evil.example/", headers: [][2]string{{"x", "@"}}, want: "is not bound to"},
		{name: "query not allowed", url: "https://api.example/?@", places: []Place{Header, Body}, want: "may not be put into the query of a request: add query to secrets.token.places"},
		{name: "header not allowed", url: "https://api.example/", headers: [][2]string{{"x", "@"}}, places: []Place{Body}, want: "add header to secrets.token.places"},
		{name: "body not allowed", url: "https://api.example/", headers: [][2]string{{"Content-Type", form}}, body: "a=@", places: []Place{Header}, want: "add body to secrets.token.places"},
		{name: "default places", url: "https://api.example/?@", places: []Place{}, want: "add query to secrets.token.places"},
		{name: "body of text", url: "https://api.example/", headers: [][2]string{{"Content-Type", text}}, body: "@", want: "in a body that is sent neither as JSON nor as a form"},
		{name: "body without a type", url: "https://api.example/", body: "@", want: "neither as JSON nor as a form"},
		{name: "body with two types", url: "https://api.example/", headers: [][2]string{{"Content-Type", form}, {"content-type", form}}, body: "a=@", want: "neither as JSON nor as a form"},
		{name: "TRACE", method: "TRACE", url: "https://api.example/", headers: [][2]string{{"x", "@"}}, want: "with the method TRACE"},
		{name: "trace", method: "trace", url: "https://api.example/?@", want: "with the method TRACE"},
		{name: "method", method: "@", url: "https://api.example/", want: "in its method"},
		{name: "too many", url: "https://api.example/?" + strings.Repeat("@", 17), want: "more than 16 references"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := everywhere
			if tc.places != nil {
				d.Places = tc.places
			}
			c, ref := calling(t, d)
			put := func(s string) string { return strings.ReplaceAll(s, "@", ref) }
			if tc.method == "" {
				tc.method = "GET"
			}
			r := egress.Request{Method: put(tc.method), URL: put(tc.url), Body: []byte(put(tc.body))}
			for _, h := range tc.headers {
				r.Headers = append(r.Headers, [2]string{put(h[0]), put(h[1])})
			}
			before := r
			failure := c.Put(&r)
			checkCode(t, tc.name, failure, egress.CodeSecretDenied)
			if !strings.Contains(failure.Message, tc.want) || strings.Contains(failure.Message, value) || strings.Contains(failure.Message, ref) {
				t.Errorf("the message is %s, want %s", failure.Message, tc.want)
			}
			if !reflect.DeepEqual(r, before) {
				t.Errorf("the request was changed: %+v", r)
			}
		})
	}
}

// What is not granted, or not asked for, says so.
func TestCall_Put_NotGranted(t *testing.T) {
	set := newSet(t, map[string]Definition{"a": everywhere, "b": everywhere, "c": everywhere}, nil)
	for _, tc := range []struct {
		name, secret string
		access       *Access
		want         string
	}{
		{"not granted", "b", set.Access("weather", []string{"a", "b"}, []Grant{{Name: "a"}}), `the secret "b" is not granted to "weather": define it under secrets, and grant it, beside those that are granted, by ` + "`sluice grant weather --secrets b`, or in the configuration as grants.weather.secrets"},
		{"not defined", "d", set.Access("weather", []string{"d"}, nil), `the secret "d" is not granted to "weather": define it under secrets, and grant it, beside those that are granted, by ` + "`sluice grant weather --secrets d`"},
		{"not requested", "a", set.Access("weather", nil, []Grant{{Name: "a"}}), `the manifest of "weather" does not ask for the secret "a"`},
		{"no access", "a", nil, "no secrets are granted here"},
	} {
		c := &Call{Access: tc.access}
		failure := c.Put(&egress.Request{Method: "GET", URL: "https://api.example/", Headers: [][2]string{{"x", reference(t, c, tc.secret)}}})
		checkCode(t, tc.name, failure, egress.CodeSecretDenied)
		if !strings.Contains(failure.Message, tc.want) {
			t.Errorf("%s: the message is %s", tc.name, failure.Message)
		}
	}
}

// A value with a line break can't split a header.
func TestCall_Put_HeaderSplitting(t *testing.T) {
	c, ref := calling(t, Definition{From: "file:" + writeFile(t, "a\r\nHost: evil.example\n"), Origins: []string{"api.example"}, Places: []Place{Header, Query}})
	failure := c.Put(&egress.Request{Method: "GET", URL: "https://api.example/", Headers: [][2]string{{"X-Key", ref}}})
	checkCode(t, "in a header", failure, egress.CodeSecretDenied)
	if strings.Contains(failure.Message, "evil") {
		t.Errorf("the message holds the value: %s", failure.Message)
	}
	r := &egress.Request{Method: "GET", URL: "https://api.example/?k=" + ref}
	if failure := c.Put(r); failure != nil || r.URL != "https://api.example/?k=a%0D%0AHost%3A+evil.example" {
		t.Errorf("in the query: %s, %v", r.URL, failure)
	}
}

// A reference means nothing in another call, and neither does a text that only looks like one, or a name.
func TestCall_References(t *testing.T) {
	one, ref := calling(t, everywhere)
	other, otherRef := calling(t, everywhere)
	if ref == otherRef {
		t.Error("two calls drew the same reference")
	}
	if again := reference(t, one, "token"); again != ref {
		t.Error("one call drew two references to the same secret")
	}
	for _, text := range []string{ref, strings.ToUpper(otherRef), otherRef[:ReferenceLength-1], referencePrefix, "token", "{{secrets.token}}", referencePrefix + otherRef[:40]} {
		r := &egress.Request{Method: "GET", URL: "https://evil.example/" + text, Headers: [][2]string{{"x", text}}, Body: []byte(text)}
		before := *r
		if failure := other.Put(r); failure != nil || !reflect.DeepEqual(*r, before) {
			t.Errorf("%s was taken for a reference: %+v, %v", text, r, failure)
		}
	}
	r := &egress.Request{Method: "GET", URL: "https://api.example/?" + referencePrefix + referencePrefix + otherRef}
	if failure := other.Put(r); failure != nil || strings.Contains(r.URL, otherRef) {
		t.Errorf("behind texts that look like one: %s, %v", r.URL, failure)
	}
	c := &Call{}
	for i := range maxReferences {
		reference(t, c, "s"+strings.Repeat("x", i%50)+string(rune('a'+i/50)))
	}
	if _, err := c.Reference("one-more"); err != ErrTooMany {
		t.Errorf("got %v, want ErrTooMany", err)
	}
	for _, name := range []string{"", "A", "a/b", strings.Repeat("a", 65)} {
		if _, err := c.Reference(name); err != ErrName {
			t.Errorf("%q: got %v, want ErrName", name, err)
		}
	}
}

func TestCall_Value(t *testing.T) {
	set := newSet(t, map[string]Definition{"a": everywhere, "b": everywhere}, nil)
	c := &Call{Access: set.Access("mail", []string{"a", "b"}, []Grant{{Name: "a", Clear: true}, {Name: "b"}})}
	if got, failure := c.Value("a"); failure != nil || got != value || !reflect.DeepEqual(c.Used(), []string{value}) {
		t.Errorf("got %q, %v", got, failure)
	}
	_, failure := c.Value("b")
	checkCode(t, "b", failure, egress.CodeSecretDenied)
	if want := "write {name: b, clear: true} in the secrets of its grant, by `sluice grant mail --file`, or in the configuration as grants.mail.secrets"; !strings.Contains(failure.Message, want) {
		t.Errorf("the message is %s", failure.Message)
	}
	_, failure = c.Value("c")
	checkCode(t, "c", failure, egress.CodeSecretDenied)
}

func FuzzCall_Put(f *testing.F) {
	f.Add("https://evil.example/?", "x", "a=", "text/plain", "GET")
	f.Add("https://api.example/", "x", "{", "application/json", "POST")
	f.Fuzz(func(t *testing.T, u, header, body, contentType, method string) {
		c, ref := calling(t, everywhere)
		r := &egress.Request{Method: method, URL: u + ref, Headers: [][2]string{{"content-type", contentType}, {header, ref}}, Body: []byte(body + ref)}
		failure := c.Put(r)
		if failure != nil {
			if strings.Contains(r.URL+r.Headers[1][1]+string(r.Body), value) {
				t.Fatal("a request that was refused holds the value")
			}
			return
		}
		parsed, err := egress.ParseURL(r.URL)
		if err != nil || parsed.Origin() != "https://api.example" {
			t.Fatalf("the value went to %s (%v)", r.URL, err)
		}
	})
}
