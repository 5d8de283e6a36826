package egress

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Rule names where a request may go: scheme://host[:port][/path-prefix].
//
//   - The scheme is http or https.
//   - The host is a name or an address literal, taken exactly; "*.example.com", every name below example.com but not
//     example.com; or "*", any host.
//   - The port defaults to the scheme's; with host "*" every port is meant unless one is given.
//   - The path prefix ends at a segment: /v1 covers /v1 and /v1/x, not /v10. A path that a server could read as leaving
//     the prefix, once it has decoded it or cut parts of it off, is not covered.
//
// The zero Rule matches nothing.
type Rule struct {
	secure bool
	kind   hostKind
	host   string // for hostSuffix with its leading dot: ".example.com"
	port   uint16 // 0: any
	path   string // "" or "/…"
	// methods are those that it allows; none means every one. See [ParseGrantRule].
	methods methodSet
}

type hostKind uint8

const (
	hostNone hostKind = iota
	hostExact
	hostSuffix
	hostAny
)

var (
	errRuleScheme = errors.New("it must begin with http:// or https://")
	errRuleUser   = errors.New("user information does not belong in a rule")
	errRuleQuery  = errors.New("a rule ends with the path prefix: no query, no fragment")
	errRuleStar   = errors.New(`the host is a name, an address, "*.name" or "*"`)
	errRulePath   = errors.New("the path prefix holds a dot segment, an encoded dot or slash, a backslash, a blank or a character outside ASCII")
)

// ParseRule reads a rule. The error says what to write instead.
func ParseRule(s string) (Rule, error) {
	r, err := parseRule(s)
	if err != nil {
		return Rule{}, ruleError("egress rule", s, err)
	}
	return r, nil
}

// ruleError names the rule that is wrong, but where it may hold a credential, which an error must not repeat.
func ruleError(kind, rule string, err error) error {
	if strings.ContainsAny(rule, "@?#") || len(rule) > 300 {
		return fmt.Errorf("%s: %w", kind, err)
	}
	return fmt.Errorf("%s %q: %w", kind, rule, err)
}

func parseRule(s string) (Rule, error) {
	var r Rule
	if len(s) > maxURL {
		return r, errURLTooLong
	}
	secure, rest, ok := cutScheme(s)
	if !ok {
		return r, errRuleScheme
	}
	if strings.ContainsAny(rest, "?#") {
		return r, errRuleQuery
	}
	authority, path := rest, ""
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	if strings.IndexByte(authority, '@') >= 0 {
		return r, errRuleUser
	}
	host, port, err := cutPort(authority)
	if err != nil {
		return r, err
	}
	r = Rule{secure: secure, kind: hostExact, port: port}
	if port == 0 && host != "*" {
		r.port = defaultPort(secure)
	}
	if r.kind, r.host, err = parseRuleHost(host); err != nil {
		return Rule{}, err
	}
	if path != "" && path != "/" {
		if !plainPath(path) {
			return Rule{}, errRulePath
		}
		r.path = path
	}
	return r, nil
}

func parseRuleHost(s string) (hostKind, string, error) {
	if s == "*" {
		return hostAny, "", nil
	}
	suffix, wild := strings.CutPrefix(s, "*.")
	if strings.IndexByte(suffix, '*') >= 0 {
		return hostNone, "", errRuleStar
	}
	host, literal, err := normaliseHost(suffix)
	if err != nil {
		return hostNone, "", err
	}
	if !wild {
		return hostExact, host, nil
	}
	if literal.IsValid() {
		return hostNone, "", errRuleStar
	}
	return hostSuffix, "." + host, nil
}

// String returns the rule in its one spelling: parsing it gives the same rule.
func (r Rule) String() string {
	if r.methods != 0 {
		methods := r.methods.String()
		r.methods = 0
		return methods + " " + r.String()
	}
	var host string
	switch r.kind {
	case hostNone:
		return ""
	case hostAny:
		host = "*"
		if r.port == 0 {
			return schemeOf(r.secure) + "://" + host + r.path
		}
		return schemeOf(r.secure) + "://" + host + ":" + strconv.Itoa(int(r.port)) + r.path
	case hostSuffix:
		host = "*" + r.host
	default:
		host = r.host
	}
	return originOf(r.secure, host, r.port) + r.path
}

// Matches reports whether a URL is under the rule, whatever the method.
func (r Rule) Matches(u *URL) bool {
	return r.matchesOrigin(u) && r.matchesPath(u.path, plainPath(u.path))
}

// matchesOrigin compares scheme, host and port.
func (r *Rule) matchesOrigin(u *URL) bool {
	if r.secure != u.secure || r.port != 0 && r.port != u.port {
		return false
	}
	switch r.kind {
	case hostExact:
		return r.host == u.host
	case hostSuffix:
		return len(u.host) > len(r.host) && strings.HasSuffix(u.host, r.host)
	case hostAny:
		return true
	}
	return false
}

// matchesPath compares the path; plain says whether path holds nothing that could leave a prefix.
func (r *Rule) matchesPath(path string, plain bool) bool {
	if r.path == "" {
		return true
	}
	if !plain || !strings.HasPrefix(path, r.path) {
		return false
	}
	return len(path) == len(r.path) || r.path[len(r.path)-1] == '/' || path[len(r.path)] == '/'
}
