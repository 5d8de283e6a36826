package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/metrics"
	"runtime/pprof"
	"time"
)

// childVariable, set in the environment, makes this program one of the processes that are measured. Such a process
// reads an order, a line of JSON, from standard input, and answers each further line with one of its own. It ends with
// its standard input, and so with its parent, however that ended.
const childVariable = "SLUICE_E2E_CHILD"

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
