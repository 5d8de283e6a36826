package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"code.dny.dev/ssrf"
)

// testGuard returns a guard on a host with these addresses and a clock that stands still until it is moved.
func testGuard(own ...string) (g *Guard, clock *time.Time, listed *int) {
	clock, listed = new(time.Time), new(int)
	*clock = time.Unix(1_700_000_000, 0)
	g = &Guard{
		now: func() time.Time { return *clock },
		interfaces: func() ([]net.Addr, error) {
			*listed++
			var list []net.Addr
			for _, s := range own {
				list = append(list, &net.IPNet{IP: net.ParseIP(s), Mask: net.CIDRMask(24, 32)})
			}
			return list, nil
		},
	}
	return g, clock, listed
}

// classCases are addresses and what they are. An expected class for a wrapped address is the outer one.
var classCases = []struct {
	class Class
	addrs []string
}{
	{ClassPublic, []string{"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
		"128.0.0.1", "168.63.129.15", "168.63.129.17", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "191.255.255.255", "192.0.1.0",
		"192.0.3.0", "192.31.195.255", "192.31.197.0", "192.52.192.255", "192.52.194.0", "192.88.98.255", "192.88.100.0", "192.167.255.255",
		"192.169.0.0", "192.175.47.255", "192.175.49.0", "198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255",
		"203.0.114.0", "223.255.255.255", "2606:4700:4700::1111", "2a00::1", "2001:200::1", "2001:4860:4860::8888", "2001:db7:ffff::1", "2001:db9::1", "2003::1", "2620:4f:7fff::1", "3ffe::1", "2000::1"}},
	{ClassPrivate, []string{"10.0.0.0", "10.0.0.1", "10.255.255.255", "172.16.0.0", "172.16.0.1", "172.31.255.255", "192.168.0.0", "192.168.0.1", "192.168.255.255",
		"fc00::", "fc00::1", "fd00::1", "fd12:3456:789a::1", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fd00:ec2::253", "fd00:ec2::255"}},
	{ClassLoopback, []string{"127.0.0.0", "127.0.0.1", "127.1.2.3", "127.255.255.255", "::1"}},
	{ClassLinkLocal, []string{"169.254.0.0", "169.254.0.1", "169.254.169.253", "169.254.169.255", "169.254.255.255", "fe80::", "fe80::1", "fe80::a9fe:a9fe", "febf:ffff::1"}},
	{ClassMetadata, []string{"169.254.169.254", "169.254.170.2", "169.254.170.23", "168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fd00:42::42"}},
	{ClassShared, []string{"100.64.0.0", "100.64.0.1", "100.100.100.199", "100.100.100.201", "100.127.255.255"}},
	{ClassReserved, []string{"192.0.0.0", "192.0.0.1", "192.0.0.8", "192.0.0.9", "192.0.0.10", "192.0.0.170", "192.0.0.171", "192.0.0.191", "192.0.0.193", "192.0.0.255",
		"192.0.2.0", "192.0.2.1", "192.0.2.255", "192.31.196.0", "192.31.196.255", "192.52.193.1", "192.88.99.0", "192.88.99.2", "192.175.48.1", "198.18.0.0", "198.18.0.1", "198.19.255.255",
		"198.51.100.1", "203.0.113.1", "203.0.113.255", "240.0.0.0", "240.0.0.1", "250.1.2.3", "255.255.255.254",
		"100::", "100::1", "100:0:0:1::1", "64:ff9a::1", "64:ff9b:2::1", "2001:1::1", "2001:1::2", "2001:1::3", "2001:2::1", "2001:3::1", "2001:4:112::1", "2001:10::1", "2001:20::1", "2001:30::1", "2001:1ff::1",
		"2001:db8::", "2001:db8::1", "2001:db8:ffff::1", "2620:4f:8000::1", "3fff::1", "3fff:fff::1", "5f00::1", "4000::1", "8000::1", "e000::1", "fe00::1", "fec0::1", "feff::1",
		"0:0:0:1::1", "::1:0:0:0:0:1", "200::1", "400::1", "1000::1", "1fff:ffff::1"}},
	{ClassMulticast, []string{"224.0.0.0", "224.0.0.1", "232.1.1.1", "239.255.255.255", "ff00::1", "ff02::1", "ff05::2", "ff0e::1"}},
	{ClassBroadcast, []string{"255.255.255.255"}},
	{ClassUnspecified, []string{"0.0.0.0", "0.0.0.1", "0.1.2.3", "0.255.255.255", "::"}},
	{ClassTranslated, []string{"::ffff:8.8.8.8", "::ffff:127.0.0.1", "::8.8.8.8", "::127.0.0.1", "::ffff:0:8.8.8.8", "64:ff9b::808:808", "64:ff9b::a9fe:a9fe",
		"64:ff9b:1::1", "64:ff9b:1:ffff::1", "2002:808:808::1", "2002:7f00:1::", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"}},
}

func TestClassify(t *testing.T) {
	n := 0
	for _, tt := range classCases {
		for _, s := range tt.addrs {
			n++
			if got := classify(netip.MustParseAddr(s)); got != tt.class {
				t.Errorf("%s: expected %s, was %s", s, tt.class, got)
			}
		}
	}
	for _, p := range append(ssrf.IPv4DeniedPrefixes, ssrf.IPv6DeniedPrefixes...) {
		if got := classify(p.Addr()); got == ClassPublic {
			t.Errorf("%s is public", p)
		}
	}
	if n < 170 {
		t.Errorf("%d addresses only", n)
	}
}

// TestGuard_Check judges every address of every class, bare and in every wrapping, under every allowance.
func TestGuard_Check(t *testing.T) {
	g, _, _ := testGuard("203.0.114.77", "10.9.9.9", "fd00:9::9")
	wide := []string{"0.0.0.0/0", "::/0"}
	allowances := []struct {
		entries []string
		opens   map[Class]bool
	}{
		{nil, map[Class]bool{ClassPublic: true}},
		{[]string{"public"}, map[Class]bool{ClassPublic: true}},
		{[]string{"private"}, map[Class]bool{ClassPrivate: true}},
		{[]string{"loopback"}, map[Class]bool{ClassLoopback: true, ClassHost: true}},
		{[]string{"public", "private"}, map[Class]bool{ClassPublic: true, ClassPrivate: true}},
		{wide, map[Class]bool{ClassPublic: true, ClassPrivate: true, ClassShared: true, ClassReserved: true, ClassTranslated: true}},
		{append([]string{"public", "private", "loopback"}, wide...),
			map[Class]bool{ClassPublic: true, ClassPrivate: true, ClassShared: true, ClassReserved: true, ClassTranslated: true, ClassLoopback: true, ClassHost: true}},
	}
	cases := append(classCases[:len(classCases):len(classCases)], struct {
		class Class
		addrs []string
	}{ClassHost, []string{"203.0.114.77", "10.9.9.9", "fd00:9::9"}})
	checked := 0
	for _, allowance := range allowances {
		a := newAllowance(addresses(t, allowance.entries...))
		for _, tt := range cases {
			if tt.class == ClassTranslated {
				continue
			}
			for _, s := range tt.addrs {
				addr := netip.MustParseAddr(s)
				expected := allowance.opens[tt.class]
				check := func(addr netip.Addr, expected bool) {
					checked++
					err := g.Check(a, addr)
					var d *Denial
					if err == nil != expected || err != nil && (!errors.As(err, &d) || d.Class == ClassNone) {
						t.Errorf("%v: %s in %s: expected %v, was %v", allowance.entries, addr, s, expected, err)
					}
				}
				check(addr, expected)
				if addr.Is6() {
					check(addr.WithZone("eth0"), expected)
					continue
				}
				for _, w := range wrappings(addr) {
					check(w, expected && allowance.opens[ClassTranslated])
				}
				// An ISATAP identifier below a public prefix: outside public, inside whatever it is.
				b := addr.As4()
				isatap := netip.MustParseAddr(fmt.Sprintf("2a00::200:5efe:%02x%02x:%02x%02x", b[0], b[1], b[2], b[3]))
				check(isatap, expected && allowance.opens[ClassPublic])
			}
		}
	}
	if checked < 5000 {
		t.Errorf("%d checks only", checked)
	}
}

// wrappings are the IPv6 addresses that may lead to an IPv4 address.
func wrappings(v4 netip.Addr) []netip.Addr {
	b := v4.As4()
	hex := fmt.Sprintf("%02x%02x:%02x%02x", b[0], b[1], b[2], b[3])
	inverted := fmt.Sprintf("%02x%02x:%02x%02x", ^b[0], ^b[1], ^b[2], ^b[3])
	list := []string{
		"::ffff:" + hex, "::ffff:0:" + hex, "64:ff9b::" + hex, "2002:" + hex + "::1", "2001:0:101:101:0:0:" + inverted, "2001:0:" + hex + ":0:0:fefe:fefe",
		"64:ff9b:1::" + hex,
	}
	if b[0] != 0 {
		list = append(list, "::"+hex)
	}
	var addrs []netip.Addr
	for _, s := range list {
		addrs = append(addrs, netip.MustParseAddr(s))
	}
	return addrs
}

func TestGuard_CheckNAT64LocalLengths(t *testing.T) {
	g, _, _ := testGuard()
	a := newAllowance(addresses(t, "public", "64:ff9b:1::/48"))
	for _, tt := range []struct {
		addr string
		ok   bool
	}{
		{"64:ff9b:1:0808:8:800::", true},    // /48, 8.8.8.8
		{"64:ff9b:1:7f00:0:100::", false},   // /48, 127.0.0.1
		{"64:ff9b:1:a9fe:a9:fe00::", false}, // /48, 169.254.169.254
		{"64:ff9b:1:0a00:0:100::", false},   // /48, 10.0.0.1
		{"64:ff9b:1:007f:0:1::", false},     // /56, 127.0.0.1
		{"64:ff9b:1:0:7f:0:100:0", false},   // /64, 127.0.0.1
		{"64:ff9b:1::7f00:1", false},        // /96
		{"64:ff9b:1::808:808", true},        // /96
		{"64:ff9b:1:0:8:808:800:0", true},   // /64, 8.8.8.8
		{"64:ff9b:1::", false},              // nothing inside
	} {
		if err := g.Check(a, netip.MustParseAddr(tt.addr)); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.addr, err)
		}
	}
}

// TestGuard_ExactOnly: metadata and link-local addresses are opened by themselves and by nothing else.
func TestGuard_ExactOnly(t *testing.T) {
	g, _, _ := testGuard("10.9.9.9")
	for _, s := range []string{"169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254", "fe80::1", "169.254.1.1", "10.9.9.9"} {
		addr := netip.MustParseAddr(s)
		wider := netip.PrefixFrom(addr, addr.BitLen()-1).Masked().String()
		for _, entries := range [][]string{{wider}, {"public", "private", "0.0.0.0/0", "::/0"}, {"168.63.129.17"}} {
			if err := g.Check(newAllowance(addresses(t, entries...)), addr); err == nil {
				t.Errorf("%s is reached through %v", s, entries)
			}
		}
		for _, entry := range []string{s, netip.PrefixFrom(addr, addr.BitLen()).String()} {
			if err := g.Check(newAllowance(addresses(t, entry)), addr); err != nil {
				t.Errorf("%s is not reached through itself: %v", s, err)
			}
		}
	}
}

func TestGuard_LoopbackNetwork(t *testing.T) {
	g, _, _ := testGuard()
	for _, tt := range []struct {
		entry, addr string
		ok          bool
	}{
		{"127.0.0.0/8", "127.0.0.1", true},
		{"127.0.1.0/24", "127.0.1.9", true},
		{"127.0.1.0/24", "127.0.0.1", false},
		{"127.0.0.1", "127.0.0.1", true},
		{"127.0.0.1", "127.0.0.2", false},
		{"126.0.0.0/7", "127.0.0.1", false},
		{"0.0.0.0/0", "127.0.0.1", false},
		{"::1", "::1", true},
		{"::/64", "::1", false},
	} {
		if err := g.Check(newAllowance(addresses(t, tt.entry)), netip.MustParseAddr(tt.addr)); (err == nil) != tt.ok {
			t.Errorf("%s through %s: %v", tt.addr, tt.entry, err)
		}
	}
}

func TestGuard_HostAddressesAreRefreshed(t *testing.T) {
	own := []string{"192.168.7.7"}
	g, clock, listed := testGuard()
	list := g.interfaces
	g.interfaces = func() ([]net.Addr, error) {
		_, _ = list()
		if own == nil {
			return nil, errors.New("netlink is closed")
		}
		return []net.Addr{&net.IPNet{IP: net.ParseIP(own[0])}, &net.IPAddr{IP: net.ParseIP("fd00::7")}, &net.UnixAddr{}}, nil
	}
	a := newAllowance(addresses(t, "private"))
	expect := func(addr string, ok bool) {
		t.Helper()
		if err := g.Check(a, netip.MustParseAddr(addr)); (err == nil) != ok {
			t.Errorf("%s: %v", addr, err)
		}
	}
	expect("192.168.7.7", false)
	expect("fd00::7", false)
	expect("192.168.7.8", true)
	own = []string{"192.168.7.8"}
	expect("192.168.7.8", true)
	if *listed != 1 {
		t.Errorf("listed %d times", *listed)
	}
	*clock = clock.Add(hostRefresh)
	expect("192.168.7.8", false)
	expect("192.168.7.7", true)

	own = nil // the last known list holds on
	*clock = clock.Add(hostRefresh)
	expect("192.168.7.8", false)
	expect("192.168.7.7", true)
	if *listed != 3 {
		t.Errorf("listed %d times", *listed)
	}
}

func TestGuard_FailsClosedWithoutInterfaces(t *testing.T) {
	g := &Guard{now: time.Now, interfaces: func() ([]net.Addr, error) { return nil, errors.New("not permitted") }}
	err := g.Check(newAllowance(nil), netip.MustParseAddr("8.8.8.8"))
	var d *Denial
	if !errors.As(err, &d) || d.Class != ClassUnknown {
		t.Errorf("%v", err)
	}
	if err := g.Check(newAllowance(addresses(t, "loopback")), netip.MustParseAddr("127.0.0.1")); err != nil {
		t.Error(err)
	}
}

func TestGuard_Control(t *testing.T) {
	g, _, _ := testGuard()
	control := g.Control(newAllowance(nil))
	for _, tt := range []struct {
		network, address string
		ok               bool
	}{
		{"tcp4", "8.8.8.8:80", true},
		{"tcp4", "8.8.8.8:22", true},
		{"tcp6", "[2606:4700::1]:443", true},
		{"tcp6", "[fe80::1%eth0]:80", false},
		{"tcp6", "[::ffff:127.0.0.1]:80", false},
		{"tcp6", "[::ffff:8.8.8.8]:80", false},
		{"tcp4", "127.0.0.1:80", false},
		{"udp4", "8.8.8.8:53", false},
		{"unix", "/run/docker.sock", false},
		{"tcp4", "example.com:80", false},
		{"tcp4", "", false},
	} {
		if err := control(context.Background(), tt.network, tt.address, nil); (err == nil) != tt.ok {
			t.Errorf("%s %s: %v", tt.network, tt.address, err)
		}
	}
	if err := g.Check(newAllowance(nil), netip.Addr{}); err == nil {
		t.Error("no address is allowed")
	}
}

func TestDenial_Error(t *testing.T) {
	for _, tt := range []struct {
		denial   Denial
		expected string
	}{
		{Denial{Host: "a.example", Grant: "https://a.example"}, `a.example is not granted: add the rule "https://a.example", with a path prefix or without, to the http of the connector's grant`},
		{Denial{Host: "a.example", NotRequested: true, Grant: "https://a.example"}, `the connector's manifest does not ask for a.example: add "https://a.example" to the hosts of its http capability`},
		{Denial{Host: "a.example", UnclearPath: true, Grant: "https://a.example"}, `no rule with a path covers the request to a.example, since servers could read its path as leaving it: write the path without dot segments and encoded separators, or have "https://a.example" granted, without a path, where the manifest asks for that`},
		{Denial{Host: "a.example", Header: "X-Original-Url", Grant: "https://a.example"}, `with the header X-Original-Url the service at a.example could take the request past the path or the methods of the rules: leave it out, or have "https://a.example" granted, without path or methods, where the manifest asks for that`},
		{Denial{Host: "a.example", Class: ClassPrivate}, `a.example stands for a private address: add "private", or the address or network, to the addresses of the connector's grant, or serve with --dev`},
		{Denial{Host: "a.example", Class: ClassMetadata}, `a.example stands for a cloud metadata address: only an entry for that one address allows it`},
		{Denial{Class: ClassLoopback}, `the address is a loopback address: add "loopback", or the address, to the addresses of the connector's grant, or serve with --dev`},
	} {
		if got := tt.denial.Error(); got != tt.expected {
			t.Errorf("expected %s, was %s", tt.expected, got)
		}
	}
	for c := ClassPublic; c <= ClassUnknown; c++ {
		if c.String() == "" || c.String() == "none" || c.describe() == "" || c.hint() == "" {
			t.Errorf("class %d has no words", c)
		}
	}
}
