package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"mime"
	"time"

	"sluice/runtime"
	"sluice/runtime/envelope"
	"sluice/runtime/manifest"

	"github.com/valyala/fasthttp"
)

// ConnectorInfo is an installed connector as the management API shows it.
type ConnectorInfo struct {
	Name         string                `json:"name"`
	Version      string                `json:"version"`
	SHA256       string                `json:"sha256"`
	Size         int64                 `json:"size"`
	ABI          string                `json:"abi"`
	InstalledAt  time.Time             `json:"installed_at"`
	Bundled      bool                  `json:"bundled"`
	Unavailable  string                `json:"unavailable,omitempty"`
	Description  string                `json:"description,omitempty"`
	Commands     []string              `json:"commands"`
	Capabilities []manifest.Capability `json:"capabilities"`
	GrantedHTTP  []string              `json:"granted_http"`
	// GrantSource is where the grant was said: file, catalog, shipped or none.
	GrantSource runtime.GrantSource `json:"grant_source"`
	// Requested is what the version in service asks for, beside what it is granted, and Missing says in a line each what of
	// it is not granted.
	Requested []runtime.Requested `json:"requested"`
	Missing   []string            `json:"missing"`
	// Kept are the versions that are kept beside the one in service, newest first.
	Kept []KeptVersion `json:"kept"`
}

// KeptVersion is an installed version that is not in service.
type KeptVersion struct {
	Version string `json:"version"`
	SHA256  string `json:"sha256"`
}

func infoOf(c runtime.Connector) ConnectorInfo {
	m := c.Version.Manifest
	info := ConnectorInfo{
		Name: c.Name, Version: m.Version, SHA256: c.Version.SHA256, Size: c.Version.Size, ABI: c.Version.ABI,
		InstalledAt: c.Version.InstalledAt, Bundled: c.Bundled, Unavailable: c.Unavailable, Description: m.Description,
		Commands: []string{}, Capabilities: append([]manifest.Capability{}, m.Capabilities...),
		GrantedHTTP: append([]string{}, c.Grant.HTTP...), Kept: []KeptVersion{},
		GrantSource: c.GrantSource, Requested: c.Requested, Missing: runtime.Missing(c.Requested),
	}
	for _, command := range m.Commands {
		info.Commands = append(info.Commands, command.Name)
	}
	for _, v := range c.Versions {
		if v.SHA256 != info.SHA256 {
			info.Kept = append(info.Kept, KeptVersion{Version: v.Manifest.Version, SHA256: v.SHA256})
		}
	}
	return info
}

func (s *Server) adminList(ctx *fasthttp.RequestCtx) {
	list := []ConnectorInfo{}
	for _, c := range s.config.Runtime.Connectors() {
		list = append(list, infoOf(c))
	}
	s.json(ctx, fasthttp.StatusOK, map[string]any{"connectors": list})
}

func (s *Server) adminShow(ctx *fasthttp.RequestCtx) {
	name, _ := ctx.UserValue("name").(string)
	for _, c := range s.config.Runtime.Connectors() {
		if c.Name == name {
			s.json(ctx, fasthttp.StatusOK, infoOf(c))
			return
		}
	}
	s.refuse(ctx, fasthttp.StatusNotFound, runtime.RefusedUnknown, "No connector of that name is installed. GET /admin/v1/connectors lists those that are.")
}

// contentWasm is the media type of a module.
const contentWasm = "application/wasm"

// changeBody reads the body of a change, what it is to be, which must be sent as that media type. Where the request was
// refused it returns false; otherwise the caller gives back what was taken of the budget.
func (s *Server) changeBody(ctx *fasthttp.RequestCtx, change audited, media, what string) (body []byte, taken int64, ok bool) {
	if sent, _, err := mime.ParseMediaType(string(ctx.Request.Header.ContentType())); err != nil || sent != media {
		s.refused(ctx, change, &runtime.Refusal{
			Code: string(envelope.UnsupportedMediaType), Status: fasthttp.StatusUnsupportedMediaType,
			Message: "The body must be " + what + ", with Content-Type: " + media + ".",
		})
		return nil, taken, false
	}
	body, taken, err := s.readBody(ctx, nil)
	var failure *envelope.Failure
	if errors.As(err, &failure) {
		s.refused(ctx, change, &runtime.Refusal{Code: string(failure.Code), Status: failure.Code.Status(), Message: failure.Message})
		return nil, taken, false
	}
	return body, taken, true
}

// adminInstall installs the module that is the request's body: 201 where something is in service that was not, 200
// where it was already. ?replace=true allows other content under an installed version.
func (s *Server) adminInstall(ctx *fasthttp.RequestCtx) {
	change := audited{action: auditInstall}
	body, taken, ok := s.changeBody(ctx, change, contentWasm, "a module")
	if !ok {
		return
	}
	defer s.bodies.give(taken)
	c, changed, err := s.config.Runtime.Install(context.Background(), body, string(ctx.QueryArgs().Peek("replace")) == "true")
	if err != nil {
		digest := sha256.Sum256(body)
		change.more = []any{"sha256", hex.EncodeToString(digest[:])}
		s.refused(ctx, change, err)
		return
	}
	status := fasthttp.StatusOK
	if changed {
		status = fasthttp.StatusCreated
	}
	change.connector, change.unchanged = c.Name, !changed
	change.more = []any{"version", c.Version.Manifest.Version, "sha256", c.Version.SHA256}
	s.audit(ctx, change)
	s.json(ctx, status, infoOf(c))
}

func (s *Server) adminRemove(ctx *fasthttp.RequestCtx) {
	name, _ := ctx.UserValue("name").(string)
	change := audited{action: auditRemove, connector: name}
	if err := s.config.Runtime.Remove(context.Background(), name); err != nil {
		s.refused(ctx, change, err)
		return
	}
	s.audit(ctx, change)
	ctx.SetStatusCode(fasthttp.StatusNoContent)
}

// refused answers a change that was not made.
func (s *Server) refused(ctx *fasthttp.RequestCtx, change audited, err error) {
	r := refusalOf(err)
	change.code = r.Code
	s.audit(ctx, change)
	s.refuse(ctx, r.Status, r.Code, r.Message)
}

// refusalOf is the refusal that an error is, or one that says that the server failed.
func refusalOf(err error) *runtime.Refusal {
	if r, ok := errors.AsType[*runtime.Refusal](err); ok {
		return r
	}
	return &runtime.Refusal{Code: string(envelope.Internal), Message: "The change failed: " + err.Error() + ".", Status: fasthttp.StatusInternalServerError}
}
