package secret

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"

	"sluice/hostfuncs/egress"
)

// MaxSigned bounds what is signed at once, in bytes.
const MaxSigned = 16 << 20

// algorithms are the hash functions of HMAC, by their names in the native ABI. SHA-1 is there for OAuth 1.0a and webhooks of
// its time: what broke it as a digest does not break it here.
//
// https://www.rfc-editor.org/rfc/rfc6151 says the same of MD5, which is not offered.
var algorithms = map[string]func() hash.Hash{"sha1": sha1.New, "sha256": sha256.New, "sha512": sha512.New}

// ValidAlgorithm reports whether there is an algorithm of that name.
func ValidAlgorithm(name string) bool { return algorithms[name] != nil }

// Signer signs with one secret, which nobody gets out of it.
type Signer struct {
	key       string
	algorithm func() hash.Hash
}

// Signer returns what signs with a secret, for a guest that is granted that. The algorithm must be a valid one. The secret
// counts as used in the call from then on.
func (c *Call) Signer(name, algorithm string) (*Signer, *egress.Error) {
	d, failure := c.Access.find(name)
	if failure != nil {
		return nil, failure
	}
	if !c.Access.granted[name].Sign {
		return nil, c.Access.deniedUse(name, "for signing", "sign")
	}
	value, failure := c.Access.value(d)
	if failure != nil {
		c.Note(failure)
		return nil, failure
	}
	c.Use(value)
	return &Signer{value, algorithms[algorithm]}, nil
}

// signing is what it takes to begin with a signature, in nanoseconds.
const signing = 2000

// HashedPerByte is what a hash function takes for a byte on a slow machine, in nanoseconds.
const HashedPerByte = 4

// signedPiece is how much is signed between two calls of look, in bytes: a quarter of a millisecond's worth.
const signedPiece = 64 << 10

// HMAC returns the HMAC of data. It computes: look is called with about how many nanoseconds each step will take, and if it
// panics nothing is signed.
//
// See https://www.rfc-editor.org/rfc/rfc2104
func (s *Signer) HMAC(data []byte, look func(n int)) []byte {
	look(signing + HashedPerByte*len(s.key))
	mac := hmac.New(s.algorithm, []byte(s.key))
	Digest(mac, data, look)
	return mac.Sum(nil)
}

// Digest has a hash function take data. It computes, as [Signer.HMAC] does.
func Digest(h hash.Hash, data []byte, look func(n int)) {
	for len(data) > 0 {
		piece := data[:min(len(data), signedPiece)]
		look(HashedPerByte * len(piece))
		_, _ = h.Write(piece) // never fails
		data = data[len(piece):]
	}
}

// Signable refuses data that hold a reference of the call: it would be replaced in the request, and the signature be one of
// something else. look is as for [Signer.HMAC].
func (c *Call) Signable(data []byte, look func(n int)) *egress.Error {
	if !c.Refers() {
		return nil
	}
	f := finder{call: c}
	all, failure := f.find(data, 1, look)
	if failure != nil || len(all) == 0 {
		return failure
	}
	return denied("what is to be signed holds what stands for the secret %q: the value comes into its place when the request leaves, behind the signature, which would not hold. Sign what holds no secret", all[0].name)
}
