package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"sluice/runtime/catalog"
)

// GrantSource is where a connector's grant was said.
type GrantSource string

// The sources of grants. The first of them that has one counts.
const (
	GrantFromFile    GrantSource = "file"    // the configuration
	GrantFromCatalog GrantSource = "catalog" // management, kept in the catalog
	GrantShipped     GrantSource = "shipped" // it comes with a bundled connector
	GrantNone        GrantSource = "none"    // nobody said one: the connector reaches nothing
)

// grantOf is the grant that counts for the connector of an entry, which need not be in the catalog yet.
func (r *Runtime) grantOf(e catalog.Entry) (Grant, GrantSource) {
	if g, ok := r.config.Grants[e.Name]; ok {
		return g, GrantFromFile
	}
	if e.Grant != nil {
		g, err := ParseGrant(e.Grant)
		if err != nil { // a newer version may have written it; what can't be understood allows nothing
			r.config.Logger.Error("a grant in the catalog can't be read, and its connector reaches nothing; grant it anew",
				"connector", e.Name, "error", err.Error())
		}
		return g, GrantFromCatalog
	}
	if _, bundled := r.config.Bundled[e.Name]; bundled {
		if g, ok := ShippedGrants()[e.Name]; ok {
			return g, GrantShipped
		}
	}
	return Grant{}, GrantNone
}

// keptGrant is the part of a connector's entry that a new version of it keeps.
func (r *Runtime) keptGrant(ctx context.Context, name string, bundled bool) (catalog.Entry, error) {
	entry, err := r.config.Store.Get(ctx, name)
	kept := catalog.Entry{Name: name}
	switch {
	case errors.Is(err, catalog.ErrNotFound), errors.Is(err, catalog.ErrDamaged):
		return kept, nil
	case err != nil:
		return kept, err
	}
	if entry.Bundled || !bundled {
		kept.Grant, kept.Observed = entry.Grant, entry.Observed
	}
	return kept, nil
}

// Connector describes the installed connector of that name.
//
// # Errors
//
// The error is a *Refusal.
func (r *Runtime) Connector(name string) (Connector, error) {
	c := r.current.Load().connectors[name]
	if c == nil {
		return Connector{}, unknownConnector(name)
	}
	return r.describe(c), nil
}

func unknownConnector(name string) *Refusal {
	return refuse(RefusedUnknown, fmt.Sprintf("No connector %.64q is installed. `sluice list` shows those that are.", name))
}

// SetGrant makes g the grant of an installed connector, or removes the one that was set before where g is nil. When it
// returns without error the grant is durable and counts for the next call; calls in flight finish under the one they
// began with. The connector begins with an empty cache, no connections and closed circuits: what it had of a service under the
// old grant, such as a token, is not for the new one.
//
// # Errors
//
// The error is a *Refusal, or the context's. Nothing has changed then, unless it is RefusedStorage: the grant may count
// after the next start.
func (r *Runtime) SetGrant(ctx context.Context, name string, g *Grant) (Connector, error) {
	r.changing.Lock()
	defer r.changing.Unlock()
	c := r.current.Load().connectors[name]
	if c == nil {
		return Connector{}, unknownConnector(name)
	}
	if _, ok := r.config.Grants[name]; ok {
		return Connector{}, refuse(RefusedGrantInFile, fmt.Sprintf("The configuration file has a grant for %q, and that one counts. Change grants.%s there and restart, or remove it there to manage the grant here.", name, name))
	}
	text, err := grantText(g)
	if err == nil && g != nil {
		err = r.checkSecrets(*g)
	}
	if err != nil {
		return Connector{}, err
	}
	next, err := r.regrant(ctx, c, text)
	var refused *Refusal
	if errors.As(err, &refused) && refused.Code == RefusedManifest {
		// The manifest was served under another grant.
		return Connector{}, refuse(RefusedGrant, "The grant can't be used: "+refused.Message+".")
	}
	if err != nil {
		return Connector{}, refusal(err)
	}
	c.observed.end()
	r.publish(r.current.Load().with(name, next))
	return r.describe(next), nil
}

// grantText is a grant as the catalog keeps it.
func grantText(g *Grant) (json.RawMessage, error) {
	if g == nil {
		return nil, nil
	}
	text, err := g.MarshalJSON()
	if err == nil { // whoever made it need not have parsed it
		_, err = ParseGrant(text)
	}
	if err != nil {
		return nil, InvalidGrant(err)
	}
	return text, nil
}

// InvalidGrant is the refusal of a grant that [ParseGrant] has not read.
func InvalidGrant(err error) *Refusal {
	why := err.Error()
	if !strings.HasSuffix(why, "?") { // which proposes another word
		why += "."
	}
	return refuse(RefusedGrant, "The grant is not valid: "+why+" `sluice grant --schema` shows what it may hold.")
}

// regrant returns a connector that serves what c does under another grant, which is durable. The caller holds r.changing.
func (r *Runtime) regrant(ctx context.Context, c *connector, text json.RawMessage) (*connector, error) {
	entry, err := r.config.Store.Get(ctx, c.name)
	if err != nil {
		return nil, err
	}
	// What was observed was held against the old grant.
	entry.Grant, entry.Observed = text, nil
	revision := entry.Revision
	if c.code == nil { // it could not be served, for want of memory perhaps
		if entry, err = r.config.Store.CompareAndSwap(ctx, entry, revision); err != nil {
			return nil, err
		}
		entry.Bundled = c.entry.Bundled
		return r.open(ctx, entry), nil
	}
	next := r.newConnector(entry, c.version)
	next.entry.Bundled = c.entry.Bundled
	next.slots = c.slots // pool.max is for the connector, under whichever grant
	if err := r.serve(next, c.code.share()); err != nil {
		c.code.close()
		return nil, err
	}
	stored, err := r.config.Store.CompareAndSwap(ctx, entry, revision)
	if err != nil {
		next.release()
		return nil, err
	}
	stored.Bundled = c.entry.Bundled
	next.entry = stored
	return next, nil
}
