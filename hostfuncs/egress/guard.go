package egress

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// hostRefresh is how old the list of this host's addresses may be when an address is judged.
const hostRefresh = 5 * time.Second

// Guard judges the address about to be connected. One Guard serves the whole process; its methods may be called at
// once.
type Guard struct {
	interfaces func() ([]net.Addr, error)
	now        func() time.Time

	refresh sync.Mutex // held while the interfaces are listed, so that one caller does it
	host    atomic.Pointer[hostAddresses]
}

// hostAddresses is one listing of the interfaces. It is never changed.
type hostAddresses struct {
	at    time.Time
	known bool // false: they have never been listed
	addrs map[netip.Addr]struct{}
}

// NewGuard returns a guard that knows this host's addresses from its network interfaces, at most five seconds old.
func NewGuard() *Guard {
	return &Guard{interfaces: net.InterfaceAddrs, now: time.Now}
}

// Check returns nil where the allowance permits a connection to addr, else a [*Denial] that holds the class of the
// address and the entry that would allow it. IPv4 inside IPv6 is judged by the outer and by the inner address; a zone
// changes nothing.
func (g *Guard) Check(a *Allowance, addr netip.Addr) error {
	addr = addr.WithZone("")
	if !addr.IsValid() {
		return &Denial{Class: ClassUnknown}
	}
	if class := g.classify(addr); !a.permits(addr, class) {
		return deny(addr, class)
	}
	var inner [maxWrapped]netip.Addr
	for i := range wrapped(addr, &inner) {
		if class := g.classify(inner[i]); !a.permits(inner[i], class) {
			return deny(inner[i], class)
		}
	}
	return nil
}

// Control returns a check for net.Dialer.ControlContext, which calls it for every address it is about to connect to,
// after resolution.
func (g *Guard) Control(a *Allowance) func(context.Context, string, string, syscall.RawConn) error {
	return func(_ context.Context, network, address string, _ syscall.RawConn) error {
		if network != "tcp4" && network != "tcp6" {
			return &Denial{Class: ClassUnknown}
		}
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return &Denial{Class: ClassUnknown}
		}
		return g.Check(a, ap.Addr())
	}
}

// classify is the static class, made ClassHost for the addresses of this host.
func (g *Guard) classify(addr netip.Addr) Class {
	class := classify(addr)
	switch class {
	case ClassPublic, ClassPrivate, ClassShared, ClassReserved, ClassTranslated:
		host := g.hostAddresses()
		if _, own := host.addrs[addr]; own {
			return ClassHost
		}
		if !host.known {
			return ClassUnknown
		}
	}
	return class
}

// hostAddresses returns a listing no older than hostRefresh; where listing fails, the last that succeeded, marked fresh
// so that a failing system is not asked for every connection.
func (g *Guard) hostAddresses() *hostAddresses {
	now := g.now()
	if h := g.host.Load(); h != nil && now.Sub(h.at) < hostRefresh {
		return h
	}
	g.refresh.Lock()
	defer g.refresh.Unlock()
	last := g.host.Load()
	if last != nil && now.Sub(last.at) < hostRefresh {
		return last
	}
	next := &hostAddresses{at: now, known: true}
	if listed, err := g.interfaces(); err == nil {
		next.addrs = make(map[netip.Addr]struct{}, len(listed))
		for _, entry := range listed {
			if addr, ok := interfaceAddr(entry); ok {
				next.addrs[addr] = struct{}{}
			}
		}
	} else if last != nil {
		next.known, next.addrs = last.known, last.addrs
	} else {
		next.known = false
	}
	g.host.Store(next)
	return next
}

func interfaceAddr(entry net.Addr) (netip.Addr, bool) {
	var ip net.IP
	switch e := entry.(type) {
	case *net.IPNet:
		ip = e.IP
	case *net.IPAddr:
		ip = e.IP
	}
	addr, ok := netip.AddrFromSlice(ip)
	return addr.Unmap(), ok
}

func deny(addr netip.Addr, class Class) *Denial {
	d := &Denial{Class: class, Addr: addr}
	switch class {
	case ClassPublic, ClassPrivate, ClassLoopback:
		d.Grant = class.String()
	case ClassHost:
		d.Grant = ClassLoopback.String()
	case ClassMulticast, ClassBroadcast, ClassUnspecified, ClassUnknown:
	default:
		d.Grant = addr.String()
	}
	return d
}
