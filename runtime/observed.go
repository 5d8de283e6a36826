package runtime

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sluice/hostfuncs/egress"
	"sluice/runtime/catalog"
	"sluice/runtime/manifest"
)

// Observed is what a connector was seen to need beyond its grant.
type Observed struct {
	// Capability is what was used, as a manifest names it: http for requests, tcp for connections.
	Capability string `json:"capability"`
	// Origin is the rule that covers it: of requests scheme://host, with the port where it is not the scheme's own; of
	// connections host:port.
	Origin string `json:"origin"`
	// Method is that of requests, "" for connections.
	Method string `json:"method"`
	// Address is the class of the addresses that were connected to: public, private or loopback; "" behind an egress proxy.
	Address string `json:"address"`
	// NoRule says that no rule of the grant covers it, NoAddress that the grant does not open the addresses.
	NoRule    bool `json:"rule_missing"`
	NoAddress bool `json:"address_missing"`
	// Count is how many requests or connections that were, Last when the last was made, in UTC and whole seconds.
	Count uint64    `json:"count"`
	Last  time.Time `json:"last"`
}

// The bounds of what is recorded: of one connector, and of all. What is beyond is counted.
const (
	maxObserved    = 256
	maxObservedAll = 4096
)

// observations are what was observed of one connector under one grant, whichever its version.
type observations struct {
	grant string        // the digest of the grant
	all   *atomic.Int64 // how many are recorded of all connectors

	mu      sync.Mutex // protects what follows
	seen    map[egress.Observation]*Observed
	beyond  uint64 // how many requests and connections were not recorded
	changed bool   // since it was kept
	over    bool   // nothing more is recorded
}

// keptObservations is the text that the catalog has of them.
type keptObservations struct {
	Grant    string     `json:"grant"`
	Observed []Observed `json:"observed"`
	Beyond   uint64     `json:"beyond"`
}

// observationsOf are those that an entry has, as long as they were made under this grant.
func (r *Runtime) observationsOf(e catalog.Entry, g Grant) *observations {
	o := &observations{grant: g.Digest(), all: &r.observations, seen: make(map[egress.Observation]*Observed)}
	var kept keptObservations
	if e.Observed == nil || json.Unmarshal(e.Observed, &kept) != nil || kept.Grant != o.grant {
		return o
	}
	o.beyond = kept.Beyond
	for _, k := range kept.Observed {
		o.add(egress.Observation{TCP: k.Capability == manifest.CapabilityTCP, Origin: k.Origin, Method: k.Method, NoRule: k.NoRule, NoAddress: k.NoAddress, Address: k.Address}, k.Count, k.Last)
	}
	o.changed = false
	return o
}

// record notes one request or connection.
func (o *observations) record(seen egress.Observation) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.add(seen, 1, time.Now().UTC().Truncate(time.Second))
}

// add counts requests or connections. The caller holds o.mu, or has the only pointer to o.
func (o *observations) add(seen egress.Observation, count uint64, last time.Time) {
	if o.over {
		return
	}
	o.changed = true
	if known := o.seen[seen]; known != nil {
		known.Count += count
		known.Last = last
		return
	}
	if len(o.seen) >= maxObserved || o.all.Add(1) > maxObservedAll {
		if len(o.seen) < maxObserved {
			o.all.Add(-1)
		}
		o.beyond += count
		return
	}
	capability := manifest.CapabilityHTTP
	if seen.TCP {
		capability = manifest.CapabilityTCP
	}
	o.seen[seen] = &Observed{
		Capability: capability, Origin: seen.Origin, Method: seen.Method, Address: seen.Address, NoRule: seen.NoRule, NoAddress: seen.NoAddress,
		Count: count, Last: last,
	}
}

// end gives back the room that the records take.
func (o *observations) end() {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.over {
		o.over = true
		o.all.Add(-int64(len(o.seen)))
	}
}

// list is what was recorded, sorted, and how many requests and connections were not.
func (o *observations) list() ([]Observed, uint64) {
	out := []Observed{}
	if o == nil {
		return out, 0
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, seen := range o.seen {
		out = append(out, *seen)
	}
	slices.SortFunc(out, func(a, b Observed) int {
		return cmp.Or(cmp.Compare(a.Capability, b.Capability), cmp.Compare(a.Origin, b.Origin), cmp.Compare(a.Method, b.Method), cmp.Compare(a.Address, b.Address))
	})
	return out, o.beyond
}

// takeChanged says whether there is something to keep, and takes it for kept.
func (o *observations) takeChanged() bool {
	if o == nil {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	changed := o.changed && !o.over
	o.changed = false
	return changed
}

// keepAgain says that what was taken for kept was not.
func (o *observations) keepAgain() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.changed = true
}

// observe returns the policy under which a connector's requests are sent, and what is to be seen of them: in observe mode
// all that the connector asks for, at public, private and loopback addresses.
func (r *Runtime) observe(c *connector, enforced *egress.Policy, entries []egress.Entry, requested []egress.Rule) (*egress.Policy, *egress.Observe, error) {
	if !r.config.Observe {
		return enforced, nil, nil
	}
	open, err := observeGrant.entry()
	if err != nil {
		return nil, nil, err
	}
	policy, err := egress.NewPolicy(append(slices.Clone(entries), open), requested)
	if err != nil {
		return nil, nil, err
	}
	granted, err := c.grant.entry()
	if err != nil {
		return nil, nil, err
	}
	return policy, &egress.Observe{Enforced: enforced, Addresses: granted.Addresses, Record: c.observed.record}, nil
}

// observeGrant is what observe mode opens beside a connector's grant. Metadata and link-local addresses are not among it.
var observeGrant = Grant{HTTP: anywhere, Addresses: []string{"public", "private", "loopback"}}

// Observed returns what a connector was seen to need beyond its grant since that was last changed, and how many more
// requests and connections were not recorded, for want of room.
//
// # Errors
//
// The error is a *Refusal.
func (r *Runtime) Observed(name string) ([]Observed, uint64, error) {
	c := r.current.Load().connectors[name]
	if c == nil {
		return nil, 0, unknownConnector(name)
	}
	list, beyond := c.observed.list()
	return list, beyond, nil
}

// Observing says whether this runtime only observes what it would refuse.
func (r *Runtime) Observing() bool { return r.config.Observe }

// observeEvery is how often what was observed is kept. A process that is killed loses as much.
const observeEvery = 30 * time.Second

// keepObserved keeps what is observed from time to time, and a last time when the function that it returns is called.
func (r *Runtime) keepObserved() (stop func()) {
	stopping, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(observeEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				r.flushObserved(context.Background())
			case <-stopping:
				r.flushObserved(context.Background())
				return
			}
		}
	}()
	return sync.OnceFunc(func() {
		close(stopping)
		<-stopped
	})
}

// flushObserved keeps in the catalog what was observed since the last time.
func (r *Runtime) flushObserved(ctx context.Context) {
	r.changing.Lock()
	defer r.changing.Unlock()
	for name, c := range r.current.Load().connectors {
		if !c.observed.takeChanged() {
			continue
		}
		if err := r.storeObserved(ctx, c); err != nil {
			c.observed.keepAgain()
			r.config.Logger.Warn("what was observed of a connector could not be kept; it is tried again", "connector", name, "error", err.Error())
		}
	}
}

func (r *Runtime) storeObserved(ctx context.Context, c *connector) error {
	entry, err := r.config.Store.Get(ctx, c.name)
	if err != nil {
		return err
	}
	kept := keptObservations{Grant: c.observed.grant}
	kept.Observed, kept.Beyond = c.observed.list()
	if entry.Observed, err = json.Marshal(kept); err != nil {
		return fmt.Errorf("writing what was observed: %w", err)
	}
	_, err = r.config.Store.CompareAndSwap(ctx, entry, entry.Revision)
	return err
}

// SmallestGrant is g with as much more as what was observed needs, and no more than that: a rule for each origin of requests
// with the methods that were seen, one for each host and port of connections, and the classes of addresses.
func SmallestGrant(g Grant, observed []Observed) Grant {
	g.HTTP, g.TCP, g.Addresses = slices.Clone(g.HTTP), slices.Clone(g.TCP), slices.Clone(g.Addresses)
	classes := g.Addresses
	if len(classes) == 0 && len(g.HTTP)+len(g.TCP) > 0 {
		classes = []string{"public"}
	}
	add := func(list []string, s string) []string {
		if s == "" || slices.Contains(list, s) {
			return list
		}
		return append(list, s)
	}
	methods := make(map[string][]string) // by origin
	for _, o := range observed {
		if o.NoRule && o.Capability == manifest.CapabilityTCP {
			if rule, err := egress.ParseTCPRule(o.Origin); err == nil { // as it was sent
				g.TCP = add(g.TCP, rule.String())
			}
		} else if o.NoRule {
			methods[o.Origin] = add(methods[o.Origin], o.Method)
		}
		if _, err := egress.ParseAddress(o.Address); err == nil && (o.NoAddress || len(g.Addresses) == 0) { // without any, public addresses are open
			classes = add(classes, o.Address)
		}
	}
	for _, origin := range slices.Sorted(maps.Keys(methods)) {
		if rule, err := egress.ParseGrantRule(strings.Join(methods[origin], ",") + " " + origin); err == nil {
			g.HTTP = append(g.HTTP, rule.String())
		}
	}
	if len(classes) != 1 || classes[0] != "public" {
		g.Addresses = classes
	}
	return g
}
