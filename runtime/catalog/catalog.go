// Package catalog keeps the installed connectors: for each name its versions, which of them is active, and the modules
// themselves, so that whatever was acknowledged is still there after a crash or a power cut.
//
// Two things are kept. An [Entry] is a small record that is replaced as a whole by compare-and-swap; a blob is a module's
// bytes, found by their SHA-256 and never changed. Installing is PutBlob, then CompareAndSwap with an entry that refers
// to the blob; activating and rolling back swap one pointer, [Entry.Active]. Calls don't come here: they run from a
// snapshot in memory, so nothing in this package is on the path of a call.
package catalog

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"sluice/runtime/manifest"
)

// DefaultKeep is how many versions of a connector stay installed unless told otherwise.
const DefaultKeep = 5

// Version is one installed build of a connector.
type Version struct {
	// SHA256 is the digest of the module's bytes, 64 lower-case hexadecimal digits, and the key of its blob.
	SHA256 string `json:"sha256"`
	// Size is the module's length in bytes.
	Size int64 `json:"size"`
	// ABI names how the module is entered, in the words of the package that enters it.
	ABI string `json:"abi"`
	// Manifest is what the module said of itself when it was installed. It is immutable, and shared.
	Manifest *manifest.Manifest `json:"manifest"`
	// InstalledAt is when the version was installed. It is kept in UTC.
	InstalledAt time.Time `json:"installed_at"`
	// Compiled says which file of the compilation cache is the module's code, and what digest it has: a compile.Record, ""
	// for none.
	Compiled string `json:"compiled,omitempty"`
}

// Entry is one connector with its installed versions.
type Entry struct {
	// Name is the connector's name; [manifest.ValidName] holds for it.
	Name string `json:"name"`
	// Revision names this state of the entry. The store sets it: it grows with every change, and no revision of a store
	// is used a second time, not even for an entry that was deleted and made anew.
	Revision uint64 `json:"revision"`
	// Active is the SHA256 of the version that serves calls, one of Versions.
	Active string `json:"active"`
	// Versions holds 1 to 64 versions, the newest first, each digest once.
	Versions []Version `json:"versions"`
	// Bundled says that the connector came with the binary.
	Bundled bool `json:"bundled"`
	// Grant is what the operator allows the connector, in JSON, nil where nothing was said. It stays when versions change,
	// and goes with the entry. It and Observed hold at most [MaxText] bytes.
	Grant json.RawMessage `json:"grant,omitempty"`
	// Observed is what the connector was seen to need beyond its grant, in JSON, nil for nothing.
	Observed json.RawMessage `json:"observed,omitempty"`
}

// MaxText bounds each of the texts of an entry that others than this package understand, in bytes.
const MaxText = 256 << 10

// Version returns the version with this digest.
func (e Entry) Version(sha256hex string) (Version, bool) {
	for _, v := range e.Versions {
		if v.SHA256 == sha256hex {
			return v, true
		}
	}
	return Version{}, false
}

// WithVersion returns a copy of e in which v is the newest version and the active one. A version with the same digest is
// replaced, and the oldest beyond keep are dropped; keep less than 1 means [DefaultKeep].
func (e Entry) WithVersion(v Version, keep int) Entry {
	if keep < 1 {
		keep = DefaultKeep
	}
	older := slices.DeleteFunc(slices.Clone(e.Versions), func(o Version) bool { return o.SHA256 == v.SHA256 })
	e.Versions = append([]Version{v}, older[:min(len(older), keep-1)]...)
	e.Active = v.SHA256
	return e
}

// Store is where a catalog is kept. Its methods may be called from any number of goroutines. What a method returns
// belongs to the caller, and what it was given is not kept.
//
// A context that is done before a method begins makes it return the context's error. Afterwards it is not asked: a write
// that has begun is finished, so that its outcome is known.
//
// # Errors
//
// Every method can also return [ErrStorage], and after Close [ErrClosed]. After [ErrStorage] from a write its outcome is
// not known: read before trying again.
type Store interface {
	// List returns all entries, sorted by name. If some are damaged it returns the others, and with them an error that
	// is [ErrDamaged] and names those it left out.
	List(ctx context.Context) ([]Entry, error)

	// Get returns the entry, [ErrNotFound], or [ErrDamaged].
	Get(ctx context.Context, name string) (Entry, error)

	// CompareAndSwap replaces the entry e.Name, if revision is still its revision, by e, and returns e with its new
	// revision; e.Revision is not looked at. Revision 0 means that there must be no such entry. When it returns, the
	// entry is durable.
	//
	// It returns [ErrConflict] where the revision is another, [ErrInvalid] for an entry that breaks a rule of its type,
	// [ErrDamaged] where the present entry can't be read, [ErrNoSpace], and [ErrNotFound] where there is no blob for a
	// version that is new in the entry or newly active: put it (again) first.
	CompareAndSwap(ctx context.Context, e Entry, revision uint64) (Entry, error)

	// Delete removes the entry, if revision is its revision. An entry that can't be read is removed at any revision.
	// The blobs stay until Sweep. It returns [ErrNotFound], [ErrConflict] or [ErrNoSpace].
	Delete(ctx context.Context, name string, revision uint64) error

	// PutBlob keeps a copy of b and returns its SHA-256 in hexadecimal. When it returns, the blob is durable. It may be
	// there already: then it is written anew, which mends it if it was damaged. It returns [ErrNoSpace].
	PutBlob(ctx context.Context, b []byte) (sha256hex string, err error)

	// Blob returns the bytes with this digest, which it has compared with them. Where they differ it sets the file aside
	// and returns [ErrDamaged]; the next Blob returns [ErrNotFound], until the blob is put again.
	Blob(ctx context.Context, sha256hex string) ([]byte, error)

	// Sweep removes the blobs that no entry refers to and what interrupted writes left behind, and returns how many files
	// that were. A blob between PutBlob and the CompareAndSwap that refers to it is safe: it stays for a grace period
	// after PutBlob, and a CompareAndSwap that comes later still finds out, by [ErrNotFound]. It removes nothing and
	// returns [ErrDamaged] while an entry can't be read, because the blobs of that entry are not known.
	Sweep(ctx context.Context) (removed int, err error)

	// Close waits for what is running and releases the store. A second Close does nothing.
	Close() error
}
