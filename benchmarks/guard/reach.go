package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"syscall"
	"time"

	"sluice/benchmarks/figures"
	"sluice/hostfuncs/egress"
)

// act does once what is measured.
type act func(ctx context.Context) error

// reach is a service's address, and the ways to it.
type reach struct {
	address, url string
	control      func(context.Context, string, string, syscall.RawConn) error
	guarded      *egress.Client
	plain        *http.Client
}

// sockets is more than a turn has open.
const sockets = 100

func newReach(address string) (*reach, error) {
	entry, err := grant("http://*")
	if err != nil {
		return nil, err
	}
	policy, err := egress.NewPolicy([]egress.Entry{entry}, entry.Rules)
	if err != nil {
		return nil, err
	}
	r := &reach{address: address, url: "http://" + address + "/v1/items?q=1"}
	target, err := egress.ParseURL(r.url)
	if err != nil {
		return nil, err
	}
	allowance, err := policy.Match(&target, http.MethodGet)
	if err != nil {
		return nil, err
	}
	guard := egress.NewGuard()
	r.control = guard.Control(allowance)
	r.guarded = egress.NewClient(egress.Config{Policy: policy, Guard: guard, Sockets: egress.NewSockets(sockets)})
	r.plain = &http.Client{Transport: &http.Transport{DisableCompression: true}, Timeout: egress.DefaultTimeout}
	return r, nil
}

func (r *reach) close() {
	r.guarded.Close()
	r.plain.CloseIdleConnections()
}

// judge is what the guard does for every connection that is about to be made.
func (r *reach) judge(address string) act {
	network := "tcp4"
	if address[0] == '[' {
		network = "tcp6"
	}
	return func(ctx context.Context) error { return r.control(ctx, network, address, nil) }
}

func (r *reach) dialPlainly(ctx context.Context) error { return r.dial(ctx, &net.Dialer{}) }

func (r *reach) dialGuarded(ctx context.Context) error {
	return r.dial(ctx, &net.Dialer{ControlContext: r.control})
}

// dial opens a connection and resets it, so that no port is kept from the next ones.
func (r *reach) dial(ctx context.Context, d *net.Dialer) error {
	conn, err := d.DialContext(ctx, "tcp", r.address)
	if err != nil {
		return err
	}
	if err := conn.(*net.TCPConn).SetLinger(0); err != nil {
		return err
	}
	return conn.Close()
}

func (r *reach) getPlainly(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/json")
	response, err := r.plain.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	return whole(body)
}

func (r *reach) getGuarded(ctx context.Context) error {
	response, failure := r.guarded.Do(ctx, &egress.Request{
		Method: http.MethodGet, URL: r.url, Headers: [][2]string{{"Accept", "application/json"}},
	})
	if failure != nil {
		return failure
	}
	return whole(response.Body)
}

func whole(body []byte) error {
	if len(body) != answerBytes {
		return fmt.Errorf("the answer has %d bytes", len(body))
	}
	return nil
}

// compare measures ways in turns, and returns the microseconds of each by round.
func (p plan) compare(ctx context.Context, ways ...act) ([][]float64, error) {
	times := make([][]float64, len(ways))
	for round := range p.rounds + 1 {
		for i, way := range ways {
			took, err := turn(ctx, way, p.turn)
			if err != nil {
				return nil, err
			}
			if round > 0 { // the first one warms up
				times[i] = append(times[i], took)
			}
		}
	}
	return times, nil
}

// pair measures the plain way and the guarded one, and what each allocates.
func (p plan) pair(ctx context.Context, plain, guarded act) (c figures.Compared, err error) {
	times, err := p.compare(ctx, plain, guarded)
	if err != nil {
		return c, err
	}
	c = figures.Compared{
		Plain: figures.Spreads(times[0]), Guarded: figures.Spreads(times[1]), Ratio: figures.Ratios(times[1], times[0]),
	}
	if c.PlainAllocations, err = allocations(ctx, plain); err == nil {
		c.GuardedAllocations, err = allocations(ctx, guarded)
	}
	return c, err
}

// batch is how many acts pass between two looks at the clock.
const batch = 16

// turn acts until the time is over, and returns the microseconds of once.
func turn(ctx context.Context, way act, length time.Duration) (float64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	began := time.Now()
	for n := batch; ; n += batch {
		for range batch {
			if err := way(ctx); err != nil {
				return 0, err
			}
		}
		if took := time.Since(began); took >= length {
			return float64(took.Nanoseconds()) / 1e3 / float64(n), nil
		}
	}
}

// allocations is how many objects the process, service included, allocates for one act.
func allocations(ctx context.Context, way act) (float64, error) {
	const acts = 2000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range acts {
		if err := way(ctx); err != nil {
			return 0, err
		}
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / acts, nil
}
