package envelope

import "time"

// Code names a failure. Codes are API: operators alert on them and workflow models name them.
type Code string

// These say that a request is wrong; nothing has run.
const (
	InvalidBody          Code = "invalid_body"
	UnsupportedMediaType Code = "unsupported_media_type"
	BodyTooLarge         Code = "body_too_large"
	CommandNotFound      Code = "command_not_found"
	MissingParameter     Code = "missing_parameter"
	InvalidParameter     Code = "invalid_parameter"
	NotFound             Code = "not_found"
	MethodNotAllowed     Code = "method_not_allowed"
	OriginNotAllowed     Code = "origin_not_allowed"
	BadFraming           Code = "bad_framing"
	HeadersTooLarge      Code = "headers_too_large"
	RequestTimeout       Code = "request_timeout"
)

// These say that a call ended without an answer.
const (
	DeadlineExceeded     Code = "deadline_exceeded"
	FuelExhausted        Code = "fuel_exhausted"
	MemoryExceeded       Code = "memory_exceeded"
	DepthExceeded        Code = "depth_exceeded"
	OutputTooLarge       Code = "output_too_large"
	Crashed              Code = "connector_crashed"
	Overloaded           Code = "overloaded"
	ShuttingDown         Code = "shutting_down"
	ConnectorUnavailable Code = "connector_unavailable"
	Internal             Code = "internal_error"
)

// These are why a connector crashed. Callers see Crashed; logs and metrics have the reason.
const (
	Trap      Code = "trap"
	Exit      Code = "exit"
	BadOutput Code = "bad_output"
)

type rule struct {
	status    int
	public    Code
	retryable bool
}

var rules = map[Code]rule{
	InvalidBody:          {400, InvalidBody, false},
	UnsupportedMediaType: {415, UnsupportedMediaType, false},
	BodyTooLarge:         {413, BodyTooLarge, false},
	CommandNotFound:      {404, CommandNotFound, false},
	MissingParameter:     {400, MissingParameter, false},
	InvalidParameter:     {400, InvalidParameter, false},
	NotFound:             {404, NotFound, false},
	MethodNotAllowed:     {405, MethodNotAllowed, false},
	OriginNotAllowed:     {403, OriginNotAllowed, false},
	BadFraming:           {400, BadFraming, false},
	HeadersTooLarge:      {431, HeadersTooLarge, false},
	RequestTimeout:       {408, RequestTimeout, false},
	DeadlineExceeded:     {504, DeadlineExceeded, true},
	FuelExhausted:        {500, FuelExhausted, false},
	MemoryExceeded:       {500, MemoryExceeded, false},
	DepthExceeded:        {500, DepthExceeded, false},
	OutputTooLarge:       {500, OutputTooLarge, false},
	Crashed:              {500, Crashed, false},
	Trap:                 {500, Crashed, false},
	Exit:                 {500, Crashed, false},
	BadOutput:            {500, Crashed, false},
	Overloaded:           {503, Overloaded, true},
	ShuttingDown:         {503, ShuttingDown, true},
	ConnectorUnavailable: {503, ConnectorUnavailable, true},
	Internal:             {500, Internal, false},
}

// Status is the HTTP status with which a failure of this code is answered.
func (c Code) Status() int {
	if r, ok := rules[c]; ok {
		return r.status
	}
	return 500
}

// Public is the code that callers see.
func (c Code) Public() Code {
	if r, ok := rules[c]; ok {
		return r.public
	}
	return Internal
}

// Retryable says whether the same call may succeed later.
func (c Code) Retryable() bool { return rules[c].retryable }

// Failure is a call or request that no connector answered. Message is one sentence for the caller that says what to
// do; it never has a parameter's value or anything of a guest's memory in it.
type Failure struct {
	Code    Code
	Message string
	// RetryAfter, unless 0, is when a further try may have more luck.
	RetryAfter time.Duration
}

func (f *Failure) Error() string { return string(f.Code) + ": " + f.Message }

// Is makes errors.Is work with a Failure that has only a code.
func (f *Failure) Is(target error) bool {
	t, ok := target.(*Failure)
	return ok && t.Code == f.Code && t.Message == ""
}

// Fail returns a Failure.
func Fail(code Code, message string) *Failure { return &Failure{Code: code, Message: message} }
