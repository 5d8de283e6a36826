// Package secret is what connectors may use and not see. The operator defines secrets by name, each bound to the origins
// it may be sent to and the places of a request it may stand in. A guest is given a [Call.Reference], a text without any
// meaning; the host puts the value in its place when a request leaves, toward a bound origin and into an allowed place
// only, and masks it where the origin reflects it.
//
// A value is looked up when it is needed and kept nowhere: not in a guest, not in an error, not in a log. What goes out to
// guests are codes and sentences that name the secret, and the grant or the binding that would allow what was refused.
//
// A [Set] and an [Access] may be used by any number of goroutines, a [Call] belongs to the one that runs its guest.
package secret

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"sluice/hostfuncs/egress"
	"sluice/runtime/manifest"
)

// Place is a part of a request that a secret may be put into.
type Place string

// The places.
const (
	Header Place = "header" // the value of a header
	Query  Place = "query"  // the URL's query
	Body   Place = "body"   // a body of JSON, or a form
)

var places = []Place{Header, Query, Body}

// Definition is what an operator says of one secret.
type Definition struct {
	// From is where the value is: "env:NAME", "file:/path", or "store".
	From string
	// Origins are where it may be sent: host[:port] or https://host[:port] by TLS, http://host[:port] without. With none,
	// it can't be put into requests at all.
	Origins []string
	// Places are the parts of a request it may stand in; with none, headers.
	Places []Place
}

// FromStore is the Definition.From of a secret whose value is in the store.
const FromStore = "store"

// Config is what a [Set] is made of.
type Config struct {
	Definitions map[string]Definition
	// Store holds the values of secrets that are from the store. Nil: none has a value.
	Store *Store
	// LookupEnv reads a variable of the environment. Default: the process's.
	LookupEnv func(name string) (string, bool)
}

// Set is all secrets that the operator defined.
type Set struct {
	config  Config
	defined map[string]*defined
}

// defined is one secret. It is immutable.
type defined struct {
	name    string
	source  source
	origins []string // as egress.URL.Origin spells them
	places  []Place
}

// NewSet checks the definitions. The error names the secret and says what to write instead.
func NewSet(c Config) (*Set, error) {
	if c.LookupEnv == nil {
		c.LookupEnv = os.LookupEnv
	}
	s := &Set{config: c, defined: make(map[string]*defined)}
	for _, name := range slices.Sorted(maps.Keys(c.Definitions)) {
		d, err := parse(name, c.Definitions[name])
		if err != nil {
			return nil, fmt.Errorf("the secret %q: %w", name, err)
		}
		s.defined[name] = d
	}
	return s, nil
}

// Check says what is wrong with a definition, nil where nothing is.
func Check(name string, d Definition) error {
	_, err := parse(name, d)
	return err
}

var errName = errors.New("its name must be 1 to 64 of a-z, 0-9, '.', '_', '-', beginning with a letter or digit")

func parse(name string, d Definition) (*defined, error) {
	if !manifest.ValidName(name) {
		return nil, errName
	}
	source, err := parseSource(d.From)
	if err != nil {
		return nil, err
	}
	out := &defined{name: name, source: source, places: d.Places}
	for _, text := range d.Origins {
		origin, err := parseOrigin(text)
		if err != nil {
			return nil, err
		}
		out.origins = append(out.origins, origin)
	}
	for _, p := range d.Places {
		if !slices.Contains(places, p) {
			return nil, fmt.Errorf("places: %.32q is none of header, query, body", string(p))
		}
	}
	if len(out.places) == 0 {
		out.places = []Place{Header}
	}
	return out, nil
}

// parseOrigin returns the one spelling of an origin.
func parseOrigin(text string) (string, error) {
	full := text
	if !strings.Contains(full, "://") {
		full = "https://" + full
	}
	u, err := egress.ParseURL(full)
	if err != nil {
		return "", fmt.Errorf("origins: an entry is no origin, such as https://api.example.com: %w", err)
	}
	if _, rest, _ := strings.Cut(full, "://"); strings.ContainsAny(rest, "/?#") {
		return "", fmt.Errorf("origins: %q says more than an origin: leave out what follows the host and the port", u.Origin())
	}
	return u.Origin(), nil
}

// Info is what may be shown of a secret.
type Info struct {
	Name string `json:"name"`
	// From is where the value is, as the definition has it, or "" for a value in the store that no definition refers to.
	From    string   `json:"from"`
	Origins []string `json:"origins"`
	Places  []Place  `json:"places"`
	// Stored says that the store holds a value of that name.
	Stored bool `json:"stored"`
	// Available says that there is a value that can be used.
	Available bool `json:"available"`
	// Problem says why there is none; "" where there is one, or no definition.
	Problem string `json:"problem,omitempty"`
}

// List is what may be shown of all secrets, defined or stored, sorted by name. It looks each value up.
func (s *Set) List() []Info {
	stored := s.config.Store.Names()
	list := make([]Info, 0, len(s.defined)+len(stored))
	for name, d := range s.defined {
		info := Info{
			Name: name, From: d.source.String(), Origins: append([]string{}, d.origins...), Places: slices.Clone(d.places),
			Stored: slices.Contains(stored, name),
		}
		if _, err := s.look(d); err != nil {
			info.Problem = err.Error()
		}
		info.Available = info.Problem == ""
		list = append(list, info)
	}
	for _, name := range stored {
		if s.defined[name] == nil {
			list = append(list, Info{Name: name, Origins: []string{}, Places: []Place{}, Stored: true})
		}
	}
	slices.SortFunc(list, func(a, b Info) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// Defined says whether there is a definition of that name.
func (s *Set) Defined(name string) bool { return s.defined[name] != nil }
