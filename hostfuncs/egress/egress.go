// Package egress decides where a guest may go, and goes there.
//
// Three things stand between a guest and a socket, each with its own file:
//
//   - A [Policy] authorises the name: the guest's URL must match a [Rule] of the grant and a rule the connector asked
//     for. What matches yields an [Allowance], the set of addresses that name may stand for.
//   - A [Guard] authorises the address: it runs after resolution, on every connect, just before the system call, so that
//     no answer of a name server (rebinding, mixed records, a CNAME) can lead somewhere the allowance does not cover.
//   - A [Client] speaks HTTP over what the two let through, and keeps one pool of connections per allowance, so that a
//     connection opened under one set of rules never serves another.
//
// Redirects are followed and failures retried as far as the configuration says, every hop and attempt by the same way; what
// a destination's failures mean for the next attempts is package fault's. Requests can go through a [Proxy], behind which
// policy and guard judge the true target.
//
// A response is read whole, within a limit of memory, or, where the request says so, as it comes: see [Stream].
//
// Everything is denied by default, an address as well as a name: a rule alone reaches public addresses only.
//
// # Ownership
//
// A Policy, a Rule, an Address and an Allowance are immutable. A Guard and a [Sockets] budget belong to the process; a
// Client belongs to one version of a connector under one grant, and is closed when either changes.
//
// # Errors
//
// Failures carry a stable [Code]. Messages name hosts, address classes and the grant that would help; they never hold a
// path, a query, a header, a body, user information, or a byte that came from the peer.
package egress
