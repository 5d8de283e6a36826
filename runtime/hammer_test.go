package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"sluice/runtime/envelope"
)

// Whatever a call leaves in its memory, no other finds.
func TestRuntime_Isolation_Hammer(t *testing.T) {
	const goroutines, rounds = 8, 12
	h := misbehave(t, nil)
	var wait sync.WaitGroup
	for g := range goroutines {
		wait.Go(func() {
			for n := range rounds {
				a, err := h.execute(context.Background(), "misbehave/Stash", fmt.Sprintf(`{"value":"canary-%d-%d"}`, g, n))
				if err != nil {
					t.Error(err)
					return
				}
				var found map[string]string
				if err := json.Unmarshal(a.Body, &found); err != nil || len(found) != 2 || found["global"] != "" || found["heap"] != "" {
					t.Errorf("found %s, %v", a.Body, err)
				}
			}
		})
	}
	wait.Wait()
}

// While connectors are installed, replaced, and removed, every call has the answer of one version or is told that there
// is no such command; those of a connector that nobody touches never fail.
func TestRuntime_Hammer(t *testing.T) {
	const callers, rounds = 6, 24
	h := start(t, open(t, t.TempDir()), nil)
	h.install(tiny("steady", "1.0.0", "steady"))
	versions := [][]byte{tiny("greeter", "1.0.0", "one"), tiny("greeter", "2.0.0", "two")}
	h.install(versions[0])
	ctx := context.Background()
	var done atomic.Bool
	var calls, missing atomic.Int64
	var wait sync.WaitGroup
	for range callers {
		wait.Go(func() {
			for !done.Load() {
				if a, err := h.execute(ctx, "steady/Say", "{}"); err != nil || string(a.Body) != `"steady"` {
					t.Errorf("steady: %+v, %v", a, err)
				}
				calls.Add(1)
				cmd, ok := h.Command("greeter", "Say")
				if !ok {
					missing.Add(1)
					continue
				}
				a, err := h.Execute(ctx, cmd, &Call{ID: "1", Params: []byte("{}")})
				switch {
				case errors.Is(err, envelope.Fail(envelope.ConnectorUnavailable, "")):
					missing.Add(1) // it was removed meanwhile
				case err != nil || !slices.Contains([]string{`"one"`, `"two"`}, string(a.Body)):
					t.Errorf("greeter: %+v, %v", a, err)
				}
				h.Commands()
				h.Connectors()
			}
		})
	}
	var changes sync.WaitGroup
	changes.Go(func() {
		for n := range rounds {
			if _, _, err := h.Install(ctx, versions[n%2], false); err != nil {
				t.Errorf("Install: %v", err)
			}
		}
	})
	changes.Go(func() {
		for range rounds / 4 {
			if err := h.Remove(ctx, "greeter"); err != nil && !isRefusal(err, RefusedUnknown) {
				t.Errorf("Remove: %v", err)
			}
			if _, _, err := h.Install(ctx, versions[0], true); err != nil {
				t.Errorf("Install: %v", err)
			}
		}
	})
	changes.Wait()
	done.Store(true)
	wait.Wait()
	if calls.Load() == 0 {
		t.Error("nobody called")
	}
	for name, c := range h.current.Load().connectors {
		if refs := c.refs.Load(); refs != 1 {
			t.Errorf("%s: %d references", name, refs)
		}
	}
}

// Replacing alone, without a removal, makes no call fail.
func TestRuntime_Replace_Hammer(t *testing.T) {
	const callers, rounds = 6, 24
	h := start(t, open(t, t.TempDir()), nil)
	versions := [][]byte{tiny("greeter", "1.0.0", "one"), tiny("greeter", "2.0.0", "two")}
	h.install(versions[0])
	var done atomic.Bool
	var wait sync.WaitGroup
	for range callers {
		wait.Go(func() {
			for !done.Load() {
				if a, err := h.execute(context.Background(), "greeter/Say", "{}"); err != nil || a.Error != nil {
					t.Errorf("got %+v, %v", a, err)
					return
				}
			}
		})
	}
	for n := range rounds {
		h.install(versions[(n+1)%2])
	}
	done.Store(true)
	wait.Wait()
}
