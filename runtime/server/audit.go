package server

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"sluice/runtime/manifest"

	"github.com/valyala/fasthttp"
)

// auditMessage is the message of every record of the audit: what an operator changed, or somebody tried to. They are in
// the log whatever log.level is. None holds a grant, a value, or a part of a request that could be one.
const auditMessage = "management"

// audited is what one record says.
type audited struct {
	// action is what was to be done.
	action auditAction
	// connector and secret are what it is about, as far as that is known.
	connector, secret string
	// code says why it was refused; "" says that it was not.
	code string
	// unchanged says that it was not refused, and changed nothing.
	unchanged bool
	// more are attributes of the action, in pairs.
	more []any
}

type auditAction string

// The actions. Monitoring goes by them: they don't change.
const (
	auditInstall      auditAction = "install"
	auditRemove       auditAction = "remove"
	auditGrant        auditAction = "grant"
	auditResetGrant   auditAction = "reset_grant"
	auditSetSecret    auditAction = "set_secret"
	auditRemoveSecret auditAction = "remove_secret"
	auditEnter        auditAction = "enter" // by whom management does not answer
)

// audit writes a record.
func (s *Server) audit(ctx *fasthttp.RequestCtx, a audited) {
	level, outcome := slog.LevelInfo, "done"
	switch {
	case a.code != "":
		level, outcome = slog.LevelWarn, "refused"
	case a.unchanged:
		outcome = "unchanged"
	}
	line := slog.NewRecord(time.Now(), level, auditMessage, 0)
	line.AddAttrs(slog.String("action", string(a.action)), slog.String("outcome", outcome))
	if a.code != "" {
		line.AddAttrs(slog.String("code", a.code))
	}
	// What is no name may be a value by mistake.
	if a.connector != "" && manifest.ValidName(a.connector) {
		line.AddAttrs(slog.String("connector", a.connector))
	}
	if a.secret != "" && manifest.ValidName(a.secret) {
		line.AddAttrs(slog.String("secret", a.secret))
	}
	line.AddAttrs(slog.String("peer", ctx.RemoteIP().String()), slog.String("key", s.operatorKey()))
	line.Add(a.more...)
	_ = s.config.Logger.Handler().Handle(context.Background(), line) // which does not ask for the level
}

// operatorKey names the key that management asks for.
func (s *Server) operatorKey() string {
	if s.config.AdminKey != "" {
		return "admin.key"
	}
	return "none: this machine"
}

// auditEntry notes that somebody was not let in. Anybody can have that happen as often as he likes: some a second are
// noted, and how many were not.
func (s *Server) auditEntry(ctx *fasthttp.RequestCtx, code string) {
	ok, left := s.strangers.take(time.Now())
	if !ok {
		return
	}
	a := audited{action: auditEnter, code: code, more: []any{"route", s.routeOf(ctx)}}
	if left > 0 {
		a.more = append(a.more, "not_logged", left)
	}
	s.audit(ctx, a)
}

// routeOf is the method and the pattern of the route that a request is for, "" where there is none: a path that nobody
// thought of may hold anything.
func (s *Server) routeOf(ctx *fasthttp.RequestCtx) string {
	path, method := string(ctx.Path()), string(ctx.Method())
	all := s.routes()
	i := slices.IndexFunc(all, func(r route) bool { return r.method == method && matches(r.path, path) })
	if i < 0 {
		return ""
	}
	return method + " " + all[i].path
}

// entriesPerSecond is how many records there are a second of who was not let in.
const entriesPerSecond = 10

// sparing lets so much pass a second. The zero sparing is ready.
type sparing struct {
	mu     sync.Mutex // protects what follows
	second int64      // since 1970
	passed int        // in it
	left   int        // since something passed
}

// take says whether one more passes, and how many before it did not.
func (s *sparing) take(now time.Time) (ok bool, left int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if second := now.Unix(); second != s.second {
		s.second, s.passed = second, 0
	}
	if s.passed == entriesPerSecond {
		s.left++
		return false, 0
	}
	s.passed++
	left, s.left = s.left, 0
	return true, left
}
