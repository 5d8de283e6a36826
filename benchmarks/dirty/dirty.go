// Package dirty runs the connector http in sandboxes that are never put back to their image, so that a call finds what
// calls before it left: what a server would do without the reset, and no server of Sluice's can be told to. Beside a
// server's own calls, in the same engine and behind the same server, it shows what the reset costs.
package dirty

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"sync"
	"time"

	"sluice/benchmarks/prepared"
	"sluice/benchmarks/twin"
	"sluice/hostfuncs"
	"sluice/hostfuncs/egress"
	"sluice/internal/rawjson"
	"sluice/runtime"
	"sluice/runtime/abi"
	"sluice/runtime/envelope"
	"sluice/runtime/sandbox"
	"sluice/runtime/server"
)

// Executor runs the first command of the connector http, whatever the command that it is asked for. It is safe for
// concurrent use.
type Executor struct {
	*runtime.Runtime // knows the commands

	client *egress.Client
	limits runtime.Limits
	engine *sandbox.Engine
	code   *prepared.Code
	slots  chan struct{} // holds a token for each call that runs

	mu   sync.Mutex // protects what follows
	idle []*sandbox.Instance
}

// New returns an executor for the module wasm, which the runtime serves as http. The caller closes it.
func New(ctx context.Context, rt *runtime.Runtime, wasm []byte, c twin.Config) (e *Executor, err error) {
	client, cmd, err := twin.NewClient(rt, c)
	if err != nil {
		return nil, err
	}
	e = &Executor{Runtime: rt, client: client, limits: cmd.Limits(), slots: make(chan struct{}, cmd.Limits().Concurrent)}
	defer func() {
		if err != nil {
			e.Close()
			e = nil
		}
	}()
	if e.engine, err = prepared.NewEngine(ctx); err != nil {
		return e, err
	}
	e.code, err = prepared.Prepare(ctx, e.engine, wasm, e.sandbox(), true)
	return e, err
}

// sandbox is the limits of a sandbox. The time that guests compute adds up over all calls, and so has no bound.
func (e *Executor) sandbox() sandbox.Limits {
	return sandbox.Limits{Memory: e.limits.Memory, CPU: math.MaxInt64}
}

// Close gives everything back. No call may be running.
func (e *Executor) Close() {
	for _, i := range e.idle {
		i.Close()
	}
	if e.code != nil {
		e.code.Close()
	}
	if e.engine != nil {
		_ = e.engine.Close(context.Background())
	}
	e.client.Close()
}

// Execute implements server.Executor.
func (e *Executor) Execute(ctx context.Context, cmd *runtime.Command, call *runtime.Call) (*envelope.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, e.limits.Deadline)
	defer cancel()
	select {
	case e.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, envelope.Fail(envelope.DeadlineExceeded, "No sandbox was free in time.")
	}
	defer func() { <-e.slots }()
	i, err := e.get()
	if err != nil {
		return nil, failed(err)
	}
	host := &hostfuncs.Call{HTTP: e.client}
	entry := &abi.Call{Host: host, Params: call.Params, Context: contextOf(ctx, cmd, call), OutputLimit: e.limits.Output}
	if err := entry.Execute(ctx, i, 0); err != nil {
		i.Close()
		return nil, failed(err)
	}
	e.put(i)
	head, body, _, _ := entry.Output()
	answer, err := envelope.Parse(head, body, entry.BodyIsJSON())
	if err != nil {
		return nil, failed(err)
	}
	answer.Logs = host.LogLines()
	return answer, nil
}

func failed(err error) error {
	return envelope.Fail(envelope.Trap, fmt.Sprintf("The sandbox failed: %v.", err))
}

// get takes the sandbox that was used last, or makes one.
func (e *Executor) get() (*sandbox.Instance, error) {
	e.mu.Lock()
	if last := len(e.idle) - 1; last >= 0 {
		i := e.idle[last]
		e.idle = e.idle[:last]
		e.mu.Unlock()
		return i, nil
	}
	e.mu.Unlock()
	return e.code.Image.Instance(e.sandbox())
}

func (e *Executor) put(i *sandbox.Instance) {
	e.mu.Lock()
	e.idle = append(e.idle, i)
	e.mu.Unlock()
}

// contextOf is what the guest is told of the call, as package runtime tells it.
func contextOf(ctx context.Context, cmd *runtime.Command, call *runtime.Call) []byte {
	b := append(make([]byte, 0, 256), `{"command":`...)
	b = rawjson.AppendString(b, cmd.Spec.Name)
	b = append(b, `,"connector":`...)
	b = rawjson.AppendString(b, cmd.Connector())
	b = append(b, `,"call_id":`...)
	b = rawjson.AppendString(b, call.ID)
	deadline, _ := ctx.Deadline()
	b = append(b, `,"deadline_ms":`...)
	b = strconv.AppendInt(b, time.Until(deadline).Milliseconds(), 10)
	for _, member := range []struct {
		name  string
		value []byte
	}{
		{`,"process_instance_id":`, call.ProcessInstanceID}, {`,"process_model_identifier":`, call.ProcessModel},
		{`,"task_id":`, call.TaskID},
	} {
		if member.value != nil {
			b = append(append(b, member.name...), member.value...)
		}
	}
	return append(b, '}')
}

var _ server.Executor = (*Executor)(nil)
