// Package envelope is the answer of a call: what a connector said, how it is written for a caller, and the codes of
// everything that can go wrong instead.
package envelope

import (
	"strconv"
	"unicode/utf8"

	"sluice/internal/rawjson"
)

// DefaultMimetype is the media type of an answer that names none.
const DefaultMimetype = "application/json"

// Answer is what a connector said in answer to one command.
type Answer struct {
	// HTTPStatus is the status of the service that the connector asked, 100 to 599, or 0 for none.
	HTTPStatus int
	// Mimetype is the media type of Body, never empty.
	Mimetype string
	// Headers is a JSON object as the connector wrote it, or nil. It is not to be changed.
	Headers []byte
	// Body is the body's bytes: strict JSON text, UTF-8 if Text, anything if Bare.
	Body []byte
	// Text says that Body is the text of a JSON string and not JSON itself.
	Text bool
	// Bare, unless 0, is the status with which Body goes out as it is, without an envelope.
	Bare int
	// Error is the connector's own error, or nil.
	Error *Error
	// Logs are the lines that the connector logged for the caller.
	Logs []string
}

// Error is a connector's own error. Code is what a workflow's boundary event names.
type Error struct {
	Code, Message string
}

// AppendV2 appends the version 2 envelope of a, which is not Bare, to dst. All four top keys are always there.
func (a *Answer) AppendV2(dst []byte) []byte {
	dst = append(dst, `{"command_response":{"body":`...)
	switch {
	case a.Text:
		dst = rawjson.AppendString(dst, a.Body)
	case len(a.Body) == 0:
		dst = append(dst, "null"...)
	default:
		dst = append(dst, a.Body...)
	}
	dst = append(dst, `,"mimetype":`...)
	dst = rawjson.AppendString(dst, a.Mimetype)
	if a.HTTPStatus != 0 {
		dst = append(dst, `,"http_status":`...)
		dst = strconv.AppendInt(dst, int64(a.HTTPStatus), 10)
	}
	if a.Headers != nil {
		dst = append(dst, `,"headers":`...)
		dst = append(dst, a.Headers...)
	}
	dst = append(dst, `},"command_response_version":2,"error":`...)
	if a.Error == nil {
		dst = append(dst, "null"...)
	} else {
		dst = appendError(dst, a.Error.Code, a.Error.Message)
	}
	dst = append(dst, `,"spiff__logs":[`...)
	for i, line := range a.Logs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = rawjson.AppendString(dst, line)
	}
	return append(dst, "]}"...)
}

// AppendDispatch appends the body of an answer that no connector gave.
func AppendDispatch(dst []byte, code Code, message string) []byte {
	dst = append(dst, `{"command_response":{},"error":`...)
	dst = appendError(dst, string(code), message)
	return append(dst, '}')
}

func appendError(dst []byte, code, message string) []byte {
	dst = append(dst, `{"error_code":`...)
	dst = rawjson.AppendString(dst, code)
	dst = append(dst, `,"message":`...)
	dst = rawjson.AppendString(dst, message)
	return append(dst, '}')
}

// checkBody says what is wrong with the body for what the head says it is, or "".
func (a *Answer) checkBody(isJSON bool) string {
	switch {
	case a.Bare != 0:
		return ""
	case a.Text:
		if !utf8.Valid(a.Body) {
			return "the body is not UTF-8, as \"body\": \"text\" says"
		}
	case isJSON:
		a.Body = rawjson.Trim(a.Body)
	case len(a.Body) > 0:
		value, err := rawjson.Value(a.Body, rawjson.MaxDepth)
		if err != nil {
			return "the body is " + err.Error()
		}
		a.Body = value
	}
	return ""
}
