package egress

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"strings"
	"sync"
)

// errDecode is a content encoding that is broken.
var errDecode = errors.New("the content encoding is broken")

// maxLayers bounds how many encodings may be stacked.
const maxLayers = 4

type layer uint8

const (
	layerGzip layer = iota
	layerDeflate
	layerBrotli
)

// contentEncodings returns the layers in the order in which they are undone. A body with a layer that is not decoded
// here is handed out as it came: the result is empty.
//
// See https://www.rfc-editor.org/rfc/rfc9110#section-8.4
func contentEncodings(fields []string) ([]layer, error) {
	if len(fields) == 0 {
		return nil, nil
	}
	var layers []layer
	for _, field := range fields {
		for token := range strings.SplitSeq(field, ",") {
			switch strings.ToLower(strings.Trim(token, " \t")) {
			case "", "identity":
			case "gzip", "x-gzip":
				layers = append(layers, layerGzip)
			case "deflate":
				layers = append(layers, layerDeflate)
			case "br":
				layers = append(layers, layerBrotli)
			default:
				return nil, nil
			}
			if len(layers) > maxLayers {
				return nil, errDecode
			}
		}
	}
	for i, j := 0, len(layers)-1; i < j; i, j = i+1, j-1 {
		layers[i], layers[j] = layers[j], layers[i]
	}
	return layers, nil
}

// decodeBody undoes the layers of a whole body.
func decodeBody(wire *boundedReader, layers []layer, limit int64) ([]byte, error) {
	var d decoding
	defer d.release()
	err := d.begin(wire, layers, limit, max(limit, usualWindow))
	if err != nil {
		return nil, err
	}
	body, err := readChunks(&d)
	if err != nil {
		return nil, err
	}
	return body, nil
}

// decoding reads a body whose layers it undoes.
type decoding struct {
	wire   *boundedReader
	layers []decodedLayer // those that were begun
}

// decodedLayer is one of them.
type decodedLayer struct {
	buffered *bufio.Reader // what it is undone from
	whole    wholeReader
	yield    boundedReader
	release  func() // gives the decoder back; nil where there is none
}

// begin waits for the beginning of each layer. Every layer may yield limit bytes: without that, a small body of many
// layers could keep the processor busy with what no one ever sees. A window of brotli may have so many.
func (d *decoding) begin(wire *boundedReader, layers []layer, limit, window int64) error {
	d.wire, d.layers = wire, make([]decodedLayer, 0, len(layers))
	for i, l := range layers {
		buffered := buffers.Get().(*bufio.Reader)
		buffered.Reset(d.last())
		d.layers = append(d.layers, decodedLayer{buffered: buffered, yield: boundedReader{src: buffered, left: limit}})
		if _, err := buffered.Peek(1); err == io.EOF && i == 0 {
			return nil // no body at all, whatever its headers say
		}
		decoder, release, err := newDecoder(l, buffered, window)
		if err == errTooLarge {
			return err
		}
		if err != nil {
			return d.failure()
		}
		next := &d.layers[i]
		next.whole, next.release = wholeReader{decoder: decoder, rest: buffered}, release
		next.yield.src = &next.whole
	}
	return nil
}

// last is what the layers that were begun yield.
func (d *decoding) last() *boundedReader {
	if n := len(d.layers); n > 0 {
		return &d.layers[n-1].yield
	}
	return d.wire
}

// Read implements io.Reader.
func (d *decoding) Read(p []byte) (int, error) {
	n, err := d.last().Read(p)
	if err != nil && err != io.EOF {
		err = d.failure()
	}
	return n, err
}

// failure tells a broken encoding from a wire that failed or a limit that was reached below it.
func (d *decoding) failure() error {
	if err := d.wire.err; err != nil && err != io.EOF {
		return err
	}
	for i := range d.layers {
		if d.layers[i].yield.err == errTooLarge {
			return errTooLarge
		}
	}
	return errDecode
}

// release gives back what was used. Nothing is read afterwards.
func (d *decoding) release() {
	for _, l := range d.layers {
		if l.release != nil {
			l.release()
		}
		l.buffered.Reset(nil)
		buffers.Put(l.buffered)
	}
	d.layers = nil
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
func newDecoder(l layer, src *bufio.Reader, window int64) (io.Reader, func(), error) {
	if l == layerGzip {
		z := gzipReaders.Get().(*gzip.Reader)
		release := func() { gzipReaders.Put(z) }
		if err := z.Reset(src); err != nil {
			release()
			return nil, nil, err
		}
		return z, release, nil
	}
	if l == layerBrotli {
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
