package server

import (
	"sluice/runtime"

	"github.com/prometheus/client_golang/prometheus"
)

// egressMetrics asks the runtime what connectors' ways out came to when somebody asks for the metrics. Labels are names of
// installed connectors, and codes and classes of the host's: no guest, service or caller can make series.
type egressMetrics struct {
	stats func() []runtime.EgressStats
}

func egressDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("sluice_"+name, help, append([]string{"connector"}, labels...), nil)
}

// What is told of each connector.
var (
	capabilityFailures = egressDesc("capability_failures_total", "Requests (http), connections (tcp) and uses of secrets outside of requests (secret) that failed or were refused, by the code that the connector got; with egress_denied the class says what was denied.",
		"capability", "code", "class")
	egressRetries        = egressDesc("egress_retries_total", "Requests that the host sent again.")
	egressCircuitsOpened = egressDesc("egress_circuits_opened_total", "How often the circuit of a service opened, because most of the last requests to it failed.")
	egressCircuitsOpen   = egressDesc("egress_circuits_open", "Services whose circuit is open.")
	tcpConnections       = egressDesc("tcp_connections_total", "Connections that the connector opened by the capability tcp.")
	tcpConnectionsOpen   = egressDesc("tcp_connections_open", "Those of them that are open.")
)

// Describe implements prometheus.Collector.
func (m egressMetrics) Describe(out chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, out) }

// Collect implements prometheus.Collector.
func (m egressMetrics) Collect(out chan<- prometheus.Metric) {
	tell := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	for _, c := range m.stats() {
		for f, n := range c.Failures {
			tell(capabilityFailures, prometheus.CounterValue, float64(n), c.Connector, f.Capability, string(f.Code), f.Class)
		}
		tell(egressRetries, prometheus.CounterValue, float64(c.Retries), c.Connector)
		tell(egressCircuitsOpened, prometheus.CounterValue, float64(c.CircuitsOpened), c.Connector)
		tell(egressCircuitsOpen, prometheus.GaugeValue, float64(c.CircuitsOpen), c.Connector)
		tell(tcpConnections, prometheus.CounterValue, float64(c.Connections), c.Connector)
		tell(tcpConnectionsOpen, prometheus.GaugeValue, float64(c.ConnectionsOpen), c.Connector)
	}
}

var _ prometheus.Collector = egressMetrics{}
