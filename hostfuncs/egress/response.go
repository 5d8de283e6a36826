package egress

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// errTooLarge is a body over the response limit.
var errTooLarge = errors.New("the response is over the limit")

const (
	chunkSize = 32 << 10
	// maxPresized bounds the memory that a Content-Length alone can claim, in bytes.
	maxPresized = 1 << 20
)

var chunks = sync.Pool{New: func() any { return new([chunkSize]byte) }}

// readBody reads the whole body, decoded, to its end, so that the connection can be used again.
func (e *exchange) readBody(ctx context.Context, response *http.Response, limit int64) ([]byte, error) {
	wire, coding, err := e.wireBody(response, limit)
	if wire == nil {
		return nil, err
	}
	if coding != plain {
		return e.decodeBody(ctx, wire, coding, limit)
	}
	if n := response.ContentLength; n >= 0 && n <= maxPresized {
		return readSized(wire, int(n), &e.loan)
	}
	return readChunks(wire, &e.loan)
}

// decodeBody undoes the coding of the whole body as the caller's work.
func (e *exchange) decodeBody(ctx context.Context, wire *boundedReader, c coding, limit int64) (body []byte, err error) {
	if e.worker != nil {
		wire.src = waitingReader{wire.src, e.worker}
	}
	work(e.worker, worthwhile, func(look func(n int)) { body, err = decodeBody(ctx, wire, c, limit, look, &e.loan) })
	return body, err
}

// waitingReader waits for what it reads while a worker works.
type waitingReader struct {
	src    io.Reader
	worker Worker
}

// Read implements io.Reader.
func (w waitingReader) Read(p []byte) (n int, err error) {
	w.worker.Wait(func() { n, err = w.src.Read(p) })
	return n, err
}

// wireBody is the body as it is on the wire, and the coding to undo; nil where there is none.
func (e *exchange) wireBody(response *http.Response, limit int64) (*boundedReader, coding, error) {
	if e.method == http.MethodHead || response.StatusCode == http.StatusNoContent || response.StatusCode == http.StatusNotModified {
		return nil, plain, nil
	}
	if response.ContentLength > limit {
		return nil, plain, errTooLarge
	}
	coding, err := contentCoding(response.Header["Content-Encoding"])
	if err != nil {
		return nil, plain, err
	}
	e.wire.src, e.wire.left = response.Body, limit
	return &e.wire, coding, nil
}

// boundedReader fails with errTooLarge once more than left bytes have come, and keeps the first error of its source.
type boundedReader struct {
	src  io.Reader
	left int64
	err  error // io.EOF at the end
}

// Read implements io.Reader.
func (b *boundedReader) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.src.Read(p)
	if int64(n) > b.left {
		n, err = 0, errTooLarge
	}
	b.left -= int64(n)
	b.err = err
	return n, err
}

// readSized reads a body that is expected to have n bytes. What it takes is lent.
func readSized(r io.Reader, n int, l *loan) (body []byte, err error) {
	if err := l.take(n); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			l.give(n)
		}
	}()
	body = make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	// The end has to be seen: it is what frees the connection.
	var one [1]byte
	switch m, err := r.Read(one[:]); {
	case m > 0:
		return nil, errTooLarge
	case err != nil && err != io.EOF:
		return nil, err
	}
	return body, nil
}

// readChunks reads a body of unknown length. It holds at most twice the body at a time: growing one slice would leave
// every shorter one behind as well. What it takes is lent, before it is taken.
func readChunks(r io.Reader, l *loan) ([]byte, error) {
	if err := l.take(chunkSize); err != nil {
		return nil, err
	}
	var full []*[chunkSize]byte
	current := chunks.Get().(*[chunkSize]byte)
	defer func() {
		l.give((len(full) + 1) * chunkSize)
		chunks.Put(current)
		for _, c := range full {
			chunks.Put(c)
		}
	}()
	filled := 0
	for {
		n, err := r.Read(current[filled:])
		filled += n
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if filled == chunkSize {
			if err := l.take(chunkSize); err != nil {
				return nil, err
			}
			full = append(full, current)
			current, filled = chunks.Get().(*[chunkSize]byte), 0
		}
	}
	size := len(full)*chunkSize + filled
	if err := l.take(size); err != nil {
		return nil, err
	}
	body := make([]byte, 0, size)
	for _, c := range full {
		body = append(body, c[:]...)
	}
	return append(body, current[:filled]...), nil
}

// responseHeaders flattens headers: lower-case names, sorted, values in UTF-8.
func responseHeaders(header http.Header) [][2]string {
	n := 0
	for _, values := range header {
		n += len(values)
	}
	pairs := make([][2]string, 0, n)
	for name, values := range header {
		lower := lowerName(name)
		for _, value := range values {
			pairs = append(pairs, [2]string{lower, validText(value)})
		}
	}
	slices.SortStableFunc(pairs, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return pairs
}

// lowerName is strings.ToLower without its allocation for the names that most responses have.
func lowerName(name string) string {
	if lower, ok := lowerNames[name]; ok {
		return lower
	}
	return strings.ToLower(name)
}

// lowerNames is read only. A name is the key in the spelling of net/http.
var lowerNames = func() map[string]string {
	m := make(map[string]string)
	for _, name := range []string{
		"Accept-Ranges", "Access-Control-Allow-Credentials", "Access-Control-Allow-Headers",
		"Access-Control-Allow-Methods", "Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Age",
		"Allow", "Alt-Svc", "Cache-Control", "Connection", "Content-Disposition", "Content-Encoding",
		"Content-Language", "Content-Length", "Content-Location", "Content-Range", "Content-Security-Policy",
		"Content-Type", "Date", "Etag", "Expires", "Keep-Alive", "Last-Modified", "Link", "Location", "Pragma",
		"Referrer-Policy", "Retry-After", "Server", "Server-Timing", "Set-Cookie", "Strict-Transport-Security",
		"Vary", "Via", "Www-Authenticate", "X-Cache", "X-Content-Type-Options", "X-Frame-Options",
		"X-Powered-By", "X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset", "X-Request-Id",
		"X-Xss-Protection",
	} {
		m[name] = strings.ToLower(name)
	}
	return m
}()

// validText returns s where it is UTF-8, else its bytes read as ISO 8859-1.
func validText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	b.Grow(2 * len(s))
	for i := 0; i < len(s); i++ {
		b.WriteRune(rune(s[i]))
	}
	return b.String()
}
