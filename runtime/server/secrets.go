package server

import (
	"context"
	"errors"

	"sluice/hostfuncs/secret"
	"sluice/runtime"
	"sluice/runtime/envelope"

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
	body, taken, ok := s.changeBody(ctx, contentSecret, "the secret's value")
	if !ok {
		return
	}
	defer s.bodies.give(taken)
	if err := s.config.Runtime.SetSecret(context.Background(), name, string(body)); err != nil {
		s.secretRefused(ctx, "set secret", name, err)
		return
	}
	s.auditSecret(ctx, "set secret", name)
	ctx.SetStatusCode(fasthttp.StatusNoContent)
}

func (s *Server) adminRemoveSecret(ctx *fasthttp.RequestCtx) {
	name, _ := ctx.UserValue("name").(string)
	if err := s.config.Runtime.RemoveSecret(context.Background(), name); err != nil {
		s.secretRefused(ctx, "remove secret", name, err)
		return
	}
	s.auditSecret(ctx, "remove secret", name)
	ctx.SetStatusCode(fasthttp.StatusNoContent)
}

// secretRefused answers a change that was not made.
func (s *Server) secretRefused(ctx *fasthttp.RequestCtx, action, name string, err error) {
	r := refusalOf(err)
	s.auditSecret(ctx, action+" refused", name, "code", r.Code)
	s.refuse(ctx, r.Status, r.Code, r.Message)
}

// auditSecret notes what an operator changed, or tried to. What is no secret's name may be a value by mistake.
func (s *Server) auditSecret(ctx *fasthttp.RequestCtx, action, name string, more ...any) {
	if !secret.ValidName(name) {
		name = ""
	}
	s.audit(ctx, action, "", append([]any{"secret", name}, more...)...)
}

// refusalOf is the refusal that an error is, or one that says that the server failed.
func refusalOf(err error) *runtime.Refusal {
	if r, ok := errors.AsType[*runtime.Refusal](err); ok {
		return r
	}
	return &runtime.Refusal{Code: string(envelope.Internal), Message: "The change failed: " + err.Error() + ".", Status: fasthttp.StatusInternalServerError}
}
