package runtime

import (
	"fmt"
	"slices"
	"strings"

	"sluice/hostfuncs/egress"
	"sluice/hostfuncs/secret"
	"sluice/internal/quantity"
	"sluice/runtime/manifest"
)

// Granted says how much of what a connector asks for it may have.
type Granted string

// The answers.
const (
	GrantedFully  Granted = "granted"
	GrantedPartly Granted = "partly"
	GrantedNot    Granted = "missing"
)

// Requested is one thing that a connector asks for, beside what it is granted.
type Requested struct {
	// Capability and Reason are the manifest's.
	Capability string `json:"capability"`
	Reason     string `json:"reason"`
	// Item is what of the capability it asks for: a rule.
	Item string `json:"item,omitempty"`
	// State says whether it may have it.
	State Granted `json:"state"`
	// Granted is what of Item is granted where that is a part; of a secret, what beyond being put into requests.
	Granted []string `json:"granted,omitempty"`
	// Add is what the grant lacks, as a sentence's rest: `"private" in addresses`.
	Add string `json:"add,omitempty"`
	// Problem says why the connector may not have it although it is granted, as a sentence's rest after "it".
	Problem string `json:"problem,omitempty"`
}

// undefined is the Problem of a secret that nobody defines.
const undefined = "is granted, and not defined under secrets in the configuration file"

// comparisons say for each capability what of a request a connector with this grant may have.
var comparisons = map[string]func(r *Runtime, g Grant, c manifest.Capability) []Requested{
	manifest.CapabilityHTTP:   (*Runtime).compareHTTP,
	manifest.CapabilityTCP:    (*Runtime).compareTCP,
	manifest.CapabilitySecret: (*Runtime).compareSecrets,
	manifest.CapabilityCache:  (*Runtime).compareCache,
}

// requestedBy is what a connector asks for.
func (r *Runtime) requestedBy(c *connector) []Requested {
	return r.requestedOf(c.version.Manifest, c.grant)
}

// RequestedUnder is what a manifest asks for, beside what g grants.
func RequestedUnder(m *manifest.Manifest, g Grant) []Requested {
	r := &Runtime{guard: egress.NewGuard()}
	return r.requestedOf(m, g)
}

func (r *Runtime) requestedOf(m *manifest.Manifest, g Grant) []Requested {
	out := []Requested{}
	for _, capability := range m.Capabilities {
		if compare, ok := comparisons[capability.Name]; ok {
			out = append(out, compare(r, g, capability)...)
			continue
		}
		out = append(out, Requested{Capability: capability.Name, Reason: capability.Reason, State: GrantedNot})
	}
	return out
}

func (r *Runtime) compareHTTP(g Grant, c manifest.Capability) []Requested {
	var granted []grantedRules[egress.Rule]
	for _, e := range r.entries(g) {
		granted = append(granted, grantedRules[egress.Rule]{e.Rules, e.Addresses})
	}
	return compareRules(r, "http", c, egress.ParseRule, granted)
}

func (r *Runtime) compareTCP(g Grant, c manifest.Capability) []Requested {
	var granted []grantedRules[egress.TCPRule]
	e := grantedRules[egress.TCPRule]{}
	for _, s := range g.TCP { // whoever made it a connector's has seen every error
		if rule, err := egress.ParseTCPRule(s); err == nil {
			e.rules = append(e.rules, rule)
		}
	}
	if http, err := g.entry(); err == nil {
		e.addresses = http.Addresses
	}
	if len(e.rules) > 0 {
		granted = append(granted, e)
	}
	if r.config.Dev { // which opens what is asked for
		dev, err := devGrant.entry()
		for _, host := range c.Hosts {
			if rule, ruleErr := egress.ParseTCPRule(host); err == nil && ruleErr == nil {
				granted = append(granted, grantedRules[egress.TCPRule]{[]egress.TCPRule{rule}, dev.Addresses})
			}
		}
	}
	return compareRules(r, "tcp", c, egress.ParseTCPRule, granted)
}

func (r *Runtime) compareSecrets(g Grant, c manifest.Capability) []Requested {
	var out []Requested
	for _, name := range c.Secrets {
		item := Requested{Capability: c.Name, Reason: c.Reason, Item: name, State: GrantedNot, Add: fmt.Sprintf("%q in secrets", name)}
		for _, granted := range g.Secrets {
			if granted.Name == name {
				item.State, item.Add, item.Granted = GrantedFully, "", beyondRequests(granted)
			}
		}
		if item.State == GrantedFully && r.secrets != nil && !r.secrets.Defined(name) {
			item.State, item.Granted, item.Problem = GrantedNot, nil, undefined
		}
		out = append(out, item)
	}
	return out
}

// beyondRequests is what a connector may do with a secret besides having it put into requests.
func beyondRequests(g secret.Grant) []string {
	var uses []string
	if g.Clear {
		uses = append(uses, "reading it in the clear")
	}
	if g.Sign {
		uses = append(uses, "signing with it")
	}
	return uses
}

func (r *Runtime) compareCache(g Grant, c manifest.Capability) []Requested {
	item := Requested{Capability: c.Name, Reason: c.Reason, State: GrantedNot, Add: "a size in cache"}
	if g.Cache > 0 {
		item.State, item.Add, item.Granted = GrantedFully, "", []string{quantity.FormatSize(int64(g.Cache))}
	}
	return []Requested{item}
}

// rule is a rule of requests or of connections.
type rule[R any] interface {
	comparable
	fmt.Stringer
	Intersect(R) (R, bool)
	Permits(*egress.Guard, []egress.Address) (needs string, ok bool)
}

// grantedRules are rules with the addresses that their hosts may stand for.
type grantedRules[R rule[R]] struct {
	rules     []R
	addresses []egress.Address
}

// compareRules holds the hosts of a capability against rules, which the member of a grant has.
func compareRules[R rule[R]](r *Runtime, member string, c manifest.Capability, parse func(string) (R, error), granted []grantedRules[R]) []Requested {
	var out []Requested
	for _, host := range c.Hosts {
		item := Requested{Capability: c.Name, Reason: c.Reason, Item: host, State: GrantedNot}
		asked, err := parse(host)
		if err == nil { // prepare has seen every error
			item.Item = asked.String()
			compareRule(r.guard, member, granted, asked, &item)
		}
		out = append(out, item)
	}
	return out
}

// compareRule fills in what of a rule is granted. What several rules grant only together counts as a part.
func compareRule[R rule[R]](guard *egress.Guard, member string, granted []grantedRules[R], asked R, item *Requested) {
	needs, covered := "", false // an address that is lacking, and whether all else is there
	for _, e := range granted {
		lacks, open := asked.Permits(guard, e.addresses)
		if !open {
			needs = lacks
		}
		for _, g := range e.rules {
			both, ok := g.Intersect(asked)
			switch {
			case !ok:
			case both == asked && open:
				item.State, item.Granted, item.Add = GrantedFully, nil, ""
				return
			case both == asked:
				covered = true
			case open:
				item.State, item.Granted = GrantedPartly, append(item.Granted, both.String())
			}
		}
	}
	if needs == "" && len(granted) == 0 { // the grant has no rules at all, but may have addresses later
		needs, _ = asked.Permits(guard, nil)
	}
	lacks := []string{}
	if !covered {
		lacks = append(lacks, fmt.Sprintf("%q in %s", item.Item, member))
	}
	if needs != "" {
		lacks = append(lacks, fmt.Sprintf("%q in addresses", needs))
	}
	item.Add = strings.Join(lacks, " and ")
}

// Unneeded says in a line each what of a grant covers nothing that is asked for. It is of no effect until a version asks.
func Unneeded(g Grant, requested []Requested) []string {
	var lines []string
	asks := func(capability string, covers func(item string) bool) bool {
		return slices.ContainsFunc(requested, func(q Requested) bool { return q.Capability == capability && covers(q.Item) })
	}
	for _, text := range g.HTTP {
		rule, err := egress.ParseGrantRule(text)
		if err == nil && !asks(manifest.CapabilityHTTP, overlaps(rule, egress.ParseRule)) {
			lines = append(lines, text+" in http")
		}
	}
	for _, text := range g.TCP {
		rule, err := egress.ParseTCPRule(text)
		if err == nil && !asks(manifest.CapabilityTCP, overlaps(rule, egress.ParseTCPRule)) {
			lines = append(lines, text+" in tcp")
		}
	}
	for _, granted := range g.Secrets {
		if !asks(manifest.CapabilitySecret, func(name string) bool { return name == granted.Name }) {
			lines = append(lines, granted.Name+" in secrets")
		}
	}
	if g.Cache > 0 && !asks(manifest.CapabilityCache, func(string) bool { return true }) {
		lines = append(lines, "cache")
	}
	return lines
}

// overlaps says of a text whether it is a rule that has something in common with another.
func overlaps[R rule[R]](granted R, parse func(string) (R, error)) func(string) bool {
	return func(text string) bool {
		asked, err := parse(text)
		if err != nil {
			return false
		}
		_, both := granted.Intersect(asked)
		return both
	}
}

// Missing says in a line each what a connector asks for and is not granted.
func Missing(requested []Requested) []string {
	lines := []string{}
	for _, q := range requested {
		if q.State == GrantedFully {
			continue
		}
		line := q.Capability
		if q.Item != "" {
			line += " " + q.Item
		}
		switch {
		case q.Problem != "":
			line += " " + q.Problem
		case q.State == GrantedPartly:
			line += fmt.Sprintf(" is granted in part (%s)", strings.Join(q.Granted, ", "))
		default:
			line += " is not granted"
		}
		if q.Add != "" {
			line += "; the grant lacks " + q.Add
		}
		lines = append(lines, line+". Reason given: "+strings.Join(strings.Fields(q.Reason), " "))
	}
	return lines
}
