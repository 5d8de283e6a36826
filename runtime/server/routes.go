package server

import (
	"bytes"

	"sluice/runtime/envelope"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"
)

// rule is who may call a route.
type rule int

const (
	// everybody: nothing is asked for.
	everybody rule = iota
	// engine: the Spiff key, where one is configured.
	engine
	// operator: the admin key, or this machine where none is configured.
	operator
)

// route is one thing that the server answers. The rule is here a second time, beside ruleOf, so that a test can hold
// one against the other: a route that nobody thought about fails it.
type route struct {
	method, path string
	rule         rule
	handler      fasthttp.RequestHandler
}

func (s *Server) routes() []route {
	return []route{
		{"GET", "/", everybody, s.home},
		{"GET", "/liveness", everybody, s.liveness},
		{"HEAD", "/liveness", everybody, s.liveness},
		{"GET", "/v1/liveness", everybody, s.liveness},
		{"GET", "/readiness", everybody, s.readiness},
		{"HEAD", "/readiness", everybody, s.readiness},
		{"GET", "/openapi.json", everybody, s.openAPI},
		{"GET", "/v1/commands", engine, s.listCommands},
		{"GET", "/v1/auths", engine, s.auths},
		{"POST", routeDo, engine, s.do},
		{"GET", "/metrics", operator, s.showMetrics},
		{"GET", "/admin/v1/connectors", operator, s.adminList},
		{"POST", "/admin/v1/connectors", operator, s.adminInstall},
		{"GET", "/admin/v1/connectors/{name}", operator, s.adminShow},
		{"DELETE", "/admin/v1/connectors/{name}", operator, s.adminRemove},
		{"GET", "/admin/v1/connectors/{name}/grant", operator, s.adminGrant},
		{"PUT", "/admin/v1/connectors/{name}/grant", operator, s.adminSetGrant},
		{"DELETE", "/admin/v1/connectors/{name}/grant", operator, s.adminResetGrant},
		{"GET", "/admin/v1/connectors/{name}/observed", operator, s.adminObserved},
		{"GET", "/admin/v1/secrets", operator, s.adminSecrets},
		{"PUT", "/admin/v1/secrets/{name}", operator, s.adminSetSecret},
		{"DELETE", "/admin/v1/secrets/{name}", operator, s.adminRemoveSecret},
	}
}

// ruleOf says who may send anything to a normalised path, routed or not: a caller without a key learns nothing of what
// is behind it.
func ruleOf(path []byte) rule {
	switch string(path) {
	case "/v1/commands", "/v1/auths":
		return engine
	case "/metrics":
		return operator
	}
	switch {
	case under(path, "/v1/do"):
		return engine
	case under(path, "/admin"):
		return operator
	}
	return everybody
}

func under(path []byte, folder string) bool {
	n := len(folder)
	return len(path) >= n && string(path[:n]) == folder && (len(path) == n || path[n] == '/')
}

// isSpiff says whether CORS applies to the path.
func isSpiff(path []byte) bool { return under(path, "/v1") || string(path) == "/liveness" }

// routeDo executes commands. Requests for it are nearly all there are, so they don't go through the router, which
// would make strings of its parameters; it knows the route for the sake of those with another method.
const routeDo = "/v1/do/{connector}/{command}"

// commandID is the connector/command that a normalised path of routeDo has at its end, nil for any other path.
func commandID(path []byte) []byte {
	const folder = "/v1/do/"
	if len(path) < len(folder) || string(path[:len(folder)]) != folder {
		return nil
	}
	id := path[len(folder):]
	slash := bytes.IndexByte(id, '/')
	if slash <= 0 || slash == len(id)-1 || bytes.IndexByte(id[slash+1:], '/') >= 0 {
		return nil
	}
	return id
}

func (s *Server) newRouter() *router.Router {
	r := router.New()
	r.RedirectTrailingSlash, r.RedirectFixedPath, r.HandleOPTIONS = false, false, false
	r.NotFound = func(ctx *fasthttp.RequestCtx) {
		message := "There is nothing here. GET /v1/commands lists what can be executed."
		if under(ctx.Path(), "/v1/auth") {
			message = "Browser sign-in is not part of the protocol."
		}
		s.fail(ctx, envelope.Fail(envelope.NotFound, message))
	}
	r.MethodNotAllowed = func(ctx *fasthttp.RequestCtx) { // the router has set Allow
		s.fail(ctx, envelope.Fail(envelope.MethodNotAllowed, "This path does not take this method; Allow names those it takes."))
	}
	for _, x := range s.routes() {
		r.Handle(x.method, x.path, x.handler)
	}
	return r
}
