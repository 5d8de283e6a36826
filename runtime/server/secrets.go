package server

import (
	"context"

	"sluice/hostfuncs/secret"

	"github.com/valyala/fasthttp"
)

// SecretList is what the management API shows of secrets: names and what they are bound to, no values.
type SecretList struct {
	Secrets []secret.Info `json:"secrets"`
}

func (s *Server) adminSecrets(ctx *fasthttp.RequestCtx) {
	s.json(ctx, fasthttp.StatusOK, SecretList{s.config.Runtime.Secrets()})
}

// contentSecret is the media type of a secret's value.
const contentSecret = "text/plain"

// adminSetSecret keeps the body as a secret's value in the store.
func (s *Server) adminSetSecret(ctx *fasthttp.RequestCtx) {
	name, _ := ctx.UserValue("name").(string)
	change := audited{action: auditSetSecret, secret: name}
	body, taken, ok := s.changeBody(ctx, change, contentSecret, "the secret's value")
	if !ok {
		return
	}
	defer s.bodies.give(taken)
	if err := s.config.Runtime.SetSecret(context.Background(), name, string(body)); err != nil {
		s.refused(ctx, change, err)
		return
	}
	s.audit(ctx, change)
	ctx.SetStatusCode(fasthttp.StatusNoContent)
}

func (s *Server) adminRemoveSecret(ctx *fasthttp.RequestCtx) {
	name, _ := ctx.UserValue("name").(string)
	change := audited{action: auditRemoveSecret, secret: name}
	if err := s.config.Runtime.RemoveSecret(context.Background(), name); err != nil {
		s.refused(ctx, change, err)
		return
	}
	s.audit(ctx, change)
	ctx.SetStatusCode(fasthttp.StatusNoContent)
}
