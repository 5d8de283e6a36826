package egress

import (
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
)

// Observe lets a client go where its Policy allows, and says what a stricter one would have refused. Requests that are
// [Request.Confined] go by the stricter one alone.
type Observe struct {
	// Enforced is the stricter policy: what is granted and requested.
	Enforced *Policy
	// Addresses are those of the grant, for requests that no rule of it covers.
	Addresses []Address
	// Record is called once for every request that Enforced would have refused and that got a connection, from the
	// goroutine that sends it. It must not block.
	Record func(Observation)
}

// ObserveTCP lets a dialer go where its Policy allows, and says what a stricter one would have refused. Its members are
// what those of [Observe] are.
type ObserveTCP struct {
	Enforced  *TCPPolicy
	Addresses []Address
	// Record is called once for every connection that Enforced would have refused and that was made, before Dial returns.
	Record func(Observation)
}

// Observation is a request, or a connection of a guest's own, that was let through and would have been refused.
type Observation struct {
	// TCP says that it is a connection.
	TCP bool
	// Origin is the rule that covers it: of a request scheme://host, with the port where it is not the scheme's own; of a
	// connection host:port.
	Origin string
	// Method is a request's.
	Method string
	// NoRule says that no rule covers it, NoAddress that the address is not open to it.
	NoRule, NoAddress bool
	// Address is the class that the address belongs to, as a grant names it: public, private or loopback; "" where an egress
	// proxy was connected to, and what it reaches is not seen.
	Address string
}

// observing is one request of a client that observes.
type observing struct {
	observe   *Observe
	url       *URL
	method    string
	recorded  bool
	rule      error      // why no rule covers the request, nil where one does
	allowance *Allowance // what the address is held against
}

// begin looks at a request that is about to be sent.
func (o *Observe) begin(u *URL, method string, header http.Header) *observing {
	w := &observing{observe: o, url: u, method: method}
	if w.allowance, w.rule = o.Enforced.Permit(u, method, header); w.rule != nil {
		w.allowance = newAllowance(o.Addresses)
	}
	return w
}

// connected looks at the connection that the request got; a retry may get another.
func (w *observing) connected(g *Guard, conn net.Conn, proxied bool) {
	if w.recorded {
		return
	}
	if proxied {
		if w.recorded = w.rule != nil; w.recorded {
			w.observe.Record(Observation{Origin: w.url.Origin(), Method: w.method, NoRule: true})
		}
		return
	}
	if class, denied, ok := g.look(w.allowance, conn); ok && (denied || w.rule != nil) {
		w.recorded = true
		w.observe.Record(Observation{Origin: w.url.Origin(), Method: w.method, NoRule: w.rule != nil, NoAddress: denied, Address: class})
	}
}

// connected looks at a connection that was made.
func (o *ObserveTCP) connected(g *Guard, address *TCPAddress, conn net.Conn) {
	allowance, _, rule := o.Enforced.Match(address)
	if rule != nil {
		allowance = newAllowance(o.Addresses)
	}
	if class, denied, ok := g.look(allowance, conn); ok && (denied || rule != nil) {
		o.Record(Observation{TCP: true, Origin: address.String(), NoRule: rule != nil, NoAddress: denied, Address: class})
	}
}

// look says which class the address that was connected to belongs to, as a grant names it, and whether the allowance denies
// it; false where the connection does not tell.
func (g *Guard) look(a *Allowance, conn net.Conn) (class string, denied, ok bool) {
	remote, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return "", false, false
	}
	addr := remote.Addr().Unmap().WithZone("")
	c := g.classify(addr)
	if c == ClassHost {
		c = ClassLoopback
	}
	return c.String(), g.Check(a, addr) != nil, true
}

// observe has e's connection looked at as well.
func (e *exchange) observe(method string) {
	o := e.client.config.Observe
	if o == nil {
		return
	}
	w := o.begin(&e.url, method, e.header)
	next := e.trace.GotConn
	e.trace.GotConn = func(info httptrace.GotConnInfo) {
		w.connected(e.client.config.Guard, info.Conn, e.client.config.Proxy.isSet())
		next(info)
	}
}
