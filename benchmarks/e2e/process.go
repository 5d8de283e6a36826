package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// process is this program, started again in a role. Its methods end with the context it was started with, which kills
// it.
type process struct {
	role    string
	command *exec.Cmd
	in      io.WriteCloser
	out     *json.Decoder
}

// stopTime is how long a process may take to end once its standard input has.
const stopTime = 2 * shutdownTime

func start(ctx context.Context, o order) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{role: o.Role, command: exec.CommandContext(ctx, self)}
	p.command.Env = append(os.Environ(), childVariable+"=1")
	p.command.Stderr = os.Stderr
	p.command.WaitDelay = stopTime
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
	if err := json.NewEncoder(p.in).Encode(o); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

// startServer starts a server and returns its address.
func startServer(ctx context.Context, o order) (*process, string, error) {
	p, err := start(ctx, o)
	if err != nil {
		return nil, "", err
	}
	var r ready
	if err := p.read(&r); err != nil {
		return nil, "", errors.Join(err, p.stop())
	}
	return p, r.Address, nil
}

// putLoad runs the load client, in a process of its own, and returns what it found.
func putLoad(ctx context.Context, l load) (result loadResult, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.WarmUp+l.Duration+loadGrace)
	defer cancel()
	p, err := start(ctx, order{Role: roleLoad, Load: l})
	if err != nil {
		return result, err
	}
	err = p.read(&result)
	return result, errors.Join(err, p.stop())
}

func (p *process) read(v any) error {
	if err := p.out.Decode(v); err != nil {
		return fmt.Errorf("the process %q ended: %w", p.role, err)
	}
	return nil
}

// sample asks the process what it has used.
func (p *process) sample() (s sample, err error) {
	if _, err := io.WriteString(p.in, "\n"); err != nil {
		return s, fmt.Errorf("asking the process %q: %w", p.role, err)
	}
	return s, p.read(&s)
}

// stop ends the process and waits until it has.
func (p *process) stop() error {
	kill := time.AfterFunc(stopTime, func() { _ = p.command.Process.Kill() })
	defer kill.Stop()
	_ = p.in.Close() // a process that has ended has closed its end
	if err := p.command.Wait(); err != nil {
		return fmt.Errorf("the process %q: %w", p.role, err)
	}
	return nil
}
