package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"runtime/metrics"
	"runtime/pprof"
	"time"

	"sluice/benchmarks/child"
)

// The roles of processes, beside the servers that are measured: those go by their names in package figures.
const (
	roleUpstream = "upstream"
	roleHolding  = "holding upstream"
	roleLoad     = "load"
	roleWaiting  = "waiting load"
)

// order is what a process is to be.
type order struct {
	Role string
	// Guests is the folder of the built guests, for the servers that run one.
	Guests string
	// Settings are a connector server's beside those of its stand, by key.
	Settings map[string]string
	// Dir is where a server keeps its data.
	Dir string
	// Body is what the upstream and the bare server answer.
	Body []byte
	// Profile is the file for a server's CPU profile, or "".
	Profile string
	// Load is what the load client does.
	Load load
	// Crowd is what the client of waiting calls does, and for how many a holding upstream holds its answers.
	Crowd crowd
}

// ready is how a server answers its order.
type ready struct{ Address string }

// sample is what a process has used since it began.
type sample struct {
	CPU     time.Duration // user and system
	Objects uint64        // allocated on the heap
	Bytes   uint64        // of these
	GCs     uint64
	Held    int64 // calls that a holding upstream has not answered yet
}

// obey is a process that is measured, or takes part. A server says where it is, and answers each further line with a sample.
func obey(in io.Reader, out io.Writer) error {
	o, lines, err := child.Order[order](in)
	if err != nil {
		return err
	}
	answers := json.NewEncoder(out)
	switch o.Role {
	case roleLoad:
		result, err := o.Load.run()
		if err != nil {
			return err
		}
		return answers.Encode(result)
	case roleWaiting:
		return answers.Encode(o.Crowd.run())
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	serve, err := newServing(o)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	return serve.during(ln, func() error {
		if o.Profile != "" {
			stop, err := profile(o.Profile)
			if err != nil {
				return err
			}
			defer stop()
		}
		if err := answers.Encode(ready{ln.Addr().String()}); err != nil {
			return err
		}
		for {
			if _, err := lines.ReadSlice('\n'); err != nil {
				return nil // standard input has ended, and with it this process's time
			}
			s := takeSample()
			if serve.held != nil {
				s.Held = serve.held()
			}
			if err := answers.Encode(s); err != nil {
				return err
			}
		}
	})
}

func profile(path string) (stop func(), err error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
	}, nil
}

func takeSample() sample {
	read := []metrics.Sample{
		{Name: "/gc/heap/allocs:objects"}, {Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/cycles/total:gc-cycles"},
	}
	metrics.Read(read)
	return sample{CPU: cpuTime(), Objects: read[0].Value.Uint64(), Bytes: read[1].Value.Uint64(), GCs: read[2].Value.Uint64()}
}

func (s sample) minus(earlier sample) sample {
	return sample{
		CPU: s.CPU - earlier.CPU, Objects: s.Objects - earlier.Objects, Bytes: s.Bytes - earlier.Bytes, GCs: s.GCs - earlier.GCs,
	}
}

// stopTime is how long a process may take to end once its standard input has.
const stopTime = 2 * shutdownTime

func start(ctx context.Context, o order) (*child.Process, error) {
	return child.Start(ctx, o.Role, o, stopTime)
}

// startServer starts a server and returns its address.
func startServer(ctx context.Context, o order) (*child.Process, string, error) {
	p, err := start(ctx, o)
	if err != nil {
		return nil, "", err
	}
	var r ready
	if err := p.Read(&r); err != nil {
		return nil, "", errors.Join(err, p.Stop(nil))
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
	err = p.Read(&result)
	return result, errors.Join(err, p.Stop(nil))
}

// sampleOf asks a server what it has used.
func sampleOf(p *child.Process) (s sample, err error) {
	err = p.Ask(&s)
	return s, err
}
