package hostfuncs

import (
	"context"
	"errors"
	"fmt"
	"io"

	"sluice/hostfuncs/egress"
	"sluice/hostfuncs/secret"
)

// MaxStreams is how many streamed responses a call may have open.
const MaxStreams = 16

// How much of a stream one reading takes at most, in bytes: what comes as it is, what is decoded, some 100 µs, and what is
// looked through for secrets.
const (
	plainPiece   = 256 << 10
	decodedPiece = 16 << 10
	maskedPiece  = 16 << 10
)

// StreamHTTP is SendHTTP for a request whose response is streamed, and waits for its head alone. open is how many the call
// has that are open. The caller closes the response's stream.
func (c *Call) StreamHTTP(ctx context.Context, r *egress.Request, open int) (*egress.Response, *egress.Error, error) {
	if open >= MaxStreams {
		c.masker = nil
		return nil, c.failed(capabilityHTTP, &egress.Error{Code: egress.CodeOverloaded,
			Message: fmt.Sprintf("the call has %d streamed responses open, and may have no more: read some to the end, or close them", open)}), nil
	}
	return c.SendHTTP(ctx, r)
}

// Body is the body of a response that is streamed, without what the guest must not see of secrets.
type Body struct {
	call   *Call
	stream *egress.Stream
	mask   *secret.Stream // nil where nothing is masked, or not any more
	piece  []byte         // of the stream, before it is masked
	ended  error          // why no piece comes any more; what was masked may still be handed out
	// messages masks why the body ended before its end.
	messages *secret.Masker
	masked   bool // some of it was, perhaps
	offset   uint64
	over     bool
}

// BodyOf is the body of a response that StreamHTTP returned and MaskHTTP masked: the last one.
func (c *Call) BodyOf(r *egress.Response) *Body {
	return &Body{call: c, stream: r.Stream, mask: c.masker.Stream(), masked: c.masker != nil, messages: c.Secrets.MessageMasker()}
}

// Open reports whether more of the body may come, which takes a connection.
func (b *Body) Open() bool { return b.stream.Open() }

// Received is how much has come over the connection, in bytes.
func (b *Body) Received() int64 { return b.stream.Received() }

// Offset is how much of the body was read, in bytes.
func (b *Body) Offset() uint64 { return b.offset }

// Size is how many bytes the body has in all, -1 while that is not known.
func (b *Body) Size() int64 {
	switch {
	case b.over && b.ended == io.EOF:
		return int64(b.offset)
	case b.masked:
		return -1 // another length
	}
	return b.stream.Size()
}

// Memory is about how much the host holds for the body, in bytes.
func (b *Body) Memory() int {
	if b.over {
		return 0
	}
	n := b.stream.Memory()
	if b.mask != nil {
		n += maskedPiece + b.mask.Memory(maskedPiece)
	}
	return n
}

// Read reads at least one byte into p, unless that is empty or the body is over, and returns how many. It calls waiting
// before it waits, and what that returns afterwards. What else it takes is work: look is called as [Call.MaskHTTP] does.
// Where either panics, the body is of no use but to be closed.
//
// # Errors
//
// The failure is why the body ended before its end. The error is the context's, once it has ended.
func (b *Body) Read(p []byte, waiting func() (done func()), look func(n int)) (int, *egress.Error, error) {
	for len(p) > 0 && !b.over {
		n := 0
		if b.mask == nil {
			n = b.receive(p[:min(len(p), b.largestPiece())], waiting, look)
		} else if n = b.mask.Take(p); n == 0 {
			b.refill(waiting, look)
		}
		if n > 0 {
			b.offset += uint64(n)
			return n, nil, nil
		}
	}
	failure := b.failure()
	if failure != nil && failure.Code == egress.CodeEnded {
		return 0, nil, failure.Unwrap()
	}
	return 0, failure, nil
}

// failure is why the body ended before its end; nil where it did not.
func (b *Body) failure() *egress.Error {
	failure, _ := errors.AsType[*egress.Error](b.ended)
	return failure
}

func (b *Body) largestPiece() int {
	if b.stream.Decoded() {
		return decodedPiece
	}
	return plainPiece
}

// receive waits for a piece of the stream. Where none comes after it, and nothing has to be masked, the body is over.
func (b *Body) receive(p []byte, waiting func() (done func()), look func(n int)) (n int) {
	b.stream.Waiting, b.stream.Look = waiting, look
	n, b.ended = b.stream.Read(p)
	if n > 0 && !b.stream.Open() {
		_, b.ended = b.stream.Read(p) // at once
	}
	if failure := b.failure(); failure != nil && failure.Code != egress.CodeEnded {
		masked := *b.call.failed(capabilityHTTP, failure)
		masked.Message = b.messages.Message(failure.Message, failure.Locations, look)
		b.ended = &masked
	}
	if b.ended != nil && b.mask == nil {
		b.Close()
	}
	return n
}

// refill has the mask decide on another piece.
func (b *Body) refill(waiting func() (done func()), look func(n int)) {
	switch {
	case b.ended != nil:
		b.Close()
		return
	case b.mask.Done():
		b.mask, b.piece = nil, nil
		return
	case b.piece == nil:
		b.piece = make([]byte, maskedPiece)
	}
	b.mask.Write(b.piece[:b.receive(b.piece, waiting, look)], look)
	if b.ended == io.EOF {
		b.mask.End(look)
	}
}

// Close gives up what was not read. It may be called more than once.
func (b *Body) Close() {
	b.over = true
	b.stream.Close()
}
