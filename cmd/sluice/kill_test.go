//go:build long

package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/internal/guests"
	"sluice/runtime/server"
)

var killRounds = flag.Int("kill.rounds", 20, "how often TestKill kills the server")

// absent is the version of a connector that is not installed.
const absent = ""

// TestKill kills a server with SIGKILL under load, again and again: whatever it acknowledged is there when it is started
// again, nothing is torn, and no call failed while it lived.
func TestKill(t *testing.T) {
	const clients = 8
	data := t.TempDir()
	versions := map[string][]byte{"1.0.0": guests.Module(t, "greeter"), "2.0.0": guests.Module(t, "greeter-v2")}
	// What may be installed: the last state that was acknowledged, and that of a change which was not answered.
	possible := []string{absent}
	var calls, changes, unanswered int64
	for round := range *killRounds {
		if round%4 == 3 {
			killStarting(t, data, nil)
		}
		s := startServer(t, data, nil)
		installed := checkInstalled(t, s, possible)
		if t.Failed() {
			t.Fatalf("round %d: the log says %s", round, s.logged())
		}
		possible = []string{installed}

		var killed atomic.Bool
		var load sync.WaitGroup
		var made atomic.Int64
		for range clients {
			load.Go(func() {
				for !killed.Load() {
					status, body, err := post(s.url, "example/Example", `{"message":"hi"}`)
					if (err != nil || status != 200 || !strings.Contains(body, "'hi'")) && !killed.Load() {
						t.Errorf("round %d: a call failed: %d %s %v", round, status, body, err)
						return
					}
					made.Add(1)
				}
			})
		}
		load.Go(func() {
			for n := 0; !killed.Load(); n++ {
				next := []string{"1.0.0", "2.0.0", "1.0.0", absent}[n%4]
				possible = []string{installed, next}
				status, err := change(s.url, next, versions)
				switch {
				case err == nil && (status < 300 || next == absent && status == 404): // what is gone can't be removed
					installed, possible = next, []string{next}
					changes++
				case killed.Load():
					unanswered++
					return
				default:
					t.Errorf("round %d: changing to %q: %d, %v", round, next, status, err)
					return
				}
			}
		})
		life := rand.N(2500 * time.Millisecond)
		if round%3 == 0 {
			life += 12 * time.Second // changes are acknowledged too: what is new to the server has to be compiled
		}
		time.Sleep(life)
		killed.Store(true)
		_ = s.cmd.Process.Kill()
		s.wait(30 * time.Second)
		load.Wait()
		calls += made.Load()
		if t.Failed() {
			t.Fatalf("round %d: the log says %s", round, s.logged())
		}
	}
	s := startServer(t, data, nil)
	checkInstalled(t, s, possible)
	if code := s.terminate(); code != exitOK {
		t.Errorf("exit status %d", code)
	}
	t.Logf("%d rounds: %d calls, %d changes acknowledged, %d not answered", *killRounds, calls, changes, unanswered)
	if calls == 0 || changes == 0 {
		t.Error("nothing was tried")
	}
}

// killStarting kills a server while it starts.
func killStarting(t *testing.T, data string, env []string, args ...string) {
	t.Helper()
	cmd := command(env, append([]string{"serve", "--listen", "127.0.0.1:0", "--data", data}, args...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(rand.N(300 * time.Millisecond))
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// change installs that version of greeter, or removes it.
func change(base, version string, versions map[string][]byte) (status int, err error) {
	if version == absent {
		status, _, err = manage("DELETE", base+"/admin/v1/connectors/greeter", "", nil)
	} else {
		status, _, err = manage("POST", base+"/admin/v1/connectors", "application/wasm", versions[version])
	}
	return status, err
}

// manage sends a request of an operator, and returns the status and the body.
func manage(method, url, contentType string, body []byte) (int, []byte, error) {
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Sluice-Admin", "1")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// checkInstalled checks that what is installed is one of the possible versions, whole, and in service, and that nothing
// was found damaged or left behind. It returns which version it is.
func checkInstalled(t *testing.T, s *serverProcess, possible []string) string {
	t.Helper()
	installed := absent
	r := sluice(t, "list", "--server", s.url, "--json").want(t, exitOK)
	for _, info := range decode[[]server.ConnectorInfo](t, r) {
		if info.Unavailable != "" {
			t.Errorf("%s: %s", info.Name, info.Unavailable)
		}
		if info.Name == "greeter" {
			installed = info.Version
		}
	}
	if !slices.Contains(possible, installed) {
		t.Errorf("version %q is installed, and none of %q", installed, possible)
	}
	status, body, err := post(s.url, "greeter/Greet", `{"name":"Ada"}`)
	var a struct {
		CommandResponse struct {
			Body struct{ Version string } `json:"body"`
		} `json:"command_response"`
	}
	switch {
	case installed == absent && status != 404, installed != absent && status != 200, err != nil:
		t.Errorf("version %q is installed, and a call is answered %d %s %v", installed, status, body, err)
	case json.Unmarshal([]byte(body), &a) != nil || a.CommandResponse.Body.Version != installed:
		t.Errorf("version %q is installed, and a call is answered %s", installed, body)
	}
	checkClean(t, s)
	return installed
}

// checkClean looks for what was found damaged or left behind, and for what the log complains of.
func checkClean(t *testing.T, s *serverProcess) {
	t.Helper()
	data := s.dataFolder()
	if damaged, err := os.ReadDir(filepath.Join(data, "blobs", "damaged")); err != nil || len(damaged) > 0 {
		t.Errorf("set aside: %v, %v", damaged, err)
	}
	if left, err := filepath.Glob(filepath.Join(data, "blobs", "sha256", "*", "*.tmp-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	// That a secret has no value is said until it is set, and whether it is then still there is looked for elsewhere.
	logged := strings.ReplaceAll(s.logged(), `"msg":"a secret has no value`, "")
	for _, level := range []string{`"WARN","msg":"a `, `"ERROR"`} {
		if strings.Contains(logged, level) {
			t.Errorf("the log says %s", s.logged())
		}
	}
}

// dataFolder is what the server was started with as --data.
func (s *serverProcess) dataFolder() string {
	at := slices.Index(s.cmd.Args, "--data")
	if at < 0 {
		panic(fmt.Sprint("no --data in ", s.cmd.Args))
	}
	return s.cmd.Args[at+1]
}
