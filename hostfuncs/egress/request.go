package egress

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"sync"

	"golang.org/x/net/http/httpguts"
)

// These bound the headers of a request.
const (
	maxHeaders     = 128
	maxHeaderName  = 256      // bytes
	maxHeaderBytes = 64 << 10 // names and values together
)

func validMethod(method string) bool {
	return methodBit(method) != 0
}

// defaultEncodings is what is decoded here.
var defaultEncodings = []string{"gzip, deflate, br"}

// makeHeader checks the guest's headers, which may have so many bytes, and adds the client's own.
func (c *Client) makeHeader(pairs [][2]string, limit int) (http.Header, *Error) {
	if len(pairs) > maxHeaders {
		return nil, invalid(FieldHeaders, "there are more than 128 headers")
	}
	header := make(http.Header, len(pairs)+2)
	values := make([]string, len(pairs)) // one allocation for all the lists of one value
	size := 0
	for i, pair := range pairs {
		name, value := pair[0], pair[1]
		size += len(name) + len(value)
		key := textproto.CanonicalMIMEHeaderKey(name)
		if size > limit {
			return nil, invalid(FieldHeaders, "the headers are too large: 65536 bytes in all")
		}
		if err := checkHeader(name, key); err != nil {
			return nil, invalid(FieldHeaders, err.Error())
		}
		if holdsControl(value) {
			return nil, invalid(FieldHeaders, "the value of the header "+name+" holds a line break or another control character")
		}
		if list, repeated := header[key]; repeated {
			header[key] = append(list, value)
			continue
		}
		values[i] = value
		header[key] = values[i : i+1 : i+1]
	}
	if _, set := header["User-Agent"]; !set {
		header["User-Agent"] = c.userAgent
	}
	if _, set := header["Accept-Encoding"]; !set {
		header["Accept-Encoding"] = defaultEncodings
	}
	return header, nil
}

// CheckHeader says why a request can't have a header of that name, nil where it can.
func CheckHeader(name string) error { return checkHeader(name, textproto.CanonicalMIMEHeaderKey(name)) }

func checkHeader(name, key string) error {
	switch {
	case len(name) > maxHeaderName:
		return errors.New("a header name has up to 256 bytes")
	case !httpguts.ValidHeaderFieldName(name):
		return errors.New("a header name holds a character that a token does not allow")
	case refusedHeader(key):
		return errors.New("the header " + name + " is set by the host: leave it out")
	}
	return nil
}

// refusedHeader reports whether the header frames the message or steers the connection, which is the host's alone. The
// key is canonical.
func refusedHeader(key string) bool {
	switch key {
	case "Host", "Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "Keep-Alive", "Te", "Trailer":
		return true
	}
	return strings.HasPrefix(key, "Proxy-")
}

func holdsControl(value string) bool {
	for i := 0; i < len(value); i++ {
		if value[i] < ' ' || value[i] == 0x7f {
			return true
		}
	}
	return false
}

// makeRequest builds what the transport takes.
func (e *exchange) makeRequest(ctx context.Context) (*http.Request, *Error) {
	e.target.Scheme, e.target.Host = e.url.Scheme(), e.url.authority
	if e.forwards() {
		// A proxy wants the whole URL. net/http puts scheme and colon before opaque text that begins so.
		e.target.Opaque = "//" + e.url.authority + e.url.target
	} else if !setTarget(&e.target, &e.url) {
		return nil, invalid(FieldURL, errURLPathStart.Error())
	}
	request := http.Request{
		Method: e.method, URL: &e.target, Host: e.url.authority, Header: e.header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if body := &e.body; len(body.data) > 0 {
		request.ContentLength = int64(len(body.data))
		request.Body = body.read()
		request.GetBody = func() (io.ReadCloser, error) { return body.read(), nil }
	}
	return request.WithContext(ctx), nil
}

// setTarget makes net/http send path and query as written, and reports whether it can. Opaque text is sent unchanged,
// but for two slashes at its start, which net/http takes for an authority.
func setTarget(target *url.URL, u *URL) bool {
	if !strings.HasPrefix(u.target, "//") {
		target.Opaque = u.target
		return true
	}
	path, err := url.PathUnescape(u.path)
	if err != nil {
		return false
	}
	target.Path, target.RawPath = path, u.path
	if len(u.target) > len(u.path) {
		target.RawQuery = u.target[len(u.path)+1:]
		target.ForceQuery = true
	}
	return target.RequestURI() == u.target
}

// errTakenBack ends a request body whose owner does not lend it any more.
var errTakenBack = errors.New("the request has ended")

// lentBody is the caller's memory, lent until Do returns. The transport may go on writing a request whose response has
// already come, and by then the memory may hold another call's data.
type lentBody struct {
	mu   sync.Mutex // held while data is read; protects the other fields
	data []byte
	over bool
	// reader is the one that the transport has asked for last, sent that it has read all.
	reader *bodyReader
	sent   bool
	kept   bool // data is a copy
}

// takeBack ends the loan, unless the body is kept.
func (b *lentBody) takeBack() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.kept {
		b.data, b.over = nil, true
	}
}

// keep goes on with a copy of what has not been sent when the response comes, and returns how many bytes that takes.
func (b *lentBody) keep() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sent || len(b.data) == 0 {
		return 0
	}
	b.data, b.kept = bytes.Clone(b.data), true
	return len(b.data)
}

// drop ends the use of a copy.
func (b *lentBody) drop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.data, b.over = nil, true
}

func (b *lentBody) read() *bodyReader {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reader, b.sent = &bodyReader{lent: b}, false
	return b.reader
}

// bodyReader reads a lent body from its start.
type bodyReader struct {
	lent   *lentBody
	offset int
	done   bool // all was read
}

// Read implements io.Reader.
func (r *bodyReader) Read(p []byte) (int, error) {
	r.lent.mu.Lock()
	defer r.lent.mu.Unlock()
	switch {
	case r.done: // the transport makes sure that there is no more
		return 0, io.EOF
	case r.lent.over:
		return 0, errTakenBack
	}
	n := copy(p, r.lent.data[r.offset:])
	if r.offset += n; r.offset == len(r.lent.data) {
		r.done = true
		r.lent.sent = r.lent.sent || r == r.lent.reader
		return n, io.EOF
	}
	return n, nil
}

// Close implements io.Closer.
func (r *bodyReader) Close() error { return nil }
