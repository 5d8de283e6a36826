package egress

import (
	"context"
	"errors"
	"io"
)

// What feeding a decoder takes, in nanoseconds: for a byte of what it is fed, of which a hundred can have it build tables for a
// quarter of a millisecond, and for one that it makes of that.
const (
	fedPerByte  = 100
	madePerByte = 8
)

// fedPiece is how much a decoder is fed between two looks at whether it may go on, in bytes. It can't be interrupted on the
// way, and a piece of brotli that is made for it takes more than a millisecond.
const fedPiece = 512

// How much a decoder may be fed, in bytes: so much, before what fills its window comes out, and so many times what it has made
// of that. What can't be compressed grows by a thousandth; the smallest pieces that are sent as they come grow to a few times
// their size.
const (
	fedAtFirst = 64 << 10
	fedPerMade = 4
)

// errIdle is a decoder that is fed and makes next to nothing of it.
var errIdle = errors.New("the content encoding yields next to nothing")

// feeder feeds a decoder with what comes from src. Decoders take the processor for as long as who wrote what they are fed
// wants; here they are ended with ctx, and paid for.
type feeder struct {
	src  io.Reader
	ctx  context.Context
	look func(n int) // as a [Worker] has it

	came      *[chunkSize]byte // of src, of which the decoder has not had from on
	from, to  int
	fed, made int64
	err       error // why no more is fed; io.EOF at the end
}

// begin must be called first, and end last. A look of nil is none.
func (f *feeder) begin(ctx context.Context, src io.Reader, look func(n int)) {
	*f = feeder{src: src, ctx: ctx, came: chunks.Get().(*[chunkSize]byte)}
	f.paidBy(look)
}

func (f *feeder) end() {
	if f.came != nil {
		chunks.Put(f.came)
		f.came = nil
	}
}

// paidBy changes who is told what decoding takes.
func (f *feeder) paidBy(look func(n int)) {
	if f.look = look; look == nil {
		f.look = func(int) {}
	}
}

// Read implements io.Reader.
func (f *feeder) Read(p []byte) (int, error) {
	if f.from == f.to && f.err == nil {
		f.from = 0
		f.to, f.err = f.src.Read(f.came[:])
	}
	if f.from == f.to {
		return 0, f.err
	}
	if err := f.ctx.Err(); err != nil {
		return 0, f.fail(err)
	}
	if f.fed > fedAtFirst+fedPerMade*f.made {
		return 0, f.fail(errIdle)
	}
	n := copy(p[:min(len(p), fedPiece)], f.came[f.from:f.to])
	f.look(fedPerByte * n)
	f.from += n
	f.fed += int64(n)
	return n, nil
}

// fail ends the feeding before its end.
func (f *feeder) fail(err error) error {
	f.from, f.to, f.err = 0, 0, err
	return err
}

// makes notes that the decoder has made so many bytes.
func (f *feeder) makes(n int) {
	f.made += int64(n)
	f.look(madePerByte * n)
}
