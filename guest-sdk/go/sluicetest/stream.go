package sluicetest

import (
	"context"
	"io"
	"net/http"

	"sluice/guest-sdk/go/abi"
)

// maxStreams is how many streamed bodies a call may have open.
const maxStreams = 16

// stream is a response's body that the command reads as it comes.
type stream struct {
	head   uint32 // its handle
	body   io.ReadCloser
	cancel context.CancelFunc
	length int64 // -1 where it is not known
	offset int64
	ended  abi.Code // 0 at the end, Closed after a failure
	over   bool
}

func newStream(head uint32, w *http.Response, cancel context.CancelFunc) *stream {
	return &stream{head: head, body: w.Body, cancel: cancel, length: w.ContentLength}
}

func (s *stream) size() int64 {
	switch {
	case s.over && s.ended == 0:
		return s.offset
	case s.over || s.length < 0:
		return int64(abi.Invalid)
	}
	return s.length
}

func (h *host) readStream(s *stream, offset int64, p []byte) int32 {
	switch {
	case offset != s.offset:
		return int32(abi.Invalid)
	case s.over:
		return int32(s.ended)
	case len(p) == 0:
		return 0
	}
	n, err := 0, error(nil)
	for n == 0 && err == nil {
		n, err = s.body.Read(p)
	}
	s.offset += int64(n)
	switch {
	case n > 0: // what is wrong shows again
		return int32(n)
	case err != io.EOF:
		s.ended = abi.Closed
		h.tellFailure(s.head, bodyError(err))
	}
	s.close()
	return int32(s.ended)
}

// writeStream appends what has not been read to the answer, or nothing where that does not come to its end.
func (h *host) writeStream(s *stream) int32 {
	before := len(h.body)
	piece := make([]byte, 4096)
	for {
		n := h.readStream(s, s.offset, piece)
		if n > 0 {
			n = min(h.Write(piece[:n]), 0)
			if n == 0 {
				continue
			}
		}
		if n < 0 {
			h.body = h.body[:before]
		}
		return n
	}
}

func (s *stream) close() {
	s.over = true
	_ = s.body.Close()
	s.cancel()
}

// closeStreams is what the end of a call does.
func (h *host) closeStreams() {
	for _, s := range h.streams {
		s.close()
	}
}
