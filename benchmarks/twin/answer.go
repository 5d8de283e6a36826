package twin

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"sluice/hostfuncs/egress"
	"sluice/internal/rawjson"
	"sluice/runtime/envelope"
)

// internalError is the connector's code for what is neither the service's answer nor a code of the host.
const internalError = "INTERNAL_ERROR"

// maxExcerpt is how much of a failed response goes into the error's message, in bytes.
const maxExcerpt = 64 << 10

// failure is the answer where no service answered.
func failure(code string, status int, message string) *envelope.Answer {
	return &envelope.Answer{
		HTTPStatus: status, Mimetype: envelope.DefaultMimetype, Body: rawResponse(message),
		Error: &envelope.Error{Code: code, Message: message},
	}
}

// unanswered is the answer to a request that got no response.
func unanswered(e *egress.Error) *envelope.Answer {
	switch e.Code {
	case egress.CodeEgressDenied:
		return failure(string(e.Code), 403, e.Message)
	case egress.CodeResponseTooLarge:
		return failure(string(e.Code), 413, e.Message)
	case egress.CodeOverloaded:
		return failure(string(e.Code), 503, e.Message)
	case egress.CodeInvalidRequest:
		return failure(internalError, 400, e.Message)
	case egress.CodeConnectTimeout, egress.CodeTimeout:
		return failure(internalError, 504, e.Message)
	}
	return failure(internalError, 500, e.Message)
}

// answer is the answer of a service that answered.
func answer(r *egress.Response) (*envelope.Answer, error) {
	contentType := header(r, "content-type")
	if !utf8.Valid(r.Body) || strings.Contains(contentType, "charset") && !strings.Contains(strings.ToLower(contentType), "utf-8") {
		return nil, envelope.Fail(envelope.InvalidParameter, "The twin reads UTF-8 only: ask a service that sends it.")
	}
	a := &envelope.Answer{HTTPStatus: r.Status, Mimetype: envelope.DefaultMimetype, Headers: []byte("{}")}
	if a.HTTPStatus >= 600 {
		a.HTTPStatus = 502
	}
	isJSON := strings.Contains(contentType, "application/json") && len(r.Body) > 0
	var broken *rawjson.SyntaxError
	if isJSON {
		value, err := rawjson.Value(r.Body, rawjson.MaxDepth)
		errors.As(err, &broken)
		a.Body = value
	}
	if !isJSON || broken != nil {
		a.Body = rawResponse(string(r.Body))
	}
	switch {
	case r.Status >= 300:
		a.Error = &envelope.Error{Code: "HttpError" + strconv.Itoa(r.Status), Message: failedStatus(r.Status, r.Body)}
	case broken != nil:
		a.Error = &envelope.Error{
			Code:    internalError,
			Message: fmt.Sprintf("The service says that its response is JSON, but it is none from byte %d on.", broken.Offset),
		}
	}
	return a, nil
}

func header(r *egress.Response, name string) string {
	for _, h := range r.Headers {
		if h[0] == name {
			return h[1]
		}
	}
	return ""
}

// rawResponse is the body of an answer that is not JSON: {"raw_response": text}.
func rawResponse(text string) []byte {
	b := append(make([]byte, 0, len(text)+24), `{"raw_response":`...)
	return append(rawjson.AppendString(b, text), '}')
}

// failedStatus is the message for a response that the service itself marks as failed.
func failedStatus(status int, body []byte) string {
	end := min(len(body), maxExcerpt)
	for end > 0 && end < len(body) && !utf8.RuneStart(body[end]) {
		end--
	}
	message := fmt.Sprintf("HTTP %d error from service. Response: %s", status, body[:end])
	if left := len(body) - end; left > 0 {
		message += fmt.Sprintf(" … (%d more bytes in the body)", left)
	}
	return message
}
