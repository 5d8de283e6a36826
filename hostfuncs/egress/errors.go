package egress

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"
)

// Code says why there is no response. The values are part of the guest ABI.
type Code string

// These are returned when a request ends without a response.
const (
	// CodeInvalidRequest: the request cannot be built; [Error.Field] says which part.
	CodeInvalidRequest Code = "invalid_request"
	// CodeEgressDenied: not granted, or the address may not be reached; see [Error.Denial].
	CodeEgressDenied Code = "egress_denied"
	// CodeSecretDenied: the request holds a secret that may not be sent there; the message names what would allow it.
	CodeSecretDenied Code = "secret_denied"
	// CodeSecretUnavailable: the request holds a secret whose value could not be had.
	CodeSecretUnavailable Code = "secret_unavailable"
	// CodeDNS: the host name could not be resolved.
	CodeDNS Code = "dns"
	// CodeConnect: the connection was refused, unreachable or reset while connecting.
	CodeConnect Code = "connect"
	// CodeConnectTimeout: there was no connection within the time.
	CodeConnectTimeout Code = "connect_timeout"
	// CodeTLS: the handshake or the certificate failed.
	CodeTLS Code = "tls"
	// CodeTimeout: connected, but no whole answer within the time.
	CodeTimeout Code = "timeout"
	// CodeClosed: the connection ended before an answer.
	CodeClosed Code = "closed"
	// CodeIncomplete: the connection ended within the body.
	CodeIncomplete Code = "incomplete"
	// CodeProtocol: what came is no HTTP.
	CodeProtocol Code = "protocol"
	// CodeDecode: the content encoding is broken.
	CodeDecode Code = "decode"
	// CodeResponseTooLarge: the response is over a limit; nothing of it is handed out.
	CodeResponseTooLarge Code = "response_too_large"
	// CodeAuthRefused: there is no credential for the request, or the token service refused it.
	CodeAuthRefused Code = "auth_refused"
	// CodeAuthUnavailable: the token service did not answer, or not with a token.
	CodeAuthUnavailable Code = "auth_unavailable"
	// CodeOverloaded: the socket budget is spent, or too much is under way to the destination.
	CodeOverloaded Code = "overloaded"
	// CodeCircuitOpen: most of the last requests to the destination failed, and none is sent there for some seconds; see
	// [Error.RetryAfter].
	CodeCircuitOpen Code = "circuit_open"
	// CodeRedirect: redirects were to be followed and never ended, or one led nowhere that can be requested.
	CodeRedirect Code = "redirect"
)

// CodeEnded is no answer for a guest: the call itself is over (its context ended, or the client was closed). The caller
// ends the call; [Error.Unwrap] says how, so errors.Is(err, context.DeadlineExceeded) tells a deadline from a cancel.
const CodeEnded Code = "ended"

// ErrClosed is what a [CodeEnded] error wraps after [Client.Close].
var ErrClosed = errors.New("egress: the client is closed")

// These name the part of a request that is at fault, in [Error.Field].
const (
	FieldMethod  = "method"
	FieldURL     = "url"
	FieldHeaders = "headers"
)

// Error is why [Client.Do] has no response.
type Error struct {
	// Code is stable.
	Code Code
	// Message is one sentence that may be shown to a guest.
	Message string
	// Field is set with CodeInvalidRequest: one of the Field constants.
	Field string
	// Denial is set with CodeEgressDenied.
	Denial *Denial
	// RetryAfter is set with CodeCircuitOpen, until the destination is tried again, and with CodeAuthRefused and
	// CodeAuthUnavailable where a token service is left alone for so long.
	RetryAfter time.Duration
	// Locations are what peers wrote where they redirected the request, in order. They may hold anything that was sent, and
	// Message may name a host that was made of one: they are for whoever looks for secrets in it, and nobody else.
	Locations []string

	// Reason is set with CodeSecretUnavailable: why there is no value, for the operator. It names variables and files, and is
	// no part of the message.
	Reason error

	ended error
}

// Error implements error.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Unwrap returns the context's error or [ErrClosed] with CodeEnded, the denial with CodeEgressDenied, else nil.
func (e *Error) Unwrap() error {
	if e.ended != nil {
		return e.ended
	}
	if e.Denial != nil {
		return e.Denial
	}
	return nil
}

func invalid(field, message string) *Error {
	return &Error{Code: CodeInvalidRequest, Field: field, Message: message}
}

func ended(cause error) *Error {
	return &Error{Code: CodeEnded, Message: "the call is over", ended: cause}
}

// Denial says what was refused and what would allow it. It is an error.
type Denial struct {
	// Scheme, Host and Port are where the guest wanted to go; the scheme is "tcp" for a connection of its own.
	Scheme string
	Host   string
	Port   uint16
	// NotRequested: the operator may have granted it, but the connector's manifest never asked for it.
	NotRequested bool
	// Method is the method, where a granted rule would match but for its methods; Grant is that rule without them.
	Method string
	// UnclearPath: rules with a path are there for the origin, and servers could read the request's path as leaving them.
	UnclearPath bool
	// Header is the name of a header by which the service could take the request past a rule's path or methods.
	Header string
	// Class is the class of the refused address; [ClassNone] where the name was refused.
	Class Class
	// Addr is the refused address. It is for the operator: it is not part of the message, since what a name resolves
	// to inside the operator's network is nothing a guest should learn.
	Addr netip.Addr
	// Grant is the rule, or the address entry, that would allow it; empty where nothing can.
	Grant string
}

// Error implements error. The text may be shown to a guest.
func (d *Denial) Error() string {
	switch {
	case d.Scheme == schemeTCP && d.NotRequested:
		return fmt.Sprintf("the connector's manifest does not ask for %s: add %q to the hosts of its tcp capability", d.Host, d.Grant)
	case d.Scheme == schemeTCP && d.Class == ClassNone:
		return fmt.Sprintf("%s is not granted: add the rule %q to the tcp of the connector's grant", d.Host, d.Grant)
	case d.Header != "":
		return fmt.Sprintf("with the header %s the service at %s could take the request past the path or the methods of the rules: leave it out, or have %q granted, without path or methods, where the manifest asks for that",
			d.Header, d.Host, d.Grant)
	case d.UnclearPath:
		return fmt.Sprintf("no rule with a path covers the request to %s, since servers could read its path as leaving it: write the path without dot segments and encoded separators, or have %q granted, without a path, where the manifest asks for that",
			d.Host, d.Grant)
	case d.NotRequested:
		return fmt.Sprintf("the connector's manifest does not ask for %s: add %q to the hosts of its http capability", d.Host, d.Grant)
	case d.Method != "":
		return fmt.Sprintf("%s to %s is not granted: add %s to the methods of the rule %q in the http of the connector's grant",
			d.Method, d.Host, d.Method, d.Grant)
	case d.Class == ClassNone:
		return fmt.Sprintf("%s is not granted: add the rule %q, with a path prefix or without, to the http of the connector's grant", d.Host, d.Grant)
	}
	hint := d.Class.hint()
	if d.Host == "" {
		return fmt.Sprintf("the address is %s: %s", d.Class.describe(), hint)
	}
	return fmt.Sprintf("%s stands for %s: %s", d.Host, d.Class.describe(), hint)
}

// originOf spells scheme://host[:port], the port only where it is not the scheme's own.
func originOf(secure bool, host string, port uint16) string {
	scheme := schemeOf(secure)
	if len(host) > 0 && isIPv6Text(host) {
		host = "[" + host + "]"
	}
	if port == defaultPort(secure) {
		return scheme + "://" + host
	}
	return scheme + "://" + host + ":" + strconv.Itoa(int(port))
}
