package hostfuncs

import (
	"errors"

	"sluice/hostfuncs/egress"
	"sluice/hostfuncs/secret"
)

// SecretReference writes the text that stands for a secret in this call to dst, and returns how long it is.
func (c *Call) SecretReference(name []byte, dst []byte) (int, Errno) {
	if c.Describing {
		return 0, NotAvailable
	}
	if len(dst) < secret.ReferenceLength || len(name) > secret.MaxName {
		return 0, Invalid
	}
	reference, err := c.Secrets.Reference(string(name))
	switch {
	case errors.Is(err, secret.ErrTooMany):
		return 0, TooLarge
	case err != nil:
		return 0, Invalid
	}
	return copy(dst, reference), OK
}

// Signer returns what signs with a secret, or why there is none. It may wait: the secret can be in a file. data is what is
// to be signed.
func (c *Call) Signer(name, algorithm, data []byte) (*secret.Signer, *egress.Error, Errno) {
	switch {
	case c.Describing:
		return nil, nil, NotAvailable
	case !validSecretName(name) || len(algorithm) > secret.MaxName || !secret.ValidAlgorithm(string(algorithm)):
		return nil, nil, Invalid
	case len(data) > secret.MaxSigned:
		return nil, nil, TooLarge
	}
	signer, failure := c.Secrets.Signer(string(name), string(algorithm))
	return signer, c.failed(capabilitySecret, failure), OK
}

// SecretValue returns a secret in the clear, or why there is none.
func (c *Call) SecretValue(name []byte) (string, *egress.Error, Errno) {
	if c.Describing {
		return "", nil, NotAvailable
	}
	if !validSecretName(name) {
		return "", nil, Invalid
	}
	value, failure := c.Secrets.Value(string(name))
	return value, c.failed(capabilitySecret, failure), OK
}

// validSecretName is secret.ValidName for a guest's memory: of what can't be a name nothing is copied.
func validSecretName(name []byte) bool {
	return len(name) <= secret.MaxName && secret.ValidName(string(name))
}
