package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sluice/hostfuncs/secret"
	"sluice/internal/nearest"
	"sluice/internal/yamlmap"
	"sluice/runtime"
	"sluice/runtime/manifest"
)

// grantsKey is the key of the file under which there are no settings; of what is under secretsKey, some are.
const grantsKey = "grants"

// parseFile reads the configuration file: scalar settings by key, grants, and definitions of secrets.
func parseFile(text []byte) (map[string]string, map[string]runtime.Grant, map[string]secret.Definition, error) {
	document, err := yamlmap.Parse(text)
	if errors.Is(err, yamlmap.ErrNoMapping) {
		return nil, nil, nil, errors.New("it must be a mapping of settings, such as log: {level: warn}")
	}
	if err != nil {
		return nil, nil, nil, err
	}
	grants, err := parseGrants(document[grantsKey])
	if err != nil {
		return nil, nil, nil, err
	}
	delete(document, grantsKey)
	secrets, err := takeSecrets(document)
	if err != nil {
		return nil, nil, nil, err
	}
	scalars := make(map[string]string)
	if err := flatten(scalars, "", document); err != nil {
		return nil, nil, nil, err
	}
	return scalars, grants, secrets, nil
}

// flatten collects the scalars under their dotted keys.
func flatten(out map[string]string, prefix string, level map[string]any) error {
	for _, name := range slices.Sorted(maps.Keys(level)) {
		key := prefix + name
		if _, twice := out[key]; twice {
			return fmt.Errorf("%s is set twice, once with dots and once nested", key)
		}
		switch v := level[name].(type) {
		case map[string]any:
			switch {
			case known(key):
				return fmt.Errorf("%s is a mapping, and takes one value", key)
			case !slices.ContainsFunc(settings, func(s Setting) bool { return strings.HasPrefix(s.Key, key+".") }):
				return unknownKey(key, settingKeys())
			}
			if err := flatten(out, key+".", v); err != nil {
				return err
			}
			continue
		case nil:
			out[key] = ""
		case []any:
			return fmt.Errorf("%s is a list, and takes one value", key)
		default:
			out[key] = fmt.Sprint(v)
		}
		if !known(key) {
			return unknownKey(key, settingKeys())
		}
	}
	return nil
}

func known(key string) bool {
	return slices.ContainsFunc(settings, func(s Setting) bool { return s.Key == key })
}

func settingKeys() []string {
	keys := []string{grantsKey, secretsKey}
	for _, s := range settings {
		keys = append(keys, s.Key)
	}
	return keys
}

func unknownKey(key string, keys []string) error {
	if near := nearest.Name(key, keys); near != "" {
		return fmt.Errorf("there is no setting %q; did you mean %q?", key, near)
	}
	return fmt.Errorf("there is no setting %q; docs/CONFIGURATION.md lists them", key)
}

// parseGrants reads grants: a mapping of connector names to what each is allowed.
func parseGrants(v any) (map[string]runtime.Grant, error) {
	if v == nil {
		return nil, nil
	}
	all, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("grants must be a mapping of connector names")
	}
	grants := make(map[string]runtime.Grant, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !manifest.ValidName(name) {
			return nil, fmt.Errorf("grants: %q is no connector's name", name)
		}
		fields, ok := all[name].(map[string]any)
		if !ok && all[name] != nil {
			return nil, fmt.Errorf("grants.%s must be a mapping", name)
		}
		g, err := runtime.GrantFrom(fields)
		if err != nil {
			return nil, fmt.Errorf("grants.%s.%w", name, err)
		}
		grants[name] = g
	}
	return grants, nil
}
