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

// readPiece is how much memory is set aside for a body at first, in bytes; what arrives beyond it earns more.
const readPiece = 256 << 10

// readBody reads a request's body within the limits. The caller calls done when it needs the body no more.
func (s *Server) readBody(ctx *fasthttp.RequestCtx) (body []byte, done func(), err error) {
	length := int64(ctx.Request.Header.ContentLength())
	stream := ctx.RequestBodyStream()
	switch {
	case length > s.config.BodyMax:
		return nil, nil, bodyTooLarge(s.config.BodyMax)
	case stream == nil:
		return nil, func() {}, nil
	case length < 0:
		return s.readUpTo(stream, s.config.BodyMax+1, func(n int64) error {
			if n > s.config.BodyMax {
				return bodyTooLarge(s.config.BodyMax)
			}
			if ended(ctx.Conn()) {
				return bodyCutOff(io.ErrUnexpectedEOF)
			}
			return nil
		})
	}
	return s.readUpTo(stream, length, func(n int64) error {
		if n < length {
			return bodyCutOff(io.ErrUnexpectedEOF)
		}
		return nil
	})
}

// readUpTo reads a stream to its end or until it has given most bytes, and then asks whether that many are well. Memory
// is taken from the budget as bytes arrive: who only announces a large body must not keep others from sending theirs.
func (s *Server) readUpTo(stream io.Reader, most int64, well func(n int64) error) (body []byte, done func(), err error) {
	var taken int64
	defer func() {
		if err != nil {
			s.bodies.give(taken)
		}
	}()
	for {
		if n := int64(len(body)); n == taken && n < most {
			grown := min(max(readPiece, 2*taken), most)
			if !s.bodies.take(grown - taken) {
				return nil, nil, bodiesFull()
			}
			taken = grown
			body = append(make([]byte, 0, grown), body...)
		}
		n, err := stream.Read(body[len(body):taken])
		body = body[:len(body)+n]
		switch {
		case err == io.EOF, err == nil && int64(len(body)) == most:
			if err := well(int64(len(body))); err != nil {
				return nil, nil, err
			}
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
