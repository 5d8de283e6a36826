//go:build postgres

package runtime

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/internal/guests"
	"sluice/runtime/envelope"
)

// database is a PostgreSQL server with a temporary data directory, which only speaks TLS, on localhost.
type database struct {
	address, authorities string
}

const databasePassword = "correct horse"

// newDatabase starts the server. As root, which PostgreSQL refuses to be, it runs as Debian's user postgres.
func newDatabase(t *testing.T) database {
	t.Helper()
	dir, err := os.MkdirTemp("", "sluice-postgres-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	var as *syscall.Credential
	if os.Getuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			t.Fatalf("PostgreSQL does not run as root, and there is no user postgres: %v", err)
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		own(t, as, dir)
	}
	run := func(name string, args ...string) *exec.Cmd {
		t.Helper()
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatalf("PostgreSQL's server is not installed: %v (apt-get install postgresql)", err)
		}
		cmd := exec.Command(path, args...)
		cmd.Dir = dir
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
		return cmd
	}
	file := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		own(t, as, path)
		return path
	}
	data := filepath.Join(dir, "data")
	if out, err := run("initdb", "-D", data, "-U", "sluice", "-A", "scram-sha-256", "--pwfile", file("password", databasePassword), "-N").CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	authority, certificate, key := certificates(t)
	_ = os.WriteFile(filepath.Join(data, "pg_hba.conf"), []byte("hostssl all all 127.0.0.1/32 scram-sha-256\nhostssl all all ::1/128 scram-sha-256\n"), 0o600)
	port := freePort(t)
	server := run("postgres", "-D", data, "-p", port, "-k", dir, "-c", "listen_addresses=localhost", "-c", "fsync=off", "-c", "ssl=on",
		"-c", "ssl_cert_file="+file("server.pem", certificate), "-c", "ssl_key_file="+file("server.key", key))
	var log bytes.Buffer
	server.Stdout, server.Stderr = &log, &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGINT) // a fast shutdown
		_ = server.Wait()
		if t.Failed() {
			t.Logf("PostgreSQL's log:\n%s", log.String())
		}
	})
	d := database{address: "localhost:" + port, authorities: filepath.Join(t.TempDir(), "ca.pem")}
	if err := os.WriteFile(d.authorities, []byte(authority), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "PostgreSQL", func() bool {
		ready := run("pg_isready", "-q", "-h", "localhost", "-p", port)
		return ready.Run() == nil
	})
	return d
}

func own(t *testing.T, as *syscall.Credential, path string) {
	t.Helper()
	if as == nil {
		return
	}
	if err := os.Chown(path, int(as.Uid), int(as.Gid)); err != nil {
		t.Fatal(err)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}

// certificates are an authority of its own, and what it signed for localhost, in PEM.
func certificates(t *testing.T) (authority, certificate, key string) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	text := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	template := func(serial int64, name string) *x509.Certificate {
		return &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true}
	}
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	own := template(1, "an authority of the test")
	own.IsCA, own.KeyUsage = true, x509.KeyUsageCertSign
	ownDER, err := x509.CreateCertificate(rand.Reader, own, own, signer.Public(), signer)
	check(err)
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	server := template(2, "localhost")
	server.DNSNames, server.KeyUsage = []string{"localhost"}, x509.KeyUsageDigitalSignature
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	serverDER, err := x509.CreateCertificate(rand.Reader, server, own, private.Public(), signer)
	check(err)
	keyDER, err := x509.MarshalECPrivateKey(private)
	check(err)
	return text("CERTIFICATE", ownDER), text("CERTIFICATE", serverDER), text("EC PRIVATE KEY", keyDER)
}

// TestPostgres asks a real PostgreSQL from a guest, by lib/pq over the kit's dialer, with TLS and SCRAM.
func TestPostgres(t *testing.T) {
	db := newDatabase(t)
	grant := Grant{TCP: []string{db.address}, Addresses: []string{"loopback"}, TCPAuthorities: db.authorities}
	serving := func(g Grant) *harness {
		h := start(t, open(t, t.TempDir()), func(c *Config) { c.Grants = map[string]Grant{"postgres": g} })
		h.install(guests.Module(t, "postgres"))
		return h
	}
	ask := func(h *harness, sql string, change map[string]any) *envelope.Answer {
		t.Helper()
		params := map[string]any{"address": db.address, "database": "postgres", "user": "sluice", "password": databasePassword, "sql": sql}
		for k, v := range change {
			params[k] = v
		}
		text, err := json.Marshal(params)
		if err != nil {
			t.Fatal(err)
		}
		a, err := h.execute(context.Background(), "postgres/Query", string(text))
		if err != nil {
			t.Fatalf("%s: %v\n%s", sql, err, h.log)
		}
		return a
	}
	h := serving(grant)
	ok := func(sql, want string, args ...any) {
		t.Helper()
		a := ask(h, sql, map[string]any{"args": args})
		if a.Error != nil || !strings.Contains(string(a.Body), want) {
			t.Errorf("%s: %.300s, %+v; want %s", sql, a.Body, a.Error, want)
		}
	}
	ok("SELECT version()", `PostgreSQL 1`)
	ok("SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()", `{"columns":["ssl","version"],"rows":[[true,"TLSv1.3"]]}`)
	ok("CREATE TABLE orders (id serial PRIMARY KEY, customer text NOT NULL, total numeric(10,2))", `"rows":[]`)
	ok("INSERT INTO orders (customer, total) SELECT $1 || n, n * 1.5 FROM generate_series(1, 2000) n RETURNING id", `[2000]`, "Grüße ")
	ok("SELECT customer, total FROM orders WHERE customer = $1", `"rows":[["Grüße 42","63.00"]]`, "Grüße 42")
	ok("SELECT count(*), sum(total) FROM orders", `"rows":[[2000,"3001500.00"]]`)
	ok("SELECT repeat('x', 3000000)", strings.Repeat("x", 200))

	fails := func(h *harness, code, sql string, change map[string]any) *envelope.Answer {
		t.Helper()
		a := ask(h, sql, change)
		if a.Error == nil || a.Error.Code != code || strings.Contains(a.Error.Message, databasePassword) {
			t.Errorf("%s: %s, %+v; want %s", sql, a.Body, a.Error, code)
		}
		return a
	}
	fails(h, "SQLState42P01", "SELECT * FROM nothing", nil)
	fails(h, "SQLState28P01", "SELECT 1", map[string]any{"password": "wrong"})
	fails(h, "SQLState28000", "SELECT 1", map[string]any{"clear": true}) // the server wants TLS
	began := time.Now()
	fails(h, "timeout", "SELECT pg_sleep(20)", map[string]any{"timeout_ms": 500})
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("half a second took %v", took)
	}
	a := ask(h, "SELECT 1", map[string]any{"address": "127.0.0.1" + db.address[strings.Index(db.address, ":"):]})
	if a.Error == nil || a.Error.Code != "egress_denied" || !strings.Contains(a.Error.Message, "to the tcp of the connector's grant") {
		t.Errorf("got %+v", a.Error)
	}
	if n := h.sockets.Open(); n != 0 {
		t.Errorf("%d sockets are open", n)
	}
	ok("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'", `"rows":[[1]]`)

	// Many at once, each on a connection of its own.
	done := make(chan error, 40)
	for n := range cap(done) {
		go func() {
			params := fmt.Sprintf(`{"address":%q,"database":"postgres","user":"sluice","password":%q,"sql":"SELECT %d, pg_sleep(0.1)"}`, db.address, databasePassword, n)
			a, err := h.execute(context.Background(), "postgres/Query", params)
			if err == nil && !strings.Contains(string(a.Body), fmt.Sprintf("[[%d,", n)) {
				err = fmt.Errorf("got %s, %+v", a.Body, a.Error)
			}
			done <- err
		}()
	}
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	h.stop()

	// Who is not trusted, or for another name, is not spoken with.
	h = serving(Grant{TCP: grant.TCP, Addresses: grant.Addresses})
	fails(h, "tls", "SELECT 1", nil)
	h.stop()
	h = serving(Grant{TCP: []string{"127.0.0.1:*"}, Addresses: grant.Addresses, TCPAuthorities: db.authorities})
	fails(h, "tls", "SELECT 1", map[string]any{"address": "127.0.0.1" + db.address[strings.Index(db.address, ":"):]})
}
