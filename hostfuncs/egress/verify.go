package egress

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"runtime"
)

// These bound what a peer can have this machine compute before it is known to be anybody. crypto/x509 tries, as the issuer of
// a certificate, every one that has the issuer's name, and that one's issuers again for each way that led there, up to
// a hundred signatures; nothing ends it once it has begun.
const (
	maxCertificates = 10
	maxChainBytes   = 64 << 10
	maxVerification = 32_000_000 // units, see [Cost]
)

// costParsing is for a byte of a certificate.
const costParsing = 20

// costRoot is for an authority that is trusted: those that bear the name of an issuer are tried too.
const costRoot = 200_000

// errChain is a peer that sends more certificates than are looked at.
var errChain = errors.New("the chain of certificates is too long")

// connectorVerifications and processVerifications are how many chains are verified at once: a connector leaves others some of
// the processors.
func connectorVerifications() int { return max(1, runtime.GOMAXPROCS(0)/2) }
func processVerifications() int   { return runtime.GOMAXPROCS(0) }

func verificationsOf(s *Sockets) turns { return s.verifications }

// verify does what crypto/tls does with the certificates of a host where InsecureSkipVerify is not set, within bounds. It
// does so for sessions that are resumed too.
func (s *Sockets) verify(ctx context.Context, certificates []*x509.Certificate, config *tls.Config, host string, cost *Cost) error {
	if host == "" || len(certificates) == 0 {
		return errors.New("there is nobody to be verified")
	}
	units, ok := verificationCost(certificates)
	if cost.Add(units); !ok {
		return errChain
	}
	if err := s.take(ctx, verificationsOf); err != nil {
		return err
	}
	defer s.give(verificationsOf)
	options := x509.VerifyOptions{Roots: config.RootCAs, DNSName: host, Intermediates: x509.NewCertPool()}
	if config.Time != nil {
		options.CurrentTime = config.Time()
	}
	for _, c := range certificates[1:] {
		options.Intermediates.AddCert(c)
	}
	if _, err := certificates[0].Verify(options); err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: certificates, Err: err}
	}
	return nil
}

// verificationCost is what verifying a chain can cost at most, and false where that, or the chain, is over a bound.
func verificationCost(certificates []*x509.Certificate) (units int, ok bool) {
	size := 0
	for _, c := range certificates {
		size += len(c.Raw)
	}
	w := chainWalk{certificates: certificates, units: costParsing * size}
	if len(certificates) > maxCertificates || size > maxChainBytes || !w.issuersOf(0, 1) {
		return w.units, false
	}
	return w.units, true
}

// chainWalk goes the ways that x509 would go if all signatures were right.
type chainWalk struct {
	certificates []*x509.Certificate
	units        int
}

// issuersOf adds what looking for the issuers of one certificate costs. way are the certificates that led there, a bit each.
// It returns false where that is over the bound.
func (w *chainWalk) issuersOf(child int, way uint16) bool {
	w.units += costRoot
	for i := 1; i < len(w.certificates) && w.units <= maxVerification; i++ {
		if way>>i&1 == 1 || !bytes.Equal(w.certificates[child].RawIssuer, w.certificates[i].RawSubject) {
			continue
		}
		w.units += signatureCost(w.certificates[i])
		w.issuersOf(i, way|1<<i)
	}
	return w.units <= maxVerification
}

// signatureCost is what it takes to see whether a certificate has signed something, in units.
func signatureCost(by *x509.Certificate) int {
	switch key := by.PublicKey.(type) {
	case *rsa.PublicKey:
		kilobits := (key.N.BitLen() + 1023) / 1024
		return 12_000 * kilobits * kilobits
	case *ecdsa.PublicKey:
		switch bits := key.Curve.Params().BitSize; {
		case bits > 384:
			return 3_600_000
		case bits != 256: // the one with an implementation of its own
			return 600_000
		}
	}
	return 60_000
}
