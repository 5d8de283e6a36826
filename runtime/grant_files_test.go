package runtime

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sluice/runtime/sandbox/wasmtest"
)

// outgoing is a module that asks for both ways out.
func outgoing(version string) []byte {
	m := wasmtest.Native(`{"name":"out","version":"`+version+`","commands":[{"name":"Say"}],"capabilities":[`+
		`{"name":"http","reason":"tests","hosts":["https://*"]},{"name":"tcp","reason":"tests","hosts":["*:*"]}]}`,
		wasmtest.Answer(wasmtest.NativeFree, 4))
	m.Data = append(m.Data, wasmtest.Data{At: wasmtest.NativeFree, Text: `"hi"`})
	return m.Bytes()
}

// credentialFiles are files of a certificate and of its key.
func credentialFiles(t testing.TB) (certificate, key string) {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	der, err := x509.MarshalPKCS8PrivateKey(s.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	write := func(kind string, text []byte) string {
		path := filepath.Join(t.TempDir(), "file.pem")
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: text}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("CERTIFICATE", s.Certificate().Raw), write("PRIVATE KEY", der)
}

// Whoever grants by management learns nothing of the files on the machine, but whether one serves as what it is named for.
func TestSetGrant_Files(t *testing.T) {
	certificate, key := credentialFiles(t)
	dir := t.TempDir()
	write := func(name, text string, size int64) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	const content = "root:x:0:0"
	bad := map[string]string{ // what the operator's log says, by path
		filepath.Join(dir, "none"):             "there is no file",
		dir:                                    "is no file",
		pipe:                                   "is no file",
		"/dev/zero":                            "is no file",
		write("huge", "", 1<<40):               "is over",
		write("empty", "", 0):                  "holds no",
		write("passwd", content, 10):           "holds no",
		certificate + "/below":                 "cannot be read",
		filepath.Join("/proc/self/fd", "none"): "there is no file",
	}

	h := start(t, open(t, t.TempDir()), nil)
	h.install(outgoing("1.0.0"))
	reach := Grant{HTTP: []string{"https://a.example"}, TCP: []string{"a.example:1"}}
	for member, grant := range map[string]func(path string) Grant{
		"ca":                 func(path string) Grant { g := reach; g.CA = path; return g },
		"tcp_ca":             func(path string) Grant { g := reach; g.TCPAuthorities = path; return g },
		"client_certificate": func(path string) Grant { g := reach; g.ClientCertificate = ClientCertificate{path, key}; return g },
		"client_certificate's key": func(path string) Grant {
			g := reach
			g.ClientCertificate = ClientCertificate{certificate, path}
			return g
		},
	} {
		t.Run(member, func(t *testing.T) {
			said := make(map[string]bool)
			for path, logged := range bad {
				before := len(h.log.String())
				g := grant(path)
				_, err := h.SetGrant(context.Background(), "out", &g)
				wantRefusal(t, err, RefusedGrant, "see in Sluice's log why")
				said[fmt.Sprint(err)] = true
				if log := h.log.String()[before:]; !strings.Contains(log, logged) || !strings.Contains(log, path) || strings.Contains(log, content) {
					t.Errorf("%s: the operator is told %s", path, log)
				}
			}
			if len(said) != 1 {
				t.Errorf("answers differ: %v", said)
			}
			good := map[string]string{"client_certificate's key": key}[member]
			if good == "" {
				good = certificate
			}
			g := grant(good)
			h.setGrant("out", &g)
		})
	}
}

// A file of a grant that has gone is no more of a caller's business when a module is pushed, or a connector is looked at.
func TestInstall_GrantFileGone(t *testing.T) {
	for _, member := range []string{"ca", "tcp_ca"} {
		t.Run(member, func(t *testing.T) {
			certificate, _ := credentialFiles(t)
			g := Grant{HTTP: []string{"https://a.example"}, TCP: []string{"a.example:1"}}
			if member == "ca" {
				g.CA = certificate
			} else {
				g.TCPAuthorities = certificate
			}
			store := open(t, t.TempDir())
			h := start(t, store, nil)
			h.install(outgoing("1.0.0"))
			h.setGrant("out", &g)
			if err := os.Remove(certificate); err != nil {
				t.Fatal(err)
			}
			_, _, err := h.Install(context.Background(), outgoing("1.1.0"), false)
			wantRefusal(t, err, RefusedGrant, `the grant of "out" names in `+member+" can't be used")
			h.stop()
			h = start(t, store, nil)
			c, errUnavailable := h.Connector("out")
			for _, text := range []string{err.Error(), c.Unavailable, fmt.Sprint(errUnavailable)} {
				if strings.Contains(text, certificate) || strings.Contains(text, "no file") {
					t.Errorf("told %s", text)
				}
			}
			if c.Unavailable == "" || !strings.Contains(h.log.String(), "there is no file "+certificate) {
				t.Errorf("unavailable because of %q, the operator is told %s", c.Unavailable, h.log)
			}
		})
	}
}

// What ends the start is for the operator, who wrote the configuration.
func TestNew_GrantFiles(t *testing.T) {
	gone := filepath.Join(t.TempDir(), "gone.pem")
	for member, g := range map[string]Grant{
		"ca": {CA: gone}, "tcp_ca": {TCPAuthorities: gone}, "client_certificate": {ClientCertificate: ClientCertificate{gone, gone}},
	} {
		c := Config{Store: open(t, t.TempDir()), Limits: DefaultLimits(), MaxSockets: 64, Grants: map[string]Grant{"a": g}}
		_, err := New(t.Context(), c)
		if want := `the grant of connector "a": ` + member + ": there is no file " + gone; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
		if file, ok := errors.AsType[*fileError](err); !ok || file.member != member {
			t.Errorf("got %v", err)
		}
	}
}
