package sluice

import (
	"errors"
	"fmt"
)

// The codes of errors that the SDK itself answers with. Those of [Call.HTTP] are named there.
const (
	// CodeMissingParameter: a required parameter was not sent. The host refuses such calls before they get here.
	CodeMissingParameter = "missing_parameter"
	// CodeInvalidParameter: a value is not what the Go type of its parameter can hold.
	CodeInvalidParameter = "invalid_parameter"
	// CodeUnclassified: the command returned an error that is no [Error].
	CodeUnclassified = "unclassified_error"
	// CodeInvalidAnswer: the command returned an answer that cannot be sent.
	CodeInvalidAnswer = "invalid_answer"
	// CodeOutputTooLarge: the answer's body is beyond the output limit.
	CodeOutputTooLarge = "output_too_large"
	// CodeInvalidSecret: the connector asks for a secret by what is no name, or for too many, or signs what can't be signed.
	CodeInvalidSecret = "invalid_secret"
)

// Error is a failure that a workflow can tell from others: the code is what a model names in its boundary events, and
// so part of a connector's public API.
type Error struct {
	// Code is not empty.
	Code string
	// Status is the answer's http_status, or 0 for none. A workflow engine tries again at 429 and from 500 on.
	Status int
	// Message tells people what happened and what to do. It is no place for parameter values and URL queries.
	Message string

	cause error
}

// Errorf returns an [Error]. The verb %w works as in [fmt.Errorf].
func Errorf(code string, status int, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Status: status, Message: err.Error(), cause: err}
}

// Error returns the code and the message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Unwrap returns the error that [Errorf] made of its format, or nil.
func (e *Error) Unwrap() error { return e.cause }

// Timeout says whether the error is that time ran out, as net.Error has it.
func (e *Error) Timeout() bool { return e.Status == 504 }

// classify returns the Error in err's tree. The text of any other error stays here: those of the standard library quote
// their input, which may be a secret or a URL with one.
func classify(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok && e.Code != "" {
		return e
	}
	for next := err; next != nil; next = errors.Unwrap(next) {
		err = next
	}
	return &Error{Code: CodeUnclassified, Status: 500, Message: fmt.Sprintf(
		"The command failed with a %T. The connector's author can name the cause with sluice.Errorf.", err)}
}
