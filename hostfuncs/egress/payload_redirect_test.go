package egress

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// TestClient_RedirectedPayloads: a service that may be reached, and that the host follows, leads to no address that may
// not, by any spelling, kind of redirect or chain of them.
func TestClient_RedirectedPayloads(t *testing.T) {
	port, hits := newCanary(t)
	targets := parseAddrs("127.0.0.1", "10.255.255.1", "169.254.169.254")
	if own := ownIPv4(); own.IsValid() {
		targets = append(targets, own)
	}
	var payloads []string
	for _, target := range targets {
		for _, host := range spellings(target) {
			payloads = append(payloads, "http://"+host+":"+port+"/", "//"+host+":"+port+"/x", "https://"+host+":"+port+"/")
		}
	}
	statuses := []int{301, 302, 303, 307, 308}
	// /<payload>/<hops> leads to the payload by so many redirects.
	service := newRawServer(t, func(conn net.Conn, r *bufio.Reader) {
		for head := readHead(r); head != ""; head = readHead(r) {
			var payload, hops int
			if _, err := fmt.Sscanf(head, "GET /%d/%d ", &payload, &hops); err != nil {
				return
			}
			location := fmt.Sprintf("/%d/%d", payload, hops-1)
			if hops == 0 {
				location = strings.NewReplacer("\n", "", "\r", "", "\x00", "").Replace(payloads[payload])
			}
			answer := fmt.Sprintf("HTTP/1.1 %d Moved\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", statuses[payload%len(statuses)], location)
			if _, err := io.WriteString(conn, answer); err != nil {
				return
			}
		}
	})
	_, servicePort, _ := net.SplitHostPort(service.addr)
	start := "http://start.example:" + servicePort
	resolver := newResolver(t, func(string) (string, []netip.Addr) { return "", parseAddrs("127.0.0.1") })
	try := func(c *Client) map[Code]int {
		codes := make(map[Code]int)
		for i := range payloads {
			r, err := c.Do(context.Background(), &Request{Method: "GET", URL: fmt.Sprintf("%s/%d/%d", start, i, i%5), Timeout: 2 * time.Second})
			if err == nil {
				codes[Code(fmt.Sprint(r.Status))]++
			} else {
				codes[err.Code]++
			}
		}
		return codes
	}
	if len(payloads) < 500 {
		t.Fatalf("%d payloads only", len(payloads))
	}
	c := newClient(t, func(config *Config) {
		config.Redirects, config.Resolver = MaxRedirects, resolver
		config.Policy = newPolicy(t, anywhere,
			Entry{Rules: rules(t, start), Addresses: addresses(t, "loopback")}, Entry{Rules: rules(t, anywhere...)})
	})
	codes := try(c)
	if hits.Load() != 0 || codes[CodeEgressDenied] < 100 || codes["200"] > 0 {
		t.Errorf("%d hits: %v", hits.Load(), codes)
	}
	control := newClient(t, func(config *Config) { config.Redirects, config.Resolver = MaxRedirects, resolver })
	if codes := try(control); hits.Load() < 20 {
		t.Errorf("%d hits with loopback granted, the payloads test nothing: %v", hits.Load(), codes)
	}
}
