package runtime

import (
	"fmt"
	"time"

	"sluice/hostfuncs/auth"
	"sluice/hostfuncs/egress"
	"sluice/hostfuncs/secret"
	"sluice/runtime/manifest"
)

// Grant is what an operator allows one connector.
type Grant struct {
	// HTTP holds the rules of where it may send requests; none means nowhere. A rule can have the methods that it allows
	// before it: "GET,HEAD https://api.example.com". See package egress for their form.
	HTTP []string
	// Addresses holds the addresses that the rules' hosts may stand for; none means public ones.
	Addresses []string
	// Redirects is how many redirects the host follows for one request, up to egress.MaxRedirects.
	Redirects int
	// Retry is what the host tries again.
	Retry egress.Retry
	// Proxy is the egress proxy that requests go through, "http://host:port"; "" for none.
	Proxy string
	// CA is the file of the authorities that are trusted instead of the machine's; "" for those.
	CA string
	// ClientCertificate is shown to services that ask for one.
	ClientCertificate ClientCertificate
	// Auth says how the host authenticates requests; the first whose rule covers one counts.
	Auth []auth.Entry
	// TCP holds the rules of where it may open connections, each host:port; none means nowhere.
	TCP []string
	// TCPAuthorities is a file with the certificate authorities, in PEM, that are trusted for TLS on these connections in
	// place of the system's; "" means the system's.
	TCPAuthorities string
	// Cache is how many bytes it may keep from call to call; 0 means none.
	Cache int
	// Secrets are the secrets that it may use.
	Secrets []secret.Grant
	// Memory is how large the guest's memory may grow, in bytes; 0 means the limit for all.
	Memory uint64
	// Response is how large a response may be, in bytes; 0 means the limit for all.
	Response int
	// Stream is how large a response may be that the guest reads as it comes, in bytes; 0 means the limit for all.
	Stream int64
	// Output is how much a guest may write as its answer, in bytes; 0 means the limit for all.
	Output int
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

// checkGrants returns an error where one of the configuration's grants can't be used.
func checkGrants(grants map[string]Grant) error {
	for name, g := range grants {
		err := g.check()
		if err == nil {
			_, err = g.tcpEntry()
		}
		if err == nil {
			_, err = g.wayOut()
		}
		if err != nil {
			return fmt.Errorf("the grant of connector %q: %w", name, err)
		}
	}
	return nil
}

func (g Grant) entry() (egress.Entry, error) {
	var e egress.Entry
	for _, s := range g.HTTP {
		rule, err := egress.ParseGrantRule(s)
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

// entries is a grant in the form that a policy takes, with what development mode adds.
func (r *Runtime) entries(granted Grant) []egress.Entry {
	var out []egress.Entry
	add := func(g Grant) {
		e, err := g.entry()
		if err == nil && len(e.Rules) > 0 { // whoever made it a connector's has seen every error
			out = append(out, e)
		}
	}
	add(granted)
	if r.config.Dev {
		add(devGrant)
	}
	return out
}

// limitsOf are the limits of the calls of a connector with this grant.
func (r *Runtime) limitsOf(g Grant) Limits {
	l := r.config.Limits
	if g.Memory != 0 {
		l.Memory = g.Memory
	}
	if g.Response != 0 {
		l.Response = g.Response
	}
	if g.Stream != 0 {
		l.Stream = g.Stream
	}
	if g.Output != 0 {
		l.Output = g.Output
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
