package egress

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
)

// egressProxy is a forward proxy that keeps the request lines it got.
type egressProxy struct {
	*rawServer
	mu    sync.Mutex
	lines []string
	hosts []string
	wild  string // where it connects to, whatever it is asked for; "" for what it is asked for
}

func newEgressProxy(t testing.TB) *egressProxy {
	p := &egressProxy{}
	p.rawServer = newRawServer(t, p.serve)
	return p
}

func (p *egressProxy) serve(conn net.Conn, r *bufio.Reader) {
	for {
		request, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		p.mu.Lock()
		p.lines = append(p.lines, request.Method+" "+request.RequestURI)
		p.hosts = append(p.hosts, request.Host)
		wild := p.wild
		p.mu.Unlock()
		target := request.URL.Host
		if name, port, _ := net.SplitHostPort(target); strings.HasSuffix(name, ".example") {
			target = net.JoinHostPort("127.0.0.1", port)
		}
		if wild != "" {
			target = wild
		}
		upstream, err := net.Dial("tcp", target)
		if err != nil {
			_, _ = io.WriteString(conn, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
			continue
		}
		if request.Method != http.MethodConnect {
			_ = request.Write(upstream)
			if response, err := http.ReadResponse(bufio.NewReader(upstream), request); err == nil {
				_ = response.Write(conn)
			}
			upstream.Close()
			continue
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n")
		go func() {
			_, _ = io.Copy(upstream, r)
			upstream.Close()
		}()
		_, _ = io.Copy(conn, upstream)
		return
	}
}

func (p *egressProxy) asked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.lines)
}

func mustProxy(t testing.TB, s string) Proxy {
	t.Helper()
	p, err := ParseProxy(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// loopbackNames resolves names below .example: metadata, mixed and private to what they say, all others to loopback.
func loopbackNames(name string) (string, []netip.Addr) {
	switch name {
	case "metadata.example":
		return "", parseAddrs("169.254.169.254")
	case "private.example":
		return "", parseAddrs("10.0.0.1")
	case "mixed.example":
		return "", parseAddrs("10.0.0.1", "127.0.0.1")
	case "none.example":
		return "", nil
	}
	return "", parseAddrs("127.0.0.1")
}

func TestParseProxy(t *testing.T) {
	for _, s := range []string{"http://proxy:3128", "http://10.0.0.1:8080/", "HTTP://Proxy.Example.:1", "http://[fd00::1]:3128"} {
		if p, err := ParseProxy(s); err != nil || !p.isSet() {
			t.Errorf("%s: %v", s, err)
		}
	}
	for _, s := range []string{
		"", "proxy:3128", "https://proxy:3128", "socks5://proxy:1080", "http://proxy", "http://user:hunter2@proxy:3128", "http://proxy:3128/path",
		"http://proxy:3128?hunter2", "http://:3128", "http://0x7f.1:3128", "http://proxy:0", "http://proxy:99999", "http://proxy:3128//",
	} {
		if p, err := ParseProxy(s); err == nil || p.isSet() || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v, %v", s, p, err)
		}
	}
}

func TestClient_Proxy(t *testing.T) {
	proxy := newEgressProxy(t)
	plain := newRecorder(t, failing(0, 0))
	secure := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Host+" "+r.RequestURI+" "+r.TLS.ServerName)
	}))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	_, plainPort, _ := net.SplitHostPort(plain.Listener.Addr().String())
	_, securePort, _ := net.SplitHostPort(secure.Listener.Addr().String())
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	c := newClient(t, func(c *Config) {
		c.Proxy, c.Resolver, c.RootCAs = mustProxy(t, proxy.url), newResolver(t, loopbackNames), roots
	})
	t.Run("http", func(t *testing.T) {
		for range 2 {
			r, err := c.Do(context.Background(), &Request{Method: "POST", URL: "http://a.example:" + plainPort + "//x/%2e?q=a+b%20", Body: []byte("body"), Headers: [][2]string{{"a", "b"}}})
			if err != nil || string(r.Body) != "at last" {
				t.Fatalf("%v %v", r, err)
			}
		}
		if got := plain.requests()[1]; got.method != "POST" || got.path != "//x/%2e?q=a+b%20" || got.body != "body" || got.header.Get("A") != "b" {
			t.Errorf("%+v", got)
		}
		if want := "POST http://a.example:" + plainPort + "//x/%2e?q=a+b%20"; proxy.asked()[1] != want {
			t.Errorf("%q, want %q", proxy.asked(), want)
		}
		if n := proxy.accepted.Load(); n != 1 {
			t.Errorf("%d connections to the proxy", n)
		}
	})
	t.Run("https", func(t *testing.T) {
		for range 2 {
			r := get(t, c, "https://example.com:"+securePort+"/y?z")
			if want := "example.com:" + securePort + " /y?z example.com"; string(r.Body) != want {
				t.Errorf("%q, want %q", r.Body, want)
			}
		}
		if got, want := proxy.asked()[2:], []string{"CONNECT 127.0.0.1:" + securePort}; !slices.Equal(got, want) {
			t.Errorf("%q, want %q: the address that was judged, once", got, want)
		}
	})
	t.Run("denied", func(t *testing.T) {
		before := len(proxy.asked())
		for _, url := range []string{
			"http://metadata.example/latest", "https://metadata.example/latest", "http://169.254.169.254/", "https://169.254.169.254/",
			"http://private.example/", "https://private.example/", "http://10.0.0.1/", "https://10.0.0.1/", "http://mixed.example/",
			"http://[::ffff:10.0.0.1]/", "https://[::ffff:10.0.0.1]/",
		} {
			expectCode(t, c, &Request{Method: "GET", URL: url}, CodeEgressDenied)
		}
		expectCode(t, c, &Request{Method: "GET", URL: "http://none.example/"}, CodeDNS)
		expectCode(t, c, &Request{Method: "GET", URL: "https://none.example/"}, CodeDNS)
		if n := len(proxy.asked()); n != before {
			t.Errorf("the proxy was asked: %q", proxy.asked()[before:])
		}
	})
	t.Run("the permitted of two addresses", func(t *testing.T) {
		before := len(proxy.asked())
		_, _ = c.Do(context.Background(), &Request{Method: "GET", URL: "https://mixed.example:" + securePort})
		if got, want := proxy.asked()[before:], []string{"CONNECT 127.0.0.1:" + securePort}; !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
	})
	t.Run("another server", func(t *testing.T) {
		// A proxy that leads elsewhere gets no further than the certificate.
		other := httptest.NewUnstartedServer(http.NotFoundHandler())
		other.TLS = &tls.Config{Certificates: []tls.Certificate{selfSigned(t, "example.com")}}
		other.Config.ErrorLog = log.New(io.Discard, "", 0)
		other.StartTLS()
		t.Cleanup(other.Close)
		fresh := newClient(t, func(c *Config) {
			c.Proxy, c.Resolver, c.RootCAs = mustProxy(t, proxy.url), newResolver(t, loopbackNames), roots
		})
		proxy.mu.Lock()
		proxy.wild = other.Listener.Addr().String()
		proxy.mu.Unlock()
		expectCode(t, fresh, &Request{Method: "GET", URL: "https://example.com:" + securePort}, CodeTLS)
	})
}

// TestClient_Proxy_Fails: what the proxy does wrong is said of the proxy.
func TestClient_Proxy_Fails(t *testing.T) {
	dead, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	for _, tt := range []struct {
		name, answer, want string
	}{
		{"refuses", "HTTP/1.1 403 Forbidden canary\r\nContent-Length: 0\r\n\r\n", "status 403"},
		{"wants a password", "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "status 407"},
		{"is none", "SSH-2.0-canary\r\n\r\n", "does not answer as one"},
		{"hangs up", "", "does not answer as one"},
		{"speaks first", "HTTP/1.1 200 OK\r\n\r\ncanary", "before it was spoken to"},
		{"endless", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 100_000), "does not answer as one"},
		{"dead", "", "cannot be reached"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newRawServer(t, func(conn net.Conn, r *bufio.Reader) {
				readHead(r)
				_, _ = io.WriteString(conn, tt.answer)
			})
			url := s.url
			if tt.name == "dead" {
				url = "http://" + dead.Addr().String()
			}
			c := newClient(t, func(c *Config) { c.Proxy = mustProxy(t, url) })
			failure := expectCode(t, c, &Request{Method: "GET", URL: "https://127.0.0.1:9/"}, CodeConnect)
			if !strings.Contains(failure.Message, "egress proxy") || !strings.Contains(failure.Message, tt.want) || strings.Contains(failure.Message, "canary") {
				t.Error(failure)
			}
		})
	}
	t.Run("silent", func(t *testing.T) {
		stop := make(chan struct{})
		s := newRawServer(t, func(net.Conn, *bufio.Reader) { <-stop })
		t.Cleanup(func() { close(stop) })
		c := newClient(t, func(c *Config) { c.Proxy, c.ConnectTimeout = mustProxy(t, s.url), patience/200 })
		expectCode(t, c, &Request{Method: "GET", URL: "https://127.0.0.1:9/"}, CodeConnectTimeout)
	})
}
