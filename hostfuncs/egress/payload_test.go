package egress

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// newCanary listens on every address of this host and counts who comes.
func newCanary(t *testing.T) (port string, hits *atomic.Int64) {
	t.Helper()
	listener, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	hits = new(atomic.Int64)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		hits.Add(1)
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close() })
	_, port, _ = net.SplitHostPort(listener.Addr().String())
	return port, hits
}

// spellings are ways to write an IPv4 address in the host of a URL, some of which some resolver somewhere accepts.
func spellings(addr netip.Addr) []string {
	b := addr.As4()
	n := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	plain := addr.String()
	dotted := func(format string) string {
		return fmt.Sprintf(strings.Repeat(format+".", 3)+format, b[0], b[1], b[2], b[3])
	}
	wide := strings.NewReplacer("0", "０", "1", "１", "2", "２", "3", "３", "4", "４", "5", "５", "6", "６", "7", "７", "8", "８", "9", "９")
	circled := strings.NewReplacer("0", "⓪", "1", "①", "2", "②", "3", "③", "4", "④", "5", "⑤", "6", "⑥", "7", "⑦", "8", "⑧", "9", "⑨")
	list := []string{
		plain, plain + ".", plain + "..", "." + plain, plain + "%00", plain + "%2e", plain + "%20", plain + "\\", "\\" + plain, " " + plain, plain + " ",
		plain + "\t", "\t" + plain, plain + "\n", plain + "\x00", plain + ";", plain + ",example.com", "%31" + plain[1:], "x@" + plain, "x:y@" + plain, "@" + plain,
		"example.com@" + plain, "example.com:80@" + plain, "example.com%40" + plain, "example.com\\@" + plain, "example.com%00@" + plain, "example.com#@" + plain,
		"example.com;" + plain, "example.com&@" + plain, plain + "%23.example.com", plain + "%3f.example.com", plain + "%2f.example.com", plain + "%5c.example.com",
		fmt.Sprint(n), fmt.Sprintf("0x%x", n), fmt.Sprintf("0X%X", n), fmt.Sprintf("0%o", n), fmt.Sprintf("00000%o", n), fmt.Sprint(uint64(n) + 1<<32), fmt.Sprintf("%d.", n),
		dotted("0x%x"), dotted("0X%X"), dotted("0%o"), dotted("00%o"), dotted("0x00%x"), dotted("%03d"), dotted("%d%%2e")[:len(dotted("%d%%2e"))-3], dotted("000%o"),
		fmt.Sprintf("%d.%d", b[0], n&0xffffff), fmt.Sprintf("%d.%d.%d", b[0], b[1], n&0xffff), fmt.Sprintf("0x%x.%d", b[0], n&0xffffff), fmt.Sprintf("0%o.0x%x", b[0], n&0xffffff),
		fmt.Sprintf("%d.0x%x.0%o.%d", b[0], b[1], b[2], b[3]), fmt.Sprintf("%d.%d.%d.%d", int(b[0])+256, b[1], b[2], b[3]), fmt.Sprintf("%d.%d.%d.%d.1", b[0], b[1], b[2], b[3]),
		wide.Replace(plain), circled.Replace(plain), strings.ReplaceAll(plain, ".", "。"), strings.ReplaceAll(plain, ".", "．"), strings.ReplaceAll(plain, ".", "｡"),
		wide.Replace(fmt.Sprint(n)), "０x" + fmt.Sprintf("%x", n), plain + "\u00ad", "\u200b" + plain, plain + "\u3000",
		"[" + plain + "]", "[::" + plain + "]", "[::ffff:" + plain + "]", "[::FFFF:" + plain + "]", "[0:0:0:0:0:ffff:" + plain + "]", "[::ffff:0:" + plain + "]",
		"[::ffff:" + plain + "%25lo]", "[::ffff:" + plain + "%25]", "[64:ff9b::" + plain + "]", "[64:ff9b:1::" + plain + "]", "[::%25lo]", "[::]", "[::1]", "[0:0:0:0:0:0:0:1]",
		"[::1%25lo]", "[::1%lo]", "[0000::1]", "[::0001]", "[::ffff:7f00:1]", "[fe80::1%25lo]", "[fe80::1]",
		"0", "0.0.0.0", "0.0", "0x0", "00", "127.1", "127.127.127.127", "127.0.0.2", "127.255.255.254", "localhost", "LOCALHOST", "localhost.", "lOcAlHoSt", "localhost.localdomain",
		"ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "ｌｏｃａｌｈｏｓｔ", "a.localhost", plain + ".nip.io", strings.ReplaceAll(plain, ".", "-") + ".sslip.io", "localtest.me", "loop.example", "loop.example.", "xn--loop-example", "böse.example",
		"mixed.example", "alias.example", "mapped.example", "six.example", "zero.example",
	}
	for w, wrapped := range wrappings(addr) {
		list = append(list, "["+wrapped.String()+"]", fmt.Sprintf("wrapped%d-%x.example", w, n))
	}
	return list
}

// TestClient_Payloads: no spelling of an address of this host, of a private or of a metadata address reaches a canary
// that listens on all addresses of this host. The name server answers as a hostile one would.
func TestClient_Payloads(t *testing.T) {
	port, hits := newCanary(t)
	targets := parseAddrs("127.0.0.1", "10.255.255.1", "169.254.169.254")
	if own := ownIPv4(); own.IsValid() {
		targets = append(targets, own)
	}
	byName := make(map[string][]netip.Addr)
	for _, target := range targets {
		for w, wrapped := range wrappings(target) {
			b := target.As4()
			byName[fmt.Sprintf("wrapped%d-%x.example", w, uint32(b[0])<<24|uint32(b[1])<<16|uint32(b[2])<<8|uint32(b[3]))] = []netip.Addr{wrapped}
		}
	}
	resolver := newResolver(t, func(name string) (string, []netip.Addr) {
		if addrs, ok := byName[name]; ok {
			return "", addrs
		}
		switch name {
		case "mixed.example":
			return "", parseAddrs("127.0.0.1", "::1", "10.255.255.1", "169.254.169.254")
		case "alias.example":
			return "localhost.", parseAddrs("127.0.0.1")
		case "mapped.example":
			return "", parseAddrs("::ffff:127.0.0.1")
		case "six.example":
			return "", parseAddrs("::1")
		case "zero.example":
			return "", parseAddrs("0.0.0.0", "::")
		}
		return "", parseAddrs("127.0.0.1")
	})
	var urls []string
	for _, target := range targets {
		for _, host := range spellings(target) {
			urls = append(urls, "http://"+host+":"+port+"/", "http://"+host+":"+port+"?x", "HTTP://"+host+":"+port+"#@example.com/")
		}
	}
	if len(urls) < 500 {
		t.Fatalf("%d payloads only", len(urls))
	}
	for _, entries := range [][]string{nil, {"public"}, {"public", "203.0.113.0/24"}} {
		c := newClient(t, func(config *Config) {
			config.Resolver = resolver
			config.Policy = newPolicy(t, anywhere, Entry{Rules: rules(t, anywhere...), Addresses: addresses(t, entries...)})
		})
		for _, url := range urls {
			// A name that leads to nothing may take its time; nothing here may succeed.
			r, err := c.Do(context.Background(), &Request{Method: "GET", URL: url, Timeout: 2 * time.Second})
			if err == nil {
				t.Errorf("%v: %q was answered with %d", entries, url, r.Status)
			}
		}
		if n := hits.Load(); n != 0 {
			t.Fatalf("%v: %d hits", entries, n)
		}
	}

	// Without the guard, the same payloads arrive: they are live.
	dialer := &net.Dialer{Resolver: resolver, Timeout: 50 * time.Millisecond}
	naive := &http.Client{Timeout: 100 * time.Millisecond, Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}}
	for _, url := range urls[:len(urls)/len(targets)] {
		if r, err := naive.Get(url); err == nil {
			r.Body.Close()
		}
	}
	if n := hits.Load(); n < 20 {
		t.Errorf("%d hits without the guard: the payloads test nothing", n)
	}
	// So do those that are well-formed, once loopback is granted.
	hits.Store(0)
	c := newClient(t, func(config *Config) { config.Resolver = resolver })
	for _, url := range urls[:len(urls)/len(targets)] {
		_, _ = c.Do(context.Background(), &Request{Method: "GET", URL: url, Timeout: 2 * time.Second})
	}
	if n := hits.Load(); n < 20 {
		t.Errorf("%d hits with loopback granted", n)
	}
}

// ownIPv4 is an address of this host that is not loopback, where it has one.
func ownIPv4() netip.Addr {
	listed, _ := net.InterfaceAddrs()
	for _, entry := range listed {
		if addr, ok := interfaceAddr(entry); ok && addr.Is4() && !addr.IsLoopback() {
			return addr
		}
	}
	return netip.Addr{}
}

// TestClient_Rebinding: only 127.0.0.2 is granted, and the name server mixes it with 127.0.0.1 in every way.
func TestClient_Rebinding(t *testing.T) {
	var good, canary atomic.Int64
	listen := func(network, address string, hits *atomic.Int64) (string, error) {
		listener, err := net.Listen(network, address)
		if err != nil {
			return "", err
		}
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close")
			hits.Add(1)
		})}
		go func() { _ = server.Serve(listener) }()
		t.Cleanup(func() { server.Close() })
		_, port, err := net.SplitHostPort(listener.Addr().String())
		return port, err
	}
	port, err := listen("tcp4", "127.0.0.1:0", &canary)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := listen("tcp4", "127.0.0.2:"+port, &good); err != nil {
		t.Skip("127.0.0.2 cannot be listened on:", err)
	}
	_, _ = listen("tcp6", "[::1]:"+port, &canary) // not every system has IPv6
	var lookups atomic.Int64
	resolver := newResolver(t, func(name string) (string, []netip.Addr) {
		n := lookups.Add(1)
		switch name[0] {
		case 'a': // another answer each time
			if n%2 == 0 {
				return "", parseAddrs("127.0.0.1")
			}
			return "", parseAddrs("127.0.0.2")
		case 'b': // both
			return "", parseAddrs("127.0.0.1", "127.0.0.2")
		case 'c': // both, and IPv6
			return "", parseAddrs("127.0.0.2", "127.0.0.1", "::1")
		case 'd': // through an alias
			return "inner.example.", parseAddrs("127.0.0.1")
		}
		return "", parseAddrs("::ffff:127.0.0.1", "::1")
	})
	c := newClient(t, func(config *Config) {
		config.Resolver = resolver
		config.Policy = newPolicy(t, anywhere, Entry{Rules: rules(t, anywhere...), Addresses: addresses(t, "127.0.0.2")})
	})
	for i := range 1000 {
		url := fmt.Sprintf("http://%c%d.example:%s/", 'a'+i%5, i, port)
		if _, err := c.Do(context.Background(), &Request{Method: "GET", URL: url}); err != nil && err.Code != CodeEgressDenied && err.Code != CodeDNS {
			t.Errorf("%s: %v", url, err)
		}
	}
	if canary.Load() != 0 || good.Load() == 0 {
		t.Errorf("%d hits on the canary, %d on what was granted", canary.Load(), good.Load())
	}
}
