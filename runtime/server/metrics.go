package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttpadaptor"
)

// metrics counts calls for Prometheus. Labels are names of installed commands and codes of ours, so that no caller can
// make series.
type metrics struct {
	registry *prometheus.Registry
	calls    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	refused  *prometheus.CounterVec
	page     fasthttp.RequestHandler
}

// Why requests are refused before anything is done for them.
const (
	refusedAPIKey    = "api_key"       // the key of /v1 is wrong or missing
	refusedAdminKey  = "admin_key"     // that of management is
	refusedElsewhere = "operator_only" // without a key, management is for programs of this machine
	refusedOrigin    = "origin"        // a page of a foreign origin sent it
)

// newMetrics takes the number of bytes of request bodies in memory.
func newMetrics(bodies func() float64) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_calls_total",
			Help: "Calls of commands, by what became of them: ok, error (the connector's own), or a code.",
		}, []string{"connector", "command", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "sluice_call_duration_seconds",
			Help:    "Duration of calls from the request's headers to its answer.",
			Buckets: []float64{.0002, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 40},
		}, []string{"connector", "command"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_requests_refused_total",
			Help: "Requests that were refused for who sent them: api_key, admin_key (wrong or missing), operator_only (management from elsewhere, without a key), origin (a foreign page).",
		}, []string{"reason"}),
	}
	for _, reason := range []string{refusedAPIKey, refusedAdminKey, refusedElsewhere, refusedOrigin} {
		m.refused.WithLabelValues(reason) // at 0, so that a first refusal is a rise
	}
	m.registry.MustRegister(m.calls, m.seconds, m.refused,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sluice_request_bodies_bytes",
			Help: "Memory set aside for request bodies; at body.budget requests are answered with 503.",
		}, bodies),
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.MetricsScheduler, collectors.MetricsGC)),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.page = fasthttpadaptor.NewFastHTTPHandler(promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	return m
}

// observe counts one call. cmd is nil where there was no such command.
func (m *metrics) observe(cmd *command, outcome string, took time.Duration) {
	if cmd == nil {
		m.calls.WithLabelValues("", "", outcome).Inc()
		return
	}
	m.counter(cmd, outcome).Inc()
	seconds := cmd.seconds.Load()
	if seconds == nil {
		o := m.seconds.WithLabelValues(cmd.Connector(), cmd.Spec.Name)
		seconds = &o
		cmd.seconds.Store(seconds)
	}
	(*seconds).Observe(took.Seconds())
}

// counter finds where an outcome of a command is counted. That of most calls is remembered.
func (m *metrics) counter(cmd *command, outcome string) prometheus.Counter {
	if outcome != outcomeOK {
		return m.calls.WithLabelValues(cmd.Connector(), cmd.Spec.Name, outcome)
	}
	counter := cmd.ok.Load()
	if counter == nil {
		c := m.calls.WithLabelValues(cmd.Connector(), cmd.Spec.Name, outcome)
		counter = &c
		cmd.ok.Store(counter)
	}
	return *counter
}

func (s *Server) showMetrics(ctx *fasthttp.RequestCtx) { s.metrics.page(ctx) }
