package compile

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"syscall"
)

// Argument is the first argument of a process that is the helper.
const Argument = "internal-compile"

// The helper's exit statuses beside 0, which says that there is a report.
const (
	exitUsage    = 2
	exitLimits   = 3 // it could not limit itself
	exitInput    = 4 // the module did not come whole
	exitOrphaned = 5 // the server is gone
)

// Helper makes this process the compile helper, if it was started as that, and does not return then. A program whose
// modules are compiled by a [Compiler] calls it first of all in main, a test binary in TestMain.
//
// The helper limits itself, reads the module, its length before it, from standard input, compiles it into the folder it
// was started in, and reports on standard output.
func Helper() {
	if len(os.Args) > 1 && os.Args[1] == Argument {
		os.Exit(help(os.Args[2:], os.Stdin, os.Stdout))
	}
	canHelp.Store(true)
}

func help(args []string, stdin io.Reader, stdout io.Writer) int {
	l, err := parseArguments(args)
	if err != nil {
		fmt.Fprintf(os.Stderr, "sluice: %s is for Sluice itself: %v\n", Argument, err)
		return exitUsage
	}
	overCPU := func() {
		_ = json.NewEncoder(stdout).Encode(report{Cause: causeCPU})
		os.Exit(0)
	}
	if err := limitProcess(l, overCPU); err != nil {
		fmt.Fprintln(os.Stderr, "sluice:", err)
		return exitLimits
	}
	// Near the limit the collector works harder, before the system refuses memory.
	debug.SetMemoryLimit(int64(min(l.data/4*3, math.MaxInt64)))
	debug.SetMaxStack(int(min(l.data/4, math.MaxInt32)))
	runtime.GOMAXPROCS(min(workers, runtime.GOMAXPROCS(0)))

	wasm, err := readModule(stdin, l.module)
	if err != nil {
		fmt.Fprintln(os.Stderr, "sluice: reading the module:", err)
		return exitInput
	}
	go func() {
		_, _ = stdin.Read(make([]byte, 1)) // nothing comes any more; it returns when the other end is closed
		os.Exit(exitOrphaned)
	}()
	if json.NewEncoder(stdout).Encode(compileHere(wasm)) != nil {
		return exitOrphaned
	}
	return 0
}

// helperLimits are the Limits that the helper itself sees to, in bytes and seconds.
type helperLimits struct{ data, cpu, module, code uint64 }

func parseArguments(args []string) (l helperLimits, err error) {
	fields := []*uint64{&l.data, &l.cpu, &l.module, &l.code}
	if len(args) != len(fields) {
		return l, fmt.Errorf("it takes %d arguments", len(fields))
	}
	for i, f := range fields {
		if *f, err = strconv.ParseUint(args[i], 10, 63); err != nil {
			return l, err
		}
	}
	return l, nil
}

// readModule reads a module of at most so many bytes.
func readModule(r io.Reader, most uint64) ([]byte, error) {
	var length [8]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint64(length[:])
	if n > most {
		return nil, errTooLarge
	}
	wasm := make([]byte, n)
	_, err := io.ReadFull(r, wasm)
	return wasm, err
}

// compileHere compiles into the current folder.
func compileHere(wasm []byte) report {
	if err := compileInto(context.Background(), ".", wasm); err != nil {
		return report{Cause: compilationCause(err), Detail: shortened(err.Error())}
	}
	dir, name, err := onlyFile(".")
	if err == nil {
		var digest string
		if digest, err = digestOf(filepath.Join(dir, name), math.MaxInt64-1); err == nil {
			return report{SHA256: digest}
		}
	}
	return report{Cause: causeStorage, Detail: shortened(err.Error())}
}

// compilationCause says what an error of the engine means.
func compilationCause(err error) cause {
	var path *fs.PathError
	var link *os.LinkError
	var number syscall.Errno
	switch {
	case errors.As(err, &path), errors.As(err, &link), errors.As(err, &number):
		return storageCause(err)
	case errors.Is(err, errPanic):
		return causeCrash
	}
	return causeInvalid
}
