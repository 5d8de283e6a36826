package egress

import (
	"errors"
	"strings"
)

// Intersect returns the rule of what both rules cover, and false where that is nothing.
func (r Rule) Intersect(o Rule) (Rule, bool) {
	if r.secure != o.secure || r.kind == hostNone || o.kind == hostNone {
		return Rule{}, false
	}
	both := Rule{secure: r.secure, methods: r.methods & o.methods}
	switch {
	case r.methods == 0: // all
		both.methods = o.methods
	case o.methods == 0:
		both.methods = r.methods
	case both.methods == 0:
		return Rule{}, false
	}
	switch {
	case r.port == o.port || o.port == 0:
		both.port = r.port
	case r.port == 0:
		both.port = o.port
	default:
		return Rule{}, false
	}
	switch {
	case coversHost(r, o):
		both.kind, both.host = o.kind, o.host
	case coversHost(o, r):
		both.kind, both.host = r.kind, r.host
	default:
		return Rule{}, false
	}
	switch {
	case coversPath(r, o):
		both.path = o.path
	case coversPath(o, r):
		both.path = r.path
	default:
		return Rule{}, false
	}
	return both, true
}

// Covers says whether every request that o covers is covered by r.
func (r Rule) Covers(o Rule) bool {
	both, ok := r.Intersect(o)
	return ok && both == o
}

// coversHost says whether all of o's hosts are among r's.
func coversHost(r, o Rule) bool {
	switch r.kind {
	case hostAny:
		return true
	case hostSuffix:
		return o.kind != hostAny && len(o.host) >= len(r.host) && strings.HasSuffix(o.host, r.host)
	}
	return o.kind == hostExact && o.host == r.host
}

// coversPath says whether all of o's paths are among r's. Those of a rule are plain.
func coversPath(r, o Rule) bool { return r.matchesPath(o.path, true) }

// Permits says whether a request may connect to the address that the rule names, where it names one and not a host whose
// address is known only when it is looked up. Otherwise it returns true.
func (r Rule) Permits(g *Guard, addresses []Address) (needs string, ok bool) {
	return permits(r.kind, r.host, g, addresses)
}

// Intersect is [Rule.Intersect] for rules of connections.
func (r TCPRule) Intersect(o TCPRule) (TCPRule, bool) {
	both, ok := r.asRule().Intersect(o.asRule())
	return TCPRule{kind: both.kind, host: both.host, port: both.port}, ok
}

func (r TCPRule) asRule() Rule { return Rule{kind: r.kind, host: r.host, port: r.port} }

// Permits is [Rule.Permits] for rules of connections.
func (r TCPRule) Permits(g *Guard, addresses []Address) (needs string, ok bool) {
	return permits(r.kind, r.host, g, addresses)
}

func permits(kind hostKind, host string, g *Guard, addresses []Address) (needs string, ok bool) {
	if kind != hostExact {
		return "", true
	}
	_, literal, err := normaliseHost(bracketed(host))
	if err != nil || !literal.IsValid() {
		return "", true
	}
	if d := denialOf(g.Check(newAllowance(addresses), literal)); d != nil {
		return d.Grant, false
	}
	return "", true
}

func denialOf(err error) *Denial {
	var d *Denial
	if errors.As(err, &d) {
		return d
	}
	return nil
}

// bracketed is a normalised host as a URL has it.
func bracketed(host string) string {
	if isIPv6Text(host) {
		return "[" + host + "]"
	}
	return host
}
