package runtime

import (
	"slices"
	"strings"

	"sluice/hostfuncs/egress"
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

// EgressStats is what one connector's requests and connections came to. The counters go on when its version or its grant
// changes, until it is removed.
type EgressStats struct {
	Connector string
	// Failures says how often what came to nothing.
	Failures map[egress.Failure]uint64
	// Retries counts requests that were sent again, CircuitsOpened services to which the way was closed since they failed.
	Retries, CircuitsOpened uint64
	// CircuitsOpen is to how many it is closed.
	CircuitsOpen int
	// Connections counts those that it opened by the capability tcp, ConnectionsOpen those of them that are open.
	Connections     uint64
	ConnectionsOpen int
}

// Egress says what the requests and connections of the connectors in service came to. It is sorted by connector.
func (r *Runtime) Egress() []EgressStats {
	var out []EgressStats
	for _, c := range r.current.Load().connectors {
		s := EgressStats{
			Connector: c.name, Failures: c.counters.Failures(), Retries: c.counters.Retries.Load(), CircuitsOpened: c.counters.CircuitsOpened.Load(),
			Connections: c.counters.Connections.Load(), ConnectionsOpen: int(c.counters.ConnectionsOpen.Load()),
		}
		for _, client := range c.clients {
			s.CircuitsOpen += client.OpenCircuits()
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b EgressStats) int { return strings.Compare(a.Connector, b.Connector) })
	return out
}
