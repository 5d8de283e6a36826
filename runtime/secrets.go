package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"sluice/hostfuncs/secret"
	"sluice/runtime/abi"
	"sluice/runtime/manifest"
)

// newSecrets makes the operator's secrets of their definitions. Every one that is granted must be defined.
func newSecrets(c Config, grants map[string]Grant) (*secret.Set, error) {
	set, err := secret.NewSet(secret.Config{Definitions: c.Secrets, Store: c.SecretStore})
	if err != nil {
		return nil, err
	}
	for connector, g := range grants {
		for _, name := range g.secretNames() {
			if !set.Defined(name) {
				return nil, fmt.Errorf("the grant of connector %q: the secret %q is not defined: define it under secrets", connector, name)
			}
		}
	}
	return set, nil
}

// noteSecrets tells the operator which secrets had no value when a call needed one.
func (r *Runtime) noteSecrets(cmd *Command, call *Call, used *secret.Call) {
	for _, u := range used.Unavailable() {
		r.config.Logger.Warn("a secret that a connector needs has no value that can be used",
			"connector", cmd.Connector(), "command", cmd.ID, "call", call.ID, "secret", u.Name, "error", u.Err.Error())
	}
}

// undefinedSecrets are those that a grant names and nobody defines. Management refuses such a grant, but the definition can
// go afterwards.
func (r *Runtime) undefinedSecrets(g Grant) []string {
	var names []string
	for _, name := range g.secretNames() {
		if !r.secrets.Defined(name) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// checkSecrets refuses a grant of what is not defined.
func (r *Runtime) checkSecrets(g Grant) error {
	if names := r.undefinedSecrets(g); len(names) > 0 {
		return refuse(RefusedGrant, fmt.Sprintf("The grant names the secret %q, which is not defined under secrets in the configuration file. Define it there and restart.", names[0]))
	}
	return nil
}

// secretNames are the secrets that a grant names, for the connector or for the host to use.
func (g Grant) secretNames() []string {
	var names []string
	for _, granted := range g.Secrets {
		names = append(names, granted.Name)
	}
	return append(names, g.authSecrets()...)
}

// authSecrets are the secrets by which the host authenticates requests under a grant.
func (g Grant) authSecrets() []string {
	var names []string
	for _, e := range g.Auth {
		names = append(names, e.Secret)
	}
	return names
}

// requestedSecrets are the secrets that a connector asks for.
func requestedSecrets(m *manifest.Manifest) []string {
	var names []string
	for _, capability := range m.Capabilities {
		names = append(names, capability.Secrets...)
	}
	return names
}

// Secrets are the secrets that are defined or stored, without their values.
func (r *Runtime) Secrets() []secret.Info { return r.secrets.List() }

// SetSecret keeps a value in the store. When it returns without error it is durable, and used by calls from then on.
//
// # Errors
//
// The error is a *Refusal, or the context's.
func (r *Runtime) SetSecret(ctx context.Context, name, value string) error {
	return secretRefusal(r.config.SecretStore.Set(ctx, name, value))
}

// RemoveSecret removes a value from the store. Its definition stays.
//
// # Errors
//
// The error is a *Refusal, or the context's.
func (r *Runtime) RemoveSecret(ctx context.Context, name string) error {
	return secretRefusal(r.config.SecretStore.Remove(ctx, name))
}

func secretRefusal(err error) error {
	switch {
	case errors.Is(err, secret.ErrInvalid):
		return refuse(RefusedSecret, "It was not kept: "+err.Error()+".")
	case errors.Is(err, secret.ErrNoKey):
		return refuse(RefusedSecretsKey, "Values can't be kept or read: "+err.Error()+".")
	case errors.Is(err, secret.ErrUnknown):
		return refuse(RefusedUnknownSecret, "The store holds no value of that name. `sluice secret list` names those it holds.")
	}
	return refusal(err)
}

// secretParameters are the parameters of a command that must never be shown; nil for none.
func secretParameters(spec *manifest.Command) map[string]bool {
	var names map[string]bool
	for _, p := range spec.Parameters {
		if p.Secret {
			if names == nil {
				names = make(map[string]bool)
			}
			names[p.ID] = true
		}
	}
	return names
}

// logMasker keeps values out of what is logged of one call. The zero logMasker masks nothing.
type logMasker struct {
	m *secret.LogMasker
	// withhold says that there are too many values to look for: nothing of the call is logged.
	withhold bool
}

// masker returns what keeps the secret parameters of a call, and the secrets that it has used, out of its log.
func (c *Command) masker(entry *abi.Call) logMasker {
	values := entry.Host.Secrets.Used()
	if len(c.secret) > 0 {
		params, ok := secret.ValuesOf(entry.Params, c.secret)
		if !ok {
			return logMasker{withhold: true}
		}
		values = append(params, values...)
	}
	if len(values) == 0 {
		return logMasker{}
	}
	m, ok := secret.NewLogMasker(values)
	return logMasker{m: m, withhold: !ok}
}

// logLines are the lines that the guest logged, without its secrets.
func (c *Command) logLines(entry *abi.Call) []string {
	lines := entry.Host.LogLines()
	if len(lines) == 0 {
		return nil
	}
	return c.masker(entry).lines(lines)
}

const withheld = "(withheld: the secret parameters of the call hold more than 64 values, 64 KiB or 1,024 lines, which are too many to keep out of a log)"

func (m logMasker) text(s string) string {
	if m.withhold && s != "" {
		return withheld
	}
	return m.m.Text(s)
}

func (m logMasker) lines(lines []string) []string {
	if m.withhold && len(lines) > 0 {
		return []string{withheld}
	}
	return m.m.Lines(lines)
}
