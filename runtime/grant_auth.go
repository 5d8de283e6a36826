package runtime

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"sluice/hostfuncs"
	"sluice/hostfuncs/auth"
	"sluice/hostfuncs/egress"
	"sluice/hostfuncs/secret"
)

// authMembers are the members of one element of a grant's auth that are texts.
var authMembers = []struct {
	name string
	of   func(e *auth.Entry) *string
}{
	{"kind", func(e *auth.Entry) *string { return (*string)(&e.Kind) }},
	{"secret", func(e *auth.Entry) *string { return &e.Secret }},
	{"user", func(e *auth.Entry) *string { return &e.User }},
	{"name", func(e *auth.Entry) *string { return &e.Name }},
	{"token_url", func(e *auth.Entry) *string { return &e.TokenURL }},
	{"region", func(e *auth.Entry) *string { return &e.Region }},
	{"service", func(e *auth.Entry) *string { return &e.Service }},
}

const authSchema = `{"description": "How the host authenticates requests under a rule, with a secret that the connector does not see. The first that covers a request counts.",
	"type": "array", "maxItems": 1000, "items": {"type": "object", "required": ["rule", "kind", "secret"], "additionalProperties": false, "properties": {
		"rule": {"type": "string", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[^/?#@]+(/[^?#]*)?$"},
		"kind": {"enum": ["basic", "bearer", "header", "query", "oauth2", "sigv4"]},
		"secret": {"type": "string", "pattern": "^[a-z0-9][a-z0-9._-]{0,63}$"},
		"user": {"type": "string"}, "name": {"type": "string"}, "token_url": {"type": "string"}, "region": {"type": "string"}, "service": {"type": "string"},
		"scopes": {"type": "array", "maxItems": 1000, "items": {"type": "string"}}}}}`

// parseAuth reads a grant's auth: mappings of a rule and how requests under it are authenticated.
func parseAuth(v any) ([]auth.Entry, error) {
	items, ok := v.([]any)
	if !ok || len(items) > maxGrantItems {
		return nil, fmt.Errorf("must be a list of at most %d mappings such as {rule: https://api.example.com, kind: bearer, secret: api-token}", maxGrantItems)
	}
	var out []auth.Entry
	for i, item := range items {
		e, err := parseAuthEntry(item)
		if err == nil {
			err = e.Check()
		}
		if err != nil {
			return nil, fmt.Errorf("is wrong at item %d: %w", i+1, err)
		}
		out = append(out, e)
	}
	return out, nil
}

func parseAuthEntry(item any) (e auth.Entry, err error) {
	fields, ok := item.(map[string]any)
	if !ok {
		return e, errors.New("it is no mapping")
	}
	var rule string
	members := map[string]*string{"rule": &rule}
	for _, m := range authMembers {
		members[m.name] = m.of(&e)
	}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if key == "scopes" {
			if e.Scopes, err = texts(fields[key]); err != nil {
				return e, fmt.Errorf("scopes %w", err)
			}
			continue
		}
		to := members[key]
		if to == nil {
			return e, fmt.Errorf("it %w", unknownPart(key, append(slices.Sorted(maps.Keys(members)), "scopes")))
		}
		if *to, ok = fields[key].(string); !ok {
			return e, fmt.Errorf("%s must be a text", key)
		}
	}
	if rule == "" {
		return e, errors.New("it has no rule: write which requests are authenticated, such as {rule: https://api.example.com, kind: bearer, secret: api-token}")
	}
	e.Rule, err = egress.ParseRule(rule)
	return e, err
}

// writtenAuth is what parseAuth would take to the same effect.
func writtenAuth(entries []auth.Entry) any {
	if len(entries) == 0 {
		return nil
	}
	out := make([]any, len(entries))
	for i, e := range entries {
		fields := map[string]any{"rule": e.Rule.String()}
		for _, m := range authMembers {
			if s := *m.of(&e); s != "" {
				fields[m.name] = s
			}
		}
		if len(e.Scopes) > 0 {
			fields["scopes"] = e.Scopes
		}
		out[i] = fields
	}
	return out
}

// authentication is what has the host authenticate what goes out through next; nil where the connector's grant does not say
// so.
func (r *Runtime) authentication(c *connector, next *egress.Client, config egress.Config) (*auth.Client, error) {
	entries := c.grant.Auth
	if len(entries) == 0 {
		return nil, nil
	}
	tokens := hostfuncs.Doer(hostfuncs.Denied("no token service is granted"))
	var services []egress.Rule
	for _, e := range entries {
		if e.TokenURL == "" {
			continue
		}
		service, err := egress.ParseRule(e.TokenURL)
		if err != nil {
			return nil, fmt.Errorf("the grant of connector %q: auth: token_url: %w", c.name, err)
		}
		services = append(services, service)
	}
	if len(services) > 0 {
		policy, err := r.tokenPolicy(c, services)
		if err != nil {
			return nil, err
		}
		// Tokens are fetched as the grant says of other requests, but nothing is followed or tried again.
		config.Policy, config.Observe, config.Redirects, config.Retry = policy, nil, 0, egress.Retry{}
		client := egress.NewClient(config)
		c.clients = append(c.clients, client)
		tokens = client
	}
	return auth.NewClient(auth.Config{
		Entries: entries, Secret: r.secrets.ValueFor, Bound: r.secrets.Bound,
		Redirects: c.grant.Redirects, Next: next, Tokens: tokens,
	}), nil
}

// hostCall is the host's side of a call of the connector: what it is granted, and nothing that has gathered yet.
func (c *connector) hostCall() *hostfuncs.Call {
	host := &hostfuncs.Call{HTTP: c.http, TCP: c.tcp, Cache: c.cache, Secrets: secret.Call{Access: c.secrets}, Counters: c.counters}
	if c.auth != nil {
		host.HTTP = c.auth.For(host.Secrets.Use)
	}
	return host
}

// tokenPolicy lets the host reach a connector's token services, at the addresses that its grant opens.
func (r *Runtime) tokenPolicy(c *connector, services []egress.Rule) (*egress.Policy, error) {
	granted, err := c.grant.entry()
	if err != nil {
		return nil, err
	}
	entries := []egress.Entry{{Rules: services, Addresses: granted.Addresses}}
	if r.config.Dev {
		dev, err := devGrant.entry()
		if err != nil {
			return nil, err
		}
		entries = append(entries, egress.Entry{Rules: services, Addresses: dev.Addresses})
	}
	return egress.NewPolicy(entries, services)
}
