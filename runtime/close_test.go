package runtime

import (
	"context"
	"testing"

	"sluice/runtime/envelope"
)

// Closing with guests that compute and wait ends them first: their memory is unmapped afterwards.
func TestRuntime_CloseInFlight(t *testing.T) {
	g := newGate(t)
	h := misbehave(t, nil)
	calls := map[string]<-chan outcome{
		"Fetch": h.begin(context.Background(), "misbehave/Fetch", g.params()),
		"Spin":  h.begin(context.Background(), "misbehave/Spin", "{}"),
	}
	g.wait(t)
	slots := h.current.Load().connectors["misbehave"].slots
	eventually(t, "both calls' running", func() bool { return slots.Running() == 2 })
	h.stop()
	for name, c := range calls {
		o := end(t, c)
		h.checkFailure(name, o.answer, o.err, envelope.ShuttingDown)
	}
}
