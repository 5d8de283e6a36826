package runtime

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"sluice/hostfuncs"
	"sluice/hostfuncs/auth"
	"sluice/hostfuncs/cache"
	"sluice/hostfuncs/egress"
	"sluice/hostfuncs/secret"
	"sluice/runtime/catalog"
	"sluice/runtime/manifest"
	"sluice/runtime/sandbox"
)

// connector is one version of a connector in service.
type connector struct {
	name     string
	entry    catalog.Entry
	version  catalog.Version
	commands []*Command // as in the manifest
	grant    Grant
	source   GrantSource
	observed *observations // nil where nothing was

	// unavailable says why calls can't be served; code and pool are nil then.
	unavailable string
	code        *code
	pool        *sandbox.Pool
	slots       *sandbox.Slots
	http        hostfuncs.Doer
	auth        *auth.Client     // which http's requests go through first; nil: the host authenticates none
	clients     []*egress.Client // that http and auth go through
	tcp         hostfuncs.Dialer
	sockets     *egress.Sockets // the share of http, auth and tcp together
	cache       *cache.Cache    // nil: none
	secrets     *secret.Access
	limits      Limits
	counters    *egress.Counters // those of its name, whichever the version and the grant

	// refs counts the snapshot that serves the connector and the calls that run in it. The last one closes it.
	refs atomic.Int64
}

// Command is one command of a connector in service. It is immutable.
type Command struct {
	// ID is "connector/command".
	ID string
	// Spec is what the manifest says of it. It is not to be changed.
	Spec *manifest.Command

	connector *connector
	index     uint32
	secret    map[string]bool // its parameters that must never be shown; nil for none
}

// Connector is the name of the command's connector.
func (c *Command) Connector() string { return c.connector.name }

// Limits are the limits of a call of the command.
func (c *Command) Limits() Limits { return c.connector.limits }

// newConnector returns a connector that is not in service yet, with one reference.
func (r *Runtime) newConnector(e catalog.Entry, v catalog.Version) *connector {
	c := &connector{name: e.Name, entry: e, version: v, counters: new(egress.Counters)}
	if before := r.current.Load().connectors[e.Name]; before != nil {
		c.counters = before.counters
	}
	c.grant, c.source = r.grantOf(e)
	c.limits = r.limitsOf(c.grant)
	c.refs.Store(1)
	for i := range v.Manifest.Commands {
		spec := &v.Manifest.Commands[i]
		c.commands = append(c.commands, &Command{ID: e.Name + "/" + spec.Name, Spec: spec, connector: c, index: uint32(i), secret: secretParameters(spec)})
	}
	return c
}

// serve gives the connector its code, sandboxes for it, and its way out. Where it fails, the code is still the caller's.
func (r *Runtime) serve(c *connector, code *code) error {
	if most := code.report.ImageBytes; most > c.limits.Memory {
		return refuse(RefusedMemory, fmt.Sprintf("The module has %d bytes of memory when it is ready to be called, and %q may have %d: grant it more by `sluice grant %s --memory`, or in the configuration as grants.%s.memory.",
			most, c.name, c.limits.Memory, c.name, c.name))
	}
	if c.observed == nil {
		c.observed = r.observationsOf(c.entry, c.grant)
	}
	c.sockets = r.socketsOf(c.name)
	dialer, err := r.tcpDialer(c)
	if err != nil {
		return r.unusable(c, err)
	}
	client, err := r.client(c)
	if err != nil {
		c.closeClients()
		return r.unusable(c, err)
	}
	c.code, c.http, c.tcp, c.cache = code, client, dialer, r.newCache(c)
	c.secrets = r.secrets.Access(c.name, requestedSecrets(c.version.Manifest), c.grant.Secrets)
	if c.auth != nil {
		c.secrets = c.secrets.WithCredentials(c.grant.authSecrets(), c.auth.Tokens)
	}
	if c.slots == nil {
		c.slots = sandbox.NewSlots(c.limits.Concurrent, c.limits.Queue)
	}
	c.pool = sandbox.NewPool(sandbox.PoolConfig{
		Make: code.maker(c.limits.sandbox()), Warm: c.limits.Warm, Slots: []*sandbox.Slots{c.slots, r.slots},
	})
	return nil
}

// socketsOf is a connector's share of the sockets. Its versions have one, however many of them are in use yet.
func (r *Runtime) socketsOf(name string) *egress.Sockets {
	if present := r.current.Load().connectors[name]; present != nil && present.sockets != nil {
		return present.sockets
	}
	return r.sockets.Share()
}

// newCache returns what a connector may keep from call to call, nil for nothing. It is the version's: another one may read
// it otherwise, or be somebody else's.
func (r *Runtime) newCache(c *connector) *cache.Cache {
	quota := c.grant.Cache
	if quota == 0 || !c.version.Manifest.Requests(manifest.CapabilityCache) {
		return nil
	}
	return cache.New(quota)
}

// client returns the way out of a connector: what it requested, within what it is granted.
func (r *Runtime) client(c *connector) (hostfuncs.Doer, error) {
	requested, err := requestedRules(c.version.Manifest)
	if err != nil {
		return nil, err
	}
	entries := r.entries(c.grant)
	switch {
	case len(requested) == 0:
		return hostfuncs.Denied(fmt.Sprintf("the manifest of %q does not ask for the capability http, with the hosts it needs", c.name)), nil
	case len(entries) == 0 && !r.config.Observe:
		return hostfuncs.Denied(fmt.Sprintf("nothing is granted to %q: grant it rules by `sluice grant %s --http RULE`, or in the configuration as grants.%s.http; it asks for %v", c.name, c.name, c.name, requested)), nil
	}
	policy, err := egress.NewPolicy(entries, requested)
	if err != nil {
		return nil, err
	}
	policy, observe, err := r.observe(c, policy, entries, requested)
	if err != nil {
		return nil, err
	}
	config, err := c.grant.wayOut()
	if err != nil {
		return nil, err
	}
	config.Policy, config.Observe, config.Guard, config.Sockets = policy, observe, r.guard, c.sockets
	config.Version, config.Fault = r.config.Version, r.config.Fault
	config.ResponseLimit, config.StreamLimit = c.limits.Response, c.limits.Stream
	config.Counters = c.counters
	if len(c.grant.Auth) > 0 {
		config.Redirects = 0 // c.auth follows them
	}
	client := egress.NewClient(config)
	c.clients = append(c.clients, client)
	c.auth, err = r.authentication(c, client, config)
	return client, err
}

// acquire claims the connector for a call; false where it has left service and is closed.
func (c *connector) acquire() bool {
	for {
		n := c.refs.Load()
		if n == 0 {
			return false
		}
		if c.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (c *connector) release() {
	if c.refs.Add(-1) > 0 {
		return
	}
	c.closeClients()
	if c.pool != nil {
		c.pool.Close()
	}
	if c.code != nil {
		c.code.close()
	}
}

func (c *connector) closeClients() {
	for _, client := range c.clients {
		client.Close()
	}
}

// snapshot is what is in service at one time. It is immutable once published.
type snapshot struct {
	revision   uint64
	connectors map[string]*connector
	commands   []*Command // sorted by ID
}

func (s *snapshot) close() {
	for _, c := range s.connectors {
		c.release()
	}
}

// publish puts next into service. Connectors that it no longer has are closed with their last call. The caller holds
// r.changing.
func (r *Runtime) publish(next *snapshot) {
	for _, c := range next.connectors {
		if c.unavailable == "" {
			next.commands = append(next.commands, c.commands...)
		}
	}
	slices.SortFunc(next.commands, func(a, b *Command) int { return strings.Compare(a.ID, b.ID) })
	last := r.current.Load()
	next.revision = last.revision + 1
	r.current.Store(next)
	for name, c := range last.connectors {
		if next.connectors[name] != c {
			c.release()
		}
	}
}

// with returns a copy of what is in service in which c serves its name, or nothing does where c is nil.
func (s *snapshot) with(name string, c *connector) *snapshot {
	next := &snapshot{connectors: maps.Clone(s.connectors)}
	if next.connectors == nil {
		next.connectors = make(map[string]*connector)
	}
	delete(next.connectors, name)
	if c != nil {
		next.connectors[name] = c
	}
	return next
}

// Command returns the command connector/command, and false where no such one is in service.
func (r *Runtime) Command(connector, command string) (*Command, bool) {
	c := r.current.Load().connectors[connector]
	if c == nil {
		return nil, false
	}
	i, ok := c.version.Manifest.CommandIndex(command)
	if !ok {
		return nil, false
	}
	return c.commands[i], true
}

// Commands are all commands in service, sorted by ID, and a number that is another whenever they are. The slice is not
// to be changed.
func (r *Runtime) Commands() ([]*Command, uint64) {
	s := r.current.Load()
	return s.commands, s.revision
}

// Connector describes an installed connector.
type Connector struct {
	Name string
	// Version is the one in service.
	Version catalog.Version
	// Versions are all that are kept, newest first.
	Versions []catalog.Version
	Bundled  bool
	// Unavailable says why the connector's calls can't be served, "" where they can.
	Unavailable string
	Grant       Grant
	// GrantSource is where the grant was said.
	GrantSource GrantSource
	// Requested is what the version in service asks for, beside what it is granted.
	Requested []Requested
	// Limits are those of a call, with what the grant says of them.
	Limits Limits
	// UndefinedSecrets are those that the grant names and nobody defines: they can't be used.
	UndefinedSecrets []string
}

// Connectors are all installed connectors, sorted by name.
func (r *Runtime) Connectors() []Connector {
	var out []Connector
	for _, c := range r.current.Load().connectors {
		out = append(out, r.describe(c))
	}
	slices.SortFunc(out, func(a, b Connector) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func (r *Runtime) describe(c *connector) Connector {
	return Connector{
		Name: c.name, Version: c.version, Versions: c.entry.Versions, Bundled: c.entry.Bundled,
		Unavailable: c.unavailable, Grant: c.grant, GrantSource: c.source, Requested: r.requestedBy(c), Limits: c.limits,
		UndefinedSecrets: r.undefinedSecrets(c.grant),
	}
}

// Unavailable are the connectors whose calls can't be served, each with the reason.
func (r *Runtime) Unavailable() map[string]string {
	out := make(map[string]string)
	for name, c := range r.current.Load().connectors {
		if c.unavailable != "" {
			out[name] = c.unavailable
		}
	}
	return out
}

// open loads an installed connector. It always returns one: where the module can't be loaded, one that says so.
func (r *Runtime) open(ctx context.Context, e catalog.Entry) *connector {
	v, _ := e.Version(e.Active)
	c := r.newConnector(e, v)
	wasm, err := r.config.Store.Blob(ctx, v.SHA256)
	if err == nil {
		err = r.openModule(ctx, c, wasm)
	}
	if err != nil {
		r.cannotServe(c, err)
	}
	return c
}

// cannotServe has the connector's calls answered with connector_unavailable, and the operator told why.
func (r *Runtime) cannotServe(c *connector, err error) {
	c.unavailable = err.Error()
	r.config.Logger.Error("a connector can't be served; push it again, or change its grant where that is at fault",
		"connector", c.name, "version", c.version.Manifest.Version, "error", err.Error())
}

func (r *Runtime) openModule(ctx context.Context, c *connector, wasm []byte) error {
	m, err := r.admit(ctx, wasm)
	if err != nil {
		return fmt.Errorf("the installed module is refused: %w", err)
	}
	code, _, err := r.prepare(ctx, m)
	if err != nil {
		return err
	}
	if err := r.serve(c, code); err != nil {
		code.close()
		return err
	}
	c.entry = r.keepCompiled(ctx, c.entry, c.version, m.compiled)
	return nil
}
