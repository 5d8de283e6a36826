package secret

import (
	"bytes"
	"mime"
	"net/url"
	"slices"
	"strings"

	"sluice/hostfuncs/egress"
	"sluice/internal/rawjson"
)

// maxPut bounds how many references one request holds: each becomes up to 64 KiB.
const maxPut = 16

// Put replaces the references in a request by what they stand for. The request's lists and body are replaced, not
// changed.
//
// # Errors
//
// A reference that may not be sent there fails the request as a whole, before anything of it is sent. The request is
// unchanged then.
func (c *Call) Put(r *egress.Request) *egress.Error {
	c.origin = ""
	if len(c.names) == 0 && !c.Access.hides() {
		return nil
	}
	u, err := egress.ParseURL(r.URL)
	if err != nil {
		return &egress.Error{Code: egress.CodeInvalidRequest, Field: egress.FieldURL, Message: err.Error()}
	}
	origin := u.Origin()
	if len(c.names) > 0 {
		p := putting{call: c, origin: origin, values: make(map[string]string)}
		next := *r
		if failure := p.all(&next); failure != nil {
			return failure
		}
		next.Confined = p.count > 0
		*r = next
	}
	if len(c.values) > 0 || len(c.Access.hidden(origin)) > 0 {
		r.Headers = withoutEncodings(r.Headers)
	}
	c.origin = origin
	return nil
}

// Use notes that the host has put a credential into a request of the call: it is masked in what comes back from then on.
func (c *Call) Use(credential string) {
	if !slices.Contains(c.values, credential) {
		c.values = append(c.values, credential)
	}
}

// Masker returns what masks the response to the request that Put was last called for. redirected is the origin that it is
// from where redirects were followed, "" where none were. It is nil where there is nothing to mask.
func (c *Call) Masker(redirected string) *Masker {
	if c.origin == "" {
		return nil
	}
	values := c.masked(slices.Clone(c.values), c.origin)
	if redirected != "" && redirected != c.origin {
		values = c.masked(values, redirected)
	}
	return NewMasker(values)
}

// MessageMasker returns what masks the message of why there was no response: redirects may have led the request by any
// origin.
func (c *Call) MessageMasker() *Masker {
	if c.origin == "" {
		return nil
	}
	return NewMasker(c.masked(slices.Clone(c.values), ""))
}

// GivesAway implements [egress.Keeper]: it finds what MessageMasker masks.
func (c *Call) GivesAway(location string) bool {
	return c.MessageMasker().anyCase(location, nil) != location
}

// withoutEncodings leaves it to the host which encodings of the response it asks for: in one that it does not decode,
// nothing can be found.
func withoutEncodings(headers [][2]string) [][2]string {
	is := func(h [2]string) bool { return strings.EqualFold(h[0], "Accept-Encoding") }
	if !slices.ContainsFunc(headers, is) {
		return headers
	}
	return slices.DeleteFunc(slices.Clone(headers), is)
}

// masked appends the values that a response of this origin must not hold, though the call need not have used them: another
// one may have left them there.
func (c *Call) masked(values []string, origin string) []string {
	for _, d := range c.Access.hidden(origin) {
		if value, err := c.Access.set.look(d); err == nil {
			values = append(values, value)
		}
	}
	if c.Access != nil && c.Access.issued != nil {
		values = append(values, c.Access.issued(origin)...)
	}
	return values
}

// putting is one request in which references are replaced.
type putting struct {
	call   *Call
	origin string
	values map[string]string // by name, looked up once a request
	count  int
}

func (p *putting) all(r *egress.Request) *egress.Error {
	before, query, after := cutQuery(r.URL)
	if failure := p.none("its URL but for the query", before, after); failure != nil {
		return failure
	}
	query, failure := p.replace(query, Query, url.QueryEscape)
	if failure != nil {
		return failure
	}
	if failure := p.headers(r); failure != nil {
		return failure
	}
	if failure := p.body(r); failure != nil {
		return failure
	}
	if p.count > 0 && strings.EqualFold(r.Method, "TRACE") {
		return denied("a secret is not sent with the method TRACE, which has the origin send it back")
	}
	if failure := p.none("its method", r.Method); failure != nil {
		return failure
	}
	r.URL = before + query + after
	return nil
}

// cutQuery splits a URL into what precedes the query, the query, and what follows it.
func cutQuery(url string) (before, query, after string) {
	rest, fragment := url, ""
	if i := strings.IndexByte(url, '#'); i >= 0 {
		rest, fragment = url[:i], url[i:]
	}
	if i := strings.IndexByte(rest, '?'); i >= 0 {
		return rest[:i+1], rest[i+1:], fragment
	}
	return rest, "", fragment
}

// none refuses references where none may stand.
func (p *putting) none(where string, texts ...string) *egress.Error {
	for _, text := range texts {
		if _, name, _ := p.next(text); name != "" {
			return denied("the secret %q stands in the request where none may, in %s: secrets can be put into header values, the query, and a body of JSON or a form", name, where)
		}
	}
	return nil
}

func (p *putting) headers(r *egress.Request) *egress.Error {
	var replaced [][2]string
	for i, h := range r.Headers {
		if failure := p.none("a header's name", h[0]); failure != nil {
			return failure
		}
		value, failure := p.replace(h[1], Header, func(s string) string { return s })
		if failure != nil {
			return failure
		}
		if value == h[1] {
			continue
		}
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return denied("a secret with a line break, or another control character, can't be put into a header; the header is %.64q", h[0])
		}
		if replaced == nil {
			replaced = slices.Clone(r.Headers)
		}
		replaced[i][1] = value
	}
	if replaced != nil {
		r.Headers = replaced
	}
	return nil
}

func (p *putting) body(r *egress.Request) *egress.Error {
	if !bytes.Contains(r.Body, []byte(referencePrefix)) {
		return nil
	}
	text := string(r.Body)
	encode := encodingOf(r.Headers)
	if encode == nil {
		return p.none("a body that is sent neither as JSON nor as a form", text)
	}
	replaced, failure := p.replace(text, Body, encode)
	if failure != nil {
		return failure
	}
	r.Body = []byte(replaced)
	return nil
}

// encodingOf is how a value is written in a body, nil where the content type does not say.
func encodingOf(headers [][2]string) func(string) string {
	contentType, found := "", false
	for _, h := range headers {
		if strings.EqualFold(h[0], "Content-Type") {
			if found {
				return nil
			}
			contentType, found = h[1], true
		}
	}
	media, _, err := mime.ParseMediaType(contentType)
	switch {
	case err != nil:
		return nil
	case media == "application/json" || strings.HasSuffix(media, "+json"):
		return inJSON
	case media == "application/x-www-form-urlencoded":
		return url.QueryEscape
	}
	return nil
}

// inJSON is a text as the inside of a JSON string.
func inJSON(text string) string {
	quoted := rawjson.AppendString(nil, text)
	return string(quoted[1 : len(quoted)-1])
}

// next finds the first reference of this call in a text: where it is, and what it stands for; "" where there is none.
func (p *putting) next(text string) (at int, name string, reference string) {
	for from := 0; ; {
		i := strings.Index(text[from:], referencePrefix)
		if i < 0 || len(text)-from-i < ReferenceLength {
			return 0, "", ""
		}
		at := from + i
		reference := text[at : at+ReferenceLength]
		if name, ok := p.call.names[reference]; ok {
			return at, name, reference
		}
		from = at + len(referencePrefix)
	}
}

// replace puts values into a text that is one place.
func (p *putting) replace(text string, place Place, encode func(string) string) (string, *egress.Error) {
	var out strings.Builder
	for {
		at, name, reference := p.next(text)
		if name == "" {
			break
		}
		if p.count++; p.count > maxPut {
			return "", denied("the request holds more than %d references to secrets: send it in parts", maxPut)
		}
		value, failure := p.value(name, place)
		if failure != nil {
			return "", failure
		}
		out.WriteString(text[:at])
		out.WriteString(encode(value))
		text = text[at+len(reference):]
	}
	if out.Len() == 0 {
		return text, nil
	}
	out.WriteString(text)
	return out.String(), nil
}

// value returns a secret's value, if it may be sent to the origin in this place.
func (p *putting) value(name string, place Place) (string, *egress.Error) {
	d, failure := p.call.Access.find(name)
	switch {
	case failure != nil:
		return "", failure
	case !slices.Contains(d.origins, p.origin):
		return "", denied("the secret %q is not bound to %s: add that origin to secrets.%s.origins", name, p.origin, name)
	case !slices.Contains(d.places, place):
		return "", denied("the secret %q may not be put into the %s of a request: add %s to secrets.%s.places", name, place, place, name)
	}
	if value, ok := p.values[name]; ok {
		return value, nil
	}
	value, failure := p.call.Access.value(d)
	if failure != nil {
		return "", failure
	}
	p.values[name] = value
	p.call.Use(value)
	return value, nil
}
