// Package sluicetest runs the commands of a connector in ordinary Go tests, without WebAssembly and without a host. It
// stands in for the host, and is as strict: what the host would refuse fails the test, or the call, here too.
//
//	func TestGreet(t *testing.T) {
//		got := sluicetest.Run(t, "Greet", sluicetest.Call{Params: `{"name": "Ada"}`})
//		if string(got.Body) != `{"greeting":"Hello, Ada"}` {
//			t.Errorf("got %v", got)
//		}
//	}
//
// The connector is the one that the package under test registers in its init function.
package sluicetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/guest-sdk/go/abi"
	"sluice/internal/rawjson"
	"sluice/runtime/envelope"
	"sluice/runtime/manifest"
)

// Call is what a command is called with. The zero Call has no parameters and an empty context.
type Call struct {
	// Params is a JSON object. Unlike the host, the test does not convert: a declared parameter must have its type.
	Params string
	// Context is what is known of the workflow.
	Context Context
	// HTTP answers the command's requests: a real transport, [Handler], or [RoundTripFunc]. Where it is nil, every
	// request is denied.
	HTTP http.RoundTripper
	// TCP opens the command's connections: [Peer], or a function that dials. Where it is nil, every one is denied.
	TCP Connect
	// Cache is what the connector has kept before the call; the call changes it. Where it is nil the connector may keep
	// nothing. Nothing in it ends.
	Cache map[string][]byte
	// Secrets are the secrets that are granted, by name. Requests are sent with their values in the place of what stands for
	// them, wherever they go: what the operator binds a secret to is not the connector's to test.
	Secrets map[string]Secret
	// Now is when the call begins. Default 2030-01-01 UTC. The clock stands still but for sleeping.
	Now time.Time
	// Deadline is how long the call may take. Default 40 seconds. A command that sleeps past it ends there.
	Deadline time.Duration
	// MaxOutput is the greatest length of the answer's body in bytes. Default 16 MiB.
	MaxOutput int
}

// Context is what the host tells a command of the workflow that called it. What is empty is not told.
type Context struct {
	ProcessInstanceID      string
	ProcessModelIdentifier string
	TaskID                 string
	CallbackURL            string
	// TaskData is a JSON object, told only to commands that ask for it.
	TaskData string
}

// Result is what came of a call.
type Result struct {
	// Body is the body as JSON, null where there is none; a text is a JSON string. Of a bare answer it is the bytes.
	Body json.RawMessage
	// HTTPStatus is the status of the service that was asked, or 0.
	HTTPStatus int
	// Mimetype is the media type of Body.
	Mimetype string
	// Headers is a JSON object, or nil.
	Headers json.RawMessage
	// Bare is the status of a bare answer, 0 of any other.
	Bare int
	// ErrorCode and Message are those of the error in the answer; the code is empty where there is none.
	ErrorCode, Message string
	// Logs are the lines that the command logged.
	Logs []Line
	// Crash says why there is no answer, and is empty where there is one: "trap", "deadline_exceeded", or what is
	// wrong with the answer.
	Crash string
}

// String is the result for a test's message: the body as text, and what else there is.
func (r Result) String() string {
	var b strings.Builder
	if r.Crash != "" {
		fmt.Fprintf(&b, "no answer: %s", r.Crash)
	} else {
		fmt.Fprintf(&b, "body %s (%s)", r.Body, r.Mimetype)
	}
	if status := max(r.HTTPStatus, r.Bare); status != 0 {
		fmt.Fprintf(&b, ", status %d", status)
	}
	if r.Headers != nil {
		fmt.Fprintf(&b, ", headers %s", r.Headers)
	}
	if r.ErrorCode != "" {
		fmt.Fprintf(&b, ", error %s: %s", r.ErrorCode, r.Message)
	}
	for _, line := range r.Logs {
		fmt.Fprintf(&b, "\n\t%s: %s", line.Level, line.Text)
	}
	return b.String()
}

// Line is one line of a call's log.
type Line struct {
	Level string // debug, info, warn or error
	Text  string
}

// Run calls the command of this name. It fails the test where the host would not let the call through to the command:
// an unknown command, a required parameter that is missing, a value of the wrong type.
func Run(t testing.TB, command string, call Call) Result {
	t.Helper()
	m := Manifest(t)
	index, ok := m.CommandIndex(command)
	if !ok {
		t.Fatalf("the connector has no command %q", command)
	}
	params, err := admit(&m.Commands[index], call.Params)
	if err != nil {
		t.Fatalf("the host would refuse this call: %v", err)
	}
	h := newHost(t, m, command, call)
	h.open[abi.Params] = params
	h.open[abi.Context] = contextOf(m, &m.Commands[index], call)
	crash := h.enter(func(g abi.Guest) { g.Execute(h, uint32(index)) })
	h.closeConnections()
	h.closeStreams()
	return h.result(crash)
}

// Manifest returns what the connector says of itself. It fails the test where the host would refuse that.
func Manifest(t testing.TB) *manifest.Manifest {
	t.Helper()
	h := &host{t: t, maxOutput: 1 << 20}
	if crash := h.enter(func(g abi.Guest) { g.Describe(h) }); crash != "" {
		t.Fatalf("describe: %s %v", crash, h.logs)
	}
	m, err := manifestRules.Parse(h.body)
	if err != nil {
		t.Fatalf("the host would refuse the manifest: %v", err)
	}
	if crash := h.enter(func(g abi.Guest) { g.Warm(h) }); crash != "" {
		t.Fatalf("warm: %s %v", crash, h.logs)
	}
	return m
}

// admit returns the parameters as the host would deliver them.
func admit(c *manifest.Command, params string) ([]byte, error) {
	if params == "" {
		params = "{}"
	}
	values := map[string][]byte{}
	var order []string
	err := rawjson.Members([]byte(params), rawjson.MaxDepth, func(key, value []byte) error {
		name := string(key)
		if _, again := values[name]; again {
			return fmt.Errorf("parameter %q is there twice", name)
		}
		values[name] = value
		order = append(order, name)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, p := range c.Parameters {
		value, given := values[p.ID]
		if p.Type != manifest.TypeAny && rawjson.KindOf(value) == rawjson.Null || !p.Required && string(value) == "null" {
			delete(values, p.ID)
			given = false
		}
		if p.Required && !given {
			return nil, fmt.Errorf("parameter %q is required", p.ID)
		}
		if given && !fits(p.Type, value) {
			return nil, fmt.Errorf("parameter %q is not of the type %s", p.ID, p.Type)
		}
	}
	object := []byte{'{'}
	for _, name := range order {
		if value, ok := values[name]; ok {
			if len(object) > 1 {
				object = append(object, ',')
			}
			object = append(append(rawjson.AppendString(object, name), ':'), value...)
		}
	}
	return append(object, '}'), nil
}

func fits(t manifest.Type, value []byte) bool {
	switch kind := rawjson.KindOf(value); t {
	case manifest.TypeString:
		return kind == rawjson.String
	case manifest.TypeInt:
		return kind == rawjson.Number
	case manifest.TypeBool:
		return kind == rawjson.Bool
	}
	return true
}

func contextOf(m *manifest.Manifest, c *manifest.Command, call Call) []byte {
	x := map[string]any{
		"command": c.Name, "connector": m.Name, "call_id": "test", "deadline_ms": call.deadline().Milliseconds(),
	}
	for key, value := range map[string]string{
		"process_instance_id": call.Context.ProcessInstanceID, "process_model_identifier": call.Context.ProcessModelIdentifier,
		"task_id": call.Context.TaskID, "callback_url": call.Context.CallbackURL,
	} {
		if value != "" {
			x[key] = value
		}
	}
	if c.TaskData && call.Context.TaskData != "" {
		x["task_data"] = json.RawMessage(call.Context.TaskData)
	}
	text, err := json.Marshal(x)
	if err != nil {
		panic(fmt.Sprintf("sluicetest: Context.TaskData is no JSON: %v", err))
	}
	return text
}

func (c Call) deadline() time.Duration {
	if c.Deadline == 0 {
		return 40 * time.Second
	}
	return c.Deadline
}

// result reads the answer as the host does.
func (h *host) result(crash string) Result {
	r := Result{Logs: h.logs, Crash: crash}
	if crash != "" {
		return r
	}
	if h.head == nil {
		r.Crash = "the command returned without an answer"
		return r
	}
	a, err := envelope.Parse(h.head, h.body, false)
	if err != nil {
		r.Crash = err.Error()
		return r
	}
	r.Body, r.HTTPStatus, r.Mimetype, r.Headers, r.Bare = a.Body, a.HTTPStatus, a.Mimetype, a.Headers, a.Bare
	switch {
	case a.Text:
		r.Body = rawjson.AppendString(nil, string(a.Body))
	case a.Bare == 0 && len(a.Body) == 0:
		r.Body = json.RawMessage("null")
	}
	if a.Error != nil {
		r.ErrorCode, r.Message = a.Error.Code, a.Error.Message
	}
	return r
}
