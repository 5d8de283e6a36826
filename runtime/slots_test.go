package runtime

import (
	"context"
	"strings"
	"testing"
	"time"

	"sluice/runtime/envelope"
)

func TestRuntime_Overloaded(t *testing.T) {
	g := newGate(t)
	h := misbehave(t, func(c *Config) { c.Limits.Concurrent, c.Limits.Queue = 2, 1 })
	h.install(tiny("other", "1.0.0", "other"))
	slots := h.current.Load().connectors["misbehave"].slots
	var calls []<-chan outcome
	for range 2 {
		calls = append(calls, h.begin(context.Background(), "misbehave/Fetch", g.params()))
	}
	g.wait(t)
	g.wait(t)
	calls = append(calls, h.begin(context.Background(), "misbehave/Fetch", g.params()))
	eventually(t, "the third call's waiting", func() bool { return slots.Waiting() == 1 })
	for range 3 {
		f := h.wantFailure("misbehave/Fetch", g.params(), envelope.Overloaded)
		if f.RetryAfter != time.Second || !strings.Contains(f.Message, "2 calls (pool.max) and 1 more") {
			t.Errorf("got %+v", f)
		}
	}
	h.wantBody("other/Say", "{}", `"other"`) // the limits are per connector
	g.open()
	for _, c := range calls {
		if o := end(t, c); o.err != nil || o.answer.Error != nil {
			t.Errorf("got %+v, %v", o.answer, o.err)
		}
	}
	eventually(t, "the sandboxes' return", func() bool { return slots.Waiting()+slots.Running() == 0 })
	h.wantBody("misbehave/Sleep", `{"ms":0}`, `{"slept_ms":0}`)
}

func TestRuntime_DeadlineWhileQueued(t *testing.T) {
	h := start(t, open(t, t.TempDir()), func(c *Config) {
		c.Limits.Concurrent, c.Limits.Deadline = 1, 20*time.Millisecond
	})
	h.install(tiny("greeter", "1.0.0", "one"))
	slots := h.current.Load().connectors["greeter"].slots
	pool := h.current.Load().connectors["greeter"].pool
	i, err := pool.Get(context.Background(), nil) // a call that goes on and on
	if err != nil {
		t.Fatal(err)
	}
	h.wantFailure("greeter/Say", "{}", envelope.DeadlineExceeded)
	if slots.Waiting() != 0 {
		t.Error("it waits still")
	}
	pool.Put(i, false)
	h.wantBody("greeter/Say", "{}", `"one"`)
}

// Draining answers everything that is under way: in the host, in a loop, and in the queue.
func TestRuntime_Drain(t *testing.T) {
	g := newGate(t)
	h := misbehave(t, func(c *Config) { c.Limits.Concurrent = 2 })
	slots := h.current.Load().connectors["misbehave"].slots
	calls := []<-chan outcome{
		h.begin(context.Background(), "misbehave/Fetch", g.params()),
		h.begin(context.Background(), "misbehave/Spin", "{}"),
	}
	g.wait(t)
	eventually(t, "the second call's running", func() bool { return slots.Running() == 2 })
	calls = append(calls, h.begin(context.Background(), "misbehave/Sleep", `{"ms":1}`))
	eventually(t, "the third call's waiting", func() bool { return slots.Waiting() == 1 })
	h.Drain()
	for i, c := range calls {
		o := end(t, c)
		if f := h.checkFailure([]string{"Fetch", "Spin", "Sleep"}[i], o.answer, o.err, envelope.ShuttingDown); f.RetryAfter == 0 {
			t.Errorf("got %+v", f)
		}
	}
	h.wantFailure("misbehave/Sleep", `{"ms":1}`, envelope.ShuttingDown)
}
