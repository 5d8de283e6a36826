package server

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"sluice/runtime/envelope"

	"github.com/valyala/fasthttp"
)

// budget bounds the bytes of request bodies that are in memory at once.
type budget struct {
	max  int64
	used atomic.Int64
}

func (b *budget) take(n int64) bool {
	if b.used.Add(n) > b.max {
		b.used.Add(-n)
		return false
	}
	return true
}

func (b *budget) give(n int64) { b.used.Add(-n) }

// readPiece is how much of a body of unknown length is read at a time, in bytes.
const readPiece = 256 << 10

// readBody reads a request's body within the limits. The caller calls done when it needs the body no more.
func (s *Server) readBody(ctx *fasthttp.RequestCtx) (body []byte, done func(), err error) {
	length := int64(ctx.Request.Header.ContentLength())
	switch {
	case length > s.config.BodyMax:
		return nil, nil, bodyTooLarge(s.config.BodyMax)
	case length < 0 && ctx.RequestBodyStream() != nil:
		return s.readChunked(ctx)
	}
	length = max(length, 0)
	if !s.bodies.take(length) {
		return nil, nil, bodiesFull()
	}
	body = make([]byte, length)
	if stream := ctx.RequestBodyStream(); stream != nil {
		_, err = io.ReadFull(stream, body)
	} else {
		copy(body, ctx.Request.Body())
	}
	if err != nil {
		s.bodies.give(length)
		return nil, nil, bodyCutOff(err)
	}
	return body, func() { s.bodies.give(length) }, nil
}

func (s *Server) readChunked(ctx *fasthttp.RequestCtx) (body []byte, done func(), err error) {
	stream := ctx.RequestBodyStream()
	var taken int64
	defer func() {
		if err != nil {
			s.bodies.give(taken)
		}
	}()
	for {
		if len(body) == cap(body) {
			if !s.bodies.take(readPiece) {
				return nil, nil, bodiesFull()
			}
			taken += readPiece
			body = append(make([]byte, 0, taken), body...)
		}
		n, err := stream.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case int64(len(body)) > s.config.BodyMax:
			return nil, nil, bodyTooLarge(s.config.BodyMax)
		case err == io.EOF && ended(ctx.Conn()):
			return nil, nil, bodyCutOff(io.ErrUnexpectedEOF)
		case err == io.EOF:
			return body, func() { s.bodies.give(taken) }, nil
		case err != nil:
			return nil, nil, bodyCutOff(err)
		}
	}
}

func bodyTooLarge(limit int64) *envelope.Failure {
	return envelope.Fail(envelope.BodyTooLarge, fmt.Sprintf("The body is larger than %d bytes. Send less, or raise body.max.", limit))
}

func bodiesFull() error {
	f := envelope.Fail(envelope.Overloaded, "The requests that are being read fill the memory set aside for them. Try again later.")
	f.RetryAfter = time.Second
	return f
}

func bodyCutOff(err error) *envelope.Failure {
	var network net.Error
	if errors.As(err, &network) && network.Timeout() {
		return envelope.Fail(envelope.RequestTimeout, "The body did not arrive in time. Send it faster, or raise http.read_timeout.")
	}
	return envelope.Fail(envelope.InvalidBody, "The body ended early, or its chunks are broken. Send as much as is announced.")
}
