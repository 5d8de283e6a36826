// Package twin is http/GetRequest of the bundled connector, written in Go and run in the host: what a call costs
// without a sandbox. It stands behind the same server, and what it does for a call is the same too: limits, egress
// under the same grant, checks of what the service answered, and the answer, byte for byte.
//
// It answers everything that a measurement sends and the failures that may come of it. What it leaves out it refuses:
// other commands, bodies in a charset other than UTF-8, and the parameter include_response_headers.
package twin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sluice/hostfuncs/egress"
	"sluice/runtime"
	"sluice/runtime/envelope"
	"sluice/runtime/server"
)

// The connector and the command that the twin answers.
const (
	connector = "http"
	command   = "GetRequest"
)

// Config is what a runtime does not tell of itself.
type Config struct {
	// Sockets bounds the connections that are open together.
	Sockets int
	// Version is Sluice's own.
	Version string
}

// Executor answers http/GetRequest. It is safe for concurrent use.
type Executor struct {
	runtime   *runtime.Runtime
	client    *egress.Client
	userAgent string
	slots     chan struct{} // holds a token for each call that runs

	running context.Context // ends with Close
	giveUp  context.CancelFunc
}

// New returns the twin of the bundled connector http as the runtime, which must be in development mode, serves it. The
// caller closes it.
func New(rt *runtime.Runtime, c Config) (*Executor, error) {
	client, cmd, err := NewClient(rt, c)
	if err != nil {
		return nil, err
	}
	e := &Executor{
		runtime: rt, client: client,
		userAgent: "sluice-http/" + describe(rt).Version.Manifest.Version,
		slots:     make(chan struct{}, cmd.Limits().Concurrent),
	}
	e.running, e.giveUp = context.WithCancel(context.Background())
	return e, nil
}

// NewClient returns the way out of the connector http as the runtime grants it, and the command that is called. The caller
// closes the client.
func NewClient(rt *runtime.Runtime, c Config) (*egress.Client, *runtime.Command, error) {
	cmd, ok := rt.Command(connector, command)
	if !ok {
		return nil, nil, fmt.Errorf("the command %s/%s is not in service: there is nothing to be the twin of", connector, command)
	}
	policy, err := policyOf(describe(rt))
	if err != nil {
		return nil, nil, err
	}
	return egress.NewClient(egress.Config{
		Policy: policy, Guard: egress.NewGuard(), Sockets: egress.NewSockets(c.Sockets),
		Version: c.Version, ResponseLimit: cmd.Limits().Response,
	}), cmd, nil
}

func describe(rt *runtime.Runtime) runtime.Connector {
	for _, c := range rt.Connectors() {
		if c.Name == connector {
			return c
		}
	}
	return runtime.Connector{}
}

// policyOf is where the connector may go: what it requests, within its grant and what development mode adds to it.
func policyOf(c runtime.Connector) (*egress.Policy, error) {
	dev := c.Grant
	dev.Addresses = []string{"private", "loopback"}
	var granted []egress.Entry
	for _, g := range []runtime.Grant{c.Grant, dev} {
		rules, err := parseAll(g.HTTP, egress.ParseGrantRule)
		if err != nil {
			return nil, err
		}
		addresses, err := parseAll(g.Addresses, egress.ParseAddress)
		if err != nil {
			return nil, err
		}
		granted = append(granted, egress.Entry{Rules: rules, Addresses: addresses})
	}
	var requested []egress.Rule
	for _, capability := range c.Version.Manifest.Capabilities {
		rules, err := parseAll(capability.Hosts, egress.ParseRule)
		if err != nil {
			return nil, err
		}
		requested = append(requested, rules...)
	}
	return egress.NewPolicy(granted, requested)
}

func parseAll[T any](texts []string, parse func(string) (T, error)) ([]T, error) {
	var out []T
	for _, text := range texts {
		v, err := parse(text)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// Close gives up the calls that run and closes the connections.
func (e *Executor) Close() {
	e.giveUp()
	e.client.Close()
}

// Command implements server.Executor.
func (e *Executor) Command(connector, command string) (*runtime.Command, bool) {
	return e.runtime.Command(connector, command)
}

// Commands implements server.Executor.
func (e *Executor) Commands() ([]*runtime.Command, uint64) { return e.runtime.Commands() }

// Execute implements server.Executor. The error is an *envelope.Failure.
func (e *Executor) Execute(ctx context.Context, cmd *runtime.Command, call *runtime.Call) (*envelope.Answer, error) {
	if cmd.ID != connector+"/"+command {
		return nil, envelope.Fail(envelope.ConnectorUnavailable, "The twin answers http/GetRequest only.")
	}
	ctx, cancel := context.WithTimeout(ctx, cmd.Limits().Deadline)
	defer cancel()
	stop := context.AfterFunc(e.running, cancel)
	defer stop()
	select {
	case e.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ended(ctx)
	}
	defer func() { <-e.slots }()
	return e.get(ctx, call.Params)
}

// get is the command itself.
func (e *Executor) get(ctx context.Context, params []byte) (*envelope.Answer, error) {
	request, err := parseRequest(params, e.userAgent)
	var refused refusal
	switch {
	case errors.As(err, &refused):
		return failure(internalError, 400, string(refused)), nil
	case err != nil:
		return nil, envelope.Fail(envelope.InvalidParameter, err.Error())
	}
	request.Timeout = timeout(ctx)
	response, failed := e.client.Do(ctx, request)
	switch {
	case ctx.Err() != nil, failed != nil && failed.Code == egress.CodeEnded:
		return nil, ended(ctx)
	case failed != nil:
		return unanswered(failed), nil
	}
	return answer(response)
}

// The bounds of a request's time: as long as the connector waits, and what the call keeps to answer in.
const (
	patience = 300 * time.Second
	margin   = time.Second
)

func timeout(ctx context.Context) time.Duration {
	deadline, _ := ctx.Deadline()
	left := time.Until(deadline)
	return min(patience, max(left-margin, left/2))
}

func ended(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return envelope.Fail(envelope.DeadlineExceeded, "The service gave no answer in time.")
	}
	return envelope.Fail(envelope.ShuttingDown, "The server is stopping, and the call was not finished. Try again.")
}

var _ server.Executor = (*Executor)(nil)
