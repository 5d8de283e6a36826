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
}

// Access is what one connector may do with which secrets: what its manifest asks for and the operator grants. A nil
// Access allows nothing.
type Access struct {
	set       *Set
	connector string
	requested []string
	granted   map[string]Grant
	usable    []*defined // granted and requested
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
	return nil, denied("the secret %q is not granted to %q: define it under secrets, and add it to grants.%s.secrets", name, a.connector, a.connector)
}

// value looks a value up for a use that is allowed.
func (a *Access) value(d *defined) (string, *egress.Error) {
	value, err := a.set.value(d)
	if err != nil {
		// Why is for the operator: it names variables and files.
		return "", &egress.Error{Code: egress.CodeSecretUnavailable,
			Message: fmt.Sprintf("the secret %q has no value that can be used; its operator finds the reason in Sluice's log", d.name)}
	}
	return value, nil
}

// ValueFor returns the value of a secret that the host itself sends to an origin, in a place. The secret must be bound to
// both.
func (s *Set) ValueFor(name, origin string, place Place) (string, *egress.Error) {
	d := s.defined[name]
	switch {
	case d == nil || !slices.Contains(d.origins, origin):
		return "", denied("the secret %q, by which the connector's requests are authenticated, is not bound to %s: add it to the origins of secrets.%s", name, origin, name)
	case !slices.Contains(d.places, place):
		return "", denied("the secret %q, by which the connector's requests are authenticated, may not stand in a %s: add it to the places of secrets.%s", name, place, name)
	}
	return (&Access{set: s}).value(d)
}

func denied(format string, args ...any) *egress.Error {
	return &egress.Error{Code: egress.CodeSecretDenied, Message: fmt.Sprintf(format, args...)}
}

// ValidName reports whether a text can be the name of a secret.
func ValidName(name string) bool { return manifest.ValidName(name) }
