//go:build long

package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/internal/guests"
	"sluice/runtime"
	"sluice/runtime/server"
)

// register is something that is changed again and again. The n-th change sets it to n, but each fifth removes it.
type register struct {
	acknowledged, tried atomic.Int64
	// set makes it n, or removes it where n is 0.
	set func(base string, n int64) (status int, err error)
	// get says what it is, 0 for nothing.
	get func(base string) (int64, error)
}

func valueOf(change int64) int64 {
	if change%5 == 0 {
		return 0
	}
	return change
}

// since returns the change that made the register what it was found to be, among those from the one that was acknowledged
// then up to now; false where none did.
func (r *register) since(acknowledged, found int64) (int64, bool) {
	for n := acknowledged; n <= r.tried.Load(); n++ {
		if valueOf(n) == found {
			return n, true
		}
	}
	return 0, false
}

// advance makes the next change.
func (r *register) advance(base string) (int, error) {
	n := r.tried.Add(1)
	status, err := r.set(base, valueOf(n))
	if err == nil && (status < 300 || valueOf(n) == 0 && status == 404) { // what is gone can't be removed
		r.acknowledged.Store(n)
		return status, nil
	}
	return status, err
}

// firstDeadline is added to what tells grants apart, in milliseconds, for calls to have time.
const firstDeadline = 20_000

// grantRegister is the grant of misbehave, told by its deadline.
func grantRegister() *register {
	const path = "/admin/v1/connectors/misbehave/grant"
	return &register{
		set: func(base string, n int64) (status int, err error) {
			if n == 0 {
				status, _, err = manage("DELETE", base+path, "", nil)
				return status, err
			}
			text := fmt.Sprintf(`{"secrets": [{"name": "canary", "clear": true}], "deadline": "%dms"}`, firstDeadline+n)
			status, _, err = manage("PUT", base+path, "application/json", []byte(text))
			return status, err
		},
		get: func(base string) (int64, error) {
			var info server.GrantInfo
			_, body, err := manage("GET", base+path, "", nil)
			if err == nil {
				err = json.Unmarshal(body, &info)
			}
			if err != nil || info.Source == runtime.GrantNone {
				return 0, err
			}
			if !strings.Contains(string(info.Grant), `"canary"`) {
				return 0, fmt.Errorf("a part of the grant: %s", info.Grant)
			}
			return info.Limits.DeadlineMS - firstDeadline, nil
		},
	}
}

// secretRegister is the secret canary, told by its length, which misbehave answers with.
func secretRegister() *register {
	const path = "/admin/v1/secrets/canary"
	return &register{
		set: func(base string, n int64) (status int, err error) {
			if n == 0 {
				status, _, err = manage("DELETE", base+path, "", nil)
				return status, err
			}
			status, _, err = manage("PUT", base+path, "text/plain", []byte(strings.Repeat("x", int(n))))
			return status, err
		},
		get: func(base string) (int64, error) {
			n, err := readLength(base)
			if n < 0 { // not granted
				return 0, fmt.Errorf("%d, %w", n, err)
			}
			return n, err
		},
	}
}

// readLength returns the secret's length as a call sees it, 0 where there is none, and -1 where it is not granted.
func readLength(base string) (int64, error) {
	status, body, err := post(base, "misbehave/SecretValue", `{"name": "canary"}`)
	if err != nil {
		return 0, err
	}
	var a struct {
		CommandResponse struct {
			Body struct{ Length int64 } `json:"body"`
		} `json:"command_response"`
		Error *struct {
			Code string `json:"error_code"`
		}
	}
	err = json.Unmarshal([]byte(body), &a)
	switch {
	case err != nil || status != 200:
		return 0, fmt.Errorf("%d %s, %v", status, body, err)
	case a.Error == nil:
		return a.CommandResponse.Body.Length, nil
	case a.Error.Code == "secret_denied":
		return -1, nil
	case a.Error.Code == "secret_unavailable":
		return 0, nil
	}
	return 0, fmt.Errorf("%s", body)
}

// TestKill_Settings kills a server with SIGKILL while grants and secrets are changed under load, again and again: what was
// acknowledged counts for the next call, and is there after the next start.
func TestKill_Settings(t *testing.T) {
	const key = "SLUICE_SECRETS_KEY=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	file := filepath.Join(t.TempDir(), "sluice.yaml")
	if err := os.WriteFile(file, []byte("secrets: {canary: {from: store, origins: [api.example.com]}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	grant, secret := grantRegister(), secretRegister()
	var calls atomic.Int64
	for round := range *killRounds {
		if round%4 == 3 {
			killStarting(t, data, []string{key}, "--config", file)
		}
		s := startServer(t, data, []string{key}, "--config", file)
		checkClean(t, s) // before a call asks for a secret that is not there, of which the log tells
		if round == 0 {
			if status, body, err := manage("POST", s.url+"/admin/v1/connectors", "application/wasm", guests.Module(t, "misbehave")); status != 201 {
				t.Fatalf("%d %s %v", status, body, err)
			}
		}
		recovered(t, "the grant", grant, s.url)
		if grant.acknowledged.Load()%5 == 0 { // the secret is seen through a grant
			if status, err := grant.advance(s.url); err != nil || status != 200 {
				t.Fatalf("round %d: %d, %v", round, status, err)
			}
		}
		recovered(t, "the secret", secret, s.url)
		if t.Failed() {
			t.Fatalf("round %d: the log says %s", round, s.logged())
		}

		var killed atomic.Bool
		var load sync.WaitGroup
		for _, r := range []*register{grant, secret} {
			load.Go(func() {
				for !killed.Load() {
					before := r.tried.Load()
					if status, err := r.advance(s.url); r.acknowledged.Load() <= before && !killed.Load() {
						t.Errorf("round %d: change %d: %d, %v", round, before+1, status, err)
						return
					}
				}
			})
		}
		for range 4 {
			load.Go(func() {
				for !killed.Load() {
					granted, sealed := grant.acknowledged.Load(), secret.acknowledged.Load()
					n, err := readLength(s.url)
					if killed.Load() {
						return
					}
					_, ok := secret.since(sealed, n)
					if n < 0 {
						_, ok = grant.since(granted, 0)
					}
					if err != nil || !ok {
						t.Errorf("round %d: a call read %d, %v", round, n, err)
						return
					}
					calls.Add(1)
				}
			})
		}
		time.Sleep(rand.N(1500 * time.Millisecond))
		killed.Store(true)
		_ = s.cmd.Process.Kill()
		s.wait(30 * time.Second)
		load.Wait()
		if t.Failed() {
			t.Fatalf("round %d: the log says %s", round, s.logged())
		}
	}
	t.Logf("%d rounds: %d calls, %d changes of grants, %d of secrets", *killRounds, calls.Load(), grant.tried.Load(), secret.tried.Load())
	if calls.Load() == 0 || grant.acknowledged.Load() == 0 || secret.acknowledged.Load() == 0 {
		t.Error("nothing was tried")
	}
}

// recovered checks what a start found against what was acknowledged, and goes on from there.
func recovered(t *testing.T, what string, r *register, base string) {
	t.Helper()
	found, err := r.get(base)
	n, ok := r.since(r.acknowledged.Load(), found)
	if err != nil || !ok {
		t.Errorf("%s is %d, %v; acknowledged was change %d, tried %d", what, found, err, r.acknowledged.Load(), r.tried.Load())
	}
	r.acknowledged.Store(n)
	r.tried.Store(n)
}
