package runtime

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"sluice/hostfuncs/egress"
	"sluice/runtime/catalog"
	"sluice/runtime/envelope"

	"go.etcd.io/bbolt"
)

func TestRuntime_InstallReplaceRollbackRemove(t *testing.T) {
	ctx := context.Background()
	h := start(t, open(t, t.TempDir()), nil)
	if h.ids() != "" {
		t.Fatalf("in service: %s", h.ids())
	}
	_, empty := h.Commands()

	v1, v2 := tiny("greeter", "1.0.0", "one"), tiny("greeter", "2.0.0", "two")
	first := h.install(v1)
	if first.Name != "greeter" || first.Version.Manifest.Version != "1.0.0" || first.Bundled || first.Version.Size != int64(len(v1)) {
		t.Errorf("got %+v", first)
	}
	h.wantBody("greeter/Say", "{}", `"one"`)
	_, one := h.Commands()
	if one == empty {
		t.Error("the revision did not change")
	}

	// The same again changes nothing.
	again, changed, err := h.Install(ctx, v1, false)
	if err != nil || changed || !reflect.DeepEqual(again, first) {
		t.Errorf("got %+v, %t, %v", again, changed, err)
	}
	if _, revision := h.Commands(); revision != one {
		t.Error("the revision changed")
	}
	h.wantBody("greeter/Say", "{}", `"one"`)

	h.install(v2)
	h.wantBody("greeter/Say", "{}", `"two"`)
	back := h.install(v1) // rolling back is installing
	h.wantBody("greeter/Say", "{}", `"one"`)
	if len(back.Versions) != 2 || back.Versions[1].Manifest.Version != "2.0.0" {
		t.Errorf("kept %+v", back.Versions)
	}

	// Other content under an installed version needs to be asked for, in service or not.
	for _, wasm := range [][]byte{tiny("greeter", "1.0.0", "new"), tiny("greeter", "2.0.0", "new")} {
		if _, _, err := h.Install(ctx, wasm, false); !isRefusal(err, RefusedVersion) {
			t.Errorf("got %v", err)
		}
		h.wantBody("greeter/Say", "{}", `"one"`)
	}
	if _, changed, err := h.Install(ctx, tiny("greeter", "1.0.0", "new"), true); err != nil || !changed {
		t.Errorf("got %t, %v", changed, err)
	}
	h.wantBody("greeter/Say", "{}", `"new"`)

	h.install(tiny("aaa", "1.0.0", "a"))
	if got := h.ids(); got != "aaa/Say greeter/Say" {
		t.Errorf("in service: %s", got)
	}
	if err := h.Remove(ctx, "greeter"); err != nil {
		t.Fatal(err)
	}
	if _, ok := h.Command("greeter", "Say"); ok || h.ids() != "aaa/Say" || len(h.Connectors()) != 1 {
		t.Errorf("in service: %s", h.ids())
	}
	if err := h.Remove(ctx, "greeter"); !isRefusal(err, RefusedUnknown) {
		t.Errorf("got %v", err)
	}
	h.install(v1)
	h.wantBody("greeter/Say", "{}", `"one"`)
}

func isRefusal(err error, code string) bool {
	var r *Refusal
	return errors.As(err, &r) && r.Code == code
}

func TestRuntime_KeepsVersions(t *testing.T) {
	h := start(t, open(t, t.TempDir()), nil)
	for _, v := range []string{"1", "2", "3", "4", "5", "6", "7"} {
		h.install(tiny("greeter", v+".0.0", v))
	}
	c := h.Connectors()[0]
	if len(c.Versions) != catalog.DefaultKeep || c.Versions[0].SHA256 != c.Version.SHA256 || c.Version.Manifest.Version != "7.0.0" {
		t.Errorf("got %+v", c)
	}
}

// A restart has the same catalog and the same answers, and asks no guest what it is.
func TestRuntime_Restart(t *testing.T) {
	dir := t.TempDir()
	bundled := map[string][]byte{"inside": tiny("inside", "1.0.0", "in")}
	withBundled := func(c *Config) { c.Bundled = bundled }

	store := open(t, dir)
	h := start(t, store, withBundled)
	h.install(tiny("greeter", "1.0.0", "one"))
	h.install(tiny("greeter", "2.0.0", "two"))
	h.install(tiny("other", "1.0.0", "other"))
	before := h.Connectors()
	h.stop()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}

	counting := newFaultyStore(open(t, dir))
	h = start(t, counting, withBundled)
	if after := h.Connectors(); !reflect.DeepEqual(after, before) {
		t.Errorf("before %+v\nafter  %+v", before, after)
	}
	if got := h.ids(); got != "greeter/Say inside/Say other/Say" {
		t.Errorf("in service: %s", got)
	}
	h.wantBody("greeter/Say", "{}", `"two"`)
	h.wantBody("other/Say", "{}", `"other"`)
	h.wantBody("inside/Say", "{}", `"in"`)
	// What was described would have been recorded.
	if n := counting.count("PutBlob") + counting.count("CompareAndSwap") + counting.count("Delete"); n != 0 {
		t.Errorf("%d writes", n)
	}
	if len(h.Unavailable()) != 0 || h.log.String() != "" {
		t.Errorf("unavailable %v, log %s", h.Unavailable(), h.log)
	}
}

func TestRuntime_Bundled(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	bundle := func(wasm []byte) func(*Config) {
		return func(c *Config) { c.Bundled = map[string][]byte{"inside": wasm} }
	}
	run := func(change func(*Config), test func(h *harness, s *faultyStore)) {
		t.Helper()
		local := open(t, dir)
		s := newFaultyStore(local)
		h := start(t, s, change)
		test(h, s)
		h.stop()
		if err := local.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// It is uploaded before it is bundled.
	run(nil, func(h *harness, _ *faultyStore) { h.install(tiny("inside", "9.0.0", "mine")) })
	run(bundle(tiny("inside", "1.0.0", "in")), func(h *harness, s *faultyStore) {
		h.wantBody("inside/Say", "{}", `"in"`)
		if s.count("CompareAndSwap") != 1 || !strings.Contains(h.log.String(), "an uploaded connector had the name") {
			t.Errorf("%d writes, log %s", s.count("CompareAndSwap"), h.log)
		}
		for _, wasm := range [][]byte{tiny("inside", "2.0.0", "mine"), tiny("inside", "9.0.0", "mine")} {
			for _, replace := range []bool{false, true} {
				if _, _, err := h.Install(ctx, wasm, replace); !isRefusal(err, RefusedName) {
					t.Errorf("got %v", err)
				}
			}
		}
		if c, changed, err := h.Install(ctx, tiny("inside", "1.0.0", "in"), false); err != nil || changed || !c.Bundled {
			t.Errorf("got %+v, %t, %v", c, changed, err)
		}
		if err := h.Remove(ctx, "inside"); !isRefusal(err, RefusedBundled) {
			t.Errorf("got %v", err)
		}
		h.wantBody("inside/Say", "{}", `"in"`)
	})
	run(bundle(tiny("inside", "1.0.0", "in")), func(h *harness, s *faultyStore) {
		h.wantBody("inside/Say", "{}", `"in"`)
		if s.count("CompareAndSwap") != 0 {
			t.Error("the second start described it again")
		}
	})
	run(bundle(tiny("inside", "1.1.0", "newer")), func(h *harness, s *faultyStore) {
		h.wantBody("inside/Say", "{}", `"newer"`)
		if s.count("CompareAndSwap") != 1 {
			t.Errorf("%d writes", s.count("CompareAndSwap"))
		}
	})
	// A binary that no longer has it serves what is installed, as any other connector.
	run(nil, func(h *harness, _ *faultyStore) {
		h.wantBody("inside/Say", "{}", `"newer"`)
		h.install(tiny("inside", "2.0.0", "mine"))
		h.wantBody("inside/Say", "{}", `"mine"`)
		if err := h.Remove(ctx, "inside"); err != nil {
			t.Error(err)
		}
	})
}

func TestNew_Errors(t *testing.T) {
	broken := newFaultyStore(open(t, t.TempDir()))
	broken.set("List", catalog.ErrStorage, nil)
	readOnly := newFaultyStore(open(t, t.TempDir()))
	readOnly.set("PutBlob", catalog.ErrStorage, nil)
	good := open(t, t.TempDir())
	for name, tc := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"cache": {func(c *Config) { c.CacheDir = "/dev/null/x" }, "the folder for compiled code"},
		"grant": {func(c *Config) { c.Grants = map[string]Grant{"x": {HTTP: []string{"ftp://x"}}} }, `the grant of connector "x"`},
		"address": {func(c *Config) {
			c.Grants = map[string]Grant{"x": {HTTP: []string{"http://x"}, Addresses: []string{"everywhere"}}}
		}, `the grant of connector "x"`},
		"methods":   {func(c *Config) { c.Grants = map[string]Grant{"x": {HTTP: []string{"get http://x"}}} }, `did you mean "GET"?`},
		"redirects": {func(c *Config) { c.Grants = map[string]Grant{"x": {Redirects: 6}} }, "redirects is not a number from 0 to 5"},
		"retry":     {func(c *Config) { c.Grants = map[string]Grant{"x": {Retry: egress.Retry{Attempts: 6}}} }, "retry attempts is not a number"},
		"statuses": {func(c *Config) {
			c.Grants = map[string]Grant{"x": {Retry: egress.Retry{Attempts: 2, Statuses: []int{302}}}}
		}, "retry on holds a status"},
		"proxy": {func(c *Config) { c.Grants = map[string]Grant{"x": {Proxy: "socks5://p:1"}} }, "an egress proxy is written"},
		"ca":    {func(c *Config) { c.Grants = map[string]Grant{"x": {CA: "/dev/null/ca.pem"}} }, "ca: /dev/null/ca.pem"},
		"client certificate": {func(c *Config) {
			c.Grants = map[string]Grant{"x": {ClientCertificate: ClientCertificate{Certificate: "/none", Key: "/none"}}}
		}, "client_certificate: there is no file /none"},
		"catalog":          {func(c *Config) { c.Store = broken }, "reading the catalog"},
		"bundled garbage":  {func(c *Config) { c.Bundled = map[string][]byte{"x": []byte("garbage")} }, `the bundled connector "x"`},
		"bundled misnamed": {func(c *Config) { c.Bundled = map[string][]byte{"x": tiny("y", "1.0.0", "y")} }, `describes itself as "y"`},
		"bundled, storage": {func(c *Config) { c.Store, c.Bundled = readOnly, map[string][]byte{"x": tiny("x", "1.0.0", "x")} }, `the bundled connector "x"`},
	} {
		c := Config{Store: good, CacheDir: cacheDir, Limits: DefaultLimits(), MaxSockets: 8, Logger: quietLogger()}
		tc.change(&c)
		r, err := New(context.Background(), c)
		if r != nil || err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, %v", name, r, err)
		}
	}
}

// A damaged blob keeps one connector from being served. Pushing it again mends it.
func TestRuntime_DamagedBlob(t *testing.T) {
	dir := t.TempDir()
	wasm := tiny("greeter", "1.0.0", "one")
	store := open(t, dir)
	h := start(t, store, nil)
	c := h.install(wasm)
	h.install(tiny("other", "1.0.0", "other"))
	h.stop()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	digest := c.Version.SHA256
	path := filepath.Join(dir, "blobs", "sha256", digest[:2], digest)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}

	for range 2 { // the second start finds no blob at all: the first has set it aside
		store = open(t, dir)
		h = start(t, store, nil)
		h.wantBody("other/Say", "{}", `"other"`)
		if f := h.wantFailure("greeter/Say", "{}", envelope.ConnectorUnavailable); !strings.Contains(f.Message, "greeter") {
			t.Errorf("got %q", f.Message)
		}
		if h.ids() != "other/Say" || h.Unavailable()["greeter"] == "" || len(h.Unavailable()) != 1 {
			t.Errorf("in service: %s; unavailable: %v", h.ids(), h.Unavailable())
		}
		if cs := h.Connectors(); len(cs) != 2 || cs[0].Unavailable == "" || cs[0].Version.Manifest.Version != "1.0.0" {
			t.Errorf("got %+v", cs)
		}
		if !strings.Contains(h.log.String(), "push it again") {
			t.Errorf("log: %s", h.log)
		}
		h.stop()
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}

	store = open(t, dir)
	h = start(t, store, nil)
	h.install(wasm)
	h.wantBody("greeter/Say", "{}", `"one"`)
	if len(h.Unavailable()) != 0 {
		t.Errorf("unavailable: %v", h.Unavailable())
	}
	h.stop()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	start(t, open(t, dir), nil).wantBody("greeter/Say", "{}", `"one"`)
}

func TestRuntime_RemoveUnavailable(t *testing.T) {
	store := newFaultyStore(open(t, t.TempDir()))
	h := start(t, store, nil)
	h.install(tiny("greeter", "1.0.0", "one"))
	h.stop()
	store.set("Blob", catalog.ErrStorage, nil)
	h = start(t, store, nil)
	h.wantFailure("greeter/Say", "{}", envelope.ConnectorUnavailable)
	if err := h.Remove(context.Background(), "greeter"); err != nil || len(h.Connectors()) != 0 {
		t.Errorf("got %v; installed: %v", err, h.Connectors())
	}
}

// A damaged entry, of an uploaded connector or a bundled one, does not keep the others from being served; installing
// makes it anew.
func TestRuntime_DamagedEntry(t *testing.T) {
	dir := t.TempDir()
	bundle := func(c *Config) { c.Bundled = map[string][]byte{"inside": tiny("inside", "1.0.0", "in")} }
	store := open(t, dir)
	h := start(t, store, bundle)
	h.install(tiny("greeter", "1.0.0", "one"))
	h.install(tiny("other", "1.0.0", "other"))
	h.stop()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(filepath.Join(dir, "catalog.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		entries := tx.Bucket([]byte("entries"))
		for _, name := range []string{"greeter", "inside"} {
			record := append([]byte(nil), entries.Get([]byte(name))...)
			record[len(record)-3] ^= 4
			if err := entries.Put([]byte(name), record); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}

	h = start(t, open(t, dir), bundle)
	h.wantBody("other/Say", "{}", `"other"`)
	h.wantBody("inside/Say", "{}", `"in"`)
	if h.ids() != "inside/Say other/Say" || !strings.Contains(h.log.String(), "damaged") {
		t.Errorf("in service: %s; log: %s", h.ids(), h.log)
	}
	h.install(tiny("greeter", "1.0.0", "one"))
	h.wantBody("greeter/Say", "{}", `"one"`)
	if err := h.Remove(context.Background(), "greeter"); err != nil {
		t.Error(err)
	}
}

// Where the store fails, what is in service stays, and the change can be made once the store works again.
func TestRuntime_StorageErrors(t *testing.T) {
	ctx := context.Background()
	for _, tc := range []struct {
		method  string
		err     error
		install string // the refusal's code, "" where it does not ask
		remove  string
	}{
		{"PutBlob", catalog.ErrNoSpace, RefusedNoSpace, ""},
		{"PutBlob", catalog.ErrStorage, RefusedStorage, ""},
		{"CompareAndSwap", catalog.ErrNoSpace, RefusedNoSpace, ""},
		{"CompareAndSwap", catalog.ErrStorage, RefusedStorage, ""},
		{"CompareAndSwap", catalog.ErrConflict, RefusedStorage, ""},
		{"Get", catalog.ErrStorage, RefusedStorage, RefusedStorage},
		{"Delete", catalog.ErrNoSpace, "", RefusedNoSpace},
		{"Delete", catalog.ErrStorage, "", RefusedStorage},
	} {
		t.Run(tc.method+" "+tc.err.Error(), func(t *testing.T) {
			store := newFaultyStore(open(t, t.TempDir()))
			h := start(t, store, nil)
			h.install(tiny("greeter", "1.0.0", "one"))
			_, revision := h.Commands()
			store.set(tc.method, tc.err, nil)
			if tc.install != "" {
				for _, wasm := range [][]byte{tiny("greeter", "2.0.0", "two"), tiny("new", "1.0.0", "new")} {
					if _, changed, err := h.Install(ctx, wasm, false); changed || !isRefusal(err, tc.install) {
						t.Errorf("got %t, %v", changed, err)
					}
				}
			}
			if tc.remove != "" {
				if err := h.Remove(ctx, "greeter"); !isRefusal(err, tc.remove) {
					t.Errorf("got %v", err)
				}
			}
			if _, now := h.Commands(); now != revision || h.ids() != "greeter/Say" {
				t.Errorf("in service: %s", h.ids())
			}
			h.wantBody("greeter/Say", "{}", `"one"`)

			store.set(tc.method, nil, nil)
			h.install(tiny("greeter", "2.0.0", "two"))
			h.wantBody("greeter/Say", "{}", `"two"`)
			if err := h.Remove(ctx, "greeter"); err != nil {
				t.Error(err)
			}
		})
	}
}

// A write that failed may have been made. What is said afterwards holds nevertheless.
func TestRuntime_UnknownOutcome(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	local := open(t, dir)
	store := newFaultyStore(local)
	h := start(t, store, nil)
	v1 := tiny("greeter", "1.0.0", "one")
	h.install(v1)
	h.install(tiny("other", "1.0.0", "other"))

	store.set("CompareAndSwap", nil, catalog.ErrStorage)
	if _, _, err := h.Install(ctx, tiny("greeter", "2.0.0", "two"), false); !isRefusal(err, RefusedStorage) {
		t.Fatalf("got %v", err)
	}
	h.wantBody("greeter/Say", "{}", `"one"`)
	store.set("CompareAndSwap", nil, nil)
	h.install(v1) // what is in service is not what is kept, until it is installed again
	if e, err := local.Get(ctx, "greeter"); err != nil || e.Active != h.Connectors()[0].Version.SHA256 {
		t.Errorf("kept %+v, %v", e, err)
	}

	store.set("Delete", nil, catalog.ErrStorage)
	for _, name := range []string{"greeter", "other"} {
		if err := h.Remove(ctx, name); !isRefusal(err, RefusedStorage) {
			t.Fatalf("got %v", err)
		}
	}
	h.wantBody("greeter/Say", "{}", `"one"`)
	store.set("Delete", nil, nil)
	h.install(v1)
	if err := h.Remove(ctx, "other"); err != nil {
		t.Errorf("removing what is gone: %v", err)
	}
	h.stop()
	if err := local.Close(); err != nil {
		t.Fatal(err)
	}
	h = start(t, open(t, dir), nil)
	h.wantBody("greeter/Say", "{}", `"one"`)
	if h.ids() != "greeter/Say" {
		t.Errorf("in service: %s", h.ids())
	}
}
