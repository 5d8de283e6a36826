package egress

import (
	"errors"
	"io"
	"sync"

	"github.com/andybalholm/brotli"
)

var brotliReaders = sync.Pool{New: func() any { return &brotliReader{decoder: brotli.NewReader(nil)} }}

// brotliReader reads a stream to its end. The library takes the end of its source for the end of the stream, wherever
// that is: what was cut off would look whole. So the source has one byte more, which it refuses behind a whole stream,
// and only there.
type brotliReader struct {
	decoder *brotli.Reader
	src     io.Reader
	past    bool // the byte behind the source's end was handed out
}

// excessive is what the library calls its refusal. It keeps the error to itself.
const excessive = "brotli: excessive input"

// errCutOff is a stream that ends within.
var errCutOff = errors.New("the brotli stream is cut off")

func (b *brotliReader) reset(src io.Reader) {
	b.src, b.past = src, false
	_ = b.decoder.Reset((*brotliSource)(b)) // returns no error
}

// Read implements io.Reader.
func (b *brotliReader) Read(p []byte) (int, error) {
	n, err := b.decoder.Read(p)
	switch {
	case err == nil && b.past:
		return 0, errCutOff // the byte was taken for a part of the stream
	case err != nil && b.past && err.Error() == excessive:
		return n, io.EOF
	case err == io.EOF:
		return n, errCutOff
	}
	return n, err
}

// brotliSource is what the decoder reads.
type brotliSource brotliReader

// Read implements io.Reader.
func (s *brotliSource) Read(p []byte) (int, error) {
	n, err := s.src.Read(p)
	if n == 0 && err == io.EOF && !s.past {
		s.past = true
		p[0] = 0
		return 1, nil
	}
	return n, err
}

// usualWindow is as large as windows are that no one chose on purpose. A larger one is only of use where the content is as
// large; a decoder takes memory for it as soon as a stream of a few bytes says so.
const usualWindow = 4 << 20

// brotliTables is what a decoder takes beside its window, in bytes.
const brotliTables = 512 << 10

// brotliWindow is the size that a stream's first byte gives its window, in bytes; 0 where the byte is none.
//
// See https://www.rfc-editor.org/rfc/rfc7932#section-9.1
func brotliWindow(first byte) int {
	low, high := first>>1&7, first>>4&7
	switch {
	case first&1 == 0:
		return 1 << 16
	case low != 0:
		return 1 << (17 + low)
	case high == 0:
		return 1 << 17
	case high == 1: // reserved
		return 0
	}
	return 1 << (8 + high)
}
