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
	}{
		{"granted", Grant{Cache: 64 << 10}, []string{"1", "2", "3"}},
		{"a restart begins anew", Grant{Cache: 64 << 10}, []string{"1", "2"}},
		{"granted too little for an entry", Grant{Cache: 1}, nil},
		{"not granted", Grant{}, nil},
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
			a, err := h.execute(context.Background(), "misbehave/Count", "{}")
			code := map[int]string{0: "cache_denied", 1: "cache_too_small"}[tc.grant.Cache]
			if err != nil || a.Error == nil || a.Error.Code != code {
				t.Errorf("got %+v, %v, want %s", a, err, code)
			}
			h.stop()
		})
	}
}
