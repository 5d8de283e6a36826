package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sluice/benchmarks"
	"sluice/benchmarks/child"
)

// measurement is one server under load once.
type measurement struct {
	load             loadResult
	server, upstream sample        // used meanwhile, warm-up included
	busy, elapsed    time.Duration // of all CPUs, and of the clock, meanwhile
}

// perSecond is how many requests were answered in a second.
func (m measurement) perSecond() float64 { return float64(m.load.Requests) / m.load.Took.Seconds() }

// perCall divides what was used among all calls.
func (m measurement) perCall(used float64) float64 { return used / float64(max(m.load.All, 1)) }

// others is the part of the machine that was busy with something else than the measurement.
func (m measurement) others(cores int) float64 {
	used := m.server.CPU + m.upstream.CPU + m.load.CPU
	return max(m.busy-used, 0).Seconds() / (m.elapsed.Seconds() * float64(cores))
}

// results are all measurements of one number of connections: by server, in order of rounds.
type results struct {
	connections int
	of          map[string][]measurement
}

// bench holds the processes of a run.
type bench struct {
	plan      plan
	upstream  *child.Process
	processes map[string]*child.Process
	loads     map[string]load
}

// run measures what the plan says. It reports progress by lines.
func run(ctx context.Context, p plan, progress func(line string)) (all []results, err error) {
	dir, err := os.MkdirTemp("", "sluice-e2e")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	b := &bench{plan: p, processes: make(map[string]*child.Process), loads: make(map[string]load)}
	defer func() { err = errors.Join(err, b.stop()) }()
	if err := b.start(ctx, dir); err != nil {
		return nil, err
	}
	for _, n := range p.Connections {
		r := results{connections: n, of: make(map[string][]measurement)}
		for round := range p.Rounds {
			for _, role := range p.Servers {
				m, err := b.measure(ctx, role, n)
				if err != nil {
					return nil, fmt.Errorf("%s with %d connections: %w", role, n, err)
				}
				r.of[role] = append(r.of[role], m)
				progress(fmt.Sprintf("%d connections, round %d of %d: %s %.0f/s", n, round+1, p.Rounds, role, m.perSecond()))
			}
		}
		all = append(all, r)
	}
	return all, nil
}

// start starts the service and the servers, and makes sure that they answer the same.
func (b *bench) start(ctx context.Context, dir string) error {
	var address string
	var err error
	if b.upstream, address, err = startServer(ctx, order{Role: roleUpstream, Body: []byte(benchmarks.Document)}); err != nil {
		return err
	}
	call := callOf("http://" + address + "/customers/4711")
	var body []byte
	for _, role := range b.plan.Servers {
		o := order{Role: role, Guests: b.plan.Guests, Dir: filepath.Join(dir, fileName(role)), Body: body, Profile: b.profile(role)}
		if b.processes[role], address, err = startServer(ctx, o); err != nil {
			return err
		}
		answered, err := post(ctx, address, call)
		if err != nil {
			return fmt.Errorf("%s: %w", role, err)
		}
		if body != nil && !bytes.Equal(answered, body) {
			return fmt.Errorf("%s does not answer as the others do", role)
		}
		body = answered
		b.loads[role] = load{
			Address: address, Request: requestOf(address, call), Body: len(body), WarmUp: b.plan.WarmUp, Duration: b.plan.Duration,
		}
	}
	return nil
}

// fileName is a server's name in those of files.
func fileName(role string) string { return strings.NewReplacer(" ", "-", ",", "").Replace(role) }

func (b *bench) profile(role string) string {
	if b.plan.Profiles == "" {
		return ""
	}
	return filepath.Join(b.plan.Profiles, fileName(role)+".pprof")
}

func (b *bench) stop() error {
	var errs []error
	for _, role := range b.plan.Servers {
		if p := b.processes[role]; p != nil {
			errs = append(errs, p.Stop(nil))
		}
	}
	if b.upstream != nil {
		errs = append(errs, b.upstream.Stop(nil))
	}
	return errors.Join(errs...)
}

func (b *bench) measure(ctx context.Context, role string, connections int) (m measurement, err error) {
	l := b.loads[role]
	l.Connections = connections
	before, err := b.samples(role)
	if err != nil {
		return m, err
	}
	began, busy := time.Now(), busyTime()
	if m.load, err = putLoad(ctx, l); err != nil {
		return m, err
	}
	m.elapsed, m.busy = time.Since(began), busyTime()-busy
	after, err := b.samples(role)
	m.server, m.upstream = after[0].minus(before[0]), after[1].minus(before[1])
	return m, err
}

// samples are those of a server and of the service.
func (b *bench) samples(role string) (s [2]sample, err error) {
	if s[0], err = sampleOf(b.processes[role]); err == nil {
		s[1], err = sampleOf(b.upstream)
	}
	return s, err
}

// path is where the call is sent, and keyHeader the header of the key that the servers ask for.
const (
	path      = "/v1/do/http/GetRequest"
	keyHeader = "Spiff-Connector-Proxy-Api-Key"
)

// callOf is the body of a call as a workflow engine sends it.
func callOf(url string) string {
	return `{"url":"` + url + `","headers":{"Accept":"application/json"},"spiff__process_instance_id":42,` +
		`"spiff__process_model_identifier":"orders/ship-order","spiff__task_id":"0b5c9d7e-3a51-4c5e-9f6e-2f1d5a1f3b0c",` +
		`"spiff__task_data":{"order_id":4711,"customer":"Ada Lovelace","express":true}}`
}

// requestOf is the call as it goes over the wire.
func requestOf(address, call string) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: spiffworkflow-backend\r\nAccept: */*\r\n"+
		"Accept-Encoding: gzip, deflate\r\n%s: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		path, address, keyHeader, benchmarks.Key, len(call), call)
}

// post sends the call once and returns the answer's body.
func post(ctx context.Context, address, call string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+path, strings.NewReader(call))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(keyHeader, benchmarks.Key)
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("the call was answered with status %d", response.StatusCode)
	}
	return body, err
}
