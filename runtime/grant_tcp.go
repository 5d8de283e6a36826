package runtime

import (
	"fmt"
	"slices"

	"sluice/hostfuncs"
	"sluice/hostfuncs/egress"
	"sluice/runtime/manifest"
)

// tcpEntry is what the grant says of connections, in the form that a policy takes.
func (g Grant) tcpEntry() (egress.TCPEntry, error) {
	var e egress.TCPEntry
	for _, s := range g.TCP {
		rule, err := egress.ParseTCPRule(s)
		if err != nil {
			return e, err
		}
		e.Rules = append(e.Rules, rule)
	}
	http, err := g.entry()
	if err != nil {
		return e, err
	}
	e.Addresses = http.Addresses
	if g.TCPAuthorities == "" {
		return e, nil
	}
	if e.RootCAs, err = egress.LoadAuthorities(g.TCPAuthorities); err != nil {
		return e, &fileError{"tcp_ca", err}
	}
	return e, nil
}

// tcpDialer returns what opens a connector's connections: what it requested, within what it is granted.
func (r *Runtime) tcpDialer(c *connector) (hostfuncs.Dialer, error) {
	requested, err := requestedTCPRules(c.version.Manifest)
	if err != nil {
		return nil, err
	}
	if len(requested) == 0 {
		return hostfuncs.DeniedTCP(fmt.Sprintf("the manifest of %q does not ask for the capability tcp, with the hosts it needs", c.name)), nil
	}
	var entries []egress.TCPEntry
	granted, err := c.grant.tcpEntry()
	if err != nil {
		return nil, err
	}
	if len(granted.Rules) > 0 {
		entries = append(entries, granted)
	}
	if r.config.Dev {
		dev, err := devGrant.tcpEntry()
		if err != nil {
			return nil, err
		}
		dev.Rules = requested
		entries = append(entries, dev)
	}
	if len(entries) == 0 && !r.config.Observe {
		return hostfuncs.DeniedTCP(fmt.Sprintf("no connection is granted to %q: grant it rules by `sluice grant %s --tcp RULE`, or in the configuration as grants.%s.tcp; it asks for %v", c.name, c.name, c.name, requested)), nil
	}
	policy := egress.NewTCPPolicy(entries, requested)
	policy, observe, err := r.observeTCP(c, policy, entries, requested)
	if err != nil {
		return nil, err
	}
	return egress.NewDialer(egress.DialerConfig{Policy: policy, Observe: observe, Guard: r.guard, Sockets: c.sockets, Counters: c.counters}), nil
}

// observeTCP is what observe is, for connections. They trust whom the grant says.
func (r *Runtime) observeTCP(c *connector, enforced *egress.TCPPolicy, entries []egress.TCPEntry, requested []egress.TCPRule) (*egress.TCPPolicy, *egress.ObserveTCP, error) {
	if !r.config.Observe {
		return enforced, nil, nil
	}
	granted, err := c.grant.tcpEntry()
	if err != nil {
		return nil, nil, err
	}
	open, err := observeGrant.tcpEntry()
	if err != nil {
		return nil, nil, err
	}
	open.Rules, open.RootCAs = requested, granted.RootCAs
	policy := egress.NewTCPPolicy(append(slices.Clone(entries), open), requested)
	return policy, &egress.ObserveTCP{Enforced: enforced, Addresses: granted.Addresses, Record: c.observed.record}, nil
}

// requestedTCPRules are where a connector asks to open connections.
func requestedTCPRules(m *manifest.Manifest) ([]egress.TCPRule, error) {
	var out []egress.TCPRule
	for _, capability := range m.Capabilities {
		if capability.Name != manifest.CapabilityTCP {
			continue
		}
		for _, host := range capability.Hosts {
			rule, err := egress.ParseTCPRule(host)
			if err != nil {
				return nil, fmt.Errorf("the capability %q: %w", capability.Name, err)
			}
			out = append(out, rule)
		}
	}
	return out, nil
}
