package catalog

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"go.etcd.io/bbolt"
)

// errKilled is what every operation returns after the process is said to be dead.
var errKilled = errors.New("killed")

// event is one file-system operation that was carried out. Paths are relative to the recorder's base.
type event struct {
	do   string
	path string
	to   string
	data []byte
}

// recorder carries out the operations of a Local below base, except for syncs, and keeps a record of all of them, syncs
// included, from which the states that a power cut could leave are made.
//
// A commit is recorded as a write of the whole database, which bbolt makes atomic, and a sync.
type recorder struct {
	base string
	// without names kinds of events that are forgotten, as if the code had not asked for them.
	without string
	// killAt is the number of the operation before which the process dies; a commit dies before its sync.
	// Negative: never.
	killAt int

	mu     sync.Mutex
	done   int
	events []event
	paths  map[*os.File]string
}

func newRecorder(base string) *recorder {
	return &recorder{base: base, killAt: -1, paths: map[*os.File]string{}}
}

// alive counts an operation and reports whether the process lives to carry it out.
func (r *recorder) alive() bool {
	r.done++
	return r.killAt < 0 || r.done <= r.killAt
}

func (r *recorder) add(do, path, to string, data []byte) {
	if do == r.without {
		return
	}
	e := event{do: do, path: r.relative(path), data: append([]byte(nil), data...)}
	if to != "" {
		e.to = r.relative(to)
	}
	r.events = append(r.events, e)
}

func (r *recorder) relative(path string) string {
	rel, err := filepath.Rel(r.base, path)
	if err != nil {
		panic(err)
	}
	return rel
}

// run carries out one operation, if the process is alive, and records it, if it succeeds.
func (r *recorder) run(do, path, to string, data []byte, f func() error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.alive() {
		return errKilled
	}
	err := f()
	if err == nil {
		r.add(do, path, to, data)
	}
	return err
}

func nothing() error { return nil }

func (r *recorder) ops() ops {
	system := systemOps()
	return ops{
		mkdir: func(path string) error {
			return r.run("mkdir", path, "", nil, func() error { return system.mkdir(path) })
		},
		create: func(path string) (f *os.File, err error) {
			err = r.run("create", path, "", nil, func() (err error) {
				if f, err = system.create(path); err == nil {
					r.paths[f] = path
				}
				return err
			})
			return f, err
		},
		write: func(f *os.File, b []byte) (n int, err error) {
			err = r.run("write", r.paths[f], "", b, func() (err error) { n, err = system.write(f, b); return err })
			return n, err
		},
		sync:  func(f *os.File) error { return r.run("sync", r.paths[f], "", nil, nothing) },
		close: system.close,
		rename: func(from, to string) error {
			return r.run("rename", from, to, nil, func() error { return system.rename(from, to) })
		},
		link: func(from, to string) error {
			return r.run("link", from, to, nil, func() error { return system.link(from, to) })
		},
		remove: func(path string) error {
			return r.run("remove", path, "", nil, func() error { return system.remove(path) })
		},
		syncDir:  func(path string) error { return r.run("syncdir", path, "", nil, nothing) },
		readFile: system.readFile,
		createDatabase: func(path string) error {
			return r.run("", path, "", nil, func() error {
				if err := copyNewDatabase(path); err != nil {
					return err
				}
				r.add("create", path, "", nil)
				r.addDatabase(path)
				r.add("sync", path, "", nil)
				return nil
			})
		},
		syncDatabase: func(db *bbolt.DB) error { return r.run("sync", db.Path(), "", nil, nothing) },
		commit: func(tx *bbolt.Tx) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			alive := r.alive()
			if !alive && r.done > r.killAt+1 {
				return errKilled
			}
			path := tx.DB().Path()
			tx.DB().NoSync = true
			if err := system.commit(tx); err != nil {
				return err
			}
			r.addDatabase(path)
			if !alive {
				return errKilled
			}
			r.add("sync", path, "", nil)
			return nil
		},
	}
}

// newDatabase returns what createDatabase writes.
var newDatabase = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "catalog")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "catalog.db")
	if err := createDatabase(path); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// copyNewDatabase is createDatabase without the syncs.
func copyNewDatabase(path string) error {
	b, err := newDatabase()
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, fileMode)
}

// addDatabase records that a database has become what it is now.
func (r *recorder) addDatabase(path string) {
	b, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	r.add("replace", path, "", b)
}

// node is a file or folder of the model: what programs see, and what is durable.
type node struct {
	folder         bool
	seen, durable  []byte
	names, durably map[string]*node
	// atomic is set for the database: of its unsynced content all or nothing is there after a power cut.
	atomic bool
}

func newFolder() *node {
	return &node{folder: true, names: map[string]*node{}, durably: map[string]*node{}}
}

// model applies events to an empty, durable base folder.
type model struct{ root *node }

func newModel() *model { return &model{root: newFolder()} }

func (m *model) find(path string) *node {
	n := m.root
	for part := range strings.SplitSeq(path, string(filepath.Separator)) {
		if part != "." {
			n = n.names[part]
		}
	}
	return n
}

func (m *model) apply(e event) {
	parent, name := m.find(filepath.Dir(e.path)), filepath.Base(e.path)
	switch e.do {
	case "mkdir":
		parent.names[name] = newFolder()
	case "create":
		parent.names[name] = &node{atomic: strings.Contains(name, "catalog.db")}
	case "replace":
		m.find(e.path).seen = e.data
	case "write":
		n := m.find(e.path)
		n.seen = append(append([]byte(nil), n.seen...), e.data...)
	case "sync":
		n := m.find(e.path)
		n.durable = n.seen
	case "link", "rename":
		m.find(filepath.Dir(e.to)).names[filepath.Base(e.to)] = parent.names[name]
		if e.do == "rename" {
			delete(parent.names, name)
		}
	case "remove":
		delete(parent.names, name)
	case "syncdir":
		n := m.find(e.path)
		n.durably = map[string]*node{}
		for name, child := range n.names {
			n.durably[name] = child
		}
	}
}

// cut is how a power cut treats what was not synced.
type cut struct {
	name string
	// names and content report whether an unsynced name, or an unsynced content, is on disk.
	names, content func() bool
}

func cuts(seed uint64, mixes int) []cut {
	yes, no := func() bool { return true }, func() bool { return false }
	all := []cut{{"all lost", no, no}, {"names kept", yes, no}, {"content kept", no, yes}, {"nothing lost", yes, yes}}
	random := rand.New(rand.NewPCG(seed, 1))
	coin := func() bool { return random.IntN(2) == 0 }
	for range mixes {
		all = append(all, cut{"mixed", coin, coin})
	}
	return all
}

// write lays a state that the power cut could leave into an existing folder.
func (n *node) write(path string, c cut) error {
	for _, name := range union(n.names, n.durably) {
		child := n.durably[name]
		if c.names() {
			child = n.names[name]
		}
		if child == nil {
			continue
		}
		to := filepath.Join(path, name)
		if child.folder {
			if err := os.Mkdir(to, folderMode); err != nil {
				return err
			}
			if err := child.write(to, c); err != nil {
				return err
			}
			continue
		}
		if err := os.WriteFile(to, child.content(c), fileMode); err != nil {
			return err
		}
	}
	return nil
}

func (n *node) content(c cut) []byte {
	switch kept := c.content(); {
	case kept:
		return n.seen
	case n.atomic || c.content() || len(n.seen) <= len(n.durable):
		return n.durable
	}
	return n.seen[:len(n.seen)/2]
}

func union(a, b map[string]*node) []string {
	var names []string
	for name := range a {
		names = append(names, name)
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			names = append(names, name)
		}
	}
	return names
}
