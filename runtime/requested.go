package runtime

import (
	"fmt"
	"strings"

	"sluice/hostfuncs/egress"
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
	// Granted is what of Item is granted where that is a part.
	Granted []string `json:"granted,omitempty"`
	// Add is what the grant lacks, as a sentence's rest: `"private" in addresses`.
	Add string `json:"add,omitempty"`
}

// checks say for each capability what of a request a connector with these entries may have.
var checks = map[string]func(r *Runtime, entries []egress.Entry, c manifest.Capability) []Requested{
	"http": (*Runtime).checkHTTP,
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
	entries := r.entries(g)
	out := []Requested{}
	for _, capability := range m.Capabilities {
		if check, ok := checks[capability.Name]; ok {
			out = append(out, check(r, entries, capability)...)
			continue
		}
		out = append(out, Requested{Capability: capability.Name, Reason: capability.Reason, State: GrantedNot})
	}
	return out
}

func (r *Runtime) checkHTTP(entries []egress.Entry, c manifest.Capability) []Requested {
	var out []Requested
	for _, host := range c.Hosts {
		item := Requested{Capability: c.Name, Reason: c.Reason, Item: host, State: GrantedNot}
		rule, err := egress.ParseRule(host)
		if err == nil { // prepare has seen every error
			item.Item = rule.String()
			r.checkRule(entries, rule, &item)
		}
		out = append(out, item)
	}
	return out
}

// checkRule fills in what of a rule is granted. What several rules grant only together counts as a part.
func (r *Runtime) checkRule(entries []egress.Entry, rule egress.Rule, item *Requested) {
	for _, e := range entries {
		if needs, ok := rule.Permits(r.guard, e.Addresses); !ok {
			item.Add = fmt.Sprintf("%q in addresses", needs)
			continue
		}
		for _, granted := range e.Rules {
			both, ok := granted.Intersect(rule)
			switch {
			case !ok:
			case both == rule:
				item.State, item.Granted, item.Add = GrantedFully, nil, ""
				return
			default:
				item.State, item.Granted = GrantedPartly, append(item.Granted, both.String())
			}
		}
	}
	if item.State == GrantedNot || item.Add == "" {
		add := fmt.Sprintf("%q in http", item.Item)
		if item.Add != "" && !coveredByAny(entries, rule) {
			add += " and " + item.Add
		} else if item.Add != "" {
			add = item.Add
		}
		item.Add = add
	}
}

func coveredByAny(entries []egress.Entry, rule egress.Rule) bool {
	for _, e := range entries {
		for _, granted := range e.Rules {
			if granted.Covers(rule) {
				return true
			}
		}
	}
	return false
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
