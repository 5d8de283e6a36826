package server

import (
	"sluice/runtime"

	"github.com/prometheus/client_golang/prometheus"
)

// sandboxMetrics asks the runtime what sandboxes do when somebody asks for the metrics.
type sandboxMetrics struct {
	stats func() runtime.SandboxStats
}

func sandboxDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("sluice_sandbox_"+name, help, labels, nil)
}

// What is told of all sandboxes.
var (
	sandboxMode   = sandboxDesc("reset_mode", "1 for the mode in which memory is put back to its image: track, scan, discard or copy.", "mode")
	sandboxQueued = sandboxDesc("processor_queue", "Calls that wait for the processor, because guests compute for long.")
	sandboxGrown  = sandboxDesc("grown_bytes", "What the memories of all guests together have grown by; at pool.growth calls that need more are answered with 503.")
)

// What is told of those of a connector.
var (
	sandboxRunning   = sandboxDesc("running", "Sandboxes in use.", "connector")
	sandboxWaiting   = sandboxDesc("waiting_calls", "Calls that wait for a sandbox; beyond pool.queue the answer is 503.", "connector")
	sandboxIdle      = sandboxDesc("idle", "Sandboxes that wait for a call.", "connector")
	sandboxMade      = sandboxDesc("made_total", "Sandboxes that were made.", "connector")
	sandboxReused    = sandboxDesc("reused_total", "Calls that got a sandbox which was there.", "connector")
	sandboxDiscarded = sandboxDesc("discarded_total", "Sandboxes that were thrown away, because their guest failed or needs a new one for each call.", "connector")
	sandboxResets    = sandboxDesc("resets_total", "Sandboxes that were put back to their image.", "connector")
	sandboxPages     = sandboxDesc("reset_pages_total", "Pages of memory that were put back, of the size that the host's have.", "connector")
)

// Describe implements prometheus.Collector.
func (m sandboxMetrics) Describe(out chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, out) }

// Collect implements prometheus.Collector.
func (m sandboxMetrics) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v uint64, connector string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), connector)
	}
	s := m.stats()
	gauge(sandboxMode, 1, s.Mode)
	gauge(sandboxQueued, float64(s.Queued))
	gauge(sandboxGrown, float64(s.Grown))
	for _, c := range s.Connectors {
		gauge(sandboxRunning, float64(c.Running), c.Connector)
		gauge(sandboxWaiting, float64(c.Waiting), c.Connector)
		gauge(sandboxIdle, float64(c.Idle), c.Connector)
		counter(sandboxMade, c.Made, c.Connector)
		counter(sandboxReused, c.Reused, c.Connector)
		counter(sandboxDiscarded, c.Discarded, c.Connector)
		counter(sandboxResets, c.Resets, c.Connector)
		counter(sandboxPages, c.Pages, c.Connector)
	}
}

var _ prometheus.Collector = sandboxMetrics{}
