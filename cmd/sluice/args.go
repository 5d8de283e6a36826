package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// one is for commands that take one argument; what says which.
func one(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fmt.Errorf("say which %s: sluice %s", what, usage(cmd))
		}
		return oneAtMost(cmd, args)
	}
}

// oneAtMost is for commands that take one argument, or none.
func oneAtMost(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return fmt.Errorf("%d arguments are given, and one is taken: sluice %s", len(args), usage(cmd))
	}
	return nil
}

// none is for commands that take no argument.
func none(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("sluice %s takes no argument", usage(cmd))
	}
	return nil
}

// usage is the command with its arguments, without flags. Arguments that are given are not repeated: one may be a value that
// does not belong there.
func usage(cmd *cobra.Command) string {
	return strings.TrimPrefix(strings.TrimSuffix(cmd.UseLine(), " [flags]"), cmd.Root().Name()+" ")
}
