package runtime

import (
	"fmt"
	"time"

	"sluice/hostfuncs/egress"
	"sluice/runtime/manifest"
)

// Grant is what an operator allows one connector.
type Grant struct {
	// HTTP holds the rules of where it may send requests; none means nowhere. See package egress for their form.
	HTTP []string
	// Addresses holds the addresses that the rules' hosts may stand for; none means public ones.
	Addresses []string
	// TCP holds the rules of where it may open connections, each host:port; none means nowhere.
	TCP []string
	// TCPAuthorities is a file with the certificate authorities, in PEM, that are trusted for TLS on these connections in
	// place of the system's; "" means the system's.
	TCPAuthorities string
	// Cache is how many bytes it may keep from call to call; 0 means none.
	Cache int
	// Memory is how large the guest's memory may grow, in bytes; 0 means the limit for all.
	Memory uint64
	// Response is how large a response may be, in bytes; 0 means the limit for all.
	Response int
	// Deadline is how long a call may take; 0 means the limit for all.
	Deadline time.Duration
}

// anywhere is every URL. Which addresses that comes to is said beside it.
var anywhere = []string{"http://*", "https://*"}

// ShippedGrants is what bundled connectors are allowed unless the operator says otherwise.
func ShippedGrants() map[string]Grant {
	return map[string]Grant{
		"http": {HTTP: anywhere, Memory: 256 << 20},
	}
}

// effectiveGrants are the shipped grants of the bundled connectors with the operator's in their place. Every rule of
// them parses.
func effectiveGrants(c Config) (map[string]Grant, error) {
	grants := make(map[string]Grant)
	for name, g := range ShippedGrants() {
		if _, ok := c.Bundled[name]; ok {
			grants[name] = g
		}
	}
	for name, g := range c.Grants {
		if _, err := g.entry(); err != nil {
			return nil, fmt.Errorf("the grant of connector %q: %w", name, err)
		}
		if _, err := g.tcpEntry(); err != nil {
			return nil, fmt.Errorf("the grant of connector %q: %w", name, err)
		}
		grants[name] = g
	}
	return grants, nil
}

func (g Grant) entry() (egress.Entry, error) {
	var e egress.Entry
	for _, s := range g.HTTP {
		rule, err := egress.ParseRule(s)
		if err != nil {
			return e, err
		}
		e.Rules = append(e.Rules, rule)
	}
	for _, s := range g.Addresses {
		a, err := egress.ParseAddress(s)
		if err != nil {
			return e, err
		}
		e.Addresses = append(e.Addresses, a)
	}
	return e, nil
}

// devGrant is what Config.Dev adds for every connector.
var devGrant = Grant{HTTP: anywhere, Addresses: []string{"private", "loopback"}}

// entries is the grant of a connector in the form that a policy takes.
func (r *Runtime) entries(name string) []egress.Entry {
	var out []egress.Entry
	add := func(g Grant) {
		e, err := g.entry()
		if err == nil && len(e.Rules) > 0 { // effectiveGrants has seen every error
			out = append(out, e)
		}
	}
	add(r.grants[name])
	if r.config.Dev {
		add(devGrant)
	}
	return out
}

// limitsOf are the limits of a connector's calls.
func (r *Runtime) limitsOf(name string) Limits {
	l, g := r.config.Limits, r.grants[name]
	if g.Memory != 0 {
		l.Memory = g.Memory
	}
	if g.Response != 0 {
		l.Response = g.Response
	}
	if g.Deadline != 0 {
		l.Deadline = g.Deadline
	}
	return l
}

// requestedRules are the hosts that a connector asks for.
func requestedRules(m *manifest.Manifest) ([]egress.Rule, error) {
	var out []egress.Rule
	for _, capability := range m.Capabilities {
		if capability.Name != manifest.CapabilityHTTP {
			continue
		}
		for _, host := range capability.Hosts {
			rule, err := egress.ParseRule(host)
			if err != nil {
				return nil, fmt.Errorf("the capability %q: %w", capability.Name, err)
			}
			out = append(out, rule)
		}
	}
	return out, nil
}
