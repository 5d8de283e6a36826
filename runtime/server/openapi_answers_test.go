package server_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice/hostfuncs/secret"
	"sluice/internal/guests"
	"sluice/runtime"
	"sluice/runtime/sandbox/wasmtest"
	"sluice/runtime/server/servertest"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// TestOpenAPI_Answers holds real answers against the document: each status must be documented for its operation, and
// each body fit the schema that stands there.
func TestOpenAPI_Answers(t *testing.T) {
	// Between the two lie bodies that one request may have, and for which there is no room.
	const most, budget = 8 << 20, 6 << 20
	probe, greeter := guests.Module(t, "probe"), guests.Module(t, "greeter")
	sleeper := wasmtest.Native(`{"name":"sleeper","version":"1.0.0","commands":[{"name":"Sleep"}]}`,
		wasmtest.Code(wasmtest.I64(1<<40), wasmtest.Call(wasmtest.HostSleep), wasmtest.Drop)).Bytes()
	open := servertest.MustServe(t, servertest.Shared(), servertest.Install(probe, sleeper), servertest.Bodies(most, budget), servertest.Keys("", "an admin key"),
		servertest.Grant("greeter", runtime.Grant{}), servertest.Grant("sleeper", runtime.Grant{Deadline: time.Millisecond}), servertest.Secrets(map[string]secret.Definition{
			"defined": {From: "env:NOTHING", Origins: []string{"api.example"}},
		}, &secret.Key{1}))
	keyed := servertest.MustServe(t, servertest.Shared(), servertest.Install(probe), servertest.Keys("a key", ""))

	const do, connectors, one = "/v1/do/{connector}/{command}", "/admin/v1/connectors", "/admin/v1/connectors/{name}"
	const grant, observed = one + "/grant", one + "/observed"
	admin, wasm := open.Operator(), open.Operator("Content-Type", "application/wasm")
	asJSON := open.Operator("Content-Type", "application/json")
	const oneSecret = "/admin/v1/secrets/{name}"
	text := open.Operator("Content-Type", "text/plain; charset=utf-8")
	open.Logs.Canary("c4n4ry")
	page := servertest.Header("Origin", "https://evil.example")
	otherGreeter := string(greeter) + "\x00\x02\x01x" // and a custom section, which changes nothing
	tests := []struct {
		name          string
		server        *servertest.Server
		method, route string
		path          string // where it is not the route
		header        http.Header
		body          string
		declared      int // the length of a body of which only the beginning is sent
		status        int
		code          string // of an error, where there is one
	}{
		{name: "home", method: "GET", route: "/", status: 200},
		{name: "liveness", method: "GET", route: "/liveness", status: 200},
		{name: "liveness by HEAD", method: "HEAD", route: "/liveness", status: 200},
		{name: "liveness under /v1", method: "GET", route: "/v1/liveness", status: 200},
		{name: "readiness", method: "GET", route: "/readiness", status: 200},
		{name: "readiness by HEAD", method: "HEAD", route: "/readiness", status: 200},
		{name: "this document", method: "GET", route: "/openapi.json", status: 200},
		{name: "metrics", method: "GET", route: "/metrics", header: admin, status: 200},
		{name: "metrics without key", method: "GET", route: "/metrics", status: 401, code: "unauthorized"},
		{name: "catalog", method: "GET", route: "/v1/commands", status: 200},
		{name: "catalog without key", server: keyed, method: "GET", route: "/v1/commands", status: 401},
		{name: "sign-ins", method: "GET", route: "/v1/auths", status: 200},
		{name: "sign-ins without key", server: keyed, method: "GET", route: "/v1/auths", status: 401},

		{name: "success", method: "POST", route: do, path: "/v1/do/probe/CombineStrings", body: `{"arg1": "a", "arg2": "b"}`, status: 200},
		{
			name: "success with key", server: keyed, method: "POST", route: do, path: "/v1/do/probe/CombineStrings",
			header: servertest.Header("Spiff-Connector-Proxy-Api-Key", "a key"), body: `{"arg1": "a", "arg2": "b"}`, status: 200,
		},
		{name: "accepted", method: "POST", route: do, path: "/v1/do/probe/AsyncOk", body: `{"spiff__callback_url": "https://arena.example/cb"}`, status: 202},
		{name: "the connector's error", method: "POST", route: do, path: "/v1/do/probe/AsyncBodyStatus", body: `{"upstream_status": 500}`, status: 200, code: "AsyncStartRejected"},
		{name: "without key", server: keyed, method: "POST", route: do, path: "/v1/do/no/such", status: 401},
		{name: "foreign page", method: "POST", route: do, path: "/v1/do/no/such", header: page, status: 403, code: "origin_not_allowed"},
		{name: "unknown command", method: "POST", route: do, path: "/v1/do/probe/Nothing", body: `{}`, status: 404, code: "command_not_found"},
		{name: "no object", method: "POST", route: do, path: "/v1/do/probe/V1", body: `[]`, status: 400, code: "invalid_body"},
		{name: "missing parameters", method: "POST", route: do, path: "/v1/do/probe/CombineStrings", body: `{}`, status: 400, code: "missing_parameter"},
		{name: "invalid parameter", method: "POST", route: do, path: "/v1/do/probe/CombineStrings", body: `{"arg1": [], "arg2": "b"}`, status: 400, code: "invalid_parameter"},
		{name: "too large", method: "POST", route: do, path: "/v1/do/probe/V1", declared: most + 1, status: 413, code: "body_too_large"},
		{name: "beyond the budget", method: "POST", route: do, path: "/v1/do/probe/V1", body: strings.Repeat(" ", budget+1), status: 503, code: "overloaded"},
		{name: "form", method: "POST", route: do, path: "/v1/do/probe/V1", header: servertest.Header("Content-Type", "application/x-www-form-urlencoded"), body: `a=b`, status: 415, code: "unsupported_media_type"},
		{name: "crash", method: "POST", route: do, path: "/v1/do/probe/Crash", body: `{}`, status: 500, code: "connector_crashed"},

		{name: "no connector of the name", method: "GET", route: one, path: connectors + "/greeter", header: admin, status: 404, code: "connector_not_found"},
		{name: "upload", method: "POST", route: connectors, header: wasm, body: string(greeter), status: 201},
		{name: "the same upload", method: "POST", route: connectors, header: wasm, body: string(greeter), status: 200},
		{name: "other content", method: "POST", route: connectors, header: wasm, body: otherGreeter, status: 409, code: "version_exists"},
		{name: "replaced", method: "POST", route: connectors, path: connectors + "?replace=true", header: wasm, body: otherGreeter, status: 201},
		{name: "not by the name of a page", method: "POST", route: connectors, header: open.Operator("Origin", "https://evil.example"), status: 403, code: "origin_not_allowed"},
		{name: "upload without type", method: "POST", route: connectors, header: admin, body: string(greeter), status: 415, code: "unsupported_media_type"},
		{name: "large upload", method: "POST", route: connectors, header: wasm, declared: most + 1, status: 413, code: "body_too_large"},
		{name: "upload of text", method: "POST", route: connectors, header: wasm, body: "(module)", status: 422, code: "not_wasm"},
		{name: "upload of a component", method: "POST", route: connectors, header: wasm, body: "\x00asm\x0d\x00\x01\x00", status: 422, code: "component"},
		{name: "upload beyond the budget", method: "POST", route: connectors, header: wasm, body: strings.Repeat(" ", budget+1), status: 503, code: "overloaded"},
		{name: "upload without key", method: "POST", route: connectors, body: string(greeter), status: 401, code: "unauthorized"},
		{name: "upload from elsewhere", server: keyed, method: "POST", route: connectors, body: string(greeter), status: 403, code: "operator_only"},
		{name: "list", method: "GET", route: connectors, header: admin, status: 200},
		{name: "list without key", method: "GET", route: connectors, status: 401, code: "unauthorized"},
		{name: "list from elsewhere", server: keyed, method: "GET", route: connectors, status: 403, code: "operator_only"},
		{name: "show", method: "GET", route: one, path: connectors + "/greeter", header: admin, status: 200},
		{name: "the grant of the file", method: "GET", route: grant, path: connectors + "/greeter/grant", header: admin, status: 200},
		{name: "a change of it", method: "PUT", route: grant, path: connectors + "/greeter/grant", header: asJSON, body: `{}`, status: 409, code: "grant_in_file"},
		{name: "its reset", method: "DELETE", route: grant, path: connectors + "/greeter/grant", header: admin, status: 409, code: "grant_in_file"},
		{name: "a grant", method: "PUT", route: grant, path: connectors + "/probe/grant", header: asJSON, body: `{"http": ["https://a.example"], "memory": "32MiB"}`, status: 200},
		{name: "the grant", method: "GET", route: grant, path: connectors + "/probe/grant", header: admin, status: 200},
		{name: "show with a grant", method: "GET", route: one, path: connectors + "/probe", header: admin, status: 200},
		{name: "a wrong grant", method: "PUT", route: grant, path: connectors + "/probe/grant", header: asJSON, body: `{"htp": []}`, status: 422, code: "invalid_grant"},
		{name: "too little memory", method: "PUT", route: grant, path: connectors + "/probe/grant", header: asJSON, body: `{"memory": 65536}`, status: 422, code: "memory_not_granted"},
		{name: "a grant without type", method: "PUT", route: grant, path: connectors + "/probe/grant", header: admin, body: `{}`, status: 415, code: "unsupported_media_type"},
		{name: "a grant beyond the budget", method: "PUT", route: grant, path: connectors + "/probe/grant", header: asJSON, body: strings.Repeat(" ", budget+1), status: 503, code: "overloaded"},
		{name: "a grant without key", method: "PUT", route: grant, path: connectors + "/probe/grant", body: `{}`, status: 401, code: "unauthorized"},
		{name: "a grant from elsewhere", server: keyed, method: "PUT", route: grant, path: connectors + "/probe/grant", body: `{}`, status: 403, code: "operator_only"},
		{name: "a grant for nobody", method: "PUT", route: grant, path: connectors + "/nobody/grant", header: asJSON, body: `{}`, status: 404, code: "connector_not_found"},
		{name: "the grant of nobody", method: "GET", route: grant, path: connectors + "/nobody/grant", header: admin, status: 404, code: "connector_not_found"},
		{name: "reset", method: "DELETE", route: grant, path: connectors + "/probe/grant", header: admin, status: 200},
		{name: "observed", method: "GET", route: observed, path: connectors + "/probe/observed", header: admin, status: 200},
		{name: "observed of nobody", method: "GET", route: observed, path: connectors + "/nobody/observed", header: admin, status: 404, code: "connector_not_found"},
		{name: "no time", method: "POST", route: do, path: "/v1/do/sleeper/Sleep", body: `{}`, status: 504, code: "deadline_exceeded"},
		{name: "remove", method: "DELETE", route: one, path: connectors + "/greeter", header: admin, status: 204},
		{name: "set a secret", method: "PUT", route: oneSecret, path: "/admin/v1/secrets/api-token", header: text, body: "c4n4ry\n", status: 204},
		{name: "list secrets", method: "GET", route: "/admin/v1/secrets", header: admin, status: 200},
		{name: "a secret's name", method: "PUT", route: oneSecret, path: "/admin/v1/secrets/API", header: text, body: "c4n4ry", status: 422, code: "invalid_secret"},
		{name: "an empty secret", method: "PUT", route: oneSecret, path: "/admin/v1/secrets/a", header: text, status: 422, code: "invalid_secret"},
		{name: "a long secret", method: "PUT", route: oneSecret, path: "/admin/v1/secrets/a", header: text, body: strings.Repeat("x", 64<<10+1), status: 422, code: "invalid_secret"},
		{name: "a secret as a form", method: "PUT", route: oneSecret, path: "/admin/v1/secrets/a", header: open.Operator("Content-Type", "application/x-www-form-urlencoded"), body: "a", status: 415, code: "unsupported_media_type"},
		{name: "a secret beyond all bounds", method: "PUT", route: oneSecret, path: "/admin/v1/secrets/a", header: text, body: strings.Repeat("x", most+1), status: 413, code: "body_too_large"},
		{name: "a secret without key", method: "PUT", route: oneSecret, path: "/admin/v1/secrets/a", body: "a", status: 401, code: "unauthorized"},
		{name: "a secret from elsewhere", server: keyed, method: "PUT", route: oneSecret, path: "/admin/v1/secrets/a", body: "a", status: 403, code: "operator_only"},
		{name: "a secret without a key to seal it", server: keyed, method: "PUT", route: oneSecret, path: "/admin/v1/secrets/a", header: servertest.Header("Sluice-Admin", "1", "Content-Type", "text/plain"), body: "a", status: 409, code: "no_secrets_key"},
		{name: "remove a secret", method: "DELETE", route: oneSecret, path: "/admin/v1/secrets/api-token", header: admin, status: 204},
		{name: "remove a secret again", method: "DELETE", route: oneSecret, path: "/admin/v1/secrets/api-token", header: admin, status: 404, code: "secret_not_found"},
		{name: "remove again", method: "DELETE", route: one, path: connectors + "/greeter", header: admin, status: 404, code: "connector_not_found"},
	}
	f := readOpenAPI(t)
	schemas := compileOpenAPI(t)
	operations := f.operations(t)
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			if tc.server == nil {
				tc.server = open
			}
			if tc.path == "" {
				tc.path = tc.route
			}
			var a servertest.Answer
			if tc.declared > 0 {
				a = announce(t, tc.server, tc.path, tc.header, tc.declared)
			} else {
				a = tc.server.Send(tc.method, tc.path, tc.header, tc.body)
			}
			if a.Status != tc.status || tc.code != "" && a.Code() != tc.code {
				t.Fatalf("got %s, want %d %s", a, tc.status, tc.code)
			}
			status := strconv.Itoa(tc.status)
			response, ok := operations[tc.method+" "+tc.route].Responses[status]
			if !ok {
				t.Fatalf("%s %s has no response %s", tc.method, tc.route, status)
			}
			place := []string{"paths", tc.route, strings.ToLower(tc.method), "responses", status}
			if name, ok := strings.CutPrefix(response.Ref, responseRef); ok {
				place, response = []string{"components", "responses", name}, f.Components.Responses[name]
			}
			holdAgainst(t, schemas, place, response, a)
		})
	}
	t.Run("codes of no operation", func(t *testing.T) {
		for _, tc := range []struct {
			request  string
			status   int
			response string
		}{
			{"GET /v1/do/probe/V1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405, "MethodNotAllowed"},
			{"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404, "CommandNotFound"},
			{"POST /v1/do/probe/V1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "BadRequest"},
			{"GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 32<<10) + "\r\n\r\n", 431, "HeadersTooLarge"},
		} {
			answers := open.Raw(tc.request)
			if len(answers) != 1 || answers[0].Status != tc.status {
				t.Fatalf("%.40q: got %s, want %d", tc.request, answers, tc.status)
			}
			validate(t, schemas, pointer("components", "responses", tc.response, "content", contentJSON, "schema"), answers[0].Body)
		}
	})
}

// announce sends the beginning of a POST only, of which fasthttp reads 8 KiB before it asks the server: the body is to be
// refused by its length.
func announce(t *testing.T, s *servertest.Server, path string, header http.Header, length int) servertest.Answer {
	t.Helper()
	conn := s.Dial()
	if conn == nil {
		t.FailNow()
	}
	defer func() { _ = conn.Close() }()
	var head bytes.Buffer
	fmt.Fprintf(&head, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", path, s.Addr, length)
	_ = header.Write(&head) // to memory
	head.WriteString("\r\n")
	head.Write(make([]byte, 8<<10))
	if _, err := conn.Write(head.Bytes()); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return servertest.Answer{Status: answer.StatusCode, Header: answer.Header, Body: text}
}

// holdAgainst compares an answer with the response that is documented at place.
func holdAgainst(t *testing.T, schemas *jsonschema.Compiler, place []string, response openAPIResponse, a servertest.Answer) {
	t.Helper()
	if len(response.Content) == 0 {
		if len(a.Body) > 0 {
			t.Errorf("got a body of %d bytes, and none is documented", len(a.Body))
		}
		return
	}
	media, _, _ := strings.Cut(a.Header.Get("Content-Type"), ";")
	if _, ok := response.Content[media]; !ok {
		t.Fatalf("got the media type %q, documented are %v", media, slices.Sorted(maps.Keys(response.Content)))
	}
	if media == contentJSON {
		validate(t, schemas, pointer(append(place, "content", media, "schema")...), a.Body)
	}
}

func validate(t *testing.T, schemas *jsonschema.Compiler, place string, body []byte) {
	t.Helper()
	schema, err := schemas.Compile(place)
	if err != nil {
		t.Fatal(err)
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		t.Fatalf("%.300s: %v", body, err)
	}
	if err := schema.Validate(instance); err != nil {
		t.Errorf("%.300s does not fit: %v", body, err)
	}
}
