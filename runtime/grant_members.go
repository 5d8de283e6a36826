package runtime

import (
	"errors"
	"time"

	"sluice/hostfuncs"
	"sluice/hostfuncs/egress"
	"sluice/internal/quantity"
)

// grantMember is one member of a written grant. All that reads, writes and describes grants goes by the list of them: a
// new member is a field of Grant and an element of grantMembers.
type grantMember struct {
	name string
	// schema is the JSON Schema of its value.
	schema string
	// read sets the member from a value as [GrantFrom] has it. The error is the rest of a sentence that begins with the
	// member's name.
	read func(g *Grant, v any) error
	// write is what read would take to the same effect, nil where the grant does not set the member.
	write func(g Grant) any
}

// The bounds of a grant's sizes, in bytes.
const (
	leastGrantCache    = 1 << 10
	mostGrantCache     = 1 << 30
	leastGrantMemory   = 64 << 10
	mostGrantMemory    = 4 << 30
	leastGrantResponse = 1 << 10
	mostGrantResponse  = 1 << 30
	leastGrantStream   = 1 << 10
	mostGrantStream    = 1 << 40
	leastGrantOutput   = 1 << 10
	mostGrantOutput    = 1 << 30
)

// leastGrantDeadline and hostfuncs.MaxDeadline bound how long a grant lets a call take.
const leastGrantDeadline = time.Millisecond

// grantMembers is read only.
var grantMembers = []grantMember{
	{
		name: "http",
		schema: `{"description": "Rules of where requests may go, scheme://host[:port][/path-prefix], with methods or without. The host is a name, an address, *.name for every name below one, or * for any. Without rules: nowhere.",
			"type": "array", "maxItems": 1000, "items": {"oneOf": [
				{"type": "string", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[^/?#@]+(/[^?#]*)?$"},
				{"type": "object", "required": ["rule"], "additionalProperties": false, "properties": {
					"rule": {"type": "string", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[^/?#@]+(/[^?#]*)?$"},
					"methods": {"type": "array", "minItems": 1, "maxItems": 1000, "items": {"enum": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]}}}}]}}`,
		read: func(g *Grant, v any) (err error) {
			g.HTTP, err = parseRules(v)
			return err
		},
		write: func(g Grant) any { return writtenRules(g.HTTP) },
	},
	{
		name: "addresses",
		schema: `{"description": "Addresses that the rules' hosts may stand for: public, private, loopback, a network such as 10.1.0.0/16, or an address. None: public.",
			"type": "array", "maxItems": 1000, "items": {"type": "string", "pattern": "^(public|private|loopback|[0-9A-Fa-f.:]+(/[0-9]{1,3})?)$"}}`,
		read: func(g *Grant, v any) error {
			return eachText(v, func(s string) error {
				if _, err := egress.ParseAddress(s); err != nil {
					return err
				}
				g.Addresses = append(g.Addresses, s)
				return nil
			})
		},
		write: func(g Grant) any { return textsOrNil(g.Addresses) },
	},
	{
		name:   "redirects",
		schema: countSchema("How many redirects the host follows for one request. Not set: none.", 0, egress.MaxRedirects),
		read: func(g *Grant, v any) (err error) {
			g.Redirects, err = parseCount(v, 0, egress.MaxRedirects)
			return err
		},
		write: func(g Grant) any {
			if g.Redirects == 0 {
				return nil
			}
			return g.Redirects
		},
	},
	{
		name: "retry",
		schema: `{"description": "What the host tries again: failures to connect, and these statuses, for methods that may be repeated, or all with unsafe.", "type": "object", "required": ["attempts"], "additionalProperties": false, "properties": {
			"attempts": ` + countSchema("How often a request is sent at most.", egress.MinAttempts, egress.MaxAttempts) + `,
			"on": {"type": "array", "maxItems": 1000, "items": ` + countSchema("A status.", leastRetried, mostRetried) + `}, "unsafe": {"type": "boolean"}}}`,
		read: func(g *Grant, v any) (err error) {
			g.Retry, err = parseRetry(v)
			return err
		},
		write: func(g Grant) any { return writtenRetry(g.Retry) },
	},
	{
		name:   "proxy",
		schema: `{"description": "The egress proxy that requests go through, http://host:port.", "type": "string", "pattern": "^http://[^/?#@]+/?$"}`,
		read: func(g *Grant, v any) (err error) {
			g.Proxy, err = parseProxy(v)
			return err
		},
		write: func(g Grant) any { return textOrNil(g.Proxy) },
	},
	{
		name:   "ca",
		schema: `{"description": "A file with the certificate authorities, in PEM, that are trusted for https. Not set: the system's.", "type": "string", "minLength": 1}`,
		read: func(g *Grant, v any) (err error) {
			g.CA, err = parsePath(v)
			return err
		},
		write: func(g Grant) any { return textOrNil(g.CA) },
	},
	{
		name: "client_certificate",
		schema: `{"description": "The files of a certificate and its key, in PEM, for services that ask for one.", "type": "object", "required": ["certificate", "key"], "additionalProperties": false,
			"properties": {"certificate": {"type": "string", "minLength": 1}, "key": {"type": "string", "minLength": 1}}}`,
		read: func(g *Grant, v any) (err error) {
			g.ClientCertificate, err = parseClientCertificate(v)
			return err
		},
		write: func(g Grant) any {
			if g.ClientCertificate == (ClientCertificate{}) {
				return nil
			}
			return map[string]any{"certificate": g.ClientCertificate.Certificate, "key": g.ClientCertificate.Key}
		},
	},
	{
		name:   "auth",
		schema: authSchema,
		read: func(g *Grant, v any) (err error) {
			g.Auth, err = parseAuth(v)
			return err
		},
		write: func(g Grant) any { return writtenAuth(g.Auth) },
	},
	{
		name: "tcp",
		schema: `{"description": "Rules of where connections may go, host:port. The host is a name, an address, *.name for every name below one, or * for any. Without rules: nowhere.",
			"type": "array", "maxItems": 1000, "items": {"type": "string", "pattern": "^[^/?#@]+:([0-9]{1,5}|\\*)$"}}`,
		read: func(g *Grant, v any) error {
			return eachText(v, func(s string) error {
				if _, err := egress.ParseTCPRule(s); err != nil {
					return err
				}
				g.TCP = append(g.TCP, s)
				return nil
			})
		},
		write: func(g Grant) any { return textsOrNil(g.TCP) },
	},
	{
		name: "tcp_ca",
		schema: `{"description": "A file with the certificate authorities, in PEM, that are trusted for TLS on connections. Not set: the system's.",
			"type": "string", "minLength": 1}`,
		read: func(g *Grant, v any) (err error) {
			g.TCPAuthorities, err = parsePath(v)
			return err
		},
		write: func(g Grant) any { return textOrNil(g.TCPAuthorities) },
	},
	{
		name: "secrets",
		schema: `{"description": "Names of the configuration's secrets that the connector may use. With clear it may read the value, with sign have things signed with it.", "type": "array", "maxItems": 1000,
			"items": {"oneOf": [{"type": "string", "pattern": "^[a-z0-9][a-z0-9._-]{0,63}$"}, {"type": "object", "required": ["name"], "additionalProperties": false,
				"properties": {"name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9._-]{0,63}$"}, "clear": {"type": "boolean"}, "sign": {"type": "boolean"}}}]}}`,
		read: func(g *Grant, v any) (err error) {
			g.Secrets, err = secretGrants(v)
			return err
		},
		write: func(g Grant) any { return writtenSecrets(g.Secrets) },
	},
	{
		name:   "cache",
		schema: sizeSchema("How much the connector may keep from call to call. Not set: nothing.", leastGrantCache, mostGrantCache),
		read: func(g *Grant, v any) error {
			n, err := sizeOf(v, leastGrantCache, mostGrantCache)
			g.Cache = int(n)
			return err
		},
		write: func(g Grant) any { return sizeOrNil(int64(g.Cache)) },
	},
	{
		name:   "memory",
		schema: sizeSchema("How large the guest's memory may grow. Not set: call.memory.", leastGrantMemory, mostGrantMemory),
		read: func(g *Grant, v any) error {
			n, err := sizeOf(v, leastGrantMemory, mostGrantMemory)
			g.Memory = uint64(n)
			return err
		},
		write: func(g Grant) any { return sizeOrNil(int64(g.Memory)) },
	},
	{
		name:   "response",
		schema: sizeSchema("How large a response may be. Not set: call.response.", leastGrantResponse, mostGrantResponse),
		read: func(g *Grant, v any) error {
			n, err := sizeOf(v, leastGrantResponse, mostGrantResponse)
			g.Response = int(n)
			return err
		},
		write: func(g Grant) any { return sizeOrNil(int64(g.Response)) },
	},
	{
		name:   "stream",
		schema: sizeSchema("How large a response may be that the connector reads as it comes. Not set: call.stream.", leastGrantStream, mostGrantStream),
		read: func(g *Grant, v any) (err error) {
			g.Stream, err = sizeOf(v, leastGrantStream, mostGrantStream)
			return err
		},
		write: func(g Grant) any { return sizeOrNil(g.Stream) },
	},
	{
		name:   "output",
		schema: sizeSchema("How large an answer may be. Not set: call.output.", leastGrantOutput, mostGrantOutput),
		read: func(g *Grant, v any) error {
			n, err := sizeOf(v, leastGrantOutput, mostGrantOutput)
			g.Output = int(n)
			return err
		},
		write: func(g Grant) any { return sizeOrNil(int64(g.Output)) },
	},
	{
		name:   "deadline",
		schema: durationSchema("How long a call may take. Not set: call.deadline.", leastGrantDeadline, hostfuncs.MaxDeadline),
		read: func(g *Grant, v any) (err error) {
			s, ok := v.(string)
			if !ok {
				return errors.New("must be a text such as 40s or 1m30s")
			}
			g.Deadline, err = quantity.Duration(s, leastGrantDeadline, hostfuncs.MaxDeadline)
			return err
		},
		write: func(g Grant) any {
			if g.Deadline == 0 {
				return nil
			}
			return g.Deadline.String()
		},
	},
}
