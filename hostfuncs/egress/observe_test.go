package egress

import (
	"bufio"
	"io"
	"net"
	"net/http/httptest"
	"reflect"
	"testing"
)

// TestDialer_Observe: a connection that the stricter policy refuses is made, and recorded once it is.
func TestDialer_Observe(t *testing.T) {
	echo := newRawServer(t, func(conn net.Conn, r *bufio.Reader) { _, _ = io.Copy(conn, r) })
	tls := httptest.NewTLSServer(nil) // whose authority nobody trusts
	defer tls.Close()
	secure := tls.Listener.Addr().String()
	closed, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	_ = closed.Close()
	for _, tc := range []struct {
		name    string
		granted []TCPEntry
		open    []Address // of the grant, where no rule covers it
		request DialRequest
		code    Code
		want    []Observation
	}{
		{"nothing granted", nil, nil, DialRequest{Address: echo.addr}, "", []Observation{{TCP: true, Origin: echo.addr, NoRule: true, NoAddress: true, Address: "loopback"}}},
		{"no rule, the address open", nil, addresses(t, "loopback"), DialRequest{Address: echo.addr}, "", []Observation{{TCP: true, Origin: echo.addr, NoRule: true, Address: "loopback"}}},
		{"a rule, the address not open", []TCPEntry{{Rules: tcpRules(t, "*:*")}}, nil, DialRequest{Address: echo.addr}, "",
			[]Observation{{TCP: true, Origin: echo.addr, NoAddress: true, Address: "loopback"}}},
		{"granted", []TCPEntry{{Rules: tcpRules(t, "*:*"), Addresses: addresses(t, "loopback")}}, nil, DialRequest{Address: echo.addr}, "", nil},
		{"TLS fails", nil, nil, DialRequest{Address: secure, TLS: true}, CodeTLS, []Observation{{TCP: true, Origin: secure, NoRule: true, NoAddress: true, Address: "loopback"}}},
		{"nobody there", nil, nil, DialRequest{Address: nobody}, CodeConnect, nil},
		{"metadata", nil, nil, DialRequest{Address: "169.254.169.254:80"}, CodeEgressDenied, nil},
		{"metadata over IPv6", nil, nil, DialRequest{Address: "[fd00:ec2::254]:80"}, CodeEgressDenied, nil},
		{"metadata in IPv6", nil, nil, DialRequest{Address: "[::ffff:169.254.169.254]:80"}, CodeEgressDenied, nil},
		{"loopback in IPv6", nil, nil, DialRequest{Address: "[::ffff:127.0.0.1]:" + portOf(echo.addr)}, CodeEgressDenied, nil},
		{"not requested", nil, nil, DialRequest{Address: "127.0.0.1:1"}, CodeEgressDenied, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var seen []Observation
			requested := tcpRules(t, echo.addr, secure, nobody, "169.254.169.254:80", "[fd00:ec2::254]:80", "[::ffff:169.254.169.254]:80", "[::ffff:127.0.0.1]:*")
			d := newDialer(t, func(c *DialerConfig, _ *TCPEntry) {
				opened := TCPEntry{Rules: requested, Addresses: addresses(t, "public", "private", "loopback")}
				c.Policy = NewTCPPolicy(append(tc.granted, opened), requested)
				c.Observe = &ObserveTCP{
					Enforced: NewTCPPolicy(tc.granted, requested), Addresses: tc.open, Record: func(o Observation) { seen = append(seen, o) },
				}
			})
			if tc.code == "" {
				dial(t, d, tc.request)
			} else {
				expectNone(t, d, tc.request, tc.code, "")
			}
			if !reflect.DeepEqual(seen, tc.want) {
				t.Errorf("recorded %+v, want %+v", seen, tc.want)
			}
		})
	}
}
