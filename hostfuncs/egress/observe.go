package egress

import (
	"errors"
	"net"
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

// Observation is a request that was let through and would have been refused.
type Observation struct {
	// Origin is the rule that covers the request: scheme://host, with the port where it is not the scheme's own.
	Origin string
	Method string
	// NoRule says that no rule covers the request, NoAddress that the address is not open to it.
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
func (o *Observe) begin(u *URL, method string) *observing {
	w := &observing{observe: o, url: u, method: method}
	if w.allowance, w.rule = o.Enforced.Match(u, method); w.rule != nil {
		w.allowance = newAllowance(o.Addresses)
	}
	return w
}

// connected looks at the connection that the request got; a retry may get another.
func (w *observing) connected(g *Guard, conn net.Conn, proxied bool) {
	remote, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil || w.recorded {
		return
	}
	if proxied {
		if w.recorded = w.rule != nil; w.recorded {
			w.observe.Record(Observation{Origin: w.url.Origin(), Method: w.method, NoRule: true})
		}
		return
	}
	addr := remote.Addr().Unmap().WithZone("")
	denied := denialOf(g.Check(w.allowance, addr))
	if w.rule == nil && denied == nil {
		return
	}
	w.recorded = true
	class := g.classify(addr)
	if class == ClassHost {
		class = ClassLoopback
	}
	w.observe.Record(Observation{
		Origin: w.url.Origin(), Method: w.method, NoRule: w.rule != nil, NoAddress: denied != nil, Address: class.String(),
	})
}

// observe has e's connection looked at as well.
func (e *exchange) observe(method string) {
	o := e.client.config.Observe
	if o == nil {
		return
	}
	w := o.begin(&e.url, method)
	next := e.trace.GotConn
	e.trace.GotConn = func(info httptrace.GotConnInfo) {
		w.connected(e.client.config.Guard, info.Conn, e.client.config.Proxy.isSet())
		next(info)
	}
}

func denialOf(err error) *Denial {
	var d *Denial
	if errors.As(err, &d) {
		return d
	}
	return nil
}
