package catalog

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"go.etcd.io/bbolt"
)

var crashFull = flag.Bool("crash.full", false, "cut the power after every operation, in ten random ways besides the four fixed ones")

// thoroughness returns how many events lie between two power cuts, and in how many random ways each is made.
func thoroughness(step, mixes int) (int, int) {
	if *crashFull {
		return 1, 10
	}
	return step, mixes
}

// check cuts the power after every event from the from-th on, in several ways, and returns how many states it looked at
// and the first that lost or damaged something.
func (w *world) check(from, step, mixes int) (states int, err error) {
	m := newModel()
	for n := 0; n <= len(w.recorder.events); n++ {
		if n > 0 {
			m.apply(w.recorder.events[n-1])
		}
		if n < from || n%step != 0 && n != len(w.recorder.events) {
			continue
		}
		for _, c := range cuts(uint64(n), mixes) {
			states++
			if err := w.checkCut(m, n, c); err != nil {
				return states, fmt.Errorf("%d events, then a power cut, %s: %w", n, c.name, err)
			}
		}
	}
	return states, nil
}

func (w *world) checkCut(m *model, n int, c cut) error {
	base, err := os.MkdirTemp(w.recorder.base, "cut")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(base) }()
	if err := m.root.write(base, c); err != nil {
		return err
	}
	last := 0
	for last+1 < len(w.acks) && w.acks[last+1].at <= n {
		last++
	}
	allowed := []kept{w.acks[last].state}
	if last+1 < len(w.acks) {
		allowed = append(allowed, w.acks[last+1].state) // the operation in flight may have come through
	}
	return checkRecovered(filepath.Join(base, "data"), allowed)
}

// checkRecovered opens what a power cut left and looks for one of the states that are allowed.
func checkRecovered(dir string, allowed []kept) error {
	l, err := open(dir, Options{}, unsyncedOps())
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer func() { _ = l.Close() }()
	all, err := l.list()
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	entries := map[string]Entry{}
	for _, e := range all {
		entries[e.Name] = e
		for _, v := range e.Versions {
			if _, err := l.readBlob(v.SHA256); err != nil {
				return fmt.Errorf("connector %s refers to a blob: %w", e.Name, err)
			}
		}
	}
	secrets, err := sealedSecrets(l)
	if err != nil {
		return err
	}
	matches := false
	for _, k := range allowed {
		matches = matches || reflect.DeepEqual(entries, k.entries) && maps.Equal(secrets, k.secrets)
	}
	if !matches {
		return fmt.Errorf("entries %+v, secrets %q; allowed: %+v", entries, secrets, allowed)
	}
	for digest := range allowed[0].blobs {
		if !allowed[len(allowed)-1].blobs[digest] {
			continue
		}
		if _, err := l.readBlob(digest); err != nil {
			return err
		}
	}
	return checkFiles(l)
}

// sealedSecrets are the secrets that the store has, none of them torn.
func sealedSecrets(l *Local) (map[string]string, error) {
	records, err := l.Secrets(context.Background())
	if err != nil {
		return nil, fmt.Errorf("secrets: %w", err)
	}
	out := map[string]string{}
	for name, sealed := range records {
		if sealed == nil {
			return nil, fmt.Errorf("the sealed secret %s is torn", name)
		}
		out[name] = string(sealed)
	}
	return out, nil
}

// checkFiles looks for torn blobs and for leftovers.
func checkFiles(l *Local) error {
	return filepath.WalkDir(l.blobsFolder(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if !validDigest(d.Name()) {
			return fmt.Errorf("left over: %s", path)
		}
		_, err = l.readBlob(d.Name())
		return err
	})
}

// unsyncedOps are the system's without syncs: nobody cuts the power of the test itself.
func unsyncedOps() ops {
	o := systemOps()
	o.sync = func(*os.File) error { return nil }
	o.syncDir = func(string) error { return nil }
	o.syncDatabase = func(*bbolt.DB) error { return nil }
	o.createDatabase = copyNewDatabase
	return o
}

func TestPowerCut(t *testing.T) {
	w := newWorld(t)
	w.life()
	step, mixes := thoroughness(1, 1)
	states, err := w.check(0, step, mixes)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d events, %d states", len(w.recorder.events), states)
}

// The test can see a missing sync: it fails for the same life without one kind of them.
func TestPowerCut_FindsMissingSyncs(t *testing.T) {
	for _, without := range []string{"sync", "syncdir"} {
		t.Run(without, func(t *testing.T) {
			w := newWorld(t)
			w.recorder.without = without
			w.life()
			_, err := w.check(0, 1, 0)
			if err == nil {
				t.Fatalf("nobody missed %s", without)
			}
			t.Log(err)
		})
	}
}

// A process is killed anywhere within an installation and an upgrade; the next one goes on with what it finds, and then
// the power is cut: what the first left unsynced must not hurt what the second acknowledged.
func TestPowerCut_AfterKill(t *testing.T) {
	states, killed := 0, true
	step, mixes := thoroughness(3, 0)
	for killAt := 0; killed; killAt++ {
		w := newWorld(t)
		w.recorder.killAt = killAt
		killed = !(w.open() && w.put("one") && w.install("weather", "one") && w.grant("weather", `{"memory":"1MiB"}`) && w.putSecret("token", "sealed") &&
			w.put("two") && w.install("weather", "two") && w.putSecret("token", "sealed anew") && w.grant("weather", `{"memory":"2MiB"}`) &&
			w.deleteSecret("token") && w.delete("weather"))
		w.close()
		w.recorder.killAt = -1

		second := len(w.recorder.events)
		if err := w.resume(); err != nil {
			t.Fatalf("killed before operation %d: %v", killAt, err)
		}
		n, err := w.check(second, step, mixes)
		if err != nil {
			t.Fatalf("killed before operation %d: %v", killAt, err)
		}
		states += n
	}
	t.Logf("%d states", states)
}

// resume opens the store after a kill and takes what it finds there for what was acknowledged.
func (w *world) resume() error {
	w.open()
	all, err := w.store.list()
	if err != nil {
		return err
	}
	found := nothingKept()
	if found.secrets, err = sealedSecrets(w.store); err != nil {
		return err
	}
	for _, e := range all {
		found.entries[e.Name] = e
		for _, v := range e.Versions {
			found.blobs[v.SHA256] = true
		}
	}
	for name, e := range w.state.entries {
		if found.entries[name].Revision < e.Revision && len(all) > 0 {
			return fmt.Errorf("revision %d of %s is lost", e.Revision, name)
		}
	}
	w.state = found
	w.acks[len(w.acks)-1].state = found
	// A blob that the first process named but did not sync can be referred to without being put again.
	for _, b := range []string{"one", "two"} {
		if _, err := w.store.readBlob(digestOf([]byte(b))); err == nil {
			w.install("resumed-"+b, b)
		} else if !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	w.sweep()
	w.put("two")
	w.install("weather", "two")
	w.grant("weather", `{"memory":"3MiB"}`)
	w.putSecret("token", "resumed")
	w.close()
	return nil
}
