package runtime

import (
	"context"
	"testing"

	"sluice/internal/guests"
)

// A connector keeps values from call to call where that is granted, and nowhere else.
func TestRuntime_Cache(t *testing.T) {
	store := open(t, t.TempDir())
	for _, tc := range []struct {
		name  string
		grant Grant
		want  []string
		code  string // of the error instead
	}{
		{"granted", Grant{Cache: 64 << 10}, []string{"1", "2", "3"}, ""},
		{"a restart begins anew", Grant{Cache: 64 << 10}, []string{"1", "2"}, ""},
		{"granted too little for an entry", Grant{Cache: 1 << 10}, nil, "cache_too_small"},
		{"not granted", Grant{}, nil, "cache_denied"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := start(t, store, func(c *Config) { c.Grants = map[string]Grant{"misbehave": tc.grant} })
			if len(h.Connectors()) == 0 {
				h.install(guests.Module(t, "misbehave"))
			}
			for _, want := range tc.want {
				h.wantBody("misbehave/Count", "{}", want)
			}
			if tc.want != nil {
				return
			}
			a, err := h.execute(context.Background(), "misbehave/Count", `{"each": 1024}`)
			if err != nil || a.Error == nil || a.Error.Code != tc.code {
				t.Errorf("got %+v, %v, want %s", a, err, tc.code)
			}
			h.stop()
		})
	}
}

// What was kept under one grant is not there under another, even one that says the same.
func TestRuntime_Cache_Regrant(t *testing.T) {
	h := start(t, open(t, t.TempDir()), nil)
	h.install(guests.Module(t, "misbehave"))
	for range 2 {
		if _, err := h.SetGrant(context.Background(), "misbehave", &Grant{Cache: 64 << 10}); err != nil {
			t.Fatal(err)
		}
		h.wantBody("misbehave/Count", "{}", "1")
		h.wantBody("misbehave/Count", "{}", "2")
	}
}
