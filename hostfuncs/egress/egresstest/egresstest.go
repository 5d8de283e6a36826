// Package egresstest makes clients for tests of what sends requests.
package egresstest

import (
	"testing"
	"time"

	"sluice/hostfuncs/egress"
)

// patience bounds the wait for what is bound to come.
const patience = 20 * time.Second

// Client returns a client that reaches, on this machine, what these rules cover. It is closed at the end of the test, when no
// socket may be left. change, unless nil, changes its configuration.
func Client(t testing.TB, change func(*egress.Config), rules ...string) *egress.Client {
	t.Helper()
	loopback, err := egress.ParseAddress("loopback")
	if err != nil {
		t.Fatal(err)
	}
	e := egress.Entry{Addresses: []egress.Address{loopback}}
	for _, s := range rules {
		rule, err := egress.ParseRule(s)
		if err != nil {
			t.Fatal(err)
		}
		e.Rules = append(e.Rules, rule)
	}
	policy, err := egress.NewPolicy([]egress.Entry{e}, e.Rules)
	if err != nil {
		t.Fatal(err)
	}
	config := egress.Config{Policy: policy, Guard: egress.NewGuard(), Sockets: egress.NewSockets(100)}
	if change != nil {
		change(&config)
	}
	c := egress.NewClient(config)
	t.Cleanup(func() {
		c.Close()
		for end := time.Now().Add(patience); config.Sockets.Open() > 0; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d sockets are open", config.Sockets.Open())
			}
		}
	})
	return c
}
