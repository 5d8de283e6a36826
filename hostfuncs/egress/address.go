package egress

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Address is an entry of a grant that opens addresses: a class ("public", "private", "loopback"), a network in CIDR
// notation, or one address.
//
//   - public is everything outside the special-purpose registries.
//   - private is RFC 1918 and fc00::/7.
//   - loopback is 127.0.0.0/8, ::1 and every address of this host.
//   - A network opens what it covers but for metadata and link-local addresses and this host's own; the loopback range
//     only where it lies wholly inside it.
//   - One address (also written as /32 or /128) opens just that, whatever it is. Nothing else opens a metadata or
//     link-local address.
//
// An IPv6 address that wraps an IPv4 address needs both to be open.
type Address struct {
	class  Class // ClassPublic, ClassPrivate, ClassLoopback, or ClassNone where prefix counts
	prefix netip.Prefix
}

var (
	errAddressSyntax = errors.New(`write "public", "private", "loopback", a network such as 10.1.0.0/16, or an address`)
	errAddressNever  = errors.New("an unspecified, multicast or broadcast address cannot be reached by a connection")
	errAddressMapped = errors.New("write the IPv4 address itself")
)

// ParseAddress reads an address entry. The error says what to write instead.
func ParseAddress(s string) (Address, error) {
	a, err := parseAddress(s)
	if err != nil {
		return Address{}, fmt.Errorf("egress address %q: %w", s, err)
	}
	return a, nil
}

func parseAddress(s string) (Address, error) {
	switch s {
	case "public":
		return Address{class: ClassPublic}, nil
	case "private":
		return Address{class: ClassPrivate}, nil
	case "loopback":
		return Address{class: ClassLoopback}, nil
	}
	var prefix netip.Prefix
	if strings.IndexByte(s, '/') >= 0 {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return Address{}, errAddressSyntax
		}
		if p != p.Masked() {
			return Address{}, fmt.Errorf("bits are set after the prefix: write %s", p.Masked())
		}
		prefix = p
	} else {
		addr, err := netip.ParseAddr(s)
		if err != nil || addr.Zone() != "" {
			return Address{}, errAddressSyntax
		}
		prefix = netip.PrefixFrom(addr, addr.BitLen())
	}
	if prefix.Addr().Is4In6() {
		return Address{}, errAddressMapped
	}
	if prefix.IsSingleIP() {
		switch classify(prefix.Addr()) {
		case ClassUnspecified, ClassMulticast, ClassBroadcast:
			return Address{}, errAddressNever
		}
	}
	return Address{prefix: prefix}, nil
}

// String returns the entry in its one spelling.
func (a Address) String() string {
	switch {
	case a.class != ClassNone:
		return a.class.String()
	case !a.prefix.IsValid():
		return ""
	case a.prefix.IsSingleIP():
		return a.prefix.Addr().String()
	}
	return a.prefix.String()
}

// Allowance is the set of addresses that a request may connect to. Two of the same String are interchangeable.
type Allowance struct {
	public, private, loopback bool
	exact                     []netip.Addr
	networks                  []netip.Prefix
	signature                 string
}

// newAllowance returns the union of the entries; without any, public.
func newAllowance(entries []Address) *Allowance {
	a := &Allowance{public: len(entries) == 0}
	var names []string
	for _, e := range entries {
		switch e.class {
		case ClassPublic:
			a.public = true
		case ClassPrivate:
			a.private = true
		case ClassLoopback:
			a.loopback = true
		default:
			if e.prefix.IsSingleIP() {
				a.exact = append(a.exact, e.prefix.Addr())
			} else if e.prefix.IsValid() {
				a.networks = append(a.networks, e.prefix)
			}
		}
		names = append(names, e.String())
	}
	if len(names) == 0 {
		names = []string{ClassPublic.String()}
	}
	slices.Sort(names)
	a.signature = strings.Join(slices.Compact(names), ",")
	return a
}

// String lists the entries, sorted and separated by commas: "10.1.0.0/16,public".
func (a *Allowance) String() string { return a.signature }

// permits decides about one address of a known class. The address has no zone.
func (a *Allowance) permits(addr netip.Addr, class Class) bool {
	for i := range a.exact {
		if a.exact[i] == addr {
			return true
		}
	}
	switch class {
	case ClassPublic:
		return a.public || a.covers(addr)
	case ClassPrivate:
		return a.private || a.covers(addr)
	case ClassLoopback:
		return a.loopback || a.coversLoopback(addr)
	case ClassHost:
		return a.loopback
	case ClassShared, ClassTranslated, ClassReserved:
		return a.covers(addr)
	}
	return false
}

func (a *Allowance) covers(addr netip.Addr) bool {
	for i := range a.networks {
		if a.networks[i].Contains(addr) {
			return true
		}
	}
	return false
}

// coversLoopback is covers for networks inside 127.0.0.0/8: 0.0.0.0/0 means the network, not the process's neighbours
// on this host.
func (a *Allowance) coversLoopback(addr netip.Addr) bool {
	for _, n := range a.networks {
		if n.Contains(addr) && n.Bits() >= loopbackV4.Bits() && loopbackV4.Contains(n.Addr()) {
			return true
		}
	}
	return false
}
