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

// These are how much memory is set aside for a body at first, in bytes, where its length is announced and where it is
// not; what arrives beyond it earns more.
const (
	announcedPiece = 256 << 10
	chunkedPiece   = 4 << 10
)

// readBody reads a request's body within the limits, into room where that is large enough. The caller gives taken back
// to s.bodies when it needs the body no more; it is 0 where there is an error.
func (s *Server) readBody(ctx *fasthttp.RequestCtx, room []byte) (body []byte, taken int64, err error) {
	length := int64(ctx.Request.Header.ContentLength())
	stream := ctx.RequestBodyStream()
	most, piece := length, int64(announcedPiece)
	switch {
	case length > s.config.BodyMax:
		return nil, 0, bodyTooLarge(s.config.BodyMax)
	case stream == nil:
		return nil, 0, nil
	case length < 0:
		most, piece = s.config.BodyMax+1, chunkedPiece
	}
	body, taken, err = s.readUpTo(stream, room, most, piece)
	switch n := int64(len(body)); {
	case err != nil:
	case n > s.config.BodyMax:
		err = bodyTooLarge(s.config.BodyMax)
	case length < 0 && ended(ctx.Conn()), n < length:
		err = bodyCutOff(io.ErrUnexpectedEOF)
	default:
		return body, taken, nil
	}
	s.bodies.give(taken)
	return nil, 0, err
}

// readUpTo reads a stream to its end or until it has given most bytes. Memory is taken from the budget as bytes arrive,
// piece at first: who only announces a large body must not keep others from sending theirs.
func (s *Server) readUpTo(stream io.Reader, room []byte, most, piece int64) (body []byte, taken int64, err error) {
	body = room[:0]
	for {
		if n := int64(len(body)); n == taken && n < most {
			grown := min(max(piece, 2*taken), most)
			if !s.bodies.take(grown - taken) {
				return nil, taken, bodiesFull()
			}
			taken = grown
			if int64(cap(body)) < grown {
				body = append(make([]byte, 0, grown), body...)
			}
		}
		n, err := stream.Read(body[len(body):taken])
		body = body[:len(body)+n]
		switch {
		case err == io.EOF, err == nil && int64(len(body)) == most:
			return body, taken, nil
		case err != nil:
			return nil, taken, bodyCutOff(err)
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
