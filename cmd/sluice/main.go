// Command sluice runs connectors as WebAssembly modules and serves them to workflow engines.
package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	"sluice/runtime/sandbox/compile"

	"github.com/spf13/cobra"
)

// version is set when a release is built.
var version = "dev"

func main() {
	compile.Helper()
	os.Exit(run(os.Args[1:]))
}

// The exit codes of every subcommand.
const (
	exitOK     = 0
	exitFailed = 1 // what was asked for did not work out
	exitUsage  = 2 // what was asked for is not clear
)

func run(args []string) int {
	// net/http writes there what a service sends unasked, byte for byte.
	log.SetOutput(io.Discard)
	root := newRoot()
	root.SetArgs(args)
	err := root.Execute()
	if err == nil {
		return exitOK
	}
	// A module, or a server, can have chosen the words of some.
	fmt.Fprintln(os.Stderr, "sluice:", shownLines(err.Error()))
	var failed *failure
	if errors.As(err, &failed) {
		return exitFailed
	}
	var setting *settingError
	if !errors.As(err, &setting) {
		fmt.Fprintln(os.Stderr, "Run 'sluice --help', or 'sluice COMMAND --help'.")
	}
	return exitUsage
}

// failure marks an error as one of what was asked for, not of how.
type failure struct{ err error }

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// failing makes the errors of a subcommand's work failures. What cobra finds wrong with the arguments is not.
func failing(work func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := work(cmd, args); err != nil {
			return &failure{err}
		}
		return nil
	}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "sluice",
		Short: "Run workflow connectors as sandboxed WebAssembly modules",
		Long: "Sluice runs connectors as WebAssembly modules, each call in a sandbox of its own, and serves them to workflow\n" +
			"engines: to Spiff Arena as its connector proxy.\n\n" +
			"Exit status: 0 done, 1 it did not work out, 2 the arguments are wrong.",
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(newServe(), newPush(), newList(), newRemove(), newGrant(), newSecret(), newCall(), newInspect(), newHealthcheck(), newVersion())
	return root
}
