package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"sluice/internal/rawjson"
	"sluice/runtime/abi"
	"sluice/runtime/envelope"
	"sluice/runtime/sandbox"
)

// Call is one execution of a command.
type Call struct {
	// ID names the call in logs.
	ID string
	// Params is a JSON object: the declared parameters in their declared types, each name once.
	Params []byte
	// CallbackURL is where the result of an asynchronous command is wanted; "" means in the answer.
	CallbackURL string
	// These are JSON values as the engine sent them, or nil: what the call belongs to.
	ProcessInstanceID, ProcessModel, TaskID, TaskData []byte
}

// Execute runs a command and returns what the connector said.
//
// # Errors
//
// The error is an *envelope.Failure: nobody answered. What it tells the caller says nothing of what the guest did;
// that is in the log.
func (r *Runtime) Execute(ctx context.Context, cmd *Command, call *Call) (*envelope.Answer, error) {
	r.calls.Add(1)
	defer r.calls.Done()
	cmd, ok := r.acquire(cmd)
	if !ok {
		return nil, envelope.Fail(envelope.ConnectorUnavailable, "The connector was replaced while the call came in. Try again.")
	}
	c := cmd.connector
	defer c.release()
	if c.unavailable != "" {
		return nil, envelope.Fail(envelope.ConnectorUnavailable,
			fmt.Sprintf("The connector %q can't be served; its operator finds the reason in the log and by `sluice list`.", c.name))
	}
	deadline := time.Now().Add(c.limits.Deadline)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	// Most callers' contexts never end, so that the runtime's is the one to derive from.
	calling, cancel := context.WithDeadline(r.running, deadline)
	defer cancel()
	if ctx.Done() != nil {
		defer context.AfterFunc(ctx, cancel)()
	}
	return r.run(calling, cmd, call)
}

// acquire claims the connector of a command for a call. Where that version went out of service since it was looked up,
// it is the version that took its place, as long as what was checked of the call still holds.
func (r *Runtime) acquire(cmd *Command) (*Command, bool) {
	for !cmd.connector.acquire() {
		next, ok := r.Command(cmd.connector.name, cmd.Spec.Name)
		if !ok || next.Spec.Async != cmd.Spec.Async || !slices.Equal(next.Spec.Parameters, cmd.Spec.Parameters) {
			return nil, false
		}
		cmd = next
	}
	return cmd, true
}

func (r *Runtime) run(ctx context.Context, cmd *Command, call *Call) (*envelope.Answer, error) {
	c := cmd.connector
	entry := &abi.Call{
		Host: c.hostCall(), Params: call.Params, Context: cmd.context(ctx, call), OutputLimit: c.limits.Output, Budget: r.growth,
	}
	defer entry.Release()
	answer, err := r.execute(ctx, entry, cmd, call)
	r.noteSecrets(cmd, call, &entry.Host.Secrets)
	_, _, answered, tooLarge := entry.Output()
	if err != nil || !answered {
		r.showGuest(entry, cmd.masker(entry), "connector", cmd.Connector(), "command", cmd.ID, "call", call.ID)
	}
	switch {
	case entry.Starved():
		return nil, starved()
	case errors.Is(err, errBadAnswer):
		return nil, r.crashed(cmd, call, envelope.BadOutput, cmd.masker(entry).text(err.Error()))
	case err != nil:
		return nil, r.failed(cmd, call, err)
	case tooLarge:
		return nil, envelope.Fail(envelope.OutputTooLarge,
			fmt.Sprintf("The answer of %s is larger than %d bytes. Ask for less, or grant the connector a larger output.", cmd.ID, c.limits.Output))
	case !answered:
		return nil, r.crashed(cmd, call, envelope.BadOutput, "it returned without an answer")
	}
	answer.Logs = cmd.logLines(entry)
	return answer, nil
}

// execute runs the command in a sandbox that no call before it can be told from. The answer is nil where the guest gave
// none.
func (r *Runtime) execute(ctx context.Context, entry *abi.Call, cmd *Command, call *Call) (*envelope.Answer, error) {
	pool := cmd.connector.pool
	i, err := pool.Get(ctx, entry)
	if err != nil {
		return nil, r.noSandbox(ctx, cmd, call, err)
	}
	err = entry.Execute(ctx, i, cmd.index)
	defer func() { pool.Put(i, err != nil) }()
	if err != nil {
		return nil, err
	}
	return answerOf(ctx, entry, i)
}

// largeAnswer is from when on making sense of an answer is work that waits for the processor, as the guest's own: what
// it does to a mebibyte takes the host some milliseconds.
const largeAnswer = 256 << 10 // bytes

var errBadAnswer = errors.New("the answer is none")

// answerOf makes sense of what a guest has answered.
func answerOf(ctx context.Context, entry *abi.Call, i *sandbox.Instance) (answer *envelope.Answer, err error) {
	head, body, answered, tooLarge := entry.Output()
	if !answered || tooLarge {
		return nil, nil
	}
	parse := func() {
		if answer, err = envelope.Parse(head, body, entry.BodyIsJSON()); err != nil {
			err = fmt.Errorf("%w: %w", errBadAnswer, err)
		}
	}
	if len(head)+len(body) < largeAnswer {
		parse()
	} else if busy := i.Work(ctx, parse); busy != nil {
		return nil, busy
	}
	return answer, err
}

// noSandbox tells what a call is answered that got no sandbox. Where the system would not give one, for want of memory or
// of mappings, the operator is told.
func (r *Runtime) noSandbox(ctx context.Context, cmd *Command, call *Call, err error) error {
	var fault *sandbox.Fault
	if errors.As(err, &fault) || errors.Is(err, sandbox.ErrBusy) || ctx.Err() != nil {
		return err
	}
	r.config.Logger.Error("no sandbox could be made; see what memory and mappings (vm.max_map_count) the server may have, or lower pool.total",
		"connector", cmd.Connector(), "command", cmd.ID, "call", call.ID, "error", err.Error())
	return overloaded("The server has no room for another call. Try again later.")
}

// failed says which way a guest failed.
func (r *Runtime) failed(cmd *Command, call *Call, err error) error {
	limits := cmd.connector.limits
	var failure *envelope.Failure
	var fault *sandbox.Fault
	switch {
	case errors.As(err, &failure):
		return err
	case errors.As(err, &fault):
	case errors.Is(err, sandbox.ErrBusy):
		return overloaded(fmt.Sprintf("The connector %q runs %d calls (pool.max) and %d more wait (pool.queue), or all connectors together run as many as they may (pool.total). Try again later.",
			cmd.Connector(), limits.Concurrent, limits.Queue))
	case errors.Is(err, context.DeadlineExceeded):
		return outOfTime(cmd.connector)
	case errors.Is(err, context.Canceled):
		return shuttingDown()
	default:
		return r.crashed(cmd, call, envelope.Trap, err.Error())
	}
	switch fault.Kind {
	case sandbox.OutOfTime:
		return outOfTime(cmd.connector)
	case sandbox.Cancelled:
		return shuttingDown()
	case sandbox.OutOfMemory:
		return envelope.Fail(envelope.MemoryExceeded,
			fmt.Sprintf("%s needs more than the %d MiB of memory it may use. Send less, or grant the connector more memory.", cmd.ID, limits.Memory>>20))
	case sandbox.Starved:
		return starved()
	case sandbox.OutOfFuel:
		return envelope.Fail(envelope.FuelExhausted,
			fmt.Sprintf("%s computed for longer than the %s it may. Send less, or raise call.cpu.", cmd.ID, limits.CPU))
	case sandbox.OutOfStack:
		return envelope.Fail(envelope.DepthExceeded, fmt.Sprintf("%s called itself too deeply. Send data that is nested less, or report it to the connector's author.", cmd.ID))
	case sandbox.Exited, sandbox.ExitedNormally:
		return r.crashed(cmd, call, envelope.Exit, fault.Detail)
	}
	return r.crashed(cmd, call, envelope.Trap, fault.Detail)
}

// crashed logs how a guest failed, for its author, and returns what the caller is told.
func (r *Runtime) crashed(cmd *Command, call *Call, code envelope.Code, detail string) error {
	r.config.Logger.Warn("a connector crashed", "connector", cmd.Connector(), "command", cmd.ID, "call", call.ID,
		"reason", string(code), "detail", detail)
	return envelope.Fail(code, fmt.Sprintf("%s ended without an answer. Its author finds the reason in Sluice's log, under call %s.", cmd.ID, call.ID))
}

func outOfTime(c *connector) error {
	return envelope.Fail(envelope.DeadlineExceeded,
		fmt.Sprintf("The connector %q gave no answer within %s. See whether the service it asks is slow, or it computes for long, or grant a longer deadline.", c.name, c.limits.Deadline))
}

func overloaded(message string) error {
	f := envelope.Fail(envelope.Overloaded, message)
	f.RetryAfter = time.Second
	return f
}

func starved() error {
	return overloaded("The calls that run now use all the memory that guests may have together (pool.growth). Try again later.")
}

func shuttingDown() error {
	f := envelope.Fail(envelope.ShuttingDown, "The server is stopping, and the call was not finished. Try again.")
	f.RetryAfter = time.Second
	return f
}

// context is what a guest may know of the call, as guest-sdk/ABI.md has it.
func (c *Command) context(ctx context.Context, call *Call) []byte {
	b := make([]byte, 0, 256+len(call.CallbackURL))
	b = append(b, `{"command":`...)
	b = rawjson.AppendString(b, c.Spec.Name)
	b = append(b, `,"connector":`...)
	b = rawjson.AppendString(b, c.Connector())
	b = append(b, `,"call_id":`...)
	b = rawjson.AppendString(b, call.ID)
	if deadline, ok := ctx.Deadline(); ok {
		b = append(b, `,"deadline_ms":`...)
		b = strconv.AppendInt(b, max(time.Until(deadline).Milliseconds(), 0), 10)
	}
	if c.Spec.Async && call.CallbackURL != "" {
		b = append(b, `,"callback_url":`...)
		b = rawjson.AppendString(b, call.CallbackURL)
	}
	b = appendMember(b, `,"process_instance_id":`, call.ProcessInstanceID)
	b = appendMember(b, `,"process_model_identifier":`, call.ProcessModel)
	b = appendMember(b, `,"task_id":`, call.TaskID)
	if c.Spec.TaskData {
		b = appendMember(b, `,"task_data":`, call.TaskData)
	}
	return append(b, '}')
}

func appendMember(b []byte, name string, value []byte) []byte {
	if value == nil {
		return b
	}
	return append(append(b, name...), value...)
}
