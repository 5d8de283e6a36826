package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"sluice/internal/config"
	"sluice/runtime"
	"sluice/runtime/catalog"
	"sluice/runtime/manifest"
	"sluice/runtime/module"

	"github.com/spf13/cobra"
)

// report is what inspect says of a module.
type report struct {
	File        string             `json:"file"`
	Size        int                `json:"size"`
	SHA256      string             `json:"sha256"`
	ABI         string             `json:"abi"`
	MemoryPages uint32             `json:"initial_memory_pages"`
	Functions   int                `json:"functions"`
	Imports     []string           `json:"imports"`
	Manifest    *manifest.Manifest `json:"manifest"`
	CustomBytes int                `json:"custom_section_bytes"`
	Admission   *admission         `json:"admission"`
	// GrantSource is where the grant was said that Requested is held against.
	GrantSource runtime.GrantSource `json:"grant_source"`
	Requested   []runtime.Requested `json:"requested"`
	// Verification is there with --verify.
	Verification *verification `json:"verification,omitempty"`
}

func newInspect() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "inspect FILE.wasm|NAME",
		Short: "Say what a module is, what it asks for, and whether it can be installed; or what an installed connector may do",
		Long: "Say what a module is: its ABI, imports, commands, and the capabilities it requests. The module is checked as an\n" +
			"upload is, and asked for its manifest in a sandbox that reaches nothing.\n\n" +
			"With --verify, it is also asked again and again, in sandboxes that are put back after each call in every way that\n" +
			"works on this machine, and canaries left by one call are looked for in the others. No command is executed.\n\n" +
			"What it asks for stands beside what a connector of its name is granted: on the server that --server names, or else by\n" +
			"the configuration file that --config names. An argument that is no file but a connector's name shows the connector\n" +
			"of a server.\n\n" +
			"Exit status 1, and the reason, where it could not be installed, or where something of a call was found in another.",
		Args: one("module or connector"),
	}
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	verifies := cmd.Flags().Bool("verify", false, "look whether calls leave anything behind for others")
	file := cmd.Flags().String("config", "", "configuration file (YAML) with the grants to hold a module's requests against")
	c := clientFlags(cmd)
	cmd.RunE = failing(func(cmd *cobra.Command, args []string) error {
		wasm, err := os.ReadFile(args[0])
		noFile := errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EISDIR)
		if noFile && manifest.ValidName(args[0]) && !strings.HasSuffix(args[0], ".wasm") {
			return c.inspectInstalled(cmd.OutOrStdout(), args[0], *asJSON)
		}
		if err != nil {
			return err
		}
		grants, err := grantsOf(*file)
		if err != nil {
			return err
		}
		r, err := inspect(args[0], wasm, grants, *verifies)
		if err == nil && cmd.Flags().Changed("server") {
			err = r.askServer(c)
		}
		if err != nil {
			return err
		}
		if *asJSON {
			err = printJSON(cmd.OutOrStdout(), r)
		} else {
			r.print(cmd.OutOrStdout())
		}
		if err == nil && r.Verification != nil {
			err = r.Verification.failure()
		}
		return err
	})
	return cmd
}

func inspect(file string, wasm []byte, grants map[string]runtime.Grant, verifies bool) (*report, error) {
	inspected, err := runtime.Inspect(wasm)
	if err != nil {
		return nil, err
	}
	m := inspected.Module
	digest := sha256.Sum256(wasm)
	r := &report{
		File: file, Size: len(wasm), SHA256: hex.EncodeToString(digest[:]), ABI: string(inspected.ABI), Imports: []string{},
		Functions: len(m.Functions) - m.ImportedFunctions, MemoryPages: m.Memories[0].Initial,
	}
	for _, i := range m.Imports {
		r.Imports = append(r.Imports, i.Module+"."+i.Name)
	}
	slices.Sort(r.Imports)
	r.Imports = slices.Compact(r.Imports)
	for _, c := range m.Customs {
		r.CustomBytes += c.Size
	}
	return r, r.look(m, wasm, grants, verifies)
}

// look installs the module in a runtime of its own, which is thrown away, and reports what is seen there.
func (r *report) look(m *module.Module, wasm []byte, grants map[string]runtime.Grant, verifies bool) error {
	dir, err := os.MkdirTemp("", "sluice-inspect-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	store, err := catalog.Open(dir, catalog.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	settings, err := config.Load("", func(string) (string, bool) { return "", false }, nil)
	if err != nil {
		return err
	}
	rc := runtimeConfig(settings, store, compiledCache(), newLogger("warn"))
	rc.Bundled, rc.ShowGuests, rc.Grants = nil, true, limitsOf(grants)
	ctx := context.Background()
	rt, err := runtime.New(ctx, rc)
	if err != nil {
		return err
	}
	defer func() { _ = rt.Close(ctx) }()
	c, _, err := rt.Install(ctx, wasm, false)
	if err != nil {
		return err
	}
	r.Manifest, r.GrantSource = c.Version.Manifest, c.GrantSource
	r.Requested = runtime.RequestedUnder(r.Manifest, grants[c.Name])
	if r.Admission, err = admissionOf(rt, c.Name, m); err != nil || !verifies {
		return err
	}
	r.Verification, err = verify(ctx, rc, wasm)
	return err
}

// limitsOf are grants without what they let connectors reach: the secrets and files that they name are the server's.
func limitsOf(grants map[string]runtime.Grant) map[string]runtime.Grant {
	limits := make(map[string]runtime.Grant, len(grants))
	for name, g := range grants {
		limits[name] = runtime.Grant{Memory: g.Memory, Response: g.Response, Deadline: g.Deadline}
	}
	return limits
}

func (r *report) print(w io.Writer) {
	m := r.Manifest
	fmt.Fprintf(w, "%s\n  %s\n", r.File, described(m.Name+" "+m.Version, m.Description))
	fmt.Fprintf(w, "  ABI %s, %d bytes (%d of them in custom sections), sha256 %s\n", r.ABI, r.Size, r.CustomBytes, r.SHA256)
	fmt.Fprintf(w, "  %d functions, %d pages of 64 KiB of memory to begin with\n", r.Functions, r.MemoryPages)
	fmt.Fprintln(w, "commands")
	for _, c := range m.Commands {
		fmt.Fprintf(w, "  %s\n", described(m.Name+"/"+c.Name, c.Description))
		for _, p := range c.Parameters {
			is := string(p.Type)
			if p.Required {
				is += ", required"
			}
			if p.Secret {
				is += ", secret"
			}
			fmt.Fprintf(w, "    %s\n", described(p.ID+" ("+is+")", p.Description))
		}
	}
	fmt.Fprintf(w, "requested capabilities, beside what is granted (%s)\n", sourceOf(r.GrantSource))
	showRequested(w, r.Requested)
	fmt.Fprintln(w, "imports")
	for _, i := range r.Imports {
		fmt.Fprintf(w, "  %s\n", shown(i))
	}
	r.Admission.print(w)
	if r.Verification != nil {
		r.Verification.print(w, r.Admission)
	}
}
