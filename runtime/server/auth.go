package server

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"
)

// The headers by which callers identify themselves.
const (
	headerSpiffKey = "Spiff-Connector-Proxy-Api-Key"
	headerAdmin    = "Sluice-Admin"
)

// admitted checks a request against the rule of its path, and answers it where it does not hold. Nothing of the body
// has been read.
func (s *Server) admitted(ctx *fasthttp.RequestCtx, r rule) bool {
	switch r {
	case engine:
		if s.config.APIKey == "" || sameKey(ctx.Request.Header.Peek(headerSpiffKey), s.apiKey) {
			return true
		}
		s.metrics.refused.WithLabelValues(refusedAPIKey).Inc()
		ctx.SetStatusCode(fasthttp.StatusUnauthorized)
		ctx.SetContentType(contentJSON)
		ctx.SetBodyString(`{"error":"Unauthorized"}`)
		return false
	case operator:
		return s.operatorAdmitted(ctx)
	}
	return true
}

// sameKey compares digests, so that neither the time it takes nor a difference in length tells anything of the key.
func sameKey(sent []byte, want [sha256.Size]byte) bool {
	got := sha256.Sum256(sent)
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

func (s *Server) operatorAdmitted(ctx *fasthttp.RequestCtx) bool {
	if s.config.AdminKey != "" {
		token, ok := bearer(ctx.Request.Header.Peek(fasthttp.HeaderAuthorization))
		if ok && sameKey(token, s.adminKey) {
			return true
		}
		s.metrics.refused.WithLabelValues(refusedAdminKey).Inc()
		s.auditEntry(ctx, "unauthorized")
		ctx.Response.Header.Set(fasthttp.HeaderWWWAuthenticate, "Bearer")
		s.refuse(ctx, fasthttp.StatusUnauthorized, "unauthorized", "Management needs the admin key: send it as Authorization: Bearer, or give it to sluice as --key or SLUICE_ADMIN_KEY.")
		return false
	}
	if why := s.notThisMachine(ctx); why != "" {
		s.metrics.refused.WithLabelValues(refusedElsewhere).Inc()
		s.auditEntry(ctx, "operator_only")
		s.refuse(ctx, fasthttp.StatusForbidden, "operator_only", "No admin key is configured, so management works from this machine only: "+why+" Set SLUICE_ADMIN_KEY to manage from elsewhere.")
		return false
	}
	return true
}

// bearer is the token of an Authorization header of that scheme, whose name is in any case.
//
// https://www.rfc-editor.org/rfc/rfc9110#section-11.1
func bearer(header []byte) (token []byte, ok bool) {
	const scheme = "Bearer "
	if len(header) < len(scheme) || !bytes.EqualFold(header[:len(scheme)], []byte(scheme)) {
		return nil, false
	}
	return bytes.TrimLeft(header[len(scheme):], " "), true
}

// notThisMachine says why a request does not come straight from a program of this machine's operator, or "". A proxy
// on this machine, a page in a browser on it, or a connector that reaches back to this server is not the operator.
func (s *Server) notThisMachine(ctx *fasthttp.RequestCtx) string {
	h := &ctx.Request.Header
	peer, ok := netip.AddrFromSlice(ctx.RemoteIP())
	switch {
	case !ok || !peer.Unmap().IsLoopback():
		return "the request comes from another one."
	case s.config.Runtime.FromGuest(ctx.RemoteAddr()):
		return "the request comes from a connector."
	case !loopbackHost(string(h.Host())):
		return "the request's Host is not a loopback address."
	case forwarded(h), !h.IsHTTP11(): // some proxies say nothing of themselves, but speak HTTP/1.0
		return "the request came through a proxy."
	case len(h.Peek(fasthttp.HeaderOrigin)) > 0 && !sameOrigin(h):
		return "the request comes from a web page."
	}
	if site := h.Peek("Sec-Fetch-Site"); len(site) > 0 && string(site) != "same-origin" {
		return "the request comes from a web page."
	}
	if string(h.Peek(headerAdmin)) != "1" {
		return "the header Sluice-Admin: 1 is missing."
	}
	return ""
}

func loopbackHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

func forwarded(h *fasthttp.RequestHeader) bool {
	for name := range h.All() {
		n := strings.ToLower(string(name))
		if n == "forwarded" || n == "via" || strings.HasPrefix(n, "x-forwarded-") || n == "x-real-ip" {
			return true
		}
	}
	return false
}

// ownPage says whether the request comes from a page of this server. Without a key any page could be one: a name that
// its owner lets stand for this machine's address is the same origin to a browser. A loopback name can't be had.
func (s *Server) ownPage(h *fasthttp.RequestHeader) bool {
	return sameOrigin(h) && (s.config.APIKey != "" || loopbackHost(string(h.Host())))
}

// sameOrigin says whether the page that sent the request was served under the name that the request is sent to.
func sameOrigin(h *fasthttp.RequestHeader) bool {
	origin, err := url.Parse(string(h.Peek(fasthttp.HeaderOrigin)))
	return err == nil && origin.Host != "" && strings.EqualFold(origin.Host, string(h.Host()))
}

// originAllowed says whether a POST may go on: it comes from no page, or from one that may send requests here.
func (s *Server) originAllowed(ctx *fasthttp.RequestCtx) bool {
	h := &ctx.Request.Header
	origin := h.Peek(fasthttp.HeaderOrigin)
	return len(origin) == 0 || s.ownPage(h) || isSpiff(ctx.Path()) && s.corsAllows(string(origin))
}

func (s *Server) corsAllows(origin string) bool {
	return origin != "" && (slices.Contains(s.config.CORSOrigins, "*") || slices.Contains(s.config.CORSOrigins, origin))
}

// allowOrigin lets a page of an allowed origin read the answer, whatever it will be.
func (s *Server) allowOrigin(ctx *fasthttp.RequestCtx) {
	if len(s.config.CORSOrigins) == 0 {
		return
	}
	if origin := string(ctx.Request.Header.Peek(fasthttp.HeaderOrigin)); s.corsAllows(origin) {
		ctx.Response.Header.Set(fasthttp.HeaderAccessControlAllowOrigin, origin)
		ctx.Response.Header.Set(fasthttp.HeaderVary, fasthttp.HeaderOrigin)
	}
}

// preflight answers OPTIONS. It is never behind a key: browsers send none with it.
func (s *Server) preflight(ctx *fasthttp.RequestCtx, path string) {
	var methods []string
	for _, x := range s.routes() {
		if matches(x.path, path) {
			methods = append(methods, x.method)
		}
	}
	if methods == nil {
		s.router.NotFound(ctx)
		return
	}
	ctx.SetStatusCode(fasthttp.StatusNoContent)
	ctx.Response.Header.Set(fasthttp.HeaderAllow, strings.Join(append(methods, "OPTIONS"), ", "))
	if len(ctx.Response.Header.Peek(fasthttp.HeaderAccessControlAllowOrigin)) > 0 {
		ctx.Response.Header.Set(fasthttp.HeaderAccessControlAllowMethods, "GET, POST, OPTIONS")
		ctx.Response.Header.Set(fasthttp.HeaderAccessControlAllowHeaders, "content-type, "+strings.ToLower(headerSpiffKey))
		ctx.Response.Header.Set(fasthttp.HeaderAccessControlMaxAge, "600")
	}
}

// matches says whether a path fits a route's pattern, in which {name} is one segment.
func matches(pattern, path string) bool {
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	return len(want) == len(got) && !slices.ContainsFunc(want, func(w string) bool {
		g := got[0]
		got = got[1:]
		return w != g && !(strings.HasPrefix(w, "{") && g != "")
	})
}
