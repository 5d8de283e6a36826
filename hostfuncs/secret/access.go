package secret

import (
	"fmt"
	"slices"

	"sluice/hostfuncs/egress"
	"sluice/runtime/manifest"
)

// Grant is what an operator allows one connector to do with a secret.
type Grant struct {
	Name string
	// Clear lets the guest read the value. It is for protocols that leave no other way.
	Clear bool
	// Sign lets the guest have things signed with the value, which it does not get by that. Whoever can sign can act with the
	// key toward anybody, so that the origins that the secret is bound to do not matter.
	Sign bool
}

// Access is what one connector may do with which secrets: what its manifest asks for and the operator grants. A nil
// Access allows nothing.
type Access struct {
	set       *Set
	connector string
	requested []string
	granted   map[string]Grant
	usable    []*defined // granted and requested
	host      []*defined // what the host itself sends for the connector
	issued    func(origin string) []string
}

// Access returns what a connector that asks for these secrets may do under these grants.
func (s *Set) Access(connector string, requested []string, granted []Grant) *Access {
	a := &Access{set: s, connector: connector, requested: requested, granted: make(map[string]Grant, len(granted))}
	for _, g := range granted {
		a.granted[g.Name] = g
		if d := s.defined[g.Name]; d != nil && slices.Contains(requested, g.Name) {
			a.usable = append(a.usable, d)
		}
	}
	return a
}

// WithCredentials returns an Access that allows the same, and has responses and messages masked for what the host itself
// sends on the connector's behalf too: the secrets of these names, and the texts that issued returns for an origin, such as
// tokens. For "" it returns all. A nil issued is none.
func (a *Access) WithCredentials(names []string, issued func(origin string) []string) *Access {
	out := *a
	out.issued = issued
	for _, name := range names {
		if d := a.set.defined[name]; d != nil && !slices.Contains(out.host, d) {
			out.host = append(slices.Clip(out.host), d)
		}
	}
	return &out
}

// hides says whether there is anything that a guest must not see in what comes back.
func (a *Access) hides() bool { return a != nil && len(a.usable)+len(a.host) > 0 }

// hidden are the secrets that a response of an origin must not hold, or, for "", any: those of the connector that it may not
// read, and the host's.
func (a *Access) hidden(origin string) []*defined {
	if a == nil {
		return nil
	}
	var out []*defined
	for _, d := range slices.Concat(a.usable, a.host) {
		if origin != "" && !slices.Contains(d.origins, origin) || a.granted[d.name].Clear && slices.Contains(a.usable, d) || slices.Contains(out, d) {
			continue
		}
		out = append(out, d)
	}
	return out
}

// find returns a secret that the connector may use. The error says which rule would allow it; it is the same whether or
// not there is such a secret, which is nothing that a guest should learn.
func (a *Access) find(name string) (*defined, *egress.Error) {
	if a == nil {
		return nil, denied("no secrets are granted here")
	}
	for _, d := range a.usable {
		if d.name == name {
			return d, nil
		}
	}
	if !slices.Contains(a.requested, name) {
		return nil, denied("the manifest of %q does not ask for the secret %q: add it to the secrets of its capability secret", a.connector, name)
	}
	return nil, denied("the secret %q is not granted to %q: define it under secrets, and grant it, beside those that are granted, by `sluice grant %s --secrets %s`, or in the configuration as grants.%s.secrets",
		name, a.connector, a.connector, name, a.connector)
}

// deniedUse is why a secret that the connector may use may not be used in a way that a member of its grant would allow.
func (a *Access) deniedUse(name, how, member string) *egress.Error {
	return denied("the secret %q is not granted %s to %q: write {name: %s, %s: true} in the secrets of its grant, by `sluice grant %s --file`, or in the configuration as grants.%s.secrets",
		name, how, a.connector, name, member, a.connector, a.connector)
}

// value looks a value up for a use that is allowed.
func (a *Access) value(d *defined) (string, *egress.Error) {
	value, err := a.set.value(d)
	if err != nil {
		return "", &egress.Error{Code: egress.CodeSecretUnavailable, Reason: &Unavailable{d.name, err},
			Message: fmt.Sprintf("the secret %q has no value that can be used; its operator finds the reason in Sluice's log", d.name)}
	}
	return value, nil
}

// ValueFor returns the value of a secret that the host itself sends to an origin, in a place. The secret must be bound to
// both.
func (s *Set) ValueFor(name, origin string, place Place) (string, *egress.Error) {
	if failure := s.Bound(name, origin); failure != nil {
		return "", failure
	}
	d := s.defined[name]
	if !slices.Contains(d.places, place) {
		return "", denied("the secret %q, by which the connector's requests are authenticated, may not stand in a %s: add it to the places of secrets.%s", name, place, name)
	}
	return (&Access{set: s}).value(d)
}

// Bound returns why what the host makes of a secret may not be sent to an origin, nil where it may.
func (s *Set) Bound(name, origin string) *egress.Error {
	if d := s.defined[name]; d == nil || !slices.Contains(d.origins, origin) {
		return denied("the secret %q, by which the connector's requests are authenticated, is not bound to %s: add it to the origins of secrets.%s", name, origin, name)
	}
	return nil
}

func denied(format string, args ...any) *egress.Error {
	return &egress.Error{Code: egress.CodeSecretDenied, Message: fmt.Sprintf(format, args...)}
}

// MaxName bounds the name of a secret, in bytes.
const MaxName = manifest.MaxNameBytes

// ValidName reports whether a text can be the name of a secret.
func ValidName(name string) bool { return manifest.ValidName(name) }
