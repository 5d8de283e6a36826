package runtime

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"sluice/runtime/catalog"
	"sluice/runtime/manifest"
	"sluice/runtime/sandbox/compile"
)

// Install puts a module into service under the name it describes, in place of an older version of it. When it returns
// without error the module is durable and takes calls; calls in flight finish on the version they began with. replace
// allows other content under a version that is installed. A module that is in service already changes nothing.
//
// # Errors
//
// The error is a *Refusal, or the context's. Nothing has changed then.
func (r *Runtime) Install(ctx context.Context, wasm []byte, replace bool) (Connector, bool, error) {
	m, err := r.admit(ctx, wasm)
	if err != nil {
		return Connector{}, false, err
	}
	code, described, err := r.prepare(ctx, m)
	if err != nil {
		return Connector{}, false, refusal(err)
	}
	c, changed, err := r.install(ctx, newVersion(wasm, m, described), wasm, code, replace)
	if err != nil || !changed {
		code.close()
	}
	if err != nil {
		return Connector{}, false, refusal(err)
	}
	return r.describe(c), changed, nil
}

// install returns the connector that serves the module. Where it reports no change, that is the one from before.
func (r *Runtime) install(ctx context.Context, v catalog.Version, wasm []byte, code *code, replace bool) (*connector, bool, error) {
	r.changing.Lock()
	defer r.changing.Unlock()
	present := r.current.Load().connectors[v.Manifest.Name]
	if present != nil && present.version.SHA256 == v.SHA256 && present.unavailable == "" {
		if kept, err := r.isKept(ctx, present); kept || err != nil {
			return present, false, err
		}
	} else if present != nil {
		if err := mayReplace(present, v, replace); err != nil {
			return nil, false, err
		}
	}
	c, err := r.enter(ctx, v, wasm, code, false)
	if err != nil {
		return nil, false, err
	}
	r.publish(r.current.Load().with(c.name, c))
	return c, true, nil
}

// enter makes a connector ready to serve, and durable once it is. Where it fails, the code is still the caller's. The
// caller holds r.changing.
func (r *Runtime) enter(ctx context.Context, v catalog.Version, wasm []byte, code *code, bundled bool) (*connector, error) {
	kept, err := r.keptGrant(ctx, v.Manifest.Name, bundled)
	if err != nil {
		return nil, err
	}
	c := r.newConnector(kept, v)
	if before := r.current.Load().connectors[c.name]; before != nil && before.observed != nil && before.observed.grant == c.grant.Digest() {
		c.observed = before.observed
	}
	if err := r.serve(c, code); err != nil {
		return nil, err
	}
	entry, err := r.record(ctx, v, wasm, bundled)
	if err != nil {
		c.code = nil
		c.release()
		return nil, err
	}
	c.entry = entry
	return c, nil
}

// isKept says whether the catalog has as the active version what is in service. It is another where an earlier change
// was not acknowledged, because the store failed, but was made.
func (r *Runtime) isKept(ctx context.Context, c *connector) (bool, error) {
	entry, err := r.config.Store.Get(ctx, c.name)
	if errors.Is(err, catalog.ErrNotFound) || errors.Is(err, catalog.ErrDamaged) {
		return false, nil
	}
	return entry.Active == c.version.SHA256, err
}

func newVersion(wasm []byte, m *admitted, described *manifest.Manifest) catalog.Version {
	digest := sha256.Sum256(wasm)
	return catalog.Version{
		SHA256: hex.EncodeToString(digest[:]), Size: int64(len(wasm)), ABI: string(m.abi),
		Manifest: described, InstalledAt: time.Now().UTC(), Compiled: string(m.compiled),
	}
}

func mayReplace(present *connector, v catalog.Version, replace bool) error {
	if present.entry.Bundled {
		return refuse(RefusedName, fmt.Sprintf("The name %q belongs to a bundled connector, whose grant is not for others. "+
			"Give the connector another name in its manifest.", v.Manifest.Name))
	}
	for _, old := range present.entry.Versions {
		if !replace && old.Manifest.Version == v.Manifest.Version && old.SHA256 != v.SHA256 {
			return refuse(RefusedVersion, fmt.Sprintf("Version %s of %q is installed with other content (sha256 %s…). "+
				"Raise the version in the manifest, or push with --replace.", old.Manifest.Version, v.Manifest.Name, old.SHA256[:12]))
		}
	}
	return nil
}

// record makes the version durable as the active one of its name. The caller holds r.changing.
func (r *Runtime) record(ctx context.Context, v catalog.Version, wasm []byte, bundled bool) (catalog.Entry, error) {
	entry, err := r.config.Store.Get(ctx, v.Manifest.Name)
	damaged := errors.Is(err, catalog.ErrDamaged)
	if err != nil && !damaged && !errors.Is(err, catalog.ErrNotFound) {
		return entry, err
	}
	revision := entry.Revision
	if bundled && !entry.Bundled {
		entry.Grant, entry.Observed = nil, nil // which were another connector's
	}
	entry.Name, entry.Bundled = v.Manifest.Name, bundled
	if _, err := r.config.Store.PutBlob(ctx, wasm); err != nil {
		return entry, err
	}
	if damaged { // nobody can read it any more, and it would stand in the way of being mended
		r.config.Logger.Warn("a connector's entry in the catalog was damaged and is made anew, without its older versions", "connector", entry.Name)
		if err := r.forget(ctx, entry.Name); err != nil {
			return entry, err
		}
	}
	return r.config.Store.CompareAndSwap(ctx, entry.WithVersion(v, catalog.DefaultKeep), revision)
}

// Remove takes an installed connector out of service and out of the catalog. Calls in flight finish.
//
// # Errors
//
// The error is a *Refusal. Nothing has changed then.
func (r *Runtime) Remove(ctx context.Context, name string) error {
	r.changing.Lock()
	defer r.changing.Unlock()
	c := r.current.Load().connectors[name]
	if c == nil {
		return unknownConnector(name)
	}
	if c.entry.Bundled {
		return refuse(RefusedBundled, fmt.Sprintf("%q is bundled with Sluice and can't be removed. A grant without rules keeps it from reaching anything.", name))
	}
	if err := r.forget(ctx, name); err != nil {
		return refusal(err)
	}
	c.observed.end()
	r.publish(r.current.Load().with(name, nil))
	return nil
}

// forget removes the catalog's entry of that name, if there is one: an earlier removal may have been made without being
// acknowledged, and so may a change that gave the entry another revision.
func (r *Runtime) forget(ctx context.Context, name string) error {
	entry, err := r.config.Store.Get(ctx, name)
	switch {
	case errors.Is(err, catalog.ErrNotFound):
		return nil
	case err != nil && !errors.Is(err, catalog.ErrDamaged): // a damaged one goes at any revision
		return err
	}
	return r.config.Store.Delete(ctx, name, entry.Revision)
}

// openBundled returns a bundled connector ready to serve.
func (r *Runtime) openBundled(ctx context.Context, name string, wasm []byte, known catalog.Entry) (*connector, error) {
	m, err := r.admit(ctx, wasm)
	if err != nil {
		return nil, fmt.Errorf("the bundled connector %q: %w", name, err)
	}
	code, described, err := r.prepare(ctx, m)
	if err != nil {
		return nil, fmt.Errorf("the bundled connector %q: %w", name, err)
	}
	v := newVersion(wasm, m, described)
	c, err := r.bundledConnector(ctx, name, v, wasm, code, known)
	if err == nil {
		return c, nil
	}
	code.close()
	if _, source := r.grantOf(known); source != GrantFromCatalog {
		return nil, fmt.Errorf("the bundled connector %q: %w", name, err)
	}
	// Management may have granted what can't be had any more, such as a file. That keeps one connector from being served,
	// and not the server from starting, without which the grant can't be changed.
	c = r.newConnector(known, v)
	r.cannotServe(c, err)
	return c, nil
}

func (r *Runtime) bundledConnector(ctx context.Context, name string, v catalog.Version, wasm []byte, code *code, known catalog.Entry) (*connector, error) {
	if kept, ok := known.Version(v.SHA256); ok && known.Bundled && known.Active == v.SHA256 {
		c := r.newConnector(r.keepCompiled(ctx, known, kept, compile.Record(v.Compiled)), kept)
		return c, r.serve(c, code)
	}
	if v.Manifest.Name != name {
		return nil, fmt.Errorf("it describes itself as %q", v.Manifest.Name)
	}
	if known.Name != "" && !known.Bundled {
		r.config.Logger.Warn("an uploaded connector had the name of a bundled one, and is no longer served", "connector", name)
	}
	return r.enter(ctx, v, wasm, code, true)
}
