package egress

import (
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// TCPRule names where a connection may go: host:port.
//
//   - The host is a name or an address literal (IPv6 in brackets), taken exactly; "*.example.com", every name below
//     example.com but not example.com; or "*", any host.
//   - The port is one number, or "*", any port.
//
// The zero TCPRule matches nothing.
type TCPRule struct {
	kind hostKind
	host string // for hostSuffix with its leading dot: ".example.com"
	port uint16 // 0: any
}

var (
	errTCPPort   = errors.New(`it ends with a colon and the port, a number from 1 to 65535: "db.example.com:5432"`)
	errTCPScheme = errors.New(`write host and port alone, without a scheme: "db.example.com:5432"`)
)

// ParseTCPRule reads a rule. The error says what to write instead.
func ParseTCPRule(s string) (TCPRule, error) {
	r, err := parseTCPRule(s)
	if err != nil {
		return TCPRule{}, ruleError("tcp rule", s, err)
	}
	return r, nil
}

func parseTCPRule(s string) (TCPRule, error) {
	var r TCPRule
	host, anyPort := strings.CutSuffix(s, ":*")
	var err error
	if !anyPort {
		host, r.port, err = cutTCPPort(s)
	} else if strings.Contains(host, "/") {
		err = errTCPScheme
	}
	if err != nil {
		return TCPRule{}, err
	}
	if r.kind, r.host, err = parseRuleHost(host); err != nil {
		return TCPRule{}, err
	}
	return r, nil
}

// String returns the rule in its one spelling: parsing it gives the same rule.
func (r TCPRule) String() string {
	var host string
	switch r.kind {
	case hostNone:
		return ""
	case hostAny:
		host = "*"
	case hostSuffix:
		host = "*" + r.host
	default:
		host = r.host
	}
	if r.port == 0 {
		return net.JoinHostPort(host, "*")
	}
	return net.JoinHostPort(host, strconv.Itoa(int(r.port)))
}

func (r *TCPRule) matches(a *TCPAddress) bool {
	if r.port != 0 && r.port != a.port {
		return false
	}
	switch r.kind {
	case hostExact:
		return r.host == a.host
	case hostSuffix:
		return len(a.host) > len(r.host) && strings.HasSuffix(a.host, r.host)
	case hostAny:
		return true
	}
	return false
}

// TCPAddress is where a connection goes: one host and one port, read strictly.
type TCPAddress struct {
	host    string // lower-case ASCII, no trailing dot, no brackets
	port    uint16
	literal netip.Addr // valid where the host is an address
}

// ParseTCPAddress reads host:port, with an IPv6 address in brackets. It refuses what two readers could understand
// differently, as [ParseURL] does. No error repeats any part of it.
func ParseTCPAddress(s string) (TCPAddress, error) {
	host, port, err := cutTCPPort(s)
	if err != nil {
		return TCPAddress{}, err
	}
	a := TCPAddress{port: port}
	if a.host, a.literal, err = normaliseHost(host); err != nil {
		return TCPAddress{}, err
	}
	return a, nil
}

// Host is the host in lower-case ASCII, without trailing dot and without brackets.
func (a *TCPAddress) Host() string { return a.host }

// Port is the port.
func (a *TCPAddress) Port() uint16 { return a.port }

// String is host:port in its one spelling.
func (a *TCPAddress) String() string { return net.JoinHostPort(a.host, strconv.Itoa(int(a.port))) }

// cutTCPPort splits host:port.
func cutTCPPort(s string) (string, uint16, error) {
	if len(s) > maxURL {
		return "", 0, errHostLabel
	}
	if strings.Contains(s, "/") {
		return "", 0, errTCPScheme
	}
	host, port, err := cutPort(s)
	if err != nil || port == 0 {
		return "", 0, errTCPPort
	}
	return host, port, nil
}

// TCPEntry is one entry of a grant: the addresses that the hosts under its rules may stand for, and whom they are
// believed to be.
type TCPEntry struct {
	Rules []TCPRule
	// Addresses are open to what matches the rules. None means public.
	Addresses []Address
	// RootCAs are the certificate authorities that are trusted for TLS with what matches the rules. Nil means the
	// system's.
	RootCAs *x509.CertPool
}

// TCPPolicy is where one connector may open connections: what the operator granted and the connector requested. It is
// immutable; its methods may be called at once.
type TCPPolicy struct {
	granted   []TCPEntry
	requested []TCPRule
}

// NewTCPPolicy returns the policy of a grant for a connector that requested these rules: an address must match one of
// each. Nothing granted or nothing requested allows nothing. The slices are not changed afterwards.
func NewTCPPolicy(granted []TCPEntry, requested []TCPRule) *TCPPolicy {
	return &TCPPolicy{granted: granted, requested: requested}
}

// Match returns the addresses that the host may stand for, the union over the entries whose rules match, and the
// authorities of the first of these that names some.
//
// # Errors
//
// A [*Denial] that names the missing rule.
func (p *TCPPolicy) Match(a *TCPAddress) (*Allowance, *x509.CertPool, error) {
	matches := func(rules []TCPRule) bool {
		for i := range rules {
			if rules[i].matches(a) {
				return true
			}
		}
		return false
	}
	var open []Address
	var roots *x509.CertPool
	granted := false
	for _, e := range p.granted {
		if !matches(e.Rules) {
			continue
		}
		granted = true
		if roots == nil {
			roots = e.RootCAs
		}
		if len(e.Addresses) == 0 {
			open = append(open, Address{class: ClassPublic})
		}
		open = append(open, e.Addresses...)
	}
	if !granted || !matches(p.requested) {
		return nil, nil, a.denial(&Denial{NotRequested: granted, Grant: a.String()})
	}
	return newAllowance(open), roots, nil
}

// denial completes a denial with where the guest wanted to go.
func (a *TCPAddress) denial(d *Denial) *Denial {
	// A connection attempt, and so its error, must not be changed.
	own := *d
	own.Scheme, own.Host, own.Port = schemeTCP, a.host, a.port
	return &own
}

// schemeTCP is the scheme of a denial of a connection that is not HTTP's.
const schemeTCP = "tcp"
