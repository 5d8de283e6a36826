package server

import (
	"html"
	"maps"
	"slices"

	"github.com/valyala/fasthttp"
)

// liveness says that the process answers. It waits for nothing: a connector that hangs is no reason to restart.
func (s *Server) liveness(ctx *fasthttp.RequestCtx) {
	ctx.SetContentType(contentJSON)
	ctx.SetBodyString(`{"ok": true, "status": "ok"}`)
}

// readiness says whether requests should be sent here, and what an operator should look at.
func (s *Server) readiness(ctx *fasthttp.RequestCtx) {
	ready := !s.draining.Load()
	status := fasthttp.StatusOK
	if !ready {
		status = fasthttp.StatusServiceUnavailable
	}
	names := slices.AppendSeq([]string{}, maps.Keys(s.config.Runtime.Unavailable()))
	slices.Sort(names)
	s.json(ctx, status, map[string]any{"ready": ready, "warnings": s.Warnings(), "unavailable_connectors": names})
}

// Warnings are what an operator should know about how this server is set up. It is said at start and by /readiness.
func (s *Server) Warnings() []string {
	warnings := []string{}
	if s.config.APIKey == "" {
		warnings = append(warnings, "no API key is configured: everybody who reaches this port can execute commands; set CONNECTOR_PROXY_API_KEY")
	}
	if s.config.Dev {
		warnings = append(warnings, "development mode: every connector can reach whatever its manifest asks for at public, private and loopback addresses, whatever its grant says, and what guests print is logged when they fail; never use --dev in production")
	}
	if s.config.Runtime != nil && s.config.Runtime.Observing() {
		warnings = append(warnings, "observe mode: every connector can reach what its manifest asks for at public, private and loopback addresses, whatever its grant says, and what the grant would have refused is recorded; serve with --egress enforce once grants are written")
	}
	return warnings
}

// home is for people who open the address in a browser.
func (s *Server) home(ctx *fasthttp.RequestCtx) {
	ctx.SetContentType("text/html; charset=utf-8")
	h := &ctx.Response.Header
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set(fasthttp.HeaderXContentTypeOptions, "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set(fasthttp.HeaderCacheControl, "no-store")
	ctx.SetBodyString("<!doctype html><html lang=\"en\"><title>Sluice</title><h1>Sluice " + html.EscapeString(s.config.Version) + "</h1>" +
		"<p>A connector runtime. Workflow engines execute commands by POST /v1/do/{connector}/{command}.</p>" +
		"<ul><li><a href=\"/v1/commands\">/v1/commands</a><li><a href=\"/openapi.json\">/openapi.json</a>" +
		"<li><a href=\"/readiness\">/readiness</a></ul></html>\n")
}
