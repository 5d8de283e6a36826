package main

import (
	"fmt"
	"os"

	"sluice/runtime/server"

	"github.com/spf13/cobra"
)

func newPush() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "push FILE.wasm",
		Short: "Install a connector on a server, or a new version of one",
		Long: "Install a connector on a server, or a new version of one. It takes calls at once, without a restart; calls in\n" +
			"flight finish on the version they began with. A module that is refused changes nothing.",
		Args: one("file"),
	}
	c := clientFlags(cmd)
	replace := cmd.Flags().Bool("replace", false, "allow other content under a version that is installed")
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = failing(func(cmd *cobra.Command, args []string) error {
		wasm, err := os.ReadFile(args[0])
		if err != nil {
			return err
		}
		path := "/admin/v1/connectors"
		if *replace {
			path += "?replace=true"
		}
		if isTerminal(os.Stderr) {
			fmt.Fprintln(os.Stderr, "compiling… (the server checks a new module and compiles it, which can take a minute)")
		}
		var info server.ConnectorInfo
		if err := c.manage("POST", path, "application/wasm", wasm, &info); err != nil {
			return err
		}
		if info.Name == "" {
			return fmt.Errorf("the server did not answer as Sluice does: see whether --server is its address")
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), info)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s %s is in service (sha256 %s)\n", shown(info.Name), shown(info.Version), shown(info.SHA256))
		for _, name := range info.Commands {
			fmt.Fprintf(cmd.OutOrStdout(), "  %s/%s\n", shown(info.Name), shown(name))
		}
		if len(info.Missing) > 0 {
			fmt.Fprintf(cmd.OutOrStdout(), "It asks for more than it is granted (see sluice grant %s):\n", shown(info.Name))
			for _, line := range info.Missing {
				fmt.Fprintf(cmd.OutOrStdout(), "  %s\n", shown(line))
			}
		}
		return nil
	})
	return cmd
}
