package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"

	"sluice/hostfuncs/secret"
)

// secretsKey is the key of the file under which secrets are defined by name, beside the settings under it.
const secretsKey = "secrets"

// secretsKeyVariable has the key that seals the values in the store. It is no setting: neither an argument, which
// every process of the machine can see, nor a line of a file that is for other things too is a place for it.
const secretsKeyVariable = variablePrefix + "SECRETS_KEY"

// takeSecrets reads the definitions of secrets and takes them out of the document, so that only settings remain.
func takeSecrets(document map[string]any) (map[string]secret.Definition, error) {
	all, ok := document[secretsKey].(map[string]any)
	if !ok {
		if document[secretsKey] != nil {
			return nil, errors.New("secrets must be a mapping of names")
		}
		delete(document, secretsKey)
		return nil, nil
	}
	defined := make(map[string]secret.Definition)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fields, ok := all[name].(map[string]any)
		if !ok {
			continue // a setting, or an unknown one
		}
		d, err := parseSecret(fields)
		if err == nil {
			err = secret.Check(name, d)
		}
		if err != nil {
			return nil, fmt.Errorf("secrets.%s: %w", name, err)
		}
		defined[name] = d
		delete(all, name)
	}
	if len(all) == 0 {
		delete(document, secretsKey)
	}
	return defined, nil
}

var secretKeys = []string{"from", "origins", "places"}

func parseSecret(fields map[string]any) (d secret.Definition, err error) {
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		v := fields[key]
		switch key {
		case "from":
			d.From, _ = v.(string)
		case "origins":
			d.Origins, err = list(v)
		case "places":
			var names []string
			names, err = list(v)
			for _, name := range names {
				d.Places = append(d.Places, secret.Place(name))
			}
		default:
			return d, unknownKey(key, secretKeys)
		}
		if err != nil {
			return d, fmt.Errorf("%s %w", key, err)
		}
	}
	return d, nil
}

func list(v any) ([]string, error) {
	items, ok := v.([]any)
	if !ok {
		return nil, errors.New("must be a list")
	}
	out := make([]string, len(items))
	for i, item := range items {
		if out[i], ok = item.(string); !ok {
			return nil, errors.New("must be a list of texts")
		}
	}
	return out, nil
}

// maxKeyFile bounds the file of the key, in bytes.
const maxKeyFile = 1 << 10

// loadSecretsKey reads the key for the store, from the environment or the file that is set; nil where there is none.
func (c *Config) loadSecretsKey(getenv func(string) (string, bool)) (err error) {
	text, ok := getenv(secretsKeyVariable)
	name := secretsKeyVariable
	switch {
	case ok && c.SecretsKeyFile != "":
		return fmt.Errorf("%s and secrets.key_file are both set: keep one of them", secretsKeyVariable)
	case ok && text == "":
		return fmt.Errorf("%s is empty: set a key, or unset it to have no store of secrets", secretsKeyVariable)
	case c.SecretsKeyFile != "":
		name = "the key in secrets.key_file"
		var open bool
		if text, open, err = readKeyFile(c.SecretsKeyFile); err != nil {
			return fmt.Errorf("the key in secrets.key_file can't be read: %w", err)
		}
		if open {
			c.Warnings = append(c.Warnings, "every user of this machine can read or change the file of secrets.key_file: restrict it to its owner (chmod 600)")
		}
	case !ok:
		return c.needNoKey()
	}
	if c.SecretsKey, err = secret.ParseKey(text); err != nil {
		return fmt.Errorf("%s %w", name, err)
	}
	return nil
}

// needNoKey finds the first secret that would need a key.
func (c *Config) needNoKey() error {
	for _, name := range slices.Sorted(maps.Keys(c.Secrets)) {
		if c.Secrets[name].From == secret.FromStore {
			return fmt.Errorf("secrets.%s is from the store, which needs a key: set %s or secrets.key_file", name, secretsKeyVariable)
		}
	}
	return nil
}

// readKeyFile returns what is in the file, and whether it is open to every user of the machine.
func readKeyFile(path string) (text string, open bool, err error) {
	f, err := os.Open(path)
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		err = pathError.Err // without the path: a key may stand there by mistake
	}
	if err != nil {
		return "", false, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return "", false, err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	return string(b), info.Mode().Perm()&0o006 != 0, err
}

// checkSecretGrants makes sure that what is granted is defined.
func (c *Config) checkSecretGrants() error {
	for _, connector := range slices.Sorted(maps.Keys(c.Grants)) {
		for _, g := range c.Grants[connector].Secrets {
			if _, ok := c.Secrets[g.Name]; !ok {
				return fmt.Errorf("grants.%s.secrets names %q, which is not defined under secrets", connector, g.Name)
			}
		}
	}
	return nil
}
