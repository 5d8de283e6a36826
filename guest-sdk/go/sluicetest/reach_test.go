package sluicetest

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	sluice "sluice/guest-sdk/go"
	"sluice/guest-sdk/go/abi"
	"sluice/guest-sdk/go/netconn"
)

// A command that goes where its manifest does not ask to go is refused here, and not for the first time on a server.
func TestReach(t *testing.T) {
	before := abi.Registered()
	t.Cleanup(func() { abi.Register(before) })
	type params struct {
		URL     string `sluice:"url"`
		Address string `sluice:"address"`
	}
	abi.Register(nil)
	sluice.Connector{
		Name: "weather", Version: "1.0.0",
		Capabilities: []sluice.Capability{sluice.HTTP("asks", "https://api.example.com/v1"), sluice.TCP("asks", "db.example.com:5432")},
	}.Register(sluice.Command("Run", "", func(c *sluice.Call, p params) (sluice.Answer, error) {
		if p.Address != "" {
			conn, err := netconn.Dialer{Call: c}.Dial("tcp", p.Address)
			if err == nil {
				err = conn.Close()
			}
			return sluice.Answer{}, err
		}
		_, err := c.HTTP(sluice.Request{URL: p.URL})
		return sluice.Answer{}, err
	}))
	call := Call{
		HTTP: Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})),
		TCP:  Peer(func(net.Conn) {}),
	}
	for _, tc := range []struct{ params, code, message string }{
		{`{"url":"https://api.example.com/v1/x"}`, "", ""},
		{`{"url":"https://api.example.com/v2?key=hunter2"}`, "egress_denied", `The connector's manifest does not ask for api.example.com: add "https://api.example.com" to the hosts of its http capability.`},
		{`{"url":"http://other.example:8080/"}`, "egress_denied", `add "http://other.example:8080" to the hosts of its http capability`},
		{`{"url":"https://user:hunter2@api.example.com/v1"}`, "invalid_request", "user information"},
		{`{"address":"db.example.com:5432"}`, "", ""},
		{`{"address":"db.example.com:5433"}`, "egress_denied", `The connector's manifest does not ask for db.example.com: add "db.example.com:5433" to the hosts of its tcp capability.`},
		{`{"address":"db.example.com"}`, "invalid_request", "host and port"},
	} {
		call.Params = tc.params
		got := Run(t, "Run", call)
		if got.ErrorCode != tc.code || !strings.Contains(got.Message, tc.message) || strings.Contains(got.Message, "hunter2") {
			t.Errorf("%s: got %s %s", tc.params, got.ErrorCode, got.Message)
		}
	}
}

// failing is a test that keeps what it was failed with.
type failing struct {
	testing.TB
	why string
}

func (f *failing) Fatalf(format string, args ...any) {
	f.why = fmt.Sprintf(format, args...)
	panic(f)
}

// The host refuses a module whose manifest names hosts that are no rules, and so does every test of it.
func TestManifest_Errors(t *testing.T) {
	before := abi.Registered()
	t.Cleanup(func() { abi.Register(before) })
	f := &failing{TB: t}
	abi.Register(bareGuest{`{"name": "bare", "version": "1.0.0", "commands": [{"name": "Run"}],
		"capabilities": [{"name": "http", "reason": "r", "hosts": ["api.example.com"]}, {"name": "tcp", "reason": "r", "hosts": ["a:1", "https://b"]}]}`, nil})
	func() {
		defer func() {
			if r := recover(); r != any(f) {
				t.Errorf("recovered %v", r)
			}
		}()
		Manifest(f)
	}()
	const want = `the host would refuse the manifest: the manifest is not valid: capabilities[0].hosts[0] is no rule ("api.example.com"): it must begin with http:// or https://; ` +
		`capabilities[1].hosts[1] is no rule ("https://b"): write host and port alone: "db.example.com:5432"`
	if f.why != want {
		t.Errorf("got %s\nwant %s", f.why, want)
	}
}
