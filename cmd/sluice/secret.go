package main

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"

	"sluice/hostfuncs/secret"
	"sluice/runtime/server"

	"github.com/spf13/cobra"
)

func newSecret() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "secret",
		Short: "Keep the values of secrets on a server, sealed",
		Long: "Keep the values of secrets on a server, sealed by the key that it has in SLUICE_SECRETS_KEY or secrets.key_file. What a\n" +
			"secret is bound to, and which connectors may use it, is in the server's configuration. No command shows a value.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 { // which is not repeated: it may be a value
				return fmt.Errorf("sluice secret is followed by set, list or remove")
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(newSecretSet(), newSecretList(), newSecretRemove())
	return cmd
}

func newSecretSet() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "set NAME",
		Short: "Keep a value, read from standard input",
		Long: "Keep a value, read from standard input, in place of an older one. One line break at its end is cut. It is used by calls\n" +
			"from then on. It is never an argument, which every process of the machine could see.",
		Example: "  printf %s \"$TOKEN\" | sluice secret set api-token\n" +
			"  sluice secret set api-token <token.txt",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("sluice %s takes a name alone: the value is read from standard input", usage(cmd))
			}
			return one("secret")(cmd, args)
		},
	}
	c := clientFlags(cmd)
	cmd.RunE = failing(func(cmd *cobra.Command, args []string) error {
		if cmd.InOrStdin() == io.Reader(os.Stdin) && isTerminal(os.Stdin) {
			fmt.Fprintln(cmd.ErrOrStderr(), "Reading the value from the terminal, where it is seen; end it with Ctrl-D.")
		}
		value, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), secret.MaxValue+3)) // so that the server says that it is too long
		if err != nil {
			return err
		}
		if err := c.manage("PUT", secretPath(args[0]), "text/plain", value, nil); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s is set\n", args[0])
		return c.warnOfUse(cmd.ErrOrStderr(), args[0])
	})
	return cmd
}

// warnOfUse says where nothing will use a value that was set.
func (c *client) warnOfUse(w io.Writer, name string) error {
	var answer server.SecretList
	if err := c.manage("GET", "/admin/v1/secrets", "", nil, &answer); err != nil {
		return err
	}
	for _, s := range answer.Secrets {
		switch {
		case s.Name != name:
		case s.From == "":
			fmt.Fprintf(w, "warning: no secret of that name is defined: add secrets.%s, with from: store, to the server's configuration file and restart it\n", name)
		case s.From != secret.FromStore:
			fmt.Fprintf(w, "warning: secrets.%s is defined from %s: the stored value is not used\n", name, shown(s.From))
		}
	}
	return nil
}

func secretPath(name string) string { return "/admin/v1/secrets/" + url.PathEscape(name) }

func newSecretList() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the secrets that are defined or stored: names and bindings, no values",
		Args:    none,
	}
	c := clientFlags(cmd)
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = failing(func(cmd *cobra.Command, _ []string) error {
		var answer server.SecretList
		if err := c.manage("GET", "/admin/v1/secrets", "", nil, &answer); err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), answer)
		}
		w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "NAME\tFROM\tVALUE\tPLACES\tORIGINS")
		for _, s := range answer.Secrets {
			from := s.From
			if from == "" {
				from = "(not defined)"
			}
			origins := strings.Join(s.Origins, " ")
			if origins == "" {
				origins = "none"
			}
			value := map[bool]string{true: "there", false: "missing"}[s.Available]
			if s.From == "" {
				value = "unused"
			}
			var places []string
			for _, p := range s.Places {
				places = append(places, string(p))
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", shown(s.Name), shown(from), value, shown(strings.Join(places, " ")), shown(origins))
		}
		if err := w.Flush(); err != nil {
			return err
		}
		for _, s := range answer.Secrets {
			switch {
			case s.Problem != "":
				fmt.Fprintf(cmd.OutOrStdout(), "%s has no value that can be used: %s\n", shown(s.Name), shown(s.Problem))
			case s.From == "":
				fmt.Fprintf(cmd.OutOrStdout(), "%s is not defined: the stored value is not used\n", shown(s.Name))
			case s.Stored && s.From != secret.FromStore:
				fmt.Fprintf(cmd.OutOrStdout(), "%s is defined from %s: the stored value is not used\n", shown(s.Name), shown(s.From))
			}
		}
		return nil
	})
	return cmd
}

func newSecretRemove() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "remove NAME",
		Aliases: []string{"rm"},
		Short:   "Remove a value from a server",
		Args:    one("secret"),
	}
	c := clientFlags(cmd)
	cmd.RunE = failing(func(cmd *cobra.Command, args []string) error {
		if err := c.manage("DELETE", secretPath(args[0]), "", nil, nil); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s is removed\n", args[0])
		return nil
	})
	return cmd
}
