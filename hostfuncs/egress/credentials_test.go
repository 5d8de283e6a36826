package egress

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// selfSigned returns a certificate, an authority of its own, for a name or, where the name is "", for loopback.
func selfSigned(t testing.TB, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	if name != "" {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// writePEM writes a certificate and its key to files.
func writePEM(t testing.TB, c tls.Certificate) (certificate, key string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	return writeFile(t, dir, "certificate.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})),
		writeFile(t, dir, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func writeFile(t testing.TB, dir, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestClient_Credentials: a service whose authority is in a file, and which asks for a certificate of this side.
func TestClient_Credentials(t *testing.T) {
	service, client, stranger := selfSigned(t, ""), selfSigned(t, "client"), selfSigned(t, "stranger")
	clients := x509.NewCertPool()
	clients.AddCert(client.Leaf)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(r.TLS.PeerCertificates[0].Subject.CommonName))
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{service}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	authority, _ := writePEM(t, service)
	roots, err := LoadAuthorities(authority)
	if err != nil {
		t.Fatal(err)
	}
	load := func(c tls.Certificate) []tls.Certificate {
		pair, err := LoadCertificate(writePEM(t, c))
		if err != nil {
			t.Fatal(err)
		}
		return []tls.Certificate{pair}
	}
	request := &Request{Method: "GET", URL: s.URL}
	for _, tt := range []struct {
		name string
		with func(*Config)
		code Code
	}{
		{"neither", func(*Config) {}, CodeTLS},
		{"no certificate", func(c *Config) { c.RootCAs = roots }, CodeTLS},
		{"a stranger's", func(c *Config) { c.RootCAs, c.Certificates = roots, load(stranger) }, CodeTLS},
		{"no authority", func(c *Config) { c.Certificates = load(client) }, CodeTLS},
		{"both", func(c *Config) { c.RootCAs, c.Certificates = roots, load(client) }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t, tt.with)
			if tt.code == "" {
				if r := get(t, c, s.URL); string(r.Body) != "client" {
					t.Errorf("%q", r.Body)
				}
				return
			}
			expectCode(t, c, request, tt.code)
		})
	}
}

func TestLoadCredentials_Errors(t *testing.T) {
	certificate, key := writePEM(t, selfSigned(t, "a"))
	_, otherKey := writePEM(t, selfSigned(t, "b"))
	dir := t.TempDir()
	empty, text := writeFile(t, dir, "empty", nil), writeFile(t, dir, "text", []byte("hunter2"))
	garbage := writeFile(t, dir, "garbage", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("hunter2")}))
	large := writeFile(t, dir, "large", make([]byte, maxPEM+1))
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ path, want string }{
		{filepath.Join(dir, "none"), "there is no file"}, {dir, "is no file"}, {empty, "holds no certificate"}, {text, "holds no certificate"},
		{garbage, "cannot be read"}, {key, "is no certificate"}, {large, "is over"}, {pipe, "is no file"}, {"/dev/zero", "is no file"},
		{certificate + "/below", "cannot be read"},
	} {
		if _, err := LoadAuthorities(tt.path); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.path) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", tt.path, err)
		}
	}
	for _, tt := range []struct{ certificate, key, want string }{
		{filepath.Join(dir, "none"), key, "there is no file"}, {certificate, filepath.Join(dir, "none"), "there is no file"},
		{text, key, "holds no certificate"}, {certificate, text, "holds no key"}, {certificate, otherKey, "are no certificate and its key"},
		{pipe, key, "is no file"}, {certificate, pipe, "is no file"}, {certificate, large, "is over"},
		{garbage, key, "are no certificate and its key"}, {key, certificate, "are no certificate and its key"},
	} {
		if _, err := LoadCertificate(tt.certificate, tt.key); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s, %s: %v", tt.certificate, tt.key, err)
		}
	}
}
