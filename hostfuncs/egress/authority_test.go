package egress

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"testing"
	"time"
)

// authority signs certificates of tests.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  crypto.Signer
}

func newKey(t testing.TB, curve elliptic.Curve) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t testing.TB, template, parent *x509.Certificate, public crypto.PublicKey, by crypto.Signer) *x509.Certificate {
	t.Helper()
	if template.SerialNumber == nil {
		template.SerialNumber, _ = rand.Int(rand.Reader, big.NewInt(1<<62))
	}
	if template.NotBefore.IsZero() {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, by)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func caTemplate(name string) *x509.Certificate {
	return &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
}

// newAuthority returns one that nobody has signed but itself.
func newAuthority(t testing.TB, name string, curve elliptic.Curve) *authority {
	t.Helper()
	key := newKey(t, curve)
	template := caTemplate(name)
	return &authority{t, sign(t, template, template, key.Public(), key), key}
}

// below returns an authority that a has signed. change may change what it says.
func (a *authority) below(name string, curve elliptic.Curve, change func(*x509.Certificate)) *authority {
	a.t.Helper()
	key, template := newKey(a.t, curve), caTemplate(name)
	if change != nil {
		change(template)
	}
	return &authority{a.t, sign(a.t, template, a.cert, key.Public(), a.key), key}
}

// roots trusts the authority.
func (a *authority) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// leaf returns a certificate for loopback and service.example, sent with the others. change may change what it says.
func (a *authority) leaf(change func(*x509.Certificate), others ...*x509.Certificate) tls.Certificate {
	a.t.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "leaf"}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"service.example"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	if change != nil {
		change(template)
	}
	key := newKey(a.t, elliptic.P256())
	c := tls.Certificate{Certificate: [][]byte{sign(a.t, template, a.cert, key.Public(), a.key).Raw}, PrivateKey: key}
	for _, o := range others {
		c.Certificate = append(c.Certificate, o.Raw)
	}
	return c
}

// expired is a change that makes a certificate one of the past.
func expired(c *x509.Certificate) {
	c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
}
