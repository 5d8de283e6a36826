package sluice_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	sluice "sluice/guest-sdk/go"
	"sluice/guest-sdk/go/sluicetest"
)

// caching calls a command of a connector that asks for a cache.
func caching(t *testing.T, call sluicetest.Call, f func(sluice.Cache) (any, error)) sluicetest.Result {
	t.Helper()
	register(t, sluice.Connector{Name: "test", Version: "1.0.0", Capabilities: []sluice.Capability{sluice.Cached("tests")}},
		sluice.Command("Run", "", func(c *sluice.Call, _ none) (sluice.Answer, error) {
			v, err := f(c.Cache())
			return sluice.JSON(v), err
		}))
	return sluicetest.Run(t, "Run", call)
}

func TestCache(t *testing.T) {
	kept := map[string][]byte{}
	count := func(c sluice.Cache) (any, error) {
		value, ok, err := c.Get("count")
		if err != nil {
			return nil, err
		}
		if len(value) == 3 {
			return len(value), c.Delete("count")
		}
		return []any{len(value), ok}, c.Put("count", append(value, 'x'), time.Minute)
	}
	for _, want := range []string{`[0,false]`, `[1,true]`, `[2,true]`, `3`, `[0,false]`} {
		if got := caching(t, sluicetest.Call{Cache: kept}, count); string(got.Body) != want || got.Crash != "" {
			t.Errorf("got %s %s, want %s", got.Body, got.Crash, want)
		}
	}
}

func TestCache_Errors(t *testing.T) {
	get := func(key string) func(sluice.Cache) error {
		return func(c sluice.Cache) error { _, _, err := c.Get(key); return err }
	}
	tests := []struct {
		name string
		kept map[string][]byte
		do   func(sluice.Cache) error
		code string
	}{
		{"not granted", nil, get("k"), "cache_denied"},
		{"not granted, put", nil, func(c sluice.Cache) error { return c.Put("k", nil, time.Second) }, "cache_denied"},
		{"not granted, delete", nil, func(c sluice.Cache) error { return c.Delete("k") }, "cache_denied"},
		{"no key", map[string][]byte{}, get(""), "invalid_key"},
		{"long key", map[string][]byte{}, get(strings.Repeat("k", 257)), "invalid_key"},
		{"no time", map[string][]byte{}, func(c sluice.Cache) error { return c.Put("k", nil, 0) }, "invalid_ttl"},
		{"less than no time", map[string][]byte{}, func(c sluice.Cache) error { return c.Put("k", nil, -time.Second) }, "invalid_ttl"},
		{"hardly any time", map[string][]byte{}, func(c sluice.Cache) error { return c.Put("k", nil, 1) }, ""},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			got := caching(t, sluicetest.Call{Cache: tc.kept}, func(c sluice.Cache) (any, error) { return nil, tc.do(c) })
			if got.ErrorCode != tc.code || got.Crash != "" {
				t.Errorf("got %q, %q %s, want %q", got.ErrorCode, got.Message, got.Crash, tc.code)
			}
		})
	}
	var e *sluice.Error
	if got := run(t, sluicetest.Call{Cache: map[string][]byte{}}, func(c *sluice.Call, _ none) (any, error) {
		_, _, err := c.Cache().Get("k")
		if !errors.As(err, &e) {
			t.Errorf("got %v", err)
		}
		return nil, err
	}); got.ErrorCode != "cache_denied" {
		t.Errorf("without a request: got %q", got.ErrorCode)
	}
}
