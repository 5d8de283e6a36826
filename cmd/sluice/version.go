package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newVersion() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of Sluice, of Go, and of the WebAssembly engine",
		Args:  none,
		RunE: failing(func(cmd *cobra.Command, _ []string) error {
			v := map[string]string{"sluice": version, "go": runtime.Version(), "wazero": dependency("github.com/tetratelabs/wazero")}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), v)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "sluice %s (%s, wazero %s)\n", v["sluice"], v["go"], v["wazero"])
			return nil
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// dependency is the version of a module that the binary was built with.
func dependency(path string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == path {
				return d.Version
			}
		}
	}
	return "unknown"
}
