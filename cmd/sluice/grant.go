package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"slices"

	"sluice/internal/yamlmap"
	"sluice/runtime"
	"sluice/runtime/manifest"
	"sluice/runtime/server"

	"github.com/spf13/cobra"
)

// grantFlags are the members of a grant that have a flag of their own.
var grantFlags = []struct{ member, doc string }{
	{"http", "rule of where requests may go; repeat it for more"},
	{"addresses", "what the rules' hosts may stand for: public, private, loopback, a network or an address; repeat it for more"},
	{"tcp", "rule of where connections may go, host:port; repeat it for more"},
	{"secrets", "name of a secret that the connector may use, without clear and sign, which --file grants; repeat it for more"},
	{"cache", "how much it may keep from call to call, such as 1MiB"},
	{"memory", "how large the guest's memory may grow, such as 256MiB"},
	{"response", "how large a response may be"},
	{"stream", "how large a response may be that it reads as it comes"},
	{"output", "how large an answer may be"},
	{"deadline", "how long a call may take, such as 40s"},
}

func newGrant() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "grant NAME",
		Short: "Show or change what a connector is granted",
		Long: "Show what a connector on a server asks for, beside what it is granted. With flags, change its grant: it counts for\n" +
			"the next call, and is kept in the server's catalog. A flag of a member replaces that member and leaves the others;\n" +
			"--file replaces the grant as a whole. A grant in the server's configuration file is changed there only.",
		Example: "  sluice grant weather\n" +
			"  sluice grant weather --http https://api.example.com --http https://*.example.org\n" +
			"  sluice grant weather --addresses private --memory 128MiB\n" +
			"  sluice grant weather --file grant.yaml\n" +
			"  sluice grant weather --from-observed --apply\n" +
			"  sluice grant weather --reset",
		Args: oneAtMost,
	}
	g := &grantCommand{cmd: cmd, client: clientFlags(cmd)}
	for _, f := range grantFlags {
		switch f.member {
		case "http", "addresses", "tcp", "secrets":
			cmd.Flags().StringArray(f.member, nil, f.doc)
		default:
			cmd.Flags().String(f.member, "", f.doc)
		}
	}
	cmd.Flags().StringVar(&g.file, "file", "", "the whole grant, in YAML or JSON; - reads it from standard input")
	cmd.Flags().BoolVar(&g.reset, "reset", false, "take back what was granted by this command, so that the shipped grant counts, or none")
	cmd.Flags().BoolVar(&g.observed, "from-observed", false, "print the smallest grant under which nothing is refused of what was observed")
	cmd.Flags().BoolVar(&g.apply, "apply", false, "with --from-observed: grant it")
	cmd.Flags().BoolVar(&g.schema, "schema", false, "print the JSON Schema of a grant")
	cmd.Flags().BoolVar(&g.asJSON, "json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := g.check(args); err != nil {
			return err
		}
		return failing(g.run)(cmd, args)
	}
	return cmd
}

// grantCommand is what the arguments ask for.
type grantCommand struct {
	cmd                            *cobra.Command
	client                         *client
	file                           string
	reset, observed, apply, schema bool
	asJSON                         bool
}

// members are the grant's members that flags set, as a document has them.
func (g *grantCommand) members() map[string]any {
	out := make(map[string]any)
	for _, f := range grantFlags {
		flag := g.cmd.Flags().Lookup(f.member)
		if !flag.Changed {
			continue
		}
		if list, err := g.cmd.Flags().GetStringArray(f.member); err == nil {
			out[f.member] = slices.DeleteFunc(list, func(s string) bool { return s == "" })
		} else {
			out[f.member] = flag.Value.String()
		}
	}
	return out
}

// check says what is unclear.
func (g *grantCommand) check(args []string) error {
	ways := 0
	for _, way := range []bool{g.file != "", g.reset, g.observed, g.schema, len(g.members()) > 0} {
		if way {
			ways++
		}
	}
	switch {
	case ways > 1:
		return fmt.Errorf("--file, --reset, --from-observed, --schema and the flags of members exclude each other")
	case g.apply && !g.observed:
		return fmt.Errorf("--apply goes with --from-observed")
	case g.schema:
		return nil
	case len(args) == 0:
		return fmt.Errorf("say which connector: sluice grant NAME")
	case !manifest.ValidName(args[0]):
		return fmt.Errorf("%q is no connector's name", args[0])
	}
	return nil
}

func (g *grantCommand) run(cmd *cobra.Command, args []string) error {
	out := cmd.OutOrStdout()
	if g.schema {
		_, err := out.Write(runtime.GrantSchema())
		return err
	}
	path := "/admin/v1/connectors/" + url.PathEscape(args[0])
	var info server.GrantInfo
	members := g.members()
	var err error
	switch {
	case g.reset:
		err = g.client.manage("DELETE", path+"/grant", "", nil, &info)
	case g.observed:
		return g.fromObserved(out, path)
	case g.file != "":
		if members, err = readGrant(g.file, cmd.InOrStdin()); err == nil {
			err = g.put(path, members, &info)
		}
	case len(members) > 0:
		if err = g.merge(path, members); err == nil {
			err = g.put(path, members, &info)
		}
	default:
		err = g.client.manage("GET", path+"/grant", "", nil, &info)
	}
	if err != nil {
		return err
	}
	if g.asJSON {
		return printJSON(out, info)
	}
	return showGrant(out, info)
}

// merge adds the members of the present grant that are not to be changed. One that is set to nothing is left out.
func (g *grantCommand) merge(path string, members map[string]any) error {
	var present server.GrantInfo
	if err := g.client.manage("GET", path+"/grant", "", nil, &present); err != nil {
		return err
	}
	kept := make(map[string]any)
	if err := json.Unmarshal(present.Grant, &kept); err != nil {
		return fmt.Errorf("the server did not answer as Sluice does: see whether --server is its address")
	}
	warnOfSecretUses(g.cmd.ErrOrStderr(), kept["secrets"], members["secrets"])
	for name, v := range kept {
		if _, changed := members[name]; !changed {
			members[name] = v
		}
	}
	maps.DeleteFunc(members, func(_ string, v any) bool { return v == "" })
	return nil
}

// warnOfSecretUses says what --secrets, which has names alone, takes back of secrets that stay granted.
func warnOfSecretUses(w io.Writer, kept, given any) {
	before, _ := kept.([]any)
	names, _ := given.([]string)
	for _, item := range before {
		fields, _ := item.(map[string]any)
		name, _ := fields["name"].(string)
		if !slices.Contains(names, name) {
			continue
		}
		for _, use := range []string{"clear", "sign"} {
			if fields[use] == true {
				fmt.Fprintf(w, "warning: %s was granted with %s: true, which --secrets takes back; grant that by --file\n", name, use)
			}
		}
	}
}

func (g *grantCommand) put(path string, grant any, info *server.GrantInfo) error {
	text, err := json.Marshal(grant)
	if err != nil {
		return fmt.Errorf("the grant can't be written as JSON: %w", err)
	}
	return g.client.manage("PUT", path+"/grant", "application/json", text, info)
}

// readGrant reads a grant in YAML, which JSON is too. The server says whether it is valid.
func readGrant(file string, stdin io.Reader) (map[string]any, error) {
	var text []byte
	var err error
	if file == "-" {
		text, err = io.ReadAll(io.LimitReader(stdin, runtime.MaxGrantText+1))
	} else {
		text, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, err
	}
	if len(text) > runtime.MaxGrantText {
		return nil, fmt.Errorf("%s is larger than %d bytes", file, runtime.MaxGrantText)
	}
	if file == "-" {
		file = "standard input"
	}
	members, err := yamlmap.Parse(text)
	switch {
	case errors.Is(err, yamlmap.ErrNoMapping):
		return nil, fmt.Errorf("%s is no grant: it must be a mapping of members, such as http: [\"https://api.example.com\"]", file)
	case err != nil:
		return nil, fmt.Errorf("%s is no grant: %w", file, err)
	case members == nil:
		return nil, fmt.Errorf("%s is empty: write {} to grant nothing", file)
	}
	return members, nil
}

// fromObserved prints the smallest grant that would do, or grants it.
func (g *grantCommand) fromObserved(out io.Writer, path string) error {
	var info server.ObservedInfo
	if err := g.client.manage("GET", path+"/observed", "", nil, &info); err != nil {
		return err
	}
	if info.NotRecorded > 0 {
		fmt.Fprintf(g.cmd.ErrOrStderr(), "%d more requests and connections were not recorded, for want of room: grant what is here, and observe again\n", info.NotRecorded)
	}
	if g.apply {
		var granted server.GrantInfo
		if err := g.put(path, info.Grant, &granted); err != nil {
			return err
		}
		if g.asJSON {
			return printJSON(out, granted)
		}
		return showGrant(out, granted)
	}
	if g.asJSON {
		return printJSON(out, info)
	}
	for _, o := range info.Observed {
		fmt.Fprintf(out, "# %d × %s %s, %s address, last %s\n", o.Count, shown(cmp.Or(o.Method, o.Capability)), shown(o.Origin), shown(o.Address), o.Last.Format("2006-01-02 15:04:05Z"))
	}
	if len(info.Observed) == 0 {
		fmt.Fprintln(out, "# nothing was observed that the grant would refuse")
	}
	return printGrant(out, "", info.Grant)
}
