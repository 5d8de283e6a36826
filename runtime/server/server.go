// Package server speaks HTTP to engines and operators. It reads requests, asks the runtime, and writes answers; what a
// protocol demands of both is here, a file each, and nothing of how connectors run.
package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync/atomic"
	"time"

	"sluice/runtime"
	"sluice/runtime/envelope"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"
)

// Executor runs commands: a *runtime.Runtime, or what a benchmark puts in its place to see what sandboxes cost.
type Executor interface {
	// Command finds a command by its names, one that can't be served at present too.
	Command(connector, command string) (*runtime.Command, bool)
	// Commands are all commands that can be served, and a number that is another whenever they are.
	Commands() ([]*runtime.Command, uint64)
	// Execute runs a command. The call and all bytes that it points to are lent: they hold another caller's call soon
	// after Execute has returned, so nothing of them may be kept, by a goroutine that goes on neither. The answer may
	// point into them, as it is written before that; it is the server's to read only.
	Execute(ctx context.Context, cmd *runtime.Command, call *runtime.Call) (*envelope.Answer, error)
}

// Config is how a Server is made.
type Config struct {
	// Runtime is what management works on. Required.
	Runtime *runtime.Runtime
	// Executor runs the calls; nil means Runtime.
	Executor Executor
	// APIKey is asked for on /v1; "" asks for none.
	APIKey string
	// CORSOrigins are the origins whose pages may call /v1; "*" is any.
	CORSOrigins []string
	// AdminKey is asked for on management routes; "" restricts them to this machine.
	AdminKey string
	// BodyMax bounds a request's body, BodyBudget all bodies that are in memory at once; both in bytes.
	BodyMax, BodyBudget int64
	// ReadTimeout bounds how long a client takes to send a request, IdleTimeout how long a connection waits for one.
	ReadTimeout, IdleTimeout time.Duration
	// Dev is said in warnings only.
	Dev bool
	// Version is Sluice's own.
	Version string
	// Logger takes a line for each call at Info, and at Warn for those that failed. What management was asked for goes to
	// its handler whatever the level is.
	Logger *slog.Logger
}

// The bounds of a connection that are not settings.
const (
	maxHeaderBytes = 32 << 10
	writeTimeout   = 60 * time.Second
	// preread is how much of a body of known length fasthttp waits for before the handler runs, in bytes; it can't be
	// nothing. What a body may have is checked where it is read.
	preread = 1
)

// Server serves HTTP. It is safe for concurrent use.
type Server struct {
	config   Config
	executor Executor
	http     *fasthttp.Server
	router   *router.Router
	metrics  *metrics
	callIDs  callIDs
	bodies   budget
	draining atomic.Bool
	// strangers are who was not let into management, as far as the log has them.
	strangers sparing

	apiKey, adminKey [sha256.Size]byte
	commands         atomic.Pointer[commandsPage]
	index            atomic.Pointer[index]
}

// New returns a server that is not serving yet.
func New(c Config) *Server {
	s := &Server{
		config: c, executor: c.Executor, callIDs: newCallIDs(), bodies: budget{max: c.BodyBudget},
		apiKey: sha256.Sum256([]byte(c.APIKey)), adminKey: sha256.Sum256([]byte(c.AdminKey)),
	}
	s.metrics = newMetrics(func() float64 { return float64(s.bodies.used.Load()) })
	if c.Runtime != nil {
		s.metrics.registry.MustRegister(sandboxMetrics{c.Runtime.Sandboxes}, egressMetrics{c.Runtime.Egress})
	}
	if s.executor == nil {
		s.executor = c.Runtime
	}
	s.router = s.newRouter()
	s.http = &fasthttp.Server{
		Handler:               s.handle,
		ErrorHandler:          s.readError,
		ExpectHandler:         s.expect,
		ReadTimeout:           c.ReadTimeout,
		WriteTimeout:          writeTimeout,
		IdleTimeout:           c.IdleTimeout,
		ReadBufferSize:        maxHeaderBytes,
		MaxRequestBodySize:    preread,
		StreamRequestBody:     true, // so that a caller without a key is refused before its body is read
		CloseOnShutdown:       true,
		NoDefaultServerHeader: true,
		NoDefaultContentType:  true,
		NoDefaultDate:         true,
		SecureErrorLogMessage: true,
		Logger:                quiet{},

		DisablePreParseMultipartForm: true,
	}
	return s
}

// Serve answers connections of ln until Shutdown.
func (s *Server) Serve(ln net.Listener) error { return s.http.Serve(watched(ln)) }

// Shutdown stops taking connections and waits for the calls in flight. When ctx ends first it gives them up, answers
// them with shutting_down, and waits a moment for those answers to leave.
func (s *Server) Shutdown(ctx context.Context) error {
	s.draining.Store(true)
	// It is one shutdown from beginning to end: fasthttp forgets its connections after the first.
	bounded, end := context.WithCancel(context.Background())
	defer end()
	stop := context.AfterFunc(ctx, func() {
		s.config.Runtime.Drain()
		time.AfterFunc(giveUpTime, end)
	})
	defer stop()
	if err := s.http.ShutdownWithContext(bounded); err != nil {
		return fmt.Errorf("some calls did not end: %w", err)
	}
	return nil
}

// giveUpTime is how long calls that were given up may still take to be answered.
const giveUpTime = 2 * time.Second

// handle is every request's way in: what must hold for all of them, before a route is looked for.
func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	defer func() {
		lingerAfter(ctx, ctx.RequestBodyStream() != nil && ctx.Response.StatusCode() >= fasthttp.StatusBadRequest)
	}()
	defer s.recovered(ctx)
	if why := badFraming(&ctx.Request.Header); why != "" {
		s.fail(ctx, envelope.Fail(envelope.BadFraming, why))
		ctx.SetConnectionClose()
		return
	}
	path := normalize(ctx)
	if isSpiff(path) {
		s.allowOrigin(ctx)
	}
	if ctx.IsOptions() && isSpiff(path) {
		s.preflight(ctx, string(path))
		return
	}
	if !s.admitted(ctx, ruleOf(path)) {
		return
	}
	if ctx.IsPost() && !s.originAllowed(ctx) {
		s.metrics.refused.WithLabelValues(refusedOrigin).Inc()
		if ruleOf(path) == operator {
			s.auditEntry(ctx, string(envelope.OriginNotAllowed))
		}
		s.fail(ctx, envelope.Fail(envelope.OriginNotAllowed, "Pages of this origin may not send requests here. Its operator can allow the origin by CONNECTOR_PROXY_CORS_ORIGINS."))
		return
	}
	if ctx.IsPost() && commandID(path) != nil {
		s.do(ctx)
		return
	}
	s.router.Handler(ctx)
}

func (s *Server) recovered(ctx *fasthttp.RequestCtx) {
	if v := recover(); v != nil {
		s.config.Logger.Error("a request handler panicked", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		s.fail(ctx, envelope.Fail(envelope.Internal, "The server failed on this request. Its operator finds the reason in the log."))
	}
}

// normalize makes the request's path the one that is both checked and routed, and returns it: decoded once, without
// empty, "." or ".." segments. The router goes by the path as it was sent, so that is replaced. The result is the
// request's own.
func normalize(ctx *fasthttp.RequestCtx) []byte {
	uri := ctx.Request.URI()
	path := uri.Path()
	if bytes.IndexByte(path, '%') >= 0 {
		// Setting decodes again, hence the escapes: what was encoded twice must not be one path for the checks and another
		// for the router.
		path = bytes.ReplaceAll(path, []byte("%"), []byte("%25"))
	} else if bytes.Equal(path, uri.PathOriginal()) {
		return path
	}
	uri.SetPathBytes(path)
	return uri.Path()
}

// expect answers Expect: 100-continue: only a caller who may send anything is asked for its body.
func (s *Server) expect(ctx *fasthttp.RequestCtx) int {
	if !s.admitted(ctx, ruleOf(normalize(ctx))) {
		return ctx.Response.StatusCode()
	}
	return fasthttp.StatusContinue
}

// quiet drops what fasthttp logs: it quotes requests.
type quiet struct{}

// Printf implements fasthttp.Logger.
func (quiet) Printf(string, ...any) {}
