package sluice

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"sluice/guest-sdk/go/abi"
	"sluice/internal/rawjson"
)

// Answer is what a command answers. The zero Answer has the body null. Answers are values: the With functions return a
// changed copy.
type Answer struct {
	body     []byte
	from     *Body // whose bytes are the body, unless nil
	text     bool
	status   int
	mimetype string
	headers  Header
	bare     bool
	err      error
}

// JSON returns an answer whose body is value, encoded as by encoding/json. A json.RawMessage goes out byte for byte.
func JSON(value any) Answer {
	body, err := encodeJSON(value)
	if err != nil {
		err = unencodable(value, err)
	}
	return Answer{body: body, err: err}
}

// unencodable says why a value is no JSON, in types alone: the errors of encoding/json can quote values.
func unencodable(value any, err error) error {
	what := fmt.Sprintf("its body, of the Go type %T, cannot be encoded as JSON", value)
	if e, ok := errors.AsType[*json.UnsupportedTypeError](err); ok {
		return fmt.Errorf("%s: it holds a %s", what, e.Type)
	}
	if e, ok := errors.AsType[*json.UnsupportedValueError](err); ok {
		if e.Value.CanFloat() {
			return fmt.Errorf("%s: it holds a %s that is infinite or not a number", what, e.Value.Type())
		}
		return fmt.Errorf("%s: a %s in it leads back to itself", what, e.Value.Type())
	}
	if e, ok := errors.AsType[*json.MarshalerError](err); ok {
		return fmt.Errorf("%s: %s does not encode itself", what, e.Type)
	}
	return errors.New(what)
}

// Text returns an answer whose body is a JSON string of text, which must be UTF-8.
func Text(text string) Answer { return Answer{body: []byte(text), text: true} }

// Raw returns an answer whose body is JSON text that goes out byte for byte. It must be valid: see [ValidJSON].
func Raw(body json.RawMessage) Answer { return Answer{body: body} }

// RawFrom returns an answer whose body is that of a response, all of it, byte for byte. It stays with the host, however
// large it is. It must be valid JSON, see [Body.IsJSON], and not be closed. Of a streamed body it is what has not been
// read; where that does not come to its end, the error is the answer.
func RawFrom(body *Body) Answer { return Answer{from: body} }

// TextFrom returns an answer whose body is a JSON string of a response's body, all of it, which must be UTF-8. It stays
// with the host, however large it is, and must not be closed.
func TextFrom(body *Body) Answer { return Answer{from: body, text: true} }

// ValidJSON reports whether text is one JSON value that an answer may have as its body: strict, in UTF-8, and at most 512
// arrays and objects deep.
func ValidJSON(text []byte) bool {
	_, err := rawjson.Value(text, rawjson.MaxDepth)
	return err == nil
}

// Bare returns an answer without an envelope: the caller gets this status, 200 to 599, this media type and these bytes,
// and nothing else. With an error beside it, the error goes out in an ordinary envelope.
func Bare(status int, mimetype string, body []byte) Answer {
	return Answer{body: body, status: status, mimetype: mimetype, bare: true}
}

// WithStatus returns a with the status of the service that was asked, 100 to 599; 0 is none.
func (a Answer) WithStatus(status int) Answer {
	a.status = status
	return a
}

// WithMimetype returns a with the media type of the body, "application/json" unless set.
func (a Answer) WithMimetype(mimetype string) Answer {
	a.mimetype = mimetype
	return a
}

// WithHeaders returns a with headers; an empty list, unlike nil, goes out as an empty object. Names become lower case,
// and values of one name are joined by ", ".
func (a Answer) WithHeaders(h Header) Answer {
	a.headers = h
	return a
}

// withError returns a as the body that goes with err. A bare answer has no room for one.
func (a Answer) withError(err *Error) Answer {
	if a.bare || a.err != nil {
		a = Answer{}
	}
	if err.Status != 0 {
		a.status = err.Status
	}
	return a
}

// problem says why a cannot be sent.
func (a Answer) problem() error {
	switch {
	case a.err != nil:
		return a.err
	case a.from != nil && a.from.closed:
		return errors.New("the response's body that it passes on is closed")
	case a.bare && (a.status < 200 || a.status > 599):
		return errors.New("the status of a bare answer is 200 to 599")
	case a.status != 0 && (a.status < 100 || a.status > 599):
		return errors.New("its http_status is not 100 to 599")
	}
	return nil
}

// write hands the body of a to the host.
func (a Answer) write(h abi.Host) abi.Code {
	if a.from != nil {
		return abi.Code(h.WriteFrom(a.from.handle))
	}
	return abi.Code(h.Write(a.body))
}

// described begins a sentence about how large a is.
func (a Answer) described() string {
	size := int64(len(a.body))
	if a.from != nil {
		size = a.from.size
	}
	if size < 0 {
		return "has"
	}
	return fmt.Sprintf("has %d bytes, which is", size)
}

// appendHead appends the head of a, as the ABI describes it, to dst. err is the error that goes with it, or nil.
func (a Answer) appendHead(dst []byte, err *Error) []byte {
	dst = append(dst, '{')
	if a.bare {
		dst = append(dst, `"response":{"status":`...)
		dst = strconv.AppendInt(dst, int64(a.status), 10)
		dst = append(dst, "},"...)
	} else if a.status != 0 {
		dst = append(dst, `"http_status":`...)
		dst = strconv.AppendInt(dst, int64(a.status), 10)
		dst = append(dst, ',')
	}
	if a.mimetype != "" {
		dst = append(dst, `"mimetype":`...)
		dst = rawjson.AppendString(dst, a.mimetype)
		dst = append(dst, ',')
	}
	if a.headers != nil && !a.bare {
		dst = append(dst, `"headers":`...)
		dst = a.headers.appendObject(dst)
		dst = append(dst, ',')
	}
	if a.text {
		dst = append(dst, `"body":"text",`...)
	}
	if err != nil {
		dst = append(dst, `"error":{"code":`...)
		dst = rawjson.AppendString(dst, err.Code)
		dst = append(dst, `,"message":`...)
		dst = rawjson.AppendString(dst, err.Message)
		dst = append(dst, "},"...)
	}
	if dst[len(dst)-1] == ',' {
		dst = dst[:len(dst)-1]
	}
	return append(dst, '}')
}

// appendObject appends h as a JSON object with each name once.
func (h Header) appendObject(dst []byte) []byte {
	dst = append(dst, '{')
	for i, pair := range h {
		if h[:i].has(pair[0]) {
			continue
		}
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		dst = rawjson.AppendString(dst, strings.ToLower(pair[0]))
		dst = append(dst, ':')
		dst = rawjson.AppendString(dst, strings.Join(h.Values(pair[0]), ", "))
	}
	return append(dst, '}')
}
