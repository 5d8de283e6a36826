package server

import (
	"bytes"
	"errors"
	"net"
	"strconv"
	"time"

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
	ctx.SetBody(envelope.AppendDispatch(nil, f.Code.Public(), f.Message))
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
	var small *fasthttp.ErrSmallBuffer
	var network net.Error
	switch {
	case errors.As(err, &small):
		s.fail(ctx, envelope.Fail(envelope.HeadersTooLarge, "The request's headers are larger than 32 KiB. Send less in headers."))
	case errors.As(err, &network) && network.Timeout():
		s.fail(ctx, envelope.Fail(envelope.RequestTimeout, "The request did not arrive in time. Send it faster, or raise http.read_timeout."))
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		s.fail(ctx, bodyTooLarge(s.config.BodyMax))
	default:
		s.fail(ctx, envelope.Fail(envelope.BadFraming, "The request is not valid HTTP/1.1. Send one that is."))
	}
}

// badFraming finds requests that two servers may cut differently. What fasthttp refuses by itself (several lengths,
// Transfer-Encoding in HTTP/1.0, unknown encodings) does not come here.
func badFraming(h *fasthttp.RequestHeader) bool {
	if h.ContentLength() != -1 { // not chunked
		return false
	}
	for line := range bytes.Lines(h.RawHeaders()) {
		name, _, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(name, []byte(fasthttp.HeaderContentLength)) {
			return true
		}
	}
	return false
}
