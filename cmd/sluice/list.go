package main

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"

	"sluice/runtime"
	"sluice/runtime/server"

	"github.com/spf13/cobra"
)

func newList() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the connectors that are installed on a server",
		Args:  none,
	}
	c := clientFlags(cmd)
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = failing(func(cmd *cobra.Command, _ []string) error {
		var answer struct {
			Connectors []server.ConnectorInfo `json:"connectors"`
		}
		if err := c.manage("GET", "/admin/v1/connectors", "", nil, &answer); err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), answer.Connectors)
		}
		w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
		fmt.Fprintln(w, "NAME\tVERSION\tSHA256\tSTATE\tGRANTED\tCOMMANDS")
		for _, info := range answer.Connectors {
			fmt.Fprintf(w, "%s\t%s\t%.12s\t%s\t%s\t%s\n", shown(info.Name), shown(info.Version), shown(info.SHA256), stateOf(info), grantedOf(info), shown(strings.Join(info.Commands, " ")))
		}
		if err := w.Flush(); err != nil {
			return err
		}
		for _, info := range answer.Connectors {
			if info.Unavailable != "" {
				fmt.Fprintf(cmd.OutOrStdout(), "\n%s is unavailable: %s\n", shown(info.Name), shown(info.Unavailable))
			}
		}
		return nil
	})
	return cmd
}

// grantedOf says how much of what a connector asks for it is granted.
func grantedOf(info server.ConnectorInfo) string {
	switch {
	case len(info.Requested) == 0:
		return "-"
	case len(info.Missing) == 0:
		return "all"
	case slices.ContainsFunc(info.Requested, func(q runtime.Requested) bool { return q.State != runtime.GrantedNot }):
		return "part"
	}
	return "nothing"
}

func stateOf(info server.ConnectorInfo) string {
	switch {
	case info.Unavailable != "":
		return "unavailable"
	case info.Bundled:
		return "bundled"
	}
	return "installed"
}

func newRemove() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "remove NAME",
		Aliases: []string{"rm"},
		Short:   "Remove a connector from a server",
		Args:    one("connector"),
	}
	c := clientFlags(cmd)
	cmd.RunE = failing(func(cmd *cobra.Command, args []string) error {
		if err := c.manage("DELETE", "/admin/v1/connectors/"+url.PathEscape(args[0]), "", nil, nil); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s is removed\n", args[0])
		return nil
	})
	return cmd
}
