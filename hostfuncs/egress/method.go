package egress

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// methodSet is a set of the methods that can be sent, one bit each.
type methodSet uint8

// methods are all that can be sent. Their positions are the bits of a methodSet.
var methods = [...]string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
}

// Methods are all that can be sent, in capitals.
func Methods() []string { return slices.Clone(methods[:]) }

// methodBit is 0 for what cannot be sent.
func methodBit(method string) methodSet {
	for i, known := range methods {
		if method == known {
			return 1 << i
		}
	}
	return 0
}

// String lists the methods with commas between them.
func (s methodSet) String() string {
	var names []string
	for i, name := range methods {
		if s&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// allows reports whether the rule allows the method, a single bit.
func (r *Rule) allows(method methodSet) bool { return r.methods == 0 || r.methods&method != 0 }

var errRuleMethod = errors.New("methods are GET HEAD POST PUT PATCH DELETE OPTIONS, in upper case, with commas between them and a blank behind the last")

// ParseGrantRule reads a rule of a grant: one that [ParseRule] reads, which allows every method, or one with the methods
// before it that it allows, "GET,HEAD https://api.example.com". The error says what to write instead.
func ParseGrantRule(s string) (Rule, error) {
	before, after, found := strings.Cut(s, " ")
	if !found {
		return ParseRule(s)
	}
	var set methodSet
	for name := range strings.SplitSeq(before, ",") {
		bit := methodBit(name)
		if bit == 0 {
			return Rule{}, fmt.Errorf("egress rule: %w", errRuleMethod)
		}
		set |= bit
	}
	r, err := ParseRule(after)
	if err != nil {
		return Rule{}, err
	}
	r.methods = set
	return r, nil
}

// denyMethod is the denial of a request that only the rule's methods stand against.
func (r *Rule) denyMethod(u *URL, method string) *Denial {
	bare := *r
	bare.methods = 0
	return &Denial{Scheme: u.Scheme(), Host: u.host, Port: u.port, Method: method, Grant: bare.String()}
}
