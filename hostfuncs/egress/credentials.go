package egress

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"sluice/internal/regular"
)

// maxPEM bounds a file of certificates, in bytes.
const maxPEM = 4 << 20

// LoadAuthorities reads the certificate authorities of a file in PEM, for [Config.RootCAs]. The error names the file and
// what is wrong with it.
func LoadAuthorities(path string) (*x509.CertPool, error) {
	text, err := readPEM(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	for n := 1; ; n++ {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			if n == 1 {
				return nil, fmt.Errorf("%s holds no certificate in PEM: it must have -----BEGIN CERTIFICATE-----", path)
			}
			return pool, nil
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("%s: its part %d is no certificate: leave only certificates in it", path, n)
		}
		authority, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: its certificate %d cannot be read", path, n)
		}
		pool.AddCert(authority)
	}
}

// LoadCertificate reads a certificate, with those between it and its authority behind it, and its key, both in PEM, for
// [Config.Certificates]. The error names the file and what is wrong with it, and repeats nothing of either.
func LoadCertificate(certificate, key string) (tls.Certificate, error) {
	certificateText, err := readPEM(certificate)
	if err != nil {
		return tls.Certificate{}, err
	}
	keyText, err := readPEM(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	if block, _ := pem.Decode(certificateText); block == nil {
		return tls.Certificate{}, fmt.Errorf("%s holds no certificate in PEM", certificate)
	}
	if block, _ := pem.Decode(keyText); block == nil {
		return tls.Certificate{}, fmt.Errorf("%s holds no key in PEM", key)
	}
	pair, err := tls.X509KeyPair(certificateText, keyText)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%s and %s are no certificate and its key, in PEM and without a password", certificate, key)
	}
	return pair, nil
}

func readPEM(path string) ([]byte, error) {
	text, err := regular.Read(path, maxPEM)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("there is no file %s", path)
	case errors.Is(err, regular.ErrNotRegular):
		return nil, fmt.Errorf("%s is no file", path)
	case errors.Is(err, regular.ErrTooLarge):
		return nil, fmt.Errorf("%s is over %d bytes: that is no file of certificates", path, maxPEM)
	case err != nil:
		return nil, fmt.Errorf("%s cannot be read by the user that Sluice runs as", path)
	}
	return text, nil
}
