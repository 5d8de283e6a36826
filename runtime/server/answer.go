package server

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"sluice/internal/codec"
	"sluice/runtime/envelope"

	"github.com/valyala/fasthttp"
)

const contentJSON = "application/json"

// fail answers what no connector answered. Its form is that of the Spiff protocol on every route, so that a client has
// one to read.
func (s *Server) fail(ctx *fasthttp.RequestCtx, f *envelope.Failure) {
	ctx.SetStatusCode(f.Code.Status())
	ctx.SetContentType(contentJSON)
	if f.RetryAfter > 0 {
		seconds := int((f.RetryAfter + time.Second - 1) / time.Second)
		ctx.Response.Header.Set(fasthttp.HeaderRetryAfter, strconv.Itoa(seconds))
	}
	room := ctx.Response.SwapBody(nil)
	ctx.Response.SwapBody(envelope.AppendDispatch(room[:0], f.Code.Public(), f.Message))
}

// refuse answers a management request that was refused.
func (s *Server) refuse(ctx *fasthttp.RequestCtx, status int, code, message string) {
	s.json(ctx, status, map[string]any{"error": map[string]string{"error_code": code, "message": message}})
}

// json answers with v. Nothing that is not under /v1/do may be kept by a cache.
func (s *Server) json(ctx *fasthttp.RequestCtx, status int, v any) {
	body, err := codec.Marshal(v)
	if err != nil {
		s.fail(ctx, envelope.Fail(envelope.Internal, "The answer could not be written. Report it to Sluice's developers."))
		return
	}
	ctx.SetStatusCode(status)
	ctx.SetContentType(contentJSON)
	ctx.Response.Header.Set(fasthttp.HeaderCacheControl, "no-store")
	ctx.Response.Header.Set(fasthttp.HeaderXContentTypeOptions, "nosniff")
	ctx.SetBody(body)
}

// readError answers a request that could not be read. fasthttp closes the connection after it.
func (s *Server) readError(ctx *fasthttp.RequestCtx, err error) {
	defer func() { lingerAfter(ctx, true) }()
	var small *fasthttp.ErrSmallBuffer
	var network net.Error
	switch {
	case errors.As(err, &small):
		s.fail(ctx, envelope.Fail(envelope.HeadersTooLarge, "The request's headers are larger than 32 KiB. Send less in headers."))
	case errors.As(err, &network) && network.Timeout():
		s.fail(ctx, envelope.Fail(envelope.RequestTimeout, "The request did not arrive in time. Send it faster, or raise http.read_timeout."))
	case errors.Is(err, io.ErrUnexpectedEOF): // before the body's first byte; see preread
		s.fail(ctx, bodyCutOff(err))
	default:
		s.fail(ctx, envelope.Fail(envelope.BadFraming, "The request is not valid HTTP/1.1. Send one that is."))
	}
}

// badFraming says what in a request two servers may read differently, or "". What fasthttp refuses by itself (several
// lengths, Transfer-Encoding in HTTP/1.0, unknown encodings) does not come here.
func badFraming(h *fasthttp.RequestHeader) string {
	switch string(h.Protocol()) {
	case "HTTP/1.1", "HTTP/1.0":
	default:
		return "The request's version of HTTP is neither 1.1 nor 1.0. Send one of these."
	}
	var length, encoding bool
	for rest := h.RawHeaders(); len(rest) > 0; {
		line := rest[:bytes.IndexByte(rest, '\n')+1]
		if string(line) == "\r\n" {
			break
		}
		name := token(line)
		if len(name) == 0 || line[len(name)] != ':' || !bytes.HasSuffix(line, []byte("\r\n")) {
			return "A header's name has characters that it can't have, or a line is folded or ends without a carriage return. Send each header on a line of its own."
		}
		length = length || bytes.EqualFold(name, []byte(fasthttp.HeaderContentLength))
		encoding = encoding || bytes.EqualFold(name, []byte(fasthttp.HeaderTransferEncoding))
		rest = rest[len(line):]
	}
	if length && encoding {
		return "The request has both Content-Length and Transfer-Encoding. Send one of them."
	}
	return ""
}

// token is the name that a header's line begins with, as far as a name may go.
//
// https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2
func token(line []byte) []byte {
	for i, c := range line {
		if !tokenBytes[c] {
			return line[:i]
		}
	}
	return nil
}

// tokenBytes is read only.
var tokenBytes = func() (table [256]bool) {
	for c := range table {
		letter, digit := c|0x20 >= 'a' && c|0x20 <= 'z', c >= '0' && c <= '9'
		table[c] = letter || digit || c < utf8.RuneSelf && strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c))
	}
	return table
}()
