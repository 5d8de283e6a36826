package secret

import (
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
	if !c.Refers() && !c.Access.hides() {
		return nil
	}
	u, err := egress.ParseURL(r.URL)
	if err != nil {
		return &egress.Error{Code: egress.CodeInvalidRequest, Field: egress.FieldURL, Message: err.Error()}
	}
	origin := u.Origin()
	if c.Refers() {
		p := putting{finder: finder{call: c}, origin: origin, values: make(map[string]string)}
		next := *r
		if failure := p.all(&next); failure != nil {
			c.Note(failure)
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
func (c *Call) GivesAway(location string, look func(n int)) bool {
	return c.MessageMasker().anyCase(location, look) != location
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
	finder
	origin string
	values map[string]string // by name, looked up once a request
	count  int
}

func (p *putting) all(r *egress.Request) *egress.Error {
	before, query, after := cutQuery(r.URL)
	if failure := p.none("its URL but for the query", before, after); failure != nil {
		return failure
	}
	query, failure := p.text(query, Query, url.QueryEscape)
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
	r.Added.URL += len(before+query+after) - len(r.URL)
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
		all, failure := p.find([]byte(text), 1, unpaid)
		if failure != nil {
			return failure
		}
		if len(all) > 0 {
			return misplaced(all[0].name, where)
		}
	}
	return nil
}

func misplaced(name, where string) *egress.Error {
	return denied("the secret %q stands in the request where none may, in %s: secrets can be put into header values, the query, and a body of JSON or a form", name, where)
}

// unpaid is look where nobody has to pay: for a request's head, which was paid for as it was parsed, and for the host's log.
func unpaid(int) {}

func (p *putting) headers(r *egress.Request) *egress.Error {
	var replaced [][2]string
	for i, h := range r.Headers {
		if failure := p.none("a header's name", h[0]); failure != nil {
			return failure
		}
		value, failure := p.text(h[1], Header, func(s string) string { return s })
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
		r.Added.Headers += len(value) - len(h[1])
	}
	if replaced != nil {
		r.Headers = replaced
	}
	return nil
}

// text returns a part of a request's head with its references replaced: itself where there are none.
func (p *putting) text(text string, place Place, encode func(string) string) (string, *egress.Error) {
	all, failure := p.find([]byte(text), maxPut, unpaid)
	if failure == nil {
		failure = p.lookUp(all, place)
	}
	if failure != nil || len(all) == 0 {
		return text, failure
	}
	return string(p.replace([]byte(text), all, encode, unpaid)), nil
}

// maxBody bounds a body that holds references, in bytes: it is copied.
const maxBody = 1 << 20

func (p *putting) body(r *egress.Request) (failure *egress.Error) {
	var all []found
	r.Work(searchedPerByte*len(r.Body), func(look func(n int)) {
		all, failure = p.find(r.Body, maxPut, look)
	})
	if failure != nil || len(all) == 0 {
		return failure
	}
	encode := encodingOf(r.Headers)
	switch {
	case encode == nil:
		return misplaced(all[0].name, "a body that is sent neither as JSON nor as a form")
	case len(r.Body) > maxBody:
		return denied("a body that holds references to secrets may have %d bytes, and this one has %d: put the secret into a header or the query, or send what is large without one", maxBody, len(r.Body))
	}
	if failure := p.lookUp(all, Body); failure != nil {
		return failure
	}
	encoded := 0
	for _, f := range all {
		encoded += encodedPerByte * len(p.values[f.name])
	}
	r.Work(encoded, func(look func(n int)) {
		r.Body = p.replace(r.Body, all, encode, look)
	})
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

// lookUp has the values ready that stand for references in one place.
func (p *putting) lookUp(all []found, place Place) *egress.Error {
	if p.count += len(all); p.count > maxPut {
		return denied("the request holds more than %d references to secrets: send it in parts", maxPut)
	}
	for _, f := range all {
		if failure := p.value(f.name, place); failure != nil {
			return failure
		}
	}
	return nil
}

// encodedPerByte is what it takes to write a byte of a value, in nanoseconds.
const encodedPerByte = 8

// replace returns a text that holds references, with values in their place.
func (p *putting) replace(text []byte, all []found, encode func(string) string, look func(n int)) []byte {
	var out []byte
	done := 0
	for _, f := range all {
		value := p.values[f.name]
		look(encodedPerByte * len(value))
		out = append(append(out, text[done:f.at]...), encode(value)...)
		done = f.at + ReferenceLength
	}
	return append(out, text[done:]...)
}

// value has a secret's value ready, if it may be sent to the origin in this place.
func (p *putting) value(name string, place Place) *egress.Error {
	d, failure := p.call.Access.find(name)
	switch {
	case failure != nil:
		return failure
	case !slices.Contains(d.origins, p.origin):
		return denied("the secret %q is not bound to %s: add that origin to secrets.%s.origins", name, p.origin, name)
	case !slices.Contains(d.places, place):
		return denied("the secret %q may not be put into the %s of a request: add %s to secrets.%s.places", name, place, place, name)
	}
	if _, ok := p.values[name]; ok {
		return nil
	}
	value, failure := p.call.Access.value(d)
	if failure != nil {
		return failure
	}
	p.values[name] = value
	p.call.Use(value)
	return nil
}
