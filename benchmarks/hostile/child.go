package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

// childVariable, set in the environment, makes this program one of the processes that take part. Such a process reads an
// order, a line of JSON, from standard input, does as it says until that ends, and writes a summary to standard output.
const childVariable = "SLUICE_HOSTILE_CHILD"

// The roles of processes.
const (
	roleSleep  = "sleep"  // sleeps for Every, and measures by how much it is woken too late
	roleSpin   = "spin"   // keeps one processor busy
	roleSteady = "steady" // asks Every so often, whether it was answered or not
	roleCrowd  = "crowd"  // keeps AtOnce requests under way
)

// order is what a process is to do.
type order struct {
	Role    string
	Request request
	AtOnce  int
	Every   time.Duration
}

// maxUnderWay bounds the requests that a steady process has under way. What is beyond is not sent, and counts as failed.
const maxUnderWay = 2048

func child(in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	var o order
	text, err := lines.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(text, &o)
	}
	if err != nil {
		return fmt.Errorf("reading the order: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, lines) // until it ends, however
	}()
	var t times
	switch o.Role {
	case roleSleep:
		o.sleep(ctx, &t)
	case roleSpin:
		for ctx.Err() == nil {
		}
	case roleSteady:
		o.steady(ctx, &t)
	case roleCrowd:
		o.crowd(ctx, &t)
	default:
		return fmt.Errorf("there is no role %q", o.Role)
	}
	return json.NewEncoder(out).Encode(t.summary())
}

func (o order) sleep(ctx context.Context, t *times) {
	for ctx.Err() == nil {
		began := time.Now()
		time.Sleep(o.Every)
		t.add(time.Since(began)-o.Every, ok)
	}
}

// steady measures from when each request was to be sent, so that a server which stands still is not asked less often.
func (o order) steady(ctx context.Context, t *times) {
	c := newClient(maxUnderWay)
	defer c.close()
	room := make(chan struct{}, maxUnderWay)
	var wait sync.WaitGroup
	for next := time.Now(); ; next = next.Add(o.Every) {
		select {
		case <-ctx.Done():
			wait.Wait()
			return
		case <-time.After(time.Until(next)):
		}
		select {
		case room <- struct{}{}:
		default:
			t.add(0, "not sent")
			continue
		}
		wait.Go(func() {
			defer func() { <-room }()
			end := c.send(o.Request)
			t.add(time.Since(next), end)
		})
	}
}

func (o order) crowd(ctx context.Context, t *times) {
	c := newClient(o.AtOnce)
	defer c.close()
	var wait sync.WaitGroup
	for range o.AtOnce {
		wait.Go(func() {
			for ctx.Err() == nil {
				began := time.Now()
				end := c.send(o.Request)
				t.add(time.Since(began), end)
			}
		})
	}
	wait.Wait()
}

// process is this program, started again in a role. It ends with the context that it was started with.
type process struct {
	role    string
	command *exec.Cmd
	in      io.WriteCloser
	out     io.Reader
}

func start(ctx context.Context, o order) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{role: o.Role, command: exec.CommandContext(ctx, self)}
	p.command.Env = append(os.Environ(), childVariable+"=1")
	p.command.Stderr = os.Stderr
	if p.in, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	if p.out, err = p.command.StdoutPipe(); err != nil {
		return nil, err
	}
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	if err := json.NewEncoder(p.in).Encode(o); err != nil {
		_, stopped := p.stop()
		return nil, errors.Join(err, stopped)
	}
	return p, nil
}

// stop lets the process end, and returns what it measured.
func (p *process) stop() (s summary, err error) {
	_ = p.in.Close() // a process that has ended has closed its end
	read := json.NewDecoder(p.out).Decode(&s)
	if err := errors.Join(read, p.command.Wait()); err != nil {
		return s, fmt.Errorf("the process that is to %s: %w", p.role, err)
	}
	return s, nil
}

// during measures in processes of these roles while do runs, and returns what each measured.
func during(ctx context.Context, orders []order, do func() error) (all []summary, err error) {
	var processes []*process
	for _, o := range orders {
		p, failed := start(ctx, o)
		if failed != nil {
			err = failed
			break
		}
		processes = append(processes, p)
	}
	if err == nil {
		err = do()
	}
	for _, p := range processes {
		s, failed := p.stop()
		all, err = append(all, s), errors.Join(err, failed)
	}
	return all, err
}
