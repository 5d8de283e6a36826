package secret

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"sluice/hostfuncs/egress"
)

// A reference is what all of them begin with, and 32 hexadecimal digits drawn for one call.
const (
	referencePrefix = "sluice-secret-v1"
	// ReferenceLength is how many bytes a reference has. None of them is changed by percent-encoding, by JSON or in a
	// header.
	ReferenceLength = len(referencePrefix) + 2*referenceRandom
	referenceRandom = 16
)

// maxReferences bounds how many secrets one call refers to.
const maxReferences = 64

// These are why there is no reference.
var (
	ErrName    = errors.New("the text is no secret's name")
	ErrTooMany = errors.New("the call refers to too many secrets")
)

// Call is what one call does with secrets. The zero Call allows nothing.
type Call struct {
	// Access is the connector's.
	Access *Access

	names  map[string]string // by reference
	origin string            // of the request that Put was last called for, where anything may have to be masked
	values []string          // that this call has used, for masking
	clear  []string          // that the guest has read

	unavailable []*Unavailable
}

// Unavailable is why a secret that a call may use has no value.
type Unavailable struct {
	// Name is the secret's.
	Name string
	// Err names the source, as the definition has it. It is for the operator, and holds no part of a value.
	Err error
}

// Error implements error.
func (u *Unavailable) Error() string { return fmt.Sprintf("the secret %q: %v", u.Name, u.Err) }

// Note keeps why a secret was not available, once for each secret, where that is what failed.
func (c *Call) Note(failure *egress.Error) {
	if failure == nil {
		return
	}
	u, ok := failure.Reason.(*Unavailable)
	if ok && !slices.ContainsFunc(c.unavailable, func(other *Unavailable) bool { return other.Name == u.Name }) {
		c.unavailable = append(c.unavailable, u)
	}
}

// Unavailable are the secrets that had no value when the call needed one, for the operator's log.
func (c *Call) Unavailable() []*Unavailable { return c.unavailable }

// Reference returns the text that stands for a secret in this call, the same each time. It says nothing of whether the
// secret may be used, or is there: the request that holds it is refused then.
func (c *Call) Reference(name string) (string, error) {
	if !ValidName(name) {
		return "", ErrName
	}
	for reference, known := range c.names {
		if known == name {
			return reference, nil
		}
	}
	if len(c.names) >= maxReferences {
		return "", ErrTooMany
	}
	var drawn [referenceRandom]byte
	_, _ = rand.Read(drawn[:]) // never fails
	reference := referencePrefix + hex.EncodeToString(drawn[:])
	if c.names == nil {
		c.names = make(map[string]string)
	}
	c.names[reference] = name
	return reference, nil
}

// Refers says whether a request of the call can hold a reference, which is to be looked for.
func (c *Call) Refers() bool { return len(c.names) > 0 }

// Value returns a secret in the clear, for a guest that is granted that.
func (c *Call) Value(name string) (string, *egress.Error) {
	d, failure := c.Access.find(name)
	if failure != nil {
		return "", failure
	}
	if !c.Access.granted[name].Clear {
		return "", c.Access.deniedUse(name, "in the clear", "clear")
	}
	value, failure := c.Access.value(d)
	if failure != nil {
		c.Note(failure)
		return "", failure
	}
	if !slices.Contains(c.clear, value) {
		c.clear = append(c.clear, value)
	}
	return value, nil
}

// Used are the values that the call has used or the guest has read: they are kept out of its log.
func (c *Call) Used() []string { return slices.Concat(c.values, c.clear) }
