package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
)

// streamError has the shape of net/http's own error of an HTTP/2 stream, which errors.As fills by the fields' names.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (e streamError) Error() string { return "HTTP/2 stream error" }

// These mean that the peer broke the protocol.
//
// See https://www.rfc-editor.org/rfc/rfc9113#section-7
const (
	http2ProtocolError    = 0x1
	http2CompressionError = 0x9
)

// roundTripError names the failure of a request that got no response.
func (e *exchange) roundTripError(ctx context.Context, err error) *Error {
	if over := e.call.Err(); over != nil {
		return ended(over)
	}
	var denial *Denial
	var dial *dialError
	host := e.url.host
	switch {
	case errors.As(err, &denial):
		return e.client.denied(&e.url, denial)
	case isOverload(err):
		return overload(err)
	case errors.As(err, &dial):
		return dialFailure(host, dial.err)
	case ctx.Err() != nil && !e.connected.Load():
		return &Error{Code: CodeConnectTimeout, Message: "no connection to " + host + " within the time"}
	case ctx.Err() != nil || e.connected.Load() && isTimeout(err):
		return &Error{Code: CodeTimeout, Message: host + " did not answer within the time"}
	case !e.connected.Load() || alertOf(err) != "": // TLS 1.3 refuses a client certificate when the client is done already
		return &Error{Code: CodeTLS, Message: "TLS with " + host + " failed: " + tlsReason(err)}
	case isHeaderLimit(err):
		return &Error{Code: CodeResponseTooLarge, Message: "the headers that " + host + " answered with are over 65536 bytes"}
	case isDisconnect(err):
		return &Error{Code: CodeClosed, Message: host + " closed the connection before it answered"}
	}
	return &Error{Code: CodeProtocol, Message: "what " + host + " answered is no HTTP"}
}

// bodyError names the failure of a response whose head had come.
func (e *exchange) bodyError(ctx context.Context, err error) *Error {
	if over := e.call.Err(); over != nil {
		return ended(over)
	}
	host := e.url.host
	switch {
	case errors.Is(err, errNoMemory):
		return &Error{Code: CodeOverloaded, Message: "no memory is left for the response of " + host + ": try again later"}
	case errors.Is(err, errTooLarge):
		return &Error{Code: CodeResponseTooLarge, Message: "the response of " + host + " is over the response limit"}
	case errors.Is(err, errStacked):
		return &Error{Code: CodeDecode, Message: "the response of " + host + " has more than one content encoding, of which one at most is decoded"}
	case errors.Is(err, errIdle):
		return &Error{Code: CodeDecode, Message: "the content encoding of the response of " + host + " yields next to nothing"}
	case errors.Is(err, errDecode):
		return &Error{Code: CodeDecode, Message: "the content encoding of the response of " + host + " is broken"}
	case ctx.Err() != nil || isTimeout(err):
		return &Error{Code: CodeTimeout, Message: host + " did not send the whole response within the time"}
	case isDisconnect(err):
		return &Error{Code: CodeIncomplete, Message: host + " closed the connection within the response"}
	}
	return &Error{Code: CodeProtocol, Message: "the framing of the response of " + host + " is broken"}
}

// isOverload reports whether too much is under way for a connection, or for looking a name up: of why that could not be done,
// net keeps no more than the text.
func isOverload(err error) bool {
	var dns *net.DNSError
	return errors.Is(err, errNoTurn) || errors.Is(err, errNoSocket) || errors.As(err, &dns) && dns.Err == errNoSocket.Error()
}

func overload(err error) *Error {
	if errors.Is(err, errNoTurn) {
		return &Error{Code: CodeOverloaded, Message: "too many connections are being opened at this moment: try again later"}
	}
	return &Error{Code: CodeOverloaded, Message: "no socket is left for this call: try again later"}
}

func dialFailure(host string, err error) *Error {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		switch {
		case dns.IsNotFound:
			return &Error{Code: CodeDNS, Message: "the name " + host + " was not found"}
		case dns.IsTimeout:
			return &Error{Code: CodeConnectTimeout, Message: "looking up " + host + " took too long"}
		}
		return &Error{Code: CodeDNS, Message: "the name server failed to look up " + host}
	}
	var proxy *proxyError
	if errors.As(err, &proxy) {
		return &Error{Code: CodeConnect, Message: "connecting to " + host + " failed: " + proxy.reason}
	}
	if isTimeout(err) {
		return &Error{Code: CodeConnectTimeout, Message: "no connection to " + host + " within the time"}
	}
	reason := "the connection failed"
	var number syscall.Errno
	if errors.As(err, &number) {
		reason = number.Error()
	}
	return &Error{Code: CodeConnect, Message: "connecting to " + host + " failed: " + reason}
}

// tlsReason describes a failed handshake without a word that the peer chose.
func tlsReason(err error) string {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	switch {
	case errors.Is(err, errChain):
		return "its certificate comes with more than is verified: 10 certificates, 65536 bytes, or too many of one name"
	case errors.As(err, &unknown):
		return "the certificate is signed by an authority that is not trusted"
	case errors.As(err, &name):
		return "the certificate is for another name"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the certificate has expired or is not valid yet"
	case errors.As(err, &invalid):
		return "the certificate is not valid"
	case alertOf(err) != "":
		return "the peer refused it (" + alertOf(err) + ")"
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return "the peer does not speak TLS"
	case isTimeout(err):
		return "the handshake took too long"
	case isDisconnect(err):
		return "the peer closed the connection"
	}
	return "the handshake failed"
}

// alertOf returns the alert with which the peer ended TLS, in the words of crypto/tls, which keeps the type to itself; ""
// where there was none.
func alertOf(err error) string {
	var network *net.OpError
	if errors.As(err, &network) && network.Op == "remote error" {
		return network.Err.Error()
	}
	return ""
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// isDisconnect reports whether the connection ended, by the peer, the network or this side.
func isDisconnect(err error) bool {
	var number syscall.Errno
	var network *net.OpError
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, errTakenBack) || errors.As(err, &number) || errors.As(err, &network) {
		return true
	}
	var stream streamError
	if errors.As(err, &stream) {
		return stream.Code != http2ProtocolError && stream.Code != http2CompressionError
	}
	return hasPrefix(err,
		"http: server closed idle connection",
		"http: unexpected EOF reading trailer",
		"http2: client connection lost",
		"http2: client conn",
		"http2: server sent GOAWAY",
		"http2: Transport received",
	)
}

// isHeaderLimit reports whether the response's headers were over MaxResponseHeaderBytes, on HTTP/1 or HTTP/2.
func isHeaderLimit(err error) bool {
	return hasPrefix(err,
		"net/http: server response headers exceeded",
		"http2: response header list larger than advertised limit",
		"header list too large",
	)
}

// hasPrefix is for the errors that net/http keeps to itself. Their beginnings are net/http's words; what follows may be
// the peer's.
func hasPrefix(err error, known ...string) bool {
	var stream streamError
	if errors.As(err, &stream) && stream.Cause != nil {
		err = stream.Cause
	}
	text := strings.TrimPrefix(err.Error(), "net/http: HTTP/1.x transport connection broken: ")
	for _, prefix := range known {
		if strings.HasPrefix(text, prefix) {
			return true
		}
	}
	return false
}
