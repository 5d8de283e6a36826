package server

import (
	"bytes"
	"context"
	"errors"
	"mime"
	"strings"
	"time"

	"sluice/runtime"
	"sluice/runtime/envelope"

	"github.com/valyala/fasthttp"
)

// headerRequestID carries the id of a call back to its caller.
const headerRequestID = "X-Request-Id"

// do executes a command: POST /v1/do/{connector}/{command}.
func (s *Server) do(ctx *fasthttp.RequestCtx) {
	began := time.Now()
	connector, _ := ctx.UserValue("connector").(string)
	command, _ := ctx.UserValue("command").(string)
	id := s.callIDs.next()
	ctx.Response.Header.Set(headerRequestID, id)

	var in bound
	cmd, answer, err := s.execute(ctx, connector, command, id, &in)
	s.answer(ctx, cmd, in.call.CallbackURL != "", answer, err)
	s.record(cmd, &in, id, time.Since(began), answer, err)
}

// execute does all of a call but answering it. cmd is nil where there is no such command.
func (s *Server) execute(ctx *fasthttp.RequestCtx, connector, command, id string, in *bound) (cmd *runtime.Command, answer *envelope.Answer, err error) {
	if err := checkMediaType(&ctx.Request.Header); err != nil {
		return nil, nil, err
	}
	cmd, ok := s.executor.Command(connector, command)
	if !ok {
		return nil, nil, notFound()
	}
	body, done, err := s.readBody(ctx)
	if err != nil {
		return cmd, nil, err
	}
	defer done()
	// Reading may have taken a while: what the parameters are held against is what will run.
	if cmd, ok = s.executor.Command(connector, command); !ok {
		return nil, nil, notFound()
	}
	if err := in.bind(cmd, body); err != nil {
		return cmd, nil, err
	}
	in.call.ID = id
	// The request's own context ends when the server begins to shut down, but calls in flight get to finish.
	answer, err = s.executor.Execute(context.Background(), cmd, &in.call)
	return cmd, answer, err
}

func notFound() error {
	return envelope.Fail(envelope.CommandNotFound, "There is no such command. GET /v1/commands lists those there are.")
}

// checkMediaType refuses bodies that are not JSON. A page of another origin can post a form or plain text without
// asking first; a missing type can only come from a program, or is stopped by its Origin.
func checkMediaType(h *fasthttp.RequestHeader) error {
	if encoding := h.Peek(fasthttp.HeaderContentEncoding); len(encoding) > 0 && !bytes.EqualFold(encoding, []byte("identity")) {
		return envelope.Fail(envelope.UnsupportedMediaType, "The body has a Content-Encoding. Send it as it is.")
	}
	sent := h.ContentType()
	if len(sent) == 0 || bytes.EqualFold(sent, []byte(contentJSON)) {
		return nil
	}
	if media, _, err := mime.ParseMediaType(string(sent)); err == nil && media == contentJSON {
		return nil
	}
	return envelope.Fail(envelope.UnsupportedMediaType, "The body must be JSON, with Content-Type: application/json.")
}

// answer writes what became of a call.
func (s *Server) answer(ctx *fasthttp.RequestCtx, cmd *runtime.Command, callback bool, a *envelope.Answer, err error) {
	var f *envelope.Failure
	switch {
	case errors.As(err, &f):
		s.fail(ctx, f)
	case err != nil:
		s.config.Logger.Error("a call failed in an unexpected way", "error", err.Error())
		s.fail(ctx, envelope.Fail(envelope.Internal, "The server failed on this call. Its operator finds the reason in the log."))
	case a.Bare != 0:
		ctx.SetStatusCode(a.Bare)
		ctx.SetContentType(a.Mimetype)
		// What a connector answers must not act as a page of this server, whatever it says it is.
		ctx.Response.Header.Set(fasthttp.HeaderXContentTypeOptions, "nosniff")
		ctx.Response.Header.Set("Content-Security-Policy", "sandbox; default-src 'none'")
		ctx.Response.SetBodyRaw(a.Body)
	default:
		if callback && cmd.Spec.Async {
			ctx.SetStatusCode(fasthttp.StatusAccepted)
		}
		ctx.SetContentType(contentJSON)
		ctx.Response.SetBodyRaw(a.AppendV2(make([]byte, 0, len(a.Body)+envelopeRoom)))
	}
}

// envelopeRoom is what an envelope needs beside its body, in bytes, where nothing is logged.
const envelopeRoom = 256

// commandsPage is the catalog as GET /v1/commands shows it, at one revision.
type commandsPage struct {
	revision uint64
	body     []byte
}

// listCommands shows the catalog. It never runs a guest and never waits for one.
func (s *Server) listCommands(ctx *fasthttp.RequestCtx) {
	commands, revision := s.executor.Commands()
	page := s.commands.Load()
	if page == nil || page.revision != revision {
		page = &commandsPage{revision: revision, body: appendCommands(nil, commands)}
		s.commands.Store(page)
	}
	ctx.SetContentType(contentJSON)
	ctx.SetBody(page.body)
}

// auths lists the sign-ins that connectors offer: none do.
func (s *Server) auths(ctx *fasthttp.RequestCtx) {
	ctx.SetContentType(contentJSON)
	ctx.SetBodyString("[]")
}

// record counts a call and writes its line of the log: what it was and what became of it, nothing of what was in it.
func (s *Server) record(cmd *runtime.Command, in *bound, id string, took time.Duration, a *envelope.Answer, err error) {
	outcome := outcomeOf(a, err)
	s.metrics.observe(cmd, outcome, took)
	if cmd == nil {
		s.config.Logger.Warn("call", "id", id, "outcome", outcome, "took_us", took.Microseconds())
		return
	}
	log := s.config.Logger.Info
	if err != nil || strings.HasSuffix(outcome, "_denied") {
		log = s.config.Logger.Warn
	}
	log("call", "id", id, "command", cmd.ID, "outcome", outcome, "took_us", took.Microseconds(),
		"process_instance", logValue(in.call.ProcessInstanceID), "process_model", logValue(in.call.ProcessModel), "task", logValue(in.call.TaskID))
}

// outcomeOf is a code of ours, "ok", or "error" where the connector reported one: its codes are not ours to count,
// since there is no end of them.
func outcomeOf(a *envelope.Answer, err error) string {
	var f *envelope.Failure
	switch {
	case errors.As(err, &f):
		return string(f.Code)
	case err != nil:
		return string(envelope.Internal)
	case a.Error != nil && (a.Error.Code == "egress_denied" || a.Error.Code == "secret_denied"):
		return a.Error.Code
	case a.Error != nil:
		return "error"
	}
	return "ok"
}

// maxLogValue bounds what a caller can put into the log by naming its process.
const maxLogValue = 128

// logValue shows an identifier that the engine sent. It is bounded, and says so where it was cut.
func logValue(value []byte) string {
	v := strings.Trim(string(value), `"`)
	if len(v) > maxLogValue {
		return strings.ToValidUTF8(v[:maxLogValue], "") + "…"
	}
	return v
}
