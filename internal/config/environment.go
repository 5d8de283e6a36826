package config

import (
	"slices"
	"strings"

	"sluice/internal/nearest"
)

// variablePrefix begins the names of the variables that settings have.
const variablePrefix = "SLUICE_"

// clientVariable is read by commands that are a server's clients, and is no setting.
const clientVariable = variablePrefix + "SERVER"

// Misspelt names the variables of an environment that are no settings, but nearly: for each, what it probably should be.
// Others that begin like settings are left alone: systems that run services set some of their own.
func Misspelt(environment []string) map[string]string {
	known := []string{clientVariable, secretsKeyVariable}
	for _, s := range settings {
		known = append(known, s.Variable())
	}
	rests := make([]string, len(known)) // what all names have in common makes none of them near
	for i, name := range known {
		rests[i] = strings.TrimPrefix(name, variablePrefix)
	}
	found := make(map[string]string)
	for _, entry := range environment {
		name, _, _ := strings.Cut(entry, "=")
		rest, ok := strings.CutPrefix(name, variablePrefix)
		if !ok || slices.Contains(known, name) {
			continue
		}
		if near := nearest.Name(rest, rests); near != "" {
			found[name] = variablePrefix + near
		}
	}
	return found
}
