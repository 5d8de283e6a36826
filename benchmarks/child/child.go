// Package child is a benchmark's other processes: the program itself, started again with an order on its standard input.
// So no two that take part in a measurement share a heap or a scheduler, and there is but one program to build.
//
// The order is a line of JSON; what a process answers is JSON too, on its standard output. What it writes to standard error
// goes where the program's own does. A child ends with its standard input, and so with its parent, however that ended.
package child

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

// variable, set in the environment, makes this program one of its own children.
const variable = "SLUICE_BENCHMARK_CHILD"

// Is reports whether this process is a child. The main function of tests that start some asks it, for there the program
// is their binary.
func Is() bool { return os.Getenv(variable) != "" }

// Main is all that a benchmark's main function does. In a child it calls obey, which is nil where the program starts none;
// otherwise measure, with the program's arguments and a context that an interrupt ends. If that fails, it prints the error
// behind the program's name and exits with status 1; but to ask for help with the flags is no failure.
func Main(name string, measure func(ctx context.Context, args []string) error, obey func(in io.Reader, out io.Writer) error) {
	var err error
	if obey != nil && Is() {
		err = obey(os.Stdin, os.Stdout)
	} else {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		err = measure(ctx, os.Args[1:])
		stop()
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, name+":", err)
		os.Exit(1)
	}
}

// Order reads a child's order, and returns with it a reader of what comes after. It fails if there is no whole line, or none
// that is such an order.
func Order[T any](in io.Reader) (order T, rest *bufio.Reader, err error) {
	rest = bufio.NewReader(in)
	line, err := rest.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &order)
	}
	if err != nil {
		return order, rest, fmt.Errorf("reading the order: %w", err)
	}
	return order, rest, nil
}

// Process is a child that runs, or has ended. It is not safe for concurrent use.
type Process struct {
	name     string
	patience time.Duration
	command  *exec.Cmd
	in       io.WriteCloser
	out      *json.Decoder
}

// Start starts this program again and gives it an order, which must go into JSON. Errors call the process by the name. The
// caller stops it, also where the context ends before, which kills it. Patience is how long it may take to end then.
func Start(ctx context.Context, name string, order any, patience time.Duration) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &Process{name: name, patience: patience, command: exec.CommandContext(ctx, self)}
	p.command.Env = append(os.Environ(), variable+"=1")
	p.command.Stderr = os.Stderr
	p.command.WaitDelay = patience
	if p.in, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = json.NewDecoder(out)
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	if err := json.NewEncoder(p.in).Encode(order); err != nil {
		return nil, errors.Join(err, p.Stop(nil))
	}
	return p, nil
}

// PID is the number that the system gives the process.
func (p *Process) PID() int { return p.command.Process.Pid }

// Read waits for the next answer of the process. It fails if the process ends before, or the answer is of another kind.
func (p *Process) Read(answer any) error {
	if err := p.out.Decode(answer); err != nil {
		return fmt.Errorf("the process %q ended: %w", p.name, err)
	}
	return nil
}

// Ask sends the process an empty line, and reads what it answers. It fails as Read does, and if the process has ended.
func (p *Process) Ask(answer any) error {
	if _, err := io.WriteString(p.in, "\n"); err != nil {
		return fmt.Errorf("asking the process %q: %w", p.name, err)
	}
	return p.Read(answer)
}

// Stop ends the process's standard input, reads what it answers to that unless last is nil, and waits until it has ended. It
// fails if there is no such answer, if the process failed, and if it was killed: by its context, or as it took too long.
func (p *Process) Stop(last any) error {
	kill := time.AfterFunc(p.patience, func() { _ = p.command.Process.Kill() })
	defer kill.Stop()
	_ = p.in.Close() // a process that has ended has closed its end
	var read error
	if last != nil {
		read = p.Read(last)
	}
	if err := p.command.Wait(); err != nil {
		return errors.Join(read, fmt.Errorf("the process %q: %w", p.name, err))
	}
	return read
}
