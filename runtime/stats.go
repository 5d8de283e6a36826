package runtime

import (
	"slices"
	"strings"

	"sluice/runtime/sandbox"
)

// SandboxStats is what sandboxes do at one moment, and did until then.
type SandboxStats struct {
	// Mode is how memory is put back to its image: track, scan, discard or copy.
	Mode string
	// Queued is how many calls wait for the processor, because guests compute for long.
	Queued int
	// Grown is what the memories of all guests together have grown by, in bytes.
	Grown uint64
	// Connectors are those in service, sorted by name.
	Connectors []ConnectorStats
}

// ConnectorStats is the part of one connector. The counters begin anew with each version.
type ConnectorStats struct {
	Connector string
	// Running and Waiting count calls.
	Running, Waiting int
	sandbox.Stats
}

// Sandboxes says what sandboxes do.
func (r *Runtime) Sandboxes() SandboxStats {
	s := SandboxStats{Mode: r.engine.Mode().String(), Queued: r.engine.Waiting(), Grown: r.growth.Used()}
	for _, c := range r.current.Load().connectors {
		if c.pool != nil {
			s.Connectors = append(s.Connectors, ConnectorStats{
				Connector: c.name, Running: c.slots.Running(), Waiting: c.slots.Waiting(), Stats: c.pool.Stats(),
			})
		}
	}
	slices.SortFunc(s.Connectors, func(a, b ConnectorStats) int { return strings.Compare(a.Connector, b.Connector) })
	return s
}
