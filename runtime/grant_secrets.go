package runtime

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"sluice/hostfuncs/secret"
)

var (
	errSecretGrants = errors.New("must be a list of names, or of mappings such as {name: smtp-password, clear: true}")
	errSecretGrant  = errors.New("it must be a name, or a mapping such as {name: smtp-password, clear: true}")
)

// secretGrants reads which secrets a connector may use.
func secretGrants(v any) ([]secret.Grant, error) {
	items, ok := v.([]any)
	if !ok {
		return nil, errSecretGrants
	}
	if len(items) > maxGrantItems {
		return nil, fmt.Errorf("has more than %d items", maxGrantItems)
	}
	var grants []secret.Grant
	for i, item := range items {
		g, err := secretGrant(item)
		if err != nil {
			return nil, fmt.Errorf("is wrong at item %d: %w", i+1, err)
		}
		if slices.ContainsFunc(grants, func(other secret.Grant) bool { return other.Name == g.Name }) {
			return nil, fmt.Errorf("names %s twice", g.Name)
		}
		grants = append(grants, g)
	}
	return grants, nil
}

func secretGrant(item any) (g secret.Grant, err error) {
	switch item := item.(type) {
	case string:
		g.Name = item
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(item)) {
			ok := false
			switch key {
			case "name":
				g.Name, ok = item[key].(string)
			case "clear":
				g.Clear, ok = item[key].(bool)
			case "sign":
				g.Sign, ok = item[key].(bool)
			default:
				return g, fmt.Errorf("it %w", unknownPart(key, []string{"name", "clear", "sign"}))
			}
			if !ok {
				return g, errSecretGrant
			}
		}
	}
	if !secret.ValidName(g.Name) {
		return g, errSecretGrant
	}
	return g, nil
}

// writtenSecrets is what secretGrants would take to the same effect.
func writtenSecrets(grants []secret.Grant) any {
	if len(grants) == 0 {
		return nil
	}
	out := make([]any, len(grants))
	for i, g := range grants {
		if !g.Clear && !g.Sign {
			out[i] = g.Name
			continue
		}
		fields := map[string]any{"name": g.Name}
		if g.Clear {
			fields["clear"] = true
		}
		if g.Sign {
			fields["sign"] = true
		}
		out[i] = fields
	}
	return out
}
