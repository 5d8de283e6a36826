package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"sluice/hostfuncs/egress"
	"sluice/hostfuncs/egress/worktest"
)

// percent encodes every byte.
func percent(format, text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		fmt.Fprintf(&b, format, c)
	}
	return b.String()
}

func jsonOf(text string) string {
	b, _ := json.Marshal(text)
	return string(b[1 : len(b)-1])
}

func TestMasker(t *testing.T) {
	m := NewMasker([]string{value, "hunter22"})
	for _, form := range []string{
		value, "hunter22", url.QueryEscape(value), url.PathEscape(value), percent("%%%02x", value), percent("%%%02X", value),
		percent("%%%02x", "hunter22"), "%68unter22", jsonOf(value), strings.ReplaceAll(jsonOf(value), "/", `\/`), percent(`\u%04x`, "hunter22"),
		jsonOf(inJSON(value)), url.QueryEscape(inJSON(value)), url.QueryEscape(url.QueryEscape(value)), inJSON(url.QueryEscape(value)),
	} {
		for _, around := range []string{"", "x", `{"a": "`, "%", "%2", "é "} {
			if got, want := m.Text(around+form+around), around+Mask+around; got != want {
				t.Errorf("%q within %q: got %q", form, around, got)
			}
		}
	}
	latin1 := strings.ReplaceAll(value, "ä", "\xe4")
	for _, form := range []string{
		html.EscapeString(value), percent("&#%d;", value[:4]) + html.EscapeString(value[4:]),
		percent("&#x%x;", value[:4]) + value[4:], strings.ReplaceAll(html.EscapeString(value), "/", "&sol;"),
		latin1, strings.ReplaceAll(value, "ä", "Ã¤"),
	} {
		for _, around := range []string{"", "<p>", "& ", "&amp;", "&#", "&nothing;"} {
			if got, want := m.Text(around+form+around), around+Mask+around; got != want {
				t.Errorf("%q within %q: got %q", form, around, got)
			}
		}
	}
	for _, plain := range []string{"", "abc", "&#104;&#117;", "&&&&&;;;;", "hunter2", "%68%", `\u00`, strings.Repeat("hunter2 ", 100)} {
		if got := m.Text(plain); got != plain {
			t.Errorf("%q became %q", plain, got)
		}
	}
	if got, want := m.Text("k="+url.QueryEscape(base64.StdEncoding.EncodeToString([]byte(value)))+"&"), "k="+Mask+"&"; got != want {
		t.Errorf("Base64 in a query: got %q, want %q", got, want)
	}
	if got, want := m.Text("a hunter22 b hunter22"+value+" c"), "a "+Mask+" b "+Mask+" c"; got != want {
		t.Errorf("several: got %q, want %q", got, want)
	}
}

// Within Base64 the value is found whatever stands around it, in every alphabet, and nothing of it is left.
func TestMasker_Base64(t *testing.T) {
	for _, secret := range []string{"hunt", "hunter22", value, strings.Repeat("k", 100)} {
		m := NewMasker([]string{secret})
		for before := range 7 {
			for after := range 7 {
				for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
					head, tail := strings.Repeat("u", before), strings.Repeat("v", after)
					got := m.Text("Basic " + e.EncodeToString([]byte(head+secret+tail)) + " end")
					rest := strings.SplitN(strings.TrimSuffix(strings.TrimPrefix(got, "Basic "), " end"), Mask, 2)
					if len(rest) != 2 || len(rest[0]) > (8*before+5)/6 || len(strings.TrimRight(rest[1], "=")) > (8*after+5)/6 {
						t.Errorf("%q with %d before and %d after: got %s", secret, before, after, got)
					}
				}
			}
		}
	}
}

// What differs from a value within Base64 in any bit is none.
func TestMasker_Base64_Near(t *testing.T) {
	for _, secret := range []string{"hunt", "hunter22", value} {
		m := NewMasker([]string{secret})
		for before := range 4 {
			for after := range 4 {
				for bit := range 8 * len(secret) {
					near := []byte(secret)
					near[bit/8] ^= 0x80 >> (bit % 8)
					for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
						text := e.EncodeToString([]byte(strings.Repeat("u", before) + string(near) + strings.Repeat("v", after)))
						if got := m.Text(text); got != text {
							t.Fatalf("%q with bit %d of %q changed became %s", text, bit, secret, got)
						}
					}
				}
			}
		}
	}
}

func TestMasker_Response(t *testing.T) {
	m := NewMasker([]string{"hunter22"})
	large := bytes.Repeat([]byte("hunter22 "), MaxMasked/9+1)
	for _, tc := range []struct{ body, want []byte }{
		{[]byte(`{"password":"hunter22"}`), []byte(`{"password":"` + Mask + `"}`)},
		{[]byte("nothing"), []byte("nothing")},
		{large, large},
		{large[:MaxMasked-MaxMasked%9], bytes.Repeat([]byte(Mask+" "), MaxMasked/9)},
	} {
		r := &egress.Response{Headers: [][2]string{{"x-echo", "hunter22"}, {"location", "/?k=%68unter22"}}, Body: tc.body}
		m.Response(r, nil)
		if !bytes.Equal(r.Body, tc.want) {
			t.Errorf("a body of %d bytes became one of %d", len(tc.body), len(r.Body))
		}
		if want := [][2]string{{"x-echo", Mask}, {"location", "/?k=" + Mask}}; !reflect.DeepEqual(r.Headers, want) {
			t.Errorf("the headers are %q", r.Headers)
		}
	}
	r := &egress.Response{Headers: [][2]string{{"x-hunter22", "https://HUNTER22.example"}}, Body: []byte("HUNTER22")}
	NewMasker([]string{"Hunter22"}).Response(r, nil)
	if want := [][2]string{{"x-" + Mask, "https://" + Mask + ".example"}}; !reflect.DeepEqual(r.Headers, want) || string(r.Body) != "HUNTER22" {
		t.Errorf("what has lost its case became %q, %s", r.Headers, r.Body)
	}
	m.Response(nil, nil)
	NewMasker([]string{"abc"}).Response(&egress.Response{}, nil)
	if NewMasker([]string{"abc", ""}) != nil {
		t.Error("short values are masked")
	}
}

// What is masked costs time in proportion to its length, whatever it holds.
func TestMasker_Hostile(t *testing.T) {
	secret := strings.Repeat("a", MaxValue-1) + "b"
	m := NewMasker([]string{secret})
	for _, body := range []string{strings.Repeat("a", MaxMasked), strings.Repeat("%61", MaxMasked/3), strings.Repeat("\\u0061", MaxMasked/6)} {
		if got := m.Bytes([]byte(body)); string(got) != body {
			t.Error("something was masked")
		}
	}
}

// The values of a call are masked in a response even where another call left them there.
func TestCall_Masked(t *testing.T) {
	set := newSet(t, map[string]Definition{"a": everywhere, "gone": {From: "env:GONE", Origins: []string{"api.example"}}}, nil)
	c := &Call{Access: set.Access("weather", []string{"a", "gone"}, []Grant{{Name: "a"}, {Name: "gone"}})}
	r := &egress.Request{Method: "GET", URL: "https://api.example/", Headers: [][2]string{{"accept-encoding", "br"}, {"x", "1"}}}
	headers := r.Headers
	failure := c.Put(r)
	if !reflect.DeepEqual(r.Headers, [][2]string{{"x", "1"}}) || headers[0][1] != "br" {
		t.Errorf("the request asks for an encoding in which nothing is found: %q", r.Headers)
	}
	if failure != nil || c.Masker("").Text("x"+value) != "x"+Mask {
		t.Errorf("toward the bound origin: %v", failure)
	}
	if failure := c.Put(&egress.Request{Method: "GET", URL: "https://other.example/"}); c.Masker("") != nil || failure != nil {
		t.Errorf("toward another origin: %v, %v", c.Masker(""), failure)
	}
}

// What the host sends for a connector is masked by the same rule as what the connector may use, and never usable for it.
func TestCall_Masker(t *testing.T) {
	set, err := NewSet(Config{
		Definitions: map[string]Definition{
			"own":   {From: "env:own-value", Origins: []string{"a.example"}},
			"plain": {From: "env:plain-value", Origins: []string{"a.example"}},
			"host":  {From: "env:host-value", Origins: []string{"b.example"}},
			"both":  {From: "env:both-value", Origins: []string{"a.example", "b.example"}},
		},
		LookupEnv: func(name string) (string, bool) { return name, true },
	})
	if err != nil {
		t.Fatal(err)
	}
	issued := func(origin string) []string {
		if origin == "" || origin == "https://b.example" {
			return []string{"token-value"}
		}
		return nil
	}
	access := set.Access("weather", []string{"own", "plain"}, []Grant{{Name: "own"}, {Name: "plain", Clear: true}})
	for _, tc := range []struct {
		name, origin, redirected string
		use                      []string
		want                     string // what is masked
	}{
		{"the connector's", "https://a.example", "", nil, "own both"},
		{"the host's", "https://b.example", "", nil, "host both token"},
		{"redirected to it", "https://a.example", "https://b.example", nil, "own host both token"},
		{"redirected to itself", "https://b.example", "https://b.example", nil, "host both token"},
		{"nothing bound", "https://c.example", "", nil, ""},
		{"what was used", "https://c.example", "", []string{"used-value", "used-value"}, "used"},
		{"no response", "https://c.example", "any", []string{"used-value"}, "own host both token used"},
	} {
		c := &Call{Access: access.WithCredentials([]string{"host", "both", "both", "none"}, issued)}
		r := &egress.Request{Method: "GET", URL: tc.origin + "/", Headers: [][2]string{{"Accept-Encoding", "br"}}}
		if failure := c.Put(r); failure != nil {
			t.Fatal(failure)
		}
		if masks := tc.want != "" && tc.use == nil; masks != (len(r.Headers) == 0) {
			t.Errorf("%s: the request goes out with %q", tc.name, r.Headers)
		}
		for _, value := range tc.use {
			c.Use(value)
		}
		m := c.Masker(tc.redirected)
		if tc.redirected == "any" {
			m = c.MessageMasker()
		}
		for _, name := range []string{"own", "plain", "host", "both", "token", "used"} {
			if got, want := m.Text(name+"-value") == Mask, slices.Contains(strings.Fields(tc.want), name); got != want {
				t.Errorf("%s: %s is masked: %t", tc.name, name, got)
			}
		}
		if _, failure := c.Access.find("host"); failure == nil {
			t.Errorf("%s: the connector may use the host's secret", tc.name)
		}
	}
	if len(access.host) != 0 {
		t.Error("the access was changed")
	}
	c := &Call{Access: access}
	c.Use("used-value")
	if failure := c.Put(&egress.Request{Method: "GET", URL: "nowhere"}); failure == nil || c.Masker("") != nil || c.MessageMasker() != nil {
		t.Errorf("got %v", failure)
	}
}

// A host in a message is in lower case, and may be but a part of what a service reflected.
func TestMasker_Message(t *testing.T) {
	m := NewMasker([]string{"Hunter/22.X", "Correct-Horse"})
	const withheld = "the request failed where a redirect led it"
	for _, tc := range []struct {
		text      string
		locations []string
		want      string
	}{
		{"correct-horse.example is not granted", nil, Mask + ".example is not granted"},
		{`x.CORRECT-HORSE: add "https://x.correct-horse"`, []string{"https://other/"}, `x.` + Mask + `: add "https://x.` + Mask + `"`},
		{"hunter is not granted", nil, "hunter is not granted"},
		{"hunter is not granted", []string{"/there", "https://Hunter/22.X"}, withheld},
		{"hunter is not granted", []string{"https://hunter/22.x", "/there"}, withheld},
		{"hunter is not granted", []string{"https://%48unter/22.X"}, withheld},
		{"hunter is not granted", []string{"//" + base64.StdEncoding.EncodeToString([]byte("Hunter/22.X"))}, withheld},
		{"hunter is not granted", []string{"https://hunter/22"}, "hunter is not granted"},
	} {
		if got := m.Message(tc.text, tc.locations, nil); !strings.HasPrefix(got, tc.want) {
			t.Errorf("%s after %q: got %s", tc.text, tc.locations, got)
		}
	}
	var none *Masker
	if got := none.Message("text", []string{"x"}, nil); got != "text" {
		t.Errorf("got %s", got)
	}
}

func FuzzMasker(f *testing.F) {
	f.Add("hunter22", "a %68unter22 \\u0068unter22")
	f.Fuzz(func(t *testing.T, secret, text string) {
		m := NewMasker([]string{secret})
		got := m.Text(text + secret + text)
		if len(secret) >= MinMasked && len(secret) <= 64 && strings.Count(Mask, secret) == 0 && !strings.Contains(got, Mask) && len(text) < 1000 {
			t.Fatalf("%q is not masked in %q", secret, got)
		}
	})
}

// What may be encoded is decoded at the expense of who masks it, piece by piece.
func TestMasker_Response_Encoded(t *testing.T) {
	m := NewMasker([]string{`a value with "quotes" & more`})
	masked := func(body string, w *worktest.Worker) {
		m.Response(&egress.Response{Body: []byte(body)}, w.Look)
	}
	var plain worktest.Worker
	masked(strings.Repeat(".", MaxMasked), &plain)
	for name, escape := range map[string]string{"percent": "%25.", "form": "+...", "JSON": `\\..`, "HTML": "&lt;"} {
		body := strings.Repeat(escape, MaxMasked/4)
		var w worktest.Worker
		if masked(body, &w); w.Total < plain.Total+decodedPerByte*len(body) || w.Most > perByte*MaxMasked {
			t.Errorf("%s: %d ns in %d steps, %d at once; %d without anything to decode", name, w.Total, w.Steps, w.Most, plain.Total)
		}
		if !worktest.GivesUp(func(w *worktest.Worker) { masked(body, w) }) {
			t.Errorf("%s: it can't be ended", name)
		}
	}
}
