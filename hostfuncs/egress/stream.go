package egress

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"sluice/hostfuncs/egress/fault"
)

// Stream is the body of a response that is read as it comes. It belongs to one goroutine, and must be closed: until it is,
// or has ended, its connection is in use, and the request counts among those that are under way to its destination.
type Stream struct {
	// Waiting, where it is set, is called before each waiting for the connection, and what it returns afterwards: what
	// else reading takes is work. Where that panics, the stream is of no use but to be closed.
	Waiting func() (done func())
	// Look, where it is set, is called with about how many nanoseconds each step of the work will take. It may panic too.
	Look func(n int)

	exchange *exchange
	ctx      context.Context    // the request's
	cancel   context.CancelFunc // ends ctx; nil until Do is done
	body     io.ReadCloser      // as net/http has it
	wire     *boundedReader     // over body; nil where there is none
	received int64              // from the connection, in bytes
	coding   coding             // to undo
	decoding *decoding          // undoes it; nil before the first reading, and where there is none
	limit    int64
	memory   int // that it takes, in bytes
	length   int64
	read     int64
	err      error // why nothing more comes: io.EOF, or an *Error; nil while more may come
	// locations are those of the redirects that led here.
	locations []string

	pass   fault.Pass
	status int
	start  time.Time     // of the attempt
	waited time.Duration // since then for the destination
}

// What a stream takes beside what its reader has, in bytes.
const (
	// streamWindow is how much of a stream over HTTP/2 may wait in memory.
	streamWindow = 256 << 10
	// connectionMemory is for the buffers and the goroutines of a connection.
	connectionMemory = 16 << 10
	inflateMemory    = 64<<10 + chunkSize
	brotliMemory     = usualWindow + brotliTables
)

// errStreamClosed is what reading a stream fails with that its owner has closed.
var errStreamClosed = errors.New("egress: the stream is closed")

// sendStreamed sends a request whose response is read afterwards, within ctx, which cancel ends.
func (e *exchange) sendStreamed(ctx context.Context, cancel context.CancelFunc, body []byte) (*Response, *Error) {
	e.streams = true
	response, failure := e.try(ctx, body)
	if failure != nil || response.Stream.err != nil {
		cancel()
		return response, failure
	}
	response.Stream.cancel = cancel
	return response, nil
}

// stream makes the response's body one that is read as it comes.
func (e *exchange) stream(ctx context.Context, response *http.Response) (*Response, *Error) {
	limit := e.client.config.StreamLimit
	wire, coding, err := e.wireBody(response, limit)
	if err != nil {
		failure := e.bodyError(ctx, err)
		e.finish(response.Body)
		return nil, failure
	}
	s := &Stream{
		exchange: e, ctx: ctx, body: response.Body, wire: wire, coding: coding, limit: limit,
		status: response.StatusCode, length: response.ContentLength, memory: connectionMemory + e.body.keep(),
	}
	if response.ProtoMajor > 1 {
		s.memory += streamWindow
	}
	switch coding {
	case plain:
	case brotlied:
		s.length, s.memory = -1, s.memory+brotliMemory
	default:
		s.length, s.memory = -1, s.memory+inflateMemory
	}
	if wire == nil {
		s.length = 0
	} else {
		wire.src = (*streamWire)(s)
	}
	return &Response{Status: response.StatusCode, Headers: responseHeaders(response.Header), Stream: s}, nil
}

// hold has the stream hold the leave to attempt its destination, from an attempt that began at start.
func (s *Stream) hold(pass fault.Pass, start time.Time) {
	s.pass, s.start, s.waited = pass, start, time.Since(start)
	if s.wire == nil {
		s.end(io.EOF)
	}
}

// Read reads at least one byte into p, of which nothing is kept, unless p is empty, and waits for it within the request's
// time. It takes as much of p as came at once.
//
// # Errors
//
// io.EOF at the end of the body. An *Error says why it did not come to its end; [CodeEnded] means that the call is over. Of
// a stream that was closed nothing is read any more.
func (s *Stream) Read(p []byte) (int, error) {
	if s.err != nil || len(p) == 0 {
		return 0, s.err
	}
	n, err := s.next(p)
	s.read += int64(n)
	if err != nil {
		s.end(err)
	}
	if n > 0 {
		return n, nil // what is wrong shows again
	}
	return 0, s.err
}

func (s *Stream) next(p []byte) (n int, err error) {
	var src io.Reader = s.wire
	if s.coding != plain {
		if s.decoding == nil {
			s.decoding = &decoding{}
			if err := s.decoding.begin(s.ctx, s.wire, s.coding, s.limit, usualWindow, s.Look); err != nil {
				return 0, err
			}
		}
		s.decoding.feed.paidBy(s.Look)
		src = s.decoding
	}
	for n == 0 && err == nil {
		n, err = src.Read(p)
	}
	return n, err
}

// streamWire is the connection's end of a stream.
type streamWire Stream

// Read implements io.Reader.
func (w *streamWire) Read(p []byte) (int, error) {
	if w.Waiting != nil {
		defer w.Waiting()()
	}
	began := time.Now()
	n, err := w.body.Read(p)
	w.waited += time.Since(began)
	w.received += int64(n)
	return n, err
}

// Size is how many bytes the body has in all, -1 while that is not known.
func (s *Stream) Size() int64 {
	if s.err == io.EOF {
		return s.read
	}
	return s.length
}

// Received is how much has come over the connection, in bytes: of a body that is decoded, usually less than was read.
func (s *Stream) Received() int64 { return s.received }

// Decoded reports whether the body came in an encoding that is undone.
func (s *Stream) Decoded() bool { return s.coding != plain }

// Open reports whether more of the body may come.
func (s *Stream) Open() bool { return s.err == nil }

// Memory is about how much the host may hold for the stream, in bytes; 0 once it has ended or is closed.
func (s *Stream) Memory() int {
	if s.err != nil {
		return 0
	}
	return s.memory
}

// Close gives up what has not been read, and the connection with it. It may be called more than once.
func (s *Stream) Close() {
	if s.err == nil {
		s.err = errStreamClosed
		s.leave(nil)
	}
}

// giveUp closes the response's stream, and reports whether it has one.
func (r *Response) giveUp() bool {
	if r == nil || r.Stream == nil {
		return false
	}
	r.Stream.Close()
	return true
}

// end is that of the body, or of the hope for it.
func (s *Stream) end(err error) {
	if err == io.EOF {
		s.err = err
		s.leave(nil)
		return
	}
	failure := s.exchange.bodyError(s.ctx, err)
	failure.Locations = s.locations
	s.err = failure
	s.leave(failure)
}

// leave gives back what the stream has held. A body that was not read to its end costs the connection.
func (s *Stream) leave(failure *Error) {
	if s.cancel != nil {
		s.cancel()
	}
	if s.decoding != nil {
		s.decoding.release()
	}
	s.exchange.finish(s.body)
	s.exchange.body.drop()
	verdict, name := judge(&Response{Status: s.status}, nil, s.start)
	if failure != nil {
		verdict, name = judge(nil, failure, s.start)
		if failure.Code == CodeTimeout && s.waited < time.Since(s.start)/2 {
			verdict = fault.Nothing // it was the reader that took the time
		}
	}
	s.pass.Leave(verdict, name)
}
