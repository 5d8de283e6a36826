package server

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"mime"
	"slices"
	"strings"
	"time"

	"sluice/runtime/envelope"

	"github.com/valyala/fasthttp"
)

// headerRequestID carries the id of a call back to its caller.
const headerRequestID = "X-Request-Id"

// do executes a command: POST /v1/do/{connector}/{command}.
func (s *Server) do(ctx *fasthttp.RequestCtx) {
	began := time.Now()
	in := acquireBound()
	whole := false
	defer func() {
		s.bodies.give(in.taken)
		if whole { // after a panic nobody knows who still has what
			in.release()
		}
	}()
	in.call.ID = s.callIDs.next()
	ctx.Response.Header.Set(headerRequestID, in.call.ID)

	cmd, answer, err := s.execute(ctx, in)
	s.answer(ctx, cmd, in, answer, err)
	s.record(cmd, in, began, answer, err)
	whole = true
}

// execute does all of a call but answering it. cmd is nil where there is no such command.
func (s *Server) execute(ctx *fasthttp.RequestCtx, in *bound) (cmd *command, answer *envelope.Answer, err error) {
	if err := checkMediaType(&ctx.Request.Header); err != nil {
		return nil, nil, err
	}
	id := commandID(ctx.Path())
	if cmd = s.command(id); cmd == nil {
		return nil, nil, notFound()
	}
	if in.body, in.taken, err = s.readBody(ctx, in.body); err != nil {
		return cmd, nil, err
	}
	// Reading may have taken a while: what the parameters are held against is what will run.
	if cmd = s.command(id); cmd == nil {
		return nil, nil, notFound()
	}
	if err := in.bind(cmd.Command); err != nil {
		return cmd, nil, err
	}
	// The request's own context ends when the server begins to shut down, but calls in flight get to finish.
	answer, err = s.executor.Execute(context.Background(), cmd.Command, &in.call)
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
	if len(sent) == 0 || bytes.EqualFold(sent, []byte(contentJSON)) || bytes.EqualFold(sent, []byte(contentJSON+"; charset=utf-8")) {
		return nil
	}
	if media, _, err := mime.ParseMediaType(string(sent)); err == nil && media == contentJSON {
		return nil
	}
	return envelope.Fail(envelope.UnsupportedMediaType, "The body must be JSON, with Content-Type: application/json.")
}

// answer writes what became of a call. What it writes is the response's own: answer and call can go after it.
func (s *Server) answer(ctx *fasthttp.RequestCtx, cmd *command, in *bound, a *envelope.Answer, err error) {
	switch {
	case err != nil:
		s.failed(ctx, in, err)
	case a.Bare != 0:
		ctx.SetStatusCode(a.Bare)
		ctx.SetContentType(a.Mimetype)
		// What a connector answers must not act as a page of this server, whatever it says it is.
		ctx.Response.Header.Set(fasthttp.HeaderXContentTypeOptions, "nosniff")
		ctx.Response.Header.Set("Content-Security-Policy", "sandbox; default-src 'none'")
		ctx.SetBody(a.Body)
	default:
		if in.call.CallbackURL != "" && cmd.Spec.Async {
			ctx.SetStatusCode(fasthttp.StatusAccepted)
		}
		ctx.SetContentType(contentJSON)
		room := ctx.Response.SwapBody(nil)
		ctx.Response.SwapBody(a.AppendV2(slices.Grow(room[:0], len(a.Body)+envelopeRoom)))
	}
}

// failed answers a call that no connector answered.
func (s *Server) failed(ctx *fasthttp.RequestCtx, in *bound, err error) {
	f, ok := errors.AsType[*envelope.Failure](err)
	if !ok {
		s.config.Logger.Error("a call failed in an unexpected way", "call", in.call.ID, "error", err.Error())
		f = envelope.Fail(envelope.Internal, "The server failed on this call. Its operator finds the reason in the log.")
	}
	s.fail(ctx, f)
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
func (s *Server) record(cmd *command, in *bound, began time.Time, a *envelope.Answer, err error) {
	outcome, took := outcomeOf(a, err), time.Since(began)
	s.metrics.observe(cmd, outcome, took)
	level := slog.LevelInfo
	if err != nil || strings.HasSuffix(outcome, "_denied") {
		level = slog.LevelWarn
	}
	// Without Logger's methods, which look for the line of code that logs: it is always this one.
	handler, ctx := s.config.Logger.Handler(), context.Background()
	if !handler.Enabled(ctx, level) {
		return
	}
	line := slog.NewRecord(began.Add(took), level, "call", 0)
	if cmd == nil {
		line.AddAttrs(slog.String("call", in.call.ID), slog.String("outcome", outcome), slog.Int64("took_us", took.Microseconds()))
	} else {
		instance, model, task := in.logValues()
		line.AddAttrs(slog.String("call", in.call.ID), slog.String("command", cmd.ID), slog.String("outcome", outcome), slog.Int64("took_us", took.Microseconds()),
			slog.String("process_instance", instance), slog.String("process_model", model), slog.String("task", task))
	}
	_ = handler.Handle(ctx, line) // as Logger does
}

// outcomeOK is the outcome of calls without an error.
const outcomeOK = "ok"

// outcomeOf is a code of ours, "ok", or "error" where the connector reported one: its codes are not ours to count,
// since there is no end of them.
func outcomeOf(a *envelope.Answer, err error) string {
	if err != nil {
		if f, ok := errors.AsType[*envelope.Failure](err); ok {
			return string(f.Code)
		}
		return string(envelope.Internal)
	}
	switch {
	case a.Error != nil && (a.Error.Code == "egress_denied" || a.Error.Code == "secret_denied"):
		return a.Error.Code
	case a.Error != nil:
		return "error"
	}
	return outcomeOK
}

// maxLogValue bounds what a caller can put into the log by naming its process.
const maxLogValue = 128

// logValues are what the engine said that the call belongs to. They are a copy, for a logger may keep what it is given;
// one for all three.
func (b *bound) logValues() (instance, model, task string) {
	start := len(b.room)
	b.room = appendLogValue(b.room, b.call.ProcessInstanceID)
	first := len(b.room) - start
	b.room = appendLogValue(b.room, b.call.ProcessModel)
	second := len(b.room) - start
	b.room = appendLogValue(b.room, b.call.TaskID)
	all := string(b.room[start:])
	return all[:first], all[first:second], all[second:]
}

// appendLogValue shows an identifier that the engine sent. It is bounded, and says so where it was cut.
func appendLogValue(dst, value []byte) []byte {
	v := bytes.Trim(value, `"`)
	if len(v) > maxLogValue {
		return append(append(dst, bytes.ToValidUTF8(v[:maxLogValue], nil)...), "…"...)
	}
	return append(dst, v...)
}
