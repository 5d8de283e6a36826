package catalog

import (
	"maps"
	"path/filepath"
	"testing"
)

// kept is what must be there after a crash: entries by name with their grants, blobs by digest, and sealed secrets by name.
type kept struct {
	entries map[string]Entry
	blobs   map[string]bool
	secrets map[string]string
}

func nothingKept() kept { return kept{map[string]Entry{}, map[string]bool{}, map[string]string{}} }

func (k kept) clone() kept {
	return kept{maps.Clone(k.entries), maps.Clone(k.blobs), maps.Clone(k.secrets)}
}

// world runs operations on a recorded store and remembers what each acknowledged.
type world struct {
	t        testing.TB
	recorder *recorder
	store    *Local
	state    kept
	acks     []ack
}

// ack is the state that was acknowledged when the record had so many events.
type ack struct {
	at    int
	state kept
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, recorder: newRecorder(t.TempDir()), state: nothingKept()}
	w.acknowledge()
	return w
}

func (w *world) acknowledge() {
	w.acks = append(w.acks, ack{len(w.recorder.events), w.state.clone()})
}

// did acknowledges a change, or, where the process was killed within the operation, leaves it open; it reports which.
func (w *world) did(err error, change func(*kept)) bool {
	w.t.Helper()
	if w.recorder.killAt >= 0 && err != nil {
		return false
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.state = w.state.clone()
	change(&w.state)
	w.acknowledge()
	return true
}

func (w *world) open() bool {
	w.t.Helper()
	var err error
	w.store, err = open(filepath.Join(w.recorder.base, "data"), Options{}, w.recorder.ops())
	return w.did(err, func(*kept) {})
}

func (w *world) close() {
	if w.store != nil {
		_ = w.store.Close()
		w.store = nil
	}
}

func (w *world) put(b string) bool {
	w.t.Helper()
	digest, err := w.store.PutBlob(w.t.Context(), []byte(b))
	return w.did(err, func(k *kept) { k.blobs[digest] = true })
}

// install makes b, which was put, the active version.
func (w *world) install(name, b string) bool {
	w.t.Helper()
	before := w.state.entries[name]
	before.Name = name
	e, err := w.store.CompareAndSwap(w.t.Context(), before.WithVersion(newVersion(digestOf([]byte(b)), len(b)), 2), before.Revision)
	return w.did(err, func(k *kept) { k.entries[name] = e })
}

// grant makes text the grant of a connector that is installed.
func (w *world) grant(name, text string) bool {
	w.t.Helper()
	e := w.state.entries[name]
	e.Grant = []byte(text)
	e, err := w.store.CompareAndSwap(w.t.Context(), e, e.Revision)
	return w.did(err, func(k *kept) { k.entries[name] = e })
}

func (w *world) putSecret(name, sealed string) bool {
	w.t.Helper()
	return w.did(w.store.PutSecret(w.t.Context(), name, []byte(sealed)), func(k *kept) { k.secrets[name] = sealed })
}

func (w *world) deleteSecret(name string) bool {
	w.t.Helper()
	return w.did(w.store.DeleteSecret(w.t.Context(), name), func(k *kept) { delete(k.secrets, name) })
}

func (w *world) delete(name string) bool {
	w.t.Helper()
	err := w.store.Delete(w.t.Context(), name, w.state.entries[name].Revision)
	return w.did(err, func(k *kept) { delete(k.entries, name) })
}

func (w *world) sweep(pending ...string) bool {
	w.t.Helper()
	_, err := w.store.Sweep(w.t.Context())
	return w.did(err, func(k *kept) {
		clear(k.blobs)
		for _, b := range pending {
			k.blobs[digestOf([]byte(b))] = true
		}
		for _, e := range k.entries {
			for _, v := range e.Versions {
				k.blobs[v.SHA256] = true
			}
		}
	})
}

// life is a store's life with every kind of operation in it.
func (w *world) life() {
	w.open()
	w.put("one")
	w.install("weather", "one")
	w.grant("weather", `{"memory":"1MiB"}`)
	w.putSecret("token", "sealed") // makes the bucket
	w.put("two")
	w.install("weather", "two")
	w.grant("weather", `{"memory":"2MiB"}`)
	w.putSecret("token", "sealed anew")
	w.putSecret("other", "sealed too")
	w.put("one") // again, over a blob in use
	w.install("weather", "one")
	w.put("three")
	w.install("weather", "three") // drops the oldest
	w.install("other", "one")
	w.put("waiting")
	w.sweep("waiting")
	w.delete("other")
	w.deleteSecret("other")
	w.close()
	w.open()
	w.sweep()
	w.put("one")
	w.install("other", "one")
	w.grant("other", `{}`)
	w.putSecret("other", "again")
	w.close()
	w.open()
	w.sweep()
	w.close()
}
