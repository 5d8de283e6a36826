package sluice

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"sluice/guest-sdk/go/abi"
	"sluice/internal/rawjson"
)

// Call is one execution of a command: what is known of it, and what it may ask of the host. It is of no use after the
// command has returned, and to one goroutine at a time.
type Call struct {
	host    abi.Host
	started int64
	params  []byte
	context *callContext
	random  *rand.Rand
}

// callContext is the JSON object behind the handle of the context.
type callContext struct {
	command, connector, id                        string
	processInstance, processModel, task, callback string
	taskData                                      json.RawMessage
	deadline                                      time.Time
}

// Host returns the functions of the host on which the call stands. It is for packages that add to this one.
func (c *Call) Host() abi.Host { return c.host }

// Params returns all parameters as one JSON object, in the order in which they were sent, those the manifest does not
// declare among them.
func (c *Call) Params() json.RawMessage { return c.params }

// Command returns the command's name.
func (c *Call) Command() string { return c.ctx().command }

// Connector returns the name under which the connector is installed.
func (c *Call) Connector() string { return c.ctx().connector }

// ID returns the call's id, as it stands in the host's log.
func (c *Call) ID() string { return c.ctx().id }

// ProcessInstanceID returns the id of the workflow's instance, or "".
func (c *Call) ProcessInstanceID() string { return c.ctx().processInstance }

// ProcessModelIdentifier returns the name of the workflow's model, or "".
func (c *Call) ProcessModelIdentifier() string { return c.ctx().processModel }

// TaskID returns the id of the workflow's task, or "". It is the same whenever the task is tried again, so it can tell
// a service that two requests are one.
func (c *Call) TaskID() string { return c.ctx().task }

// CallbackURL returns where the result of an [Async] command is to be sent, or "" where the caller waits for it.
func (c *Call) CallbackURL() string { return c.ctx().callback }

// TaskData returns the data of the workflow's task, a JSON object, or nil: the command's definition has to ask for it
// with the option [TaskData].
func (c *Call) TaskData() json.RawMessage { return c.ctx().taskData }

// Deadline returns when the call ends, finished or not.
func (c *Call) Deadline() time.Time { return c.ctx().deadline }

func (c *Call) ctx() *callContext {
	if c.context != nil {
		return c.context
	}
	x := &callContext{}
	err := rawjson.Members(readAll(c.host, abi.Context), rawjson.MaxDepth, func(key, value []byte) error {
		switch string(key) {
		case "command":
			x.command = scalar(value)
		case "connector":
			x.connector = scalar(value)
		case "call_id":
			x.id = scalar(value)
		case "process_instance_id":
			x.processInstance = scalar(value)
		case "process_model_identifier":
			x.processModel = scalar(value)
		case "task_id":
			x.task = scalar(value)
		case "callback_url":
			x.callback = scalar(value)
		case "task_data":
			x.taskData = value
		case "deadline_ms":
			ms, err := strconv.ParseInt(string(value), 10, 64)
			x.deadline = time.Unix(0, c.started).Add(time.Duration(ms) * time.Millisecond).UTC()
			return err
		}
		return nil
	})
	if err != nil {
		fail("the host's context cannot be read")
	}
	c.context = x
	return x
}

// scalar returns the text of a string or a number, and "" for null.
func scalar(value []byte) string {
	switch rawjson.KindOf(value) {
	case rawjson.String:
		return string(rawjson.Unquote(value))
	case rawjson.Null:
		return ""
	}
	return string(value)
}

// Now returns the time by the host's clock.
func (c *Call) Now() time.Time { return time.Unix(0, c.host.Now()).UTC() }

// Sleep returns after d, in steps of a millisecond. The deadline goes on running: a call that sleeps past it ends.
func (c *Call) Sleep(d time.Duration) {
	if d > 0 {
		c.host.Sleep(milliseconds(d))
	}
}

// milliseconds rounds d up.
func milliseconds(d time.Duration) int64 {
	ms := d.Milliseconds()
	if d%time.Millisecond > 0 {
		ms++
	}
	return ms
}

// Random fills p from the system's cryptographic generator.
func (c *Call) Random(p []byte) {
	if r := c.host.Random(p); r < 0 {
		fail("the host gave no random bytes: " + abi.Code(r).String())
	}
}

// Rand returns this call's generator of pseudo-random numbers. It is seeded anew in every call, unlike the functions
// of math/rand and math/rand/v2, which repeat themselves.
func (c *Call) Rand() *rand.Rand {
	if c.random == nil {
		var seed [32]byte
		c.Random(seed[:])
		c.random = rand.New(rand.NewChaCha8(seed))
	}
	return c.random
}

// Log returns the call's log. Its lines reach the caller, so parameter values, credentials and URL queries do not
// belong in it.
func (c *Call) Log() Logger { return Logger{c.host} }

// Logger writes lines into a call's log. Lines past the host's limit are dropped.
type Logger struct{ host abi.Host }

// Debugf logs what only the connector's author wants to know.
func (l Logger) Debugf(format string, args ...any) { l.log(abi.Debug, fmt.Sprintf(format, args...)) }

// Infof logs progress.
func (l Logger) Infof(format string, args ...any) { l.log(abi.Info, fmt.Sprintf(format, args...)) }

// Warnf logs what went wrong without making the call fail.
func (l Logger) Warnf(format string, args ...any) { l.log(abi.Warn, fmt.Sprintf(format, args...)) }

// Errorf logs why the call fails.
func (l Logger) Errorf(format string, args ...any) { l.log(abi.Error, fmt.Sprintf(format, args...)) }

// log sends each line of text. What is not UTF-8 becomes U+FFFD.
func (l Logger) log(level int32, text string) {
	for line := range strings.Lines(strings.ToValidUTF8(text, "\uFFFD")) {
		l.host.Log(level, []byte(strings.TrimRight(line, "\r\n")))
	}
}

// readAll returns all bytes behind a handle that is open.
func readAll(h abi.Host, handle uint32) []byte {
	size := h.Size(handle)
	if size < 0 {
		fail("the host refused to tell a size: " + abi.Code(size).String())
	}
	p := make([]byte, size)
	for done := 0; done < len(p); {
		n := h.Read(handle, int64(done), p[done:])
		if n <= 0 {
			fail("the host gave less than it announced")
		}
		done += int(n)
	}
	return p
}
