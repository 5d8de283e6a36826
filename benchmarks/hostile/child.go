package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"sluice/benchmarks/child"
)

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

// obey does as the order says until in ends, and writes a summary to out.
func obey(in io.Reader, out io.Writer) error {
	o, rest, err := child.Order[order](in)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, rest) // until it ends, however
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

// stopTime is how long a process may take to end once its standard input has: it waits for what it has sent.
const stopTime = 2 * patience

// during measures in processes of these roles while do runs, and returns what each measured.
func during(ctx context.Context, orders []order, do func() error) (all []summary, err error) {
	var processes []*child.Process
	for _, o := range orders {
		p, failed := child.Start(ctx, o.Role, o, stopTime)
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
		var s summary
		failed := p.Stop(&s)
		all, err = append(all, s), errors.Join(err, failed)
	}
	return all, err
}
