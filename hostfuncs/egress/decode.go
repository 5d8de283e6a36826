package egress

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
)

// errDecode is a content encoding that is broken.
var errDecode = errors.New("the content encoding is broken")

// errStacked is a body with several content encodings.
var errStacked = errors.New("there is more than one content encoding")

// coding is a content coding that is undone here.
type coding uint8

const (
	plain coding = iota // as it is
	gzipped
	deflated
	brotlied
)

// contentCoding returns what is to be undone of a body with these fields Content-Encoding. One with a coding that is not
// undone here is handed out as it came. Of those that are, there may be one: what undoes a second is fed by the first, which
// makes a thousand times as much as has come, so that no bound of that would hold.
//
// See https://www.rfc-editor.org/rfc/rfc9110#section-8.4
func contentCoding(fields []string) (coding, error) {
	found, codings := plain, 0
	for _, field := range fields {
		for token := range strings.SplitSeq(field, ",") {
			next := plain
			switch strings.ToLower(strings.Trim(token, " \t")) {
			case "", "identity":
				continue
			case "gzip", "x-gzip":
				next = gzipped
			case "deflate":
				next = deflated
			case "br":
				next = brotlied
			default:
				return plain, nil
			}
			found, codings = next, codings+1
		}
	}
	if codings > 1 {
		return plain, errStacked
	}
	return found, nil
}

// decodeBody undoes the coding of a whole body, within ctx. look is as a [Worker] has it. What that takes of
// memory is lent.
func decodeBody(ctx context.Context, wire *boundedReader, c coding, limit int64, look func(n int), l *loan) ([]byte, error) {
	d := decoding{loan: l}
	defer d.release()
	if err := d.begin(ctx, wire, c, limit, max(limit, usualWindow), look); err != nil {
		return nil, err
	}
	return readChunks(&d, l)
}

// decoding reads a body whose coding it undoes.
type decoding struct {
	wire     *boundedReader
	feed     feeder        // from the wire
	buffered *bufio.Reader // of what is fed
	whole    wholeReader
	yield    boundedReader
	giveBack func() // the decoder; nil where there is none
	loan     *loan  // for what it takes; nil where that is counted elsewhere
	lent     int    // of it, in bytes
}

// begin waits for the beginning of the body, which may yield limit bytes. A window of brotli may have so many. Whether or not
// it fails, release must be called.
func (d *decoding) begin(ctx context.Context, wire *boundedReader, c coding, limit, window int64, look func(n int)) error {
	d.wire, d.buffered = wire, buffers.Get().(*bufio.Reader)
	d.feed.begin(ctx, wire, look)
	d.buffered.Reset(&d.feed)
	d.yield = boundedReader{src: d.buffered, left: limit}
	if _, err := d.buffered.Peek(1); err == io.EOF {
		return nil // no body at all, whatever its headers say
	}
	if err := d.borrow(c); err != nil {
		return err
	}
	decoder, giveBack, err := newDecoder(c, d.buffered, window)
	if err == errTooLarge {
		return err
	}
	if err != nil {
		return d.failure()
	}
	d.whole, d.giveBack = wholeReader{decoder: decoder, rest: d.buffered}, giveBack
	d.yield.src = &d.whole
	return nil
}

// borrow has what undoing a coding takes lent.
func (d *decoding) borrow(c coding) error {
	n := inflateMemory
	if c == brotlied {
		n = brotliTables + chunkSize
		if head, err := d.buffered.Peek(1); err == nil {
			n += brotliWindow(head[0])
		}
	}
	err := d.loan.take(n)
	if err == nil {
		d.lent += n
	}
	return err
}

// Read implements io.Reader.
func (d *decoding) Read(p []byte) (int, error) {
	n, err := d.yield.Read(p)
	d.feed.makes(n)
	if err != nil && err != io.EOF {
		err = d.failure()
	}
	return n, err
}

// failure tells a broken encoding from a wire that failed, from a limit that was reached, and from a decoder that may not go
// on.
func (d *decoding) failure() error {
	if err := d.feed.err; err != nil && err != io.EOF { // the wire's too
		return err
	}
	if d.yield.err == errTooLarge {
		return errTooLarge
	}
	return errDecode
}

// release gives back what was used. Nothing is read afterwards.
func (d *decoding) release() {
	if d.giveBack != nil {
		d.giveBack()
		d.giveBack = nil
	}
	if d.buffered != nil {
		d.buffered.Reset(nil)
		buffers.Put(d.buffered)
		d.buffered = nil
	}
	d.feed.end()
	d.loan.give(d.lent)
	d.lent = 0
}

// wholeReader reads a decoder to its end and then expects the end of what it decoded: bytes after it would be lost, and
// the connection with them.
type wholeReader struct {
	decoder io.Reader
	rest    *bufio.Reader
}

// Read implements io.Reader.
func (w *wholeReader) Read(p []byte) (int, error) {
	n, err := w.decoder.Read(p)
	if err == io.EOF {
		if _, restErr := w.rest.Peek(1); restErr == nil {
			return n, errDecode
		} else if restErr != io.EOF {
			return n, restErr
		}
	}
	return n, err
}

// Decompressors are large (a window of 32 KiB and its tables): they are kept.
var (
	buffers      = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }}
	gzipReaders  = sync.Pool{New: func() any { return new(gzip.Reader) }}
	zlibReaders  sync.Pool // has no New: a zlib reader is made from a valid header
	flateReaders = sync.Pool{New: func() any { return flate.NewReader(strings.NewReader("")) }}
)

// newDecoder returns a decoder over src, and what gives it back.
func newDecoder(c coding, src *bufio.Reader, window int64) (io.Reader, func(), error) {
	if c == gzipped {
		z := gzipReaders.Get().(*gzip.Reader)
		release := func() { gzipReaders.Put(z) }
		if err := z.Reset(src); err != nil {
			release()
			return nil, nil, err
		}
		return z, release, nil
	}
	if c == brotlied {
		if head, err := src.Peek(1); err == nil && int64(brotliWindow(head[0])) > window {
			return nil, nil, errTooLarge
		}
		b := brotliReaders.Get().(*brotliReader)
		b.reset(src)
		return b, func() { brotliReaders.Put(b) }, nil
	}
	// "deflate" means the zlib format, but some servers send the bare one.
	head, err := src.Peek(2)
	if err == nil && head[0]&0x0f == 8 && head[0]>>4 <= 7 && (int(head[0])<<8|int(head[1]))%31 == 0 {
		z, kept := zlibReaders.Get().(io.ReadCloser)
		if kept {
			err = z.(zlib.Resetter).Reset(src, nil)
		} else {
			z, err = zlib.NewReader(src)
		}
		if err != nil {
			return nil, nil, err
		}
		return z, func() { zlibReaders.Put(z) }, nil
	}
	f := flateReaders.Get().(io.ReadCloser)
	release := func() { flateReaders.Put(f) }
	if err := f.(flate.Resetter).Reset(src, nil); err != nil {
		release()
		return nil, nil, err
	}
	return f, release, nil
}
