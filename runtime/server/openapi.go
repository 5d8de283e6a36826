package server

import (
	_ "embed"

	"github.com/valyala/fasthttp"
)

//go:embed openapi.json
var openAPIDocument []byte

// openAPI shows what this server speaks, as an OpenAPI 3.1 document.
func (s *Server) openAPI(ctx *fasthttp.RequestCtx) {
	ctx.SetContentType(contentJSON)
	ctx.SetBody(openAPIDocument)
}
