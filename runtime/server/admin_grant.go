package server

import (
	"context"
	"encoding/json"

	"sluice/runtime"

	"github.com/valyala/fasthttp"
)

// GrantInfo is a connector's grant as the management API shows it.
type GrantInfo struct {
	Connector string `json:"connector"`
	// Source is where the grant was said: file, catalog, shipped or none.
	Source runtime.GrantSource `json:"source"`
	// Grant is what a PUT to the same path takes.
	Grant json.RawMessage `json:"grant"`
	// SHA256 is the digest of the grant.
	SHA256 string `json:"sha256"`
	// Limits are those of a call under it.
	Limits LimitsInfo `json:"limits"`
	// Requested is what the version in service asks for, beside what it is granted.
	Requested []runtime.Requested `json:"requested"`
	// Missing says the same of what is not granted, in a line each.
	Missing []string `json:"missing"`
	// UndefinedSecrets are those that the grant names and nobody defines: they can't be used.
	UndefinedSecrets []string `json:"undefined_secrets"`
}

// LimitsInfo are the limits of a call, in bytes and milliseconds.
type LimitsInfo struct {
	Memory     uint64 `json:"memory"`
	Response   int    `json:"response"`
	Stream     int64  `json:"stream"`
	Output     int    `json:"output"`
	DeadlineMS int64  `json:"deadline_ms"`
}

// ObservedInfo is what was observed of a connector as the management API shows it.
type ObservedInfo struct {
	Connector string `json:"connector"`
	// Observing says that more is recorded at present.
	Observing bool               `json:"observing"`
	Observed  []runtime.Observed `json:"observed"`
	// NotRecorded is how many requests more there were, for which there was no room.
	NotRecorded uint64 `json:"not_recorded"`
	// Grant is the smallest one under which nothing of Observed is refused.
	Grant json.RawMessage `json:"grant"`
}

func grantInfoOf(c runtime.Connector) GrantInfo {
	return GrantInfo{
		Connector: c.Name, Source: c.GrantSource, Grant: grantText(c.Grant), SHA256: c.Grant.Digest(),
		Limits: LimitsInfo{
			Memory: c.Limits.Memory, Response: c.Limits.Response, Stream: c.Limits.Stream, Output: c.Limits.Output,
			DeadlineMS: c.Limits.Deadline.Milliseconds(),
		},
		Requested: c.Requested, Missing: runtime.Missing(c.Requested), UndefinedSecrets: append([]string{}, c.UndefinedSecrets...),
	}
}

func grantText(g runtime.Grant) json.RawMessage {
	text, err := g.MarshalJSON()
	if err != nil { // texts, numbers and lists of them
		return json.RawMessage("{}")
	}
	return text
}

func (s *Server) adminGrant(ctx *fasthttp.RequestCtx) {
	name, _ := ctx.UserValue("name").(string)
	c, err := s.config.Runtime.Connector(name)
	if err != nil {
		s.unknown(ctx, err)
		return
	}
	s.json(ctx, fasthttp.StatusOK, grantInfoOf(c))
}

// unknown answers a question about a connector that is not installed. Asking is nothing to note.
func (s *Server) unknown(ctx *fasthttp.RequestCtx, err error) {
	r := refusalOf(err)
	s.refuse(ctx, r.Status, r.Code, r.Message)
}

// adminSetGrant puts the grant that is the request's body in the place of the present one.
func (s *Server) adminSetGrant(ctx *fasthttp.RequestCtx) {
	name, _ := ctx.UserValue("name").(string)
	change := audited{action: auditGrant, connector: name}
	body, taken, ok := s.changeBody(ctx, change, contentJSON, "a grant in JSON")
	if !ok {
		return
	}
	defer s.bodies.give(taken)
	g, err := runtime.ParseGrant(body)
	if err != nil {
		s.refused(ctx, change, runtime.InvalidGrant(err))
		return
	}
	s.changeGrant(ctx, change, &g)
}

// adminResetGrant takes back what was granted by management, so that the shipped grant counts, or none.
func (s *Server) adminResetGrant(ctx *fasthttp.RequestCtx) {
	name, _ := ctx.UserValue("name").(string)
	s.changeGrant(ctx, audited{action: auditResetGrant, connector: name}, nil)
}

func (s *Server) changeGrant(ctx *fasthttp.RequestCtx, change audited, g *runtime.Grant) {
	c, err := s.config.Runtime.SetGrant(context.Background(), change.connector, g)
	if err != nil {
		s.refused(ctx, change, err)
		return
	}
	change.more = []any{"grant_sha256", c.Grant.Digest(), "source", string(c.GrantSource)}
	s.audit(ctx, change)
	s.json(ctx, fasthttp.StatusOK, grantInfoOf(c))
}

func (s *Server) adminObserved(ctx *fasthttp.RequestCtx) {
	name, _ := ctx.UserValue("name").(string)
	c, err := s.config.Runtime.Connector(name)
	if err != nil {
		s.unknown(ctx, err)
		return
	}
	observed, beyond, err := s.config.Runtime.Observed(name)
	if err != nil {
		s.unknown(ctx, err)
		return
	}
	s.json(ctx, fasthttp.StatusOK, ObservedInfo{
		Connector: name, Observing: s.config.Runtime.Observing(), Observed: observed, NotRecorded: beyond,
		Grant: grantText(runtime.SmallestGrant(c.Grant, observed)),
	})
}
