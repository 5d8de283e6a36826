package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"sluice/runtime"
	"sluice/runtime/server"
	"sluice/runtime/server/servertest"
)

// fill puts names into a route's path that nothing has.
func fill(path string) string {
	return strings.NewReplacer("{connector}", "nothing", "{command}", "Nothing", "{name}", "nothing").Replace(path)
}

func TestRules(t *testing.T) {
	for _, r := range server.Routes() {
		if got := server.RuleOf(fill(r.Path)); got != r.Rule {
			t.Errorf("%s %s is for the %s, and its path is judged as one for %s", r.Method, r.Path, r.Rule, got)
		}
	}
	for path, rule := range map[string]string{
		"/v1/do": "engine", "/v1/do/x": "engine", "/v1/do/x/y/z": "engine", "/v1/dot": "everybody", "/v1/commands/x": "everybody",
		"/admin": "operator", "/admin/": "operator", "/admin/v2/anything": "operator", "/administration": "everybody", "/metrics/x": "everybody",
	} {
		if got := server.RuleOf(path); got != rule {
			t.Errorf("%s is judged as one for %s, want %s", path, got, rule)
		}
	}
}

// TestCallers sends every route from every kind of caller to a server with keys and to one without.
func TestCallers(t *testing.T) {
	t.Parallel()
	const key, adminKey = "the-key-of-engines", "the-key-of-operators"
	keyed := servertest.MustServe(t, servertest.Shared(), servertest.Keys(key, adminKey))
	open := servertest.MustServe(t, servertest.Shared())
	keyed.Logs.Canary(key, adminKey)
	const spiff, authorization = "Spiff-Connector-Proxy-Api-Key", "Authorization"
	page := servertest.Header("Sluice-Admin", "1", "Origin", "https://evil.example")
	// A caller is named by whom a server takes it for: with keys, and without. A page's POST is refused whoever sends it.
	callers := []struct {
		name          string
		header        http.Header
		engine        bool // has the right key
		operator      bool // has the right key
		thisMachine   bool
		foreignOrigin bool
	}{
		{name: "no key", header: http.Header{}},
		{name: "wrong key", header: servertest.Header(spiff, "wrong")},
		{name: "the key and more", header: servertest.Header(spiff, key+"x")},
		{name: "half the key", header: servertest.Header(spiff, key[:5])},
		{name: "empty key", header: servertest.Header(spiff, "")},
		{name: "key that is not ASCII", header: servertest.Header(spiff, "schlüssel\xff")},
		{name: "right key", header: servertest.Header(spiff, key), engine: true},
		{name: "right key, name in other case", header: http.Header{strings.ToLower(spiff): {key}}, engine: true},
		{name: "the key as bearer", header: servertest.Header(authorization, "Bearer "+key)},
		{name: "the operator's key as an engine's", header: servertest.Header(spiff, adminKey)},
		{name: "operator's key", header: servertest.Header(authorization, "Bearer "+adminKey), operator: true},
		{name: "operator's key, scheme in other case", header: servertest.Header(authorization, "bEARER  "+adminKey), operator: true},
		{name: "operator's key without a blank", header: servertest.Header(authorization, "Bearer"+adminKey)},
		{name: "wrong operator's key", header: servertest.Header(authorization, "Bearer wrong")},
		{name: "empty bearer", header: servertest.Header(authorization, "Bearer ")},
		{name: "basic", header: servertest.Header(authorization, "Basic "+adminKey)},
		{name: "both keys", header: servertest.Header(spiff, key, authorization, "Bearer "+adminKey), engine: true, operator: true},
		{name: "this machine", header: servertest.Header("Sluice-Admin", "1"), thisMachine: true},
		{name: "this machine by name", header: servertest.Header("Sluice-Admin", "1", "Host", "localhost:8200"), thisMachine: true},
		{name: "this machine by IPv6", header: servertest.Header("Sluice-Admin", "1", "Host", "[::1]:8200"), thisMachine: true},
		{name: "another value", header: servertest.Header("Sluice-Admin", "true")},
		{name: "foreign host", header: servertest.Header("Sluice-Admin", "1", "Host", "sluice.example")},
		{name: "a host that looks local", header: servertest.Header("Sluice-Admin", "1", "Host", "127.0.0.1.evil.example")},
		{name: "a local host with a dot", header: servertest.Header("Sluice-Admin", "1", "Host", "localhost.evil.example:8200")},
		{name: "X-Forwarded-For", header: servertest.Header("Sluice-Admin", "1", "X-Forwarded-For", "127.0.0.1")},
		{name: "X-Forwarded-Proto", header: servertest.Header("Sluice-Admin", "1", "X-Forwarded-Proto", "https")},
		{name: "Forwarded", header: servertest.Header("Sluice-Admin", "1", "Forwarded", "for=127.0.0.1")},
		{name: "Via", header: servertest.Header("Sluice-Admin", "1", "Via", "1.1 proxy")},
		{name: "X-Real-IP", header: servertest.Header("Sluice-Admin", "1", "X-Real-IP", "127.0.0.1")},
		{name: "page", header: page, foreignOrigin: true},
		{name: "page of a file", header: servertest.Header("Sluice-Admin", "1", "Origin", "null"), foreignOrigin: true},
		{name: "page of another port", header: servertest.Header("Sluice-Admin", "1", "Origin", "http://127.0.0.1:1"), foreignOrigin: true},
		{name: "page with the keys", header: servertest.Header(spiff, key, authorization, "Bearer "+adminKey, "Origin", "https://evil.example"), engine: true, operator: true, foreignOrigin: true},
		{name: "cross-site fetch", header: servertest.Header("Sluice-Admin", "1", "Sec-Fetch-Site", "cross-site")},
		{name: "same-site fetch", header: servertest.Header("Sluice-Admin", "1", "Sec-Fetch-Site", "same-site")},
		{name: "address bar", header: servertest.Header("Sluice-Admin", "1", "Sec-Fetch-Site", "none")},
		{name: "own page", header: servertest.Header("Sluice-Admin", "1", "Sec-Fetch-Site", "same-origin"), thisMachine: true},
	}
	for _, s := range []*servertest.Server{keyed, open} {
		for _, c := range callers {
			for _, r := range server.Routes() {
				name := fmt.Sprintf("%s %s, keys %t, %s", r.Method, r.Path, s == keyed, c.name)
				admitted := 0 // the status of what is not refused is the handler's
				status := admitted
				switch {
				case r.Rule == "engine" && s == keyed && !c.engine:
					status = 401
				case r.Rule == "operator" && s == keyed && !c.operator:
					status = 401
				case r.Rule == "operator" && s == open && !c.thisMachine:
					status = 403
				case r.Method == "POST" && c.foreignOrigin:
					status = 403
				}
				a := s.Send(r.Method, fill(r.Path), c.header.Clone(), "")
				refused := a.Status == 401 || a.Status == 403
				if refused != (status != admitted) || refused && a.Status != status {
					t.Errorf("%s: got %s, want %d", name, a, status)
				}
				if a.Status >= 500 || a.Status == 405 {
					t.Errorf("%s: got %s", name, a)
				}
				if r.Rule == "engine" && a.Status == 401 && (string(a.Body) != `{"error":"Unauthorized"}` || a.Header.Get("Content-Type") != "application/json") {
					t.Errorf("%s: got %s", name, a)
				}
				if r.Rule == "operator" && a.Status == 401 && (a.Code() != "unauthorized" || a.Header.Get("WWW-Authenticate") != "Bearer") {
					t.Errorf("%s: got %s", name, a)
				}
			}
		}
	}
	// The method does not matter to whom a path is for.
	for _, method := range []string{"GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "BREW"} {
		for _, path := range []string{"/v1/commands", "/v1/auths", "/v1/do", "/v1/do/", "/v1/do/x", "/v1/do/x/y", "/v1/do/x/y/z", "/metrics", "/admin", "/admin/x", "/admin/v1/connectors/x/y"} {
			if a := keyed.Send(method, path, nil, ""); a.Status != 401 {
				t.Errorf("%s %s: got %s", method, path, a)
			}
		}
	}
}

// TestCallers_Paths: no way of writing a path gets round the key, and what is not protected tells nothing.
func TestCallers_Paths(t *testing.T) {
	t.Parallel()
	s := servertest.MustServe(t, servertest.Shared(), servertest.Keys("key", "key"), servertest.Install(echo.Module()))
	const key = "Spiff-Connector-Proxy-Api-Key: key\r\nAuthorization: Bearer key\r\n"
	same := []struct{ method, path string }{ // each is a protected path
		{"POST", "//v1/do/echo/Params"}, {"POST", "/v1//do/echo/Params"}, {"POST", "/v1/do//echo///Params"}, {"POST", "///v1/do/echo/Params"},
		{"POST", "/v1/../v1/do/echo/Params"}, {"POST", "/x/../v1/do/echo/Params"}, {"POST", "/v1/./do/echo/Params"}, {"POST", "/./v1/do/echo/Params"},
		{"POST", "/../v1/do/echo/Params"}, {"POST", "/liveness/../v1/do/echo/Params"}, {"POST", "/v1/liveness/../do/echo/Params"},
		{"POST", "/%761/do/echo/Params"}, {"POST", "/v1%2Fdo/echo/Params"}, {"POST", "/v1/%64o/echo/Params"}, {"POST", "/v1/do/echo/%50arams"},
		{"POST", "/%2e%2e/v1/do/echo/Params"}, {"POST", "/x/%2E%2E/v1/do/echo/Params"}, {"POST", "/%2Fv1/do/echo/Params"}, {"POST", "/x%2f..%2fv1/do/echo/Params"},
		{"POST", "/v1/do/echo/Params?x=y"}, {"POST", "/v1/do/echo/Params#x"}, {"POST", "/v1/do/echo/Params?/liveness"}, {"POST", "/v1/do/echo/Params?/../../../liveness"},
		{"POST", "http://sluice.example/v1/do/echo/Params"}, {"POST", "http://sluice.example//v1/do/echo/Params"}, {"POST", "https://sluice.example/%761/do/echo/Params"},
		{"GET", "/v1//commands"}, {"GET", "/v1/./commands"}, {"GET", "/%761/commands"}, {"GET", "/v1/%63ommands"}, {"GET", "/v1/x/../commands"}, {"GET", "http://x/v1/commands"},
		{"GET", "//admin/v1/connectors"}, {"GET", "/%61dmin/v1/connectors"}, {"GET", "/v1/../admin/v1/connectors"}, {"GET", "/admin//v1/./connectors"}, {"GET", "//metrics"}, {"GET", "/%6Detrics"},
	}
	send := func(method, path, headers string) servertest.Answer {
		t.Helper()
		answers := s.Raw(method + " " + path + " HTTP/1.1\r\nHost: sluice.example\r\n" + headers + "Connection: close\r\nContent-Length: 2\r\n\r\n{}")
		if len(answers) != 1 {
			t.Errorf("%s %s: got %s", method, path, answers)
			return servertest.Answer{}
		}
		return answers[0]
	}
	for _, x := range same {
		if a := send(x.method, x.path, ""); a.Status != 401 {
			t.Errorf("%s %s without a key: got %s", x.method, x.path, a)
		}
		if a := send(x.method, x.path, key); a.Status != 200 {
			t.Errorf("%s %s with the key: got %s", x.method, x.path, a)
		}
	}
	// These are others, whoever asks: decoding happens once.
	for _, x := range []struct{ method, path string }{
		{"POST", "/%25761/do/echo/Params"}, {"POST", "/v1%252Fdo/echo/Params"}, {"GET", "/V1/commands"}, {"GET", "/v1/commands/"}, {"GET", "/v1\\commands"},
		{"GET", "/%2561dmin/v1/connectors"}, {"GET", "/v1/commands%00"}, {"GET", "/v1/commands%20"}, {"GET", "/v1/commands;x"}, {"GET", "/v1/commands%3Fx"},
	} {
		for _, headers := range []string{"", key} {
			if a := send(x.method, x.path, headers); a.Status != 404 || a.Code() != "not_found" {
				t.Errorf("%s %s: got %s", x.method, x.path, a)
			}
		}
	}
	// What is encoded twice is judged where the router takes it to, not where a second decoding would.
	up := "%252e%252e%252f"
	for _, x := range []struct{ method, path string }{
		{"GET", "/admin/v1/connectors/" + up + up + up + "liveness"}, {"DELETE", "/admin/v1/connectors/" + up + up + up + "liveness"},
		{"POST", "/v1/do/echo/" + up + up + up + "liveness"}, {"POST", "/v1/do/" + up + up + "/liveness"},
	} {
		if a := send(x.method, x.path, ""); a.Status != 401 {
			t.Errorf("%s %s without a key: got %s", x.method, x.path, a)
		}
	}
}

// TestCORS has the preflights and answers of pages.
func TestCORS(t *testing.T) {
	t.Parallel()
	const allowed, foreign = "https://ed.spiff.works", "https://evil.example"
	listed := servertest.MustServe(t, servertest.Shared(), servertest.Install(echo.Module()), servertest.Keys("key", ""), servertest.CORS("https://other.example", allowed))
	anyone := servertest.MustServe(t, servertest.Shared(), servertest.Install(echo.Module()), servertest.CORS("*"))
	none := servertest.MustServe(t, servertest.Shared(), servertest.Install(echo.Module()))
	allows := func(a servertest.Answer) string { return a.Header.Get("Access-Control-Allow-Origin") }
	for _, path := range []string{"/v1/commands", "/v1/auths", "/v1/liveness", "/liveness", "/v1/do/echo/Params", "/v1/do/nothing/Nothing", "//v1/do/echo/Params"} {
		preflight := servertest.Header("Origin", allowed, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type,spiff-connector-proxy-api-key")
		for _, s := range []*servertest.Server{listed, anyone} {
			a := s.Send("OPTIONS", path, preflight, "")
			h := a.Header
			if a.Status != 204 || allows(a) != allowed || len(a.Body) > 0 || h.Get("Vary") != "Origin" || h.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("OPTIONS %s: got %s, %v", path, a, h)
			}
			contains(t, h.Get("Access-Control-Allow-Methods"), "GET", "POST")
			contains(t, h.Get("Access-Control-Allow-Headers"), "content-type", "spiff-connector-proxy-api-key")
			contains(t, h.Get("Allow"), "OPTIONS")
		}
		for _, origin := range []string{foreign, "null", allowed + ".evil.example", "http://ed.spiff.works", "https://ED.spiff.works:443"} {
			if a := listed.Send("OPTIONS", path, servertest.Header("Origin", origin), ""); a.Status != 204 || allows(a) != "" || a.Header.Get("Access-Control-Allow-Methods") != "" {
				t.Errorf("OPTIONS %s from %s: got %s, %v", path, origin, a, a.Header)
			}
		}
		if a := none.Send("OPTIONS", path, preflight, ""); a.Status != 204 || allows(a) != "" {
			t.Errorf("OPTIONS %s without CORS: got %s, %v", path, a, a.Header)
		}
	}
	for path, status := range map[string]int{"/v1": 404, "/v1/nothing": 404, "/admin/v1/connectors": 403, "/metrics": 403, "/readiness": 405, "/nothing": 404} {
		if a := anyone.Send("OPTIONS", path, servertest.Header("Origin", allowed), ""); a.Status != status {
			t.Errorf("OPTIONS %s: got %s, want %d", path, a, status)
		}
	}
	do := func(s *servertest.Server, origin string, key string) servertest.Answer {
		h := servertest.Header("Content-Type", "application/json", "Spiff-Connector-Proxy-Api-Key", key)
		if origin != "" {
			h.Set("Origin", origin)
		}
		return s.Send("POST", "/v1/do/echo/Params", h, `{}`)
	}
	own := func(s *servertest.Server) string { return s.URL }
	for _, tc := range []struct {
		name    string
		answer  servertest.Answer
		status  int
		allowed string
	}{
		{"allowed", do(listed, allowed, "key"), 200, allowed},
		{"allowed, without key", do(listed, allowed, ""), 401, allowed},
		{"foreign", do(listed, foreign, "key"), 403, ""},
		{"foreign, without key", do(listed, foreign, ""), 401, ""},
		{"no page", do(listed, "", "key"), 200, ""},
		{"own page", do(listed, own(listed), "key"), 200, ""},
		{"anyone", do(anyone, foreign, ""), 200, foreign},
		{"without CORS: foreign", do(none, foreign, ""), 403, ""},
		{"without CORS: own page", do(none, own(none), ""), 200, ""},
		{"without CORS: no page", do(none, "", ""), 200, ""},
		{"catalog, allowed", listed.Send("GET", "/v1/commands", servertest.Header("Origin", allowed, "Spiff-Connector-Proxy-Api-Key", "key"), ""), 200, allowed},
		{"catalog, foreign", listed.Send("GET", "/v1/commands", servertest.Header("Origin", foreign, "Spiff-Connector-Proxy-Api-Key", "key"), ""), 200, ""},
		{"not found, allowed", listed.Send("GET", "/v1/nothing", servertest.Header("Origin", allowed), ""), 404, allowed},
		{"management is not CORS's", anyone.Send("POST", "/admin/v1/connectors", servertest.Header("Origin", foreign, "Sluice-Admin", "1"), ""), 403, ""},
	} {
		if tc.answer.Status != tc.status || allows(tc.answer) != tc.allowed || (tc.allowed != "") != (tc.answer.Header.Get("Vary") == "Origin") {
			t.Errorf("%s: got %s, %v", tc.name, tc.answer, tc.answer.Header)
		}
	}
	want{403, "origin_not_allowed", "CONNECTOR_PROXY_CORS_ORIGINS"}.check(t, do(listed, foreign, "key"))
}

// TestRebinding: a page can be of the same origin as this server under a name that its owner lets stand for this
// machine. Without a key only loopback names are this server's own; with one the page lacks it.
func TestRebinding(t *testing.T) {
	t.Parallel()
	open := servertest.MustServe(t, servertest.Shared(), servertest.Install(echo.Module()))
	keyed := servertest.MustServe(t, servertest.Shared(), servertest.Install(echo.Module()), servertest.Keys("key", ""))
	page := func(host string, more ...string) http.Header {
		return servertest.Header(append([]string{"Content-Type", "application/json", "Host", host, "Origin", "http://" + host}, more...)...)
	}
	for _, tc := range []struct {
		name   string
		answer servertest.Answer
		status int
	}{
		{"a foreign name", open.Send("POST", "/v1/do/echo/Params", page("evil.example:8200"), `{}`), 403},
		{"a loopback name", open.Send("POST", "/v1/do/echo/Params", page("localhost:8200"), `{}`), 200},
		{"a foreign name without key", keyed.Send("POST", "/v1/do/echo/Params", page("evil.example"), `{}`), 401},
		{"its own name with key", keyed.Send("POST", "/v1/do/echo/Params", page("sluice.example", "Spiff-Connector-Proxy-Api-Key", "key"), `{}`), 200},
	} {
		if tc.answer.Status != tc.status {
			t.Errorf("%s: got %s, want %d", tc.name, tc.answer, tc.status)
		}
	}
}

// TestExpect: only who may send anything is asked for a body; a proxy that speaks HTTP/1.0 is no operator.
func TestExpect(t *testing.T) {
	t.Parallel()
	s := servertest.MustServe(t, servertest.Shared(), servertest.Install(echo.Module()), servertest.Keys("key", ""))
	const head = "POST /v1/do/echo/Params HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nConnection: close\r\n"
	if a := s.Raw(head + "Content-Length: 2\r\n\r\n"); len(a) != 1 || a[0].Status != 401 {
		t.Errorf("without key: got %v", a)
	}
	conn := s.Dial()
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, head+"Spiff-Connector-Proxy-Api-Key: key\r\nContent-Length: 2\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || line != "HTTP/1.1 100 Continue\r\n" {
		t.Errorf("with key: got %q, %v", line, err)
	}
	a := s.Raw("GET /admin/v1/connectors HTTP/1.0\r\nHost: 127.0.0.1\r\nSluice-Admin: 1\r\n\r\n")
	if len(a) != 1 || a[0].Status != 403 {
		t.Errorf("management by HTTP/1.0: got %v", a)
	}
}

// TestOperator_Guest: a connector that reaches its own server is not the operator, whatever it is granted, and although it
// comes from this machine.
func TestOperator_Guest(t *testing.T) {
	t.Parallel()
	all := runtime.Grant{HTTP: []string{"http://*"}, Addresses: []string{"public", "private", "loopback"}}
	s := servertest.MustServe(t, servertest.Shared(), servertest.Bundled("http"), servertest.Grant("http", all))
	for _, tc := range []struct{ name, command, params string }{
		{"a list", "http/GetRequest", `{"url": "%s/admin/v1/connectors", "headers": {"Sluice-Admin": "1"}}`},
		{"by another name", "http/GetRequest", `{"url": "http://localhost:%s/admin/v1/connectors", "headers": {"Sluice-Admin": "1"}}`},
		{"its grant", "http/PutRequest", `{"url": "%s/admin/v1/connectors/http/grant", "headers": {"Sluice-Admin": "1"}, "data": {"http": ["https://*"]}}`},
	} {
		at := s.URL
		if strings.Contains(tc.params, "localhost") {
			at = s.Addr[strings.LastIndexByte(s.Addr, ':')+1:]
		}
		a := s.Do(tc.command, fmt.Sprintf(tc.params, at))
		if e := envelopeOf(t, a); e.Response.Status == nil || *e.Response.Status != 403 || !strings.Contains(string(a.Body), "operator_only") {
			t.Errorf("%s: got %s", tc.name, a)
		}
	}
	if a := s.Send("GET", "/admin/v1/connectors", servertest.Header("Sluice-Admin", "1"), ""); a.Status != 200 {
		t.Errorf("the operator: got %s", a)
	}
	if a := s.Do("http/GetRequest", `{"url": "`+s.URL+`/liveness"}`); a.Status != 200 || a.Code() != "" {
		t.Errorf("what everybody may ask: got %s", a)
	}
}
