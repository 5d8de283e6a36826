package egress

import (
	"net/netip"

	"code.dny.dev/ssrf"
)

// Class is what kind of place an address is, which decides what has to be granted to reach it.
type Class uint8

// The classes of addresses.
const (
	// ClassNone is no class: the zero value.
	ClassNone Class = iota
	// ClassPublic is the internet.
	ClassPublic
	// ClassPrivate is RFC 1918 and fc00::/7.
	ClassPrivate
	// ClassLoopback is 127.0.0.0/8 and ::1.
	ClassLoopback
	// ClassHost is an address of an interface of this host outside the loopback ranges.
	ClassHost
	// ClassLinkLocal is 169.254.0.0/16 and fe80::/10, where clouds keep their metadata services.
	ClassLinkLocal
	// ClassMetadata is an address at which a cloud hands out credentials or instance data.
	ClassMetadata
	// ClassShared is 100.64.0.0/10, carrier-grade NAT and overlay networks.
	ClassShared
	// ClassTranslated is IPv4 wrapped in IPv6: mapped, compatible, translated, NAT64, 6to4 or Teredo.
	ClassTranslated
	// ClassReserved is everything else in the IANA special-purpose registries, and IPv6 outside 2000::/3.
	ClassReserved
	// ClassMulticast is 224.0.0.0/4 and ff00::/8.
	ClassMulticast
	// ClassBroadcast is 255.255.255.255.
	ClassBroadcast
	// ClassUnspecified is 0.0.0.0/8 and ::, which systems take for themselves.
	ClassUnspecified
	// ClassUnknown is an address that could not be judged because the host's own addresses could not be listed.
	ClassUnknown
)

var classNames = [...]string{
	ClassNone: "none", ClassPublic: "public", ClassPrivate: "private", ClassLoopback: "loopback", ClassHost: "host",
	ClassLinkLocal: "link_local", ClassMetadata: "metadata", ClassShared: "shared", ClassTranslated: "translated",
	ClassReserved: "reserved", ClassMulticast: "multicast", ClassBroadcast: "broadcast",
	ClassUnspecified: "unspecified", ClassUnknown: "unknown",
}

// String returns the class's stable name, in lower_snake.
func (c Class) String() string {
	if int(c) < len(classNames) {
		return classNames[c]
	}
	return "none"
}

// describe names the class within a sentence.
func (c Class) describe() string {
	switch c {
	case ClassPublic:
		return "a public address"
	case ClassPrivate:
		return "a private address"
	case ClassLoopback:
		return "a loopback address"
	case ClassHost:
		return "an address of this host"
	case ClassLinkLocal:
		return "a link-local address"
	case ClassMetadata:
		return "a cloud metadata address"
	case ClassShared:
		return "a shared (carrier-grade NAT) address"
	case ClassTranslated:
		return "an IPv6 address that wraps an IPv4 address"
	case ClassMulticast:
		return "a multicast address"
	case ClassBroadcast:
		return "the broadcast address"
	case ClassUnspecified:
		return "the unspecified address"
	case ClassUnknown:
		return "an address that cannot be judged"
	}
	return "a reserved address"
}

// hint says what would allow an address of the class.
func (c Class) hint() string {
	switch c {
	case ClassPublic:
		return `add "public" to the addresses of the connector's grant`
	case ClassPrivate:
		return `add "private", or the address or network, to the addresses of the connector's grant, or serve with --dev`
	case ClassLoopback, ClassHost:
		return `add "loopback", or the address, to the addresses of the connector's grant, or serve with --dev`
	case ClassLinkLocal, ClassMetadata:
		return "only an entry for that one address allows it"
	case ClassMulticast, ClassBroadcast, ClassUnspecified:
		return "nothing allows it"
	case ClassUnknown:
		return "this host's own addresses could not be listed; check that the process may list network interfaces"
	}
	return "add the address or network to the addresses of the connector's grant"
}

// metadataAddresses hand out credentials to whoever can reach them. Those outside the link-local ranges would otherwise
// count as public, private or shared.
var metadataAddresses = [...]netip.Addr{
	netip.MustParseAddr("169.254.169.254"), // AWS, Azure, Google Cloud, OpenStack and most others
	netip.MustParseAddr("169.254.170.2"),   // AWS ECS task credentials
	netip.MustParseAddr("169.254.170.23"),  // AWS EKS pod identity
	netip.MustParseAddr("168.63.129.16"),   // Azure WireServer
	netip.MustParseAddr("100.100.100.200"), // Alibaba Cloud
	netip.MustParseAddr("192.0.0.192"),     // Oracle Cloud
	netip.MustParseAddr("fd00:ec2::254"),   // AWS
	netip.MustParseAddr("fd00:ec2::23"),    // AWS EKS pod identity
	netip.MustParseAddr("fd20:ce::254"),    // Google Cloud
	netip.MustParseAddr("fd00:42::42"),     // Scaleway
}

// rangeClass gives a prefix its class. Order matters: the first match wins.
type rangeClass struct {
	prefix netip.Prefix
	class  Class
}

var classesV4 = [...]rangeClass{
	{netip.MustParsePrefix("0.0.0.0/8"), ClassUnspecified},
	{netip.MustParsePrefix("255.255.255.255/32"), ClassBroadcast},
	{netip.MustParsePrefix("224.0.0.0/4"), ClassMulticast},
	{loopbackV4, ClassLoopback},
	{netip.MustParsePrefix("169.254.0.0/16"), ClassLinkLocal},
	{netip.MustParsePrefix("10.0.0.0/8"), ClassPrivate},
	{netip.MustParsePrefix("172.16.0.0/12"), ClassPrivate},
	{netip.MustParsePrefix("192.168.0.0/16"), ClassPrivate},
	{netip.MustParsePrefix("100.64.0.0/10"), ClassShared},
}

var classesV6 = [...]rangeClass{
	{netip.MustParsePrefix("::/128"), ClassUnspecified},
	{netip.MustParsePrefix("::1/128"), ClassLoopback},
	{prefixCompatible, ClassTranslated},
	{prefixTranslated, ClassTranslated},
	{prefixNAT64Local, ClassTranslated},
	{ssrf.IPv6NAT64Prefix, ClassTranslated},
	{prefix6to4, ClassTranslated},
	{prefixTeredo, ClassTranslated},
	{netip.MustParsePrefix("fe80::/10"), ClassLinkLocal},
	{netip.MustParsePrefix("fc00::/7"), ClassPrivate},
	{netip.MustParsePrefix("ff00::/8"), ClassMulticast},
}

var (
	loopbackV4       = netip.MustParsePrefix("127.0.0.0/8")
	prefixCompatible = netip.MustParsePrefix("::/96")           // RFC 4291, section 2.5.5.1
	prefixTranslated = netip.MustParsePrefix("::ffff:0:0:0/96") // RFC 2765, section 2.1
	prefixNAT64Local = netip.MustParsePrefix("64:ff9b:1::/48")  // RFC 8215
	prefix6to4       = netip.MustParsePrefix("2002::/16")       // RFC 3056
	prefixTeredo     = netip.MustParsePrefix("2001::/32")       // RFC 4380
	publicOnly       = ssrf.New(ssrf.WithAnyPort())             // judges what the tables above do not name
)

// classify returns the class of the address itself, whatever it wraps. The zone must have been removed. It does not know
// this host's addresses.
//
// See https://www.iana.org/assignments/iana-ipv4-special-registry and
// https://www.iana.org/assignments/iana-ipv6-special-registry
func classify(addr netip.Addr) Class {
	for i := range metadataAddresses {
		if metadataAddresses[i] == addr {
			return ClassMetadata
		}
	}
	if addr.Is4In6() {
		return ClassTranslated
	}
	table := classesV6[:]
	if addr.Is4() {
		table = classesV4[:]
	}
	for i := range table {
		if table[i].prefix.Contains(addr) {
			return table[i].class
		}
	}
	if publicOnly.SafeAddr(addr) != nil {
		return ClassReserved
	}
	return ClassPublic
}

// maxWrapped is how many IPv4 addresses one IPv6 address can be read to hold.
const maxWrapped = 4

// wrapped writes to dst the IPv4 addresses that addr may lead to, and returns how many there are.
func wrapped(addr netip.Addr, dst *[maxWrapped]netip.Addr) int {
	if !addr.Is6() {
		return 0
	}
	b := addr.As16()
	n := 0
	add := func(w, x, y, z byte) {
		dst[n] = netip.AddrFrom4([4]byte{w, x, y, z})
		n++
	}
	switch {
	case addr.Is4In6(), prefixTranslated.Contains(addr), ssrf.IPv6NAT64Prefix.Contains(addr):
		add(b[12], b[13], b[14], b[15])
	case prefixCompatible.Contains(addr):
		if !addr.IsUnspecified() && !addr.IsLoopback() {
			add(b[12], b[13], b[14], b[15])
		}
	case prefix6to4.Contains(addr):
		add(b[2], b[3], b[4], b[5])
	case prefixTeredo.Contains(addr):
		add(b[4], b[5], b[6], b[7])
		add(^b[12], ^b[13], ^b[14], ^b[15])
	case prefixNAT64Local.Contains(addr):
		return wrappedNAT64(b, dst)
	}
	// An ISATAP interface identifier leads a router that still speaks it to the IPv4 address in its last four bytes.
	if b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe {
		add(b[12], b[13], b[14], b[15])
	}
	return n
}

// wrappedNAT64 reads the address under each prefix length that a network may use within the local-use block. Readings
// that give 0.0.0.0/8 are of another length, unless there is no other.
//
// See https://www.rfc-editor.org/rfc/rfc6052#section-2.2
func wrappedNAT64(b [16]byte, dst *[maxWrapped]netip.Addr) int {
	n := 0
	for _, v4 := range [...][4]byte{
		{b[6], b[7], b[9], b[10]},
		{b[7], b[9], b[10], b[11]},
		{b[9], b[10], b[11], b[12]},
		{b[12], b[13], b[14], b[15]},
	} {
		if v4[0] != 0 {
			dst[n] = netip.AddrFrom4(v4)
			n++
		}
	}
	if n == 0 {
		dst[0] = netip.IPv4Unspecified()
		n = 1
	}
	return n
}
