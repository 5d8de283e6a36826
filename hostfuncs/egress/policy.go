package egress

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Entry is one entry of a grant: the addresses that the names under its rules may stand for.
type Entry struct {
	Rules []Rule
	// Addresses are open to what matches the rules. None means public.
	Addresses []Address
}

// Policy is what one connector may reach: what the operator granted and the connector requested. It is immutable; its
// methods may be called at once.
type Policy struct {
	rules     []grantedRule
	sets      [][]Address // distinct, at most maxSets
	requested []Rule
	digest    string
	byMethod  bool // some rule has methods
	byPath    bool // some rule has a path

	mu         sync.RWMutex
	origins    map[origin]*Allowance // decided by scheme, host and port alone; bounded by maxOrigins
	allowances map[uint64]*Allowance // by the bits of the sets that matched; equal unions are one Allowance
}

type grantedRule struct {
	Rule
	set uint8 // index into Policy.sets
}

type origin struct {
	secure bool
	method methodSet // where rules have methods
	port   uint16
	host   string
}

const (
	maxSets    = 64
	maxOrigins = 4096
)

// NewPolicy returns the policy of a grant for a connector that requested these rules: a URL must match one of each.
// Nothing granted or nothing requested allows nothing.
//
// # Errors
//
// There may be at most 64 different address lists among the entries.
func NewPolicy(granted []Entry, requested []Rule) (*Policy, error) {
	p := &Policy{
		requested:  slices.Clone(requested),
		origins:    make(map[origin]*Allowance),
		allowances: make(map[uint64]*Allowance),
	}
	index := make(map[string]uint8)
	for _, e := range granted {
		if len(e.Rules) == 0 {
			continue
		}
		signature := newAllowance(e.Addresses).signature
		set, ok := index[signature]
		if !ok {
			if len(p.sets) == maxSets {
				return nil, fmt.Errorf("egress policy: more than %d different address lists: merge entries that open the same addresses", maxSets)
			}
			set = uint8(len(p.sets))
			index[signature] = set
			addresses := slices.Clone(e.Addresses)
			if len(addresses) == 0 {
				addresses = []Address{{class: ClassPublic}}
			}
			p.sets = append(p.sets, addresses)
		}
		for _, r := range e.Rules {
			p.byMethod, p.byPath = p.byMethod || r.methods != 0, p.byPath || r.path != ""
			p.rules = append(p.rules, grantedRule{Rule: r, set: set})
		}
	}
	for _, r := range requested {
		p.byPath = p.byPath || r.path != ""
	}
	p.digest = p.makeDigest()
	return p, nil
}

// Digest is the same for policies that decide the same way by their text: 64 hexadecimal digits, independent of the
// order in which rules and addresses were given.
func (p *Policy) Digest() string { return p.digest }

func (p *Policy) makeDigest() string {
	lines := make([]string, 0, len(p.rules)+len(p.requested))
	for _, r := range p.rules {
		lines = append(lines, "grant "+r.String()+" "+newAllowance(p.sets[r.set]).signature)
	}
	for _, r := range p.requested {
		lines = append(lines, "request "+r.String())
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(slices.Compact(lines), "\n")))
	return hex.EncodeToString(sum[:])
}

// Match returns the addresses that the URL's host may stand for: the union over the entries whose rules match the URL and
// the method. The same union is always the same pointer.
//
// # Errors
//
// A [*Denial] that names the missing rule.
func (p *Policy) Match(u *URL, method string) (*Allowance, error) {
	key := origin{secure: u.secure, port: u.port, host: u.host}
	if p.byMethod {
		key.method = methodBit(method)
	}
	p.mu.RLock()
	a := p.origins[key]
	p.mu.RUnlock()
	if a != nil {
		return a, nil
	}
	return p.match(u, method, key)
}

func (p *Policy) match(u *URL, method string, key origin) (*Allowance, error) {
	plain := plainPath(u.path)
	var sets uint64
	byPath, requested := false, false
	var other *grantedRule // matches but for the method
	bit := methodBit(method)
	for i := range p.rules {
		r := &p.rules[i]
		if r.matchesOrigin(u) {
			byPath = byPath || r.path != ""
			switch {
			case !r.matchesPath(u.path, plain):
			case r.allows(bit):
				sets |= 1 << r.set
			default:
				other = r
			}
		}
	}
	for i := range p.requested {
		r := &p.requested[i]
		if r.matchesOrigin(u) {
			byPath = byPath || r.path != ""
			requested = requested || r.matchesPath(u.path, plain)
		}
	}
	if sets == 0 && requested && other != nil {
		return nil, other.denyMethod(u, method)
	}
	if sets == 0 || !requested {
		return nil, &Denial{
			Scheme: u.Scheme(), Host: u.host, Port: u.port,
			NotRequested: sets != 0,
			UnclearPath:  byPath && !plain,
			Grant:        u.Origin(),
		}
	}
	if byPath {
		p.mu.RLock()
		a := p.allowances[sets]
		p.mu.RUnlock()
		if a != nil {
			return a, nil
		}
	}
	return p.remember(key, sets, !byPath), nil
}

// Permit is Match for a request with these headers: where only rules with a path or methods allow it, none may be there by
// which the service takes it for another path or method.
func (p *Policy) Permit(u *URL, method string, header http.Header) (*Allowance, error) {
	a, err := p.Match(u, method)
	if err != nil || !p.byPath && !p.byMethod {
		return a, err
	}
	for name := range header {
		if steering(name) && p.narrow(u) {
			return nil, &Denial{Scheme: u.Scheme(), Host: u.host, Port: u.port, Header: name, Grant: u.Origin()}
		}
	}
	return a, nil
}

// narrow reports whether every rule for the origin that was granted, or every one that was requested, has a path or methods.
func (p *Policy) narrow(u *URL) bool {
	wide := func(r *Rule) bool { return r.path == "" && r.methods == 0 && r.matchesOrigin(u) }
	return !slices.ContainsFunc(p.rules, func(r grantedRule) bool { return wide(&r.Rule) }) ||
		!slices.ContainsFunc(p.requested, func(r Rule) bool { return wide(&r) })
}

// remember interns the allowance of the sets, and the decision about the origin where its path did not matter.
func (p *Policy) remember(key origin, sets uint64, cache bool) *Allowance {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.allowances[sets]
	if a == nil {
		a = p.union(sets)
		p.allowances[sets] = a
	}
	if cache {
		if len(p.origins) >= maxOrigins {
			clear(p.origins)
		}
		// The host is part of the guest's URL, which the cache must not keep alive.
		key.host = strings.Clone(key.host)
		p.origins[key] = a
	}
	return a
}

func (p *Policy) union(sets uint64) *Allowance {
	var entries []Address
	for i, set := range p.sets {
		if sets&(1<<i) != 0 {
			entries = append(entries, set...)
		}
	}
	a := newAllowance(entries)
	for _, known := range p.allowances {
		if known.signature == a.signature {
			return known
		}
	}
	return a
}
