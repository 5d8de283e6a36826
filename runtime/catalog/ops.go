package catalog

import (
	"crypto/rand"
	"os"

	"go.etcd.io/bbolt"
)

const (
	folderMode = 0o700
	fileMode   = 0o600
)

// ops are the file-system operations of Local: all of those that change something, and the reads that can fail in a way
// that matters. Tests replace single ones, to count, record or fail them.
type ops struct {
	mkdir    func(path string) error
	create   func(path string) (*os.File, error) // for writing; the file must not exist
	write    func(f *os.File, b []byte) (int, error)
	sync     func(f *os.File) error
	close    func(f *os.File) error
	rename   func(from, to string) error
	link     func(from, to string) error
	remove   func(path string) error
	syncDir  func(path string) error
	readFile func(path string) ([]byte, error)

	// createDatabase writes a complete and synced database to a new file.
	createDatabase func(path string) error
	// syncDatabase makes durable what can be read in the database.
	syncDatabase func(db *bbolt.DB) error
	// commit makes a transaction durable.
	commit func(tx *bbolt.Tx) error
}

func systemOps() ops {
	return ops{
		mkdir: func(path string) error { return os.Mkdir(path, folderMode) },
		create: func(path string) (*os.File, error) {
			return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
		},
		write:          (*os.File).Write,
		sync:           (*os.File).Sync,
		close:          (*os.File).Close,
		rename:         os.Rename,
		link:           os.Link,
		remove:         os.Remove,
		syncDir:        syncDir,
		readFile:       os.ReadFile,
		createDatabase: createDatabase,
		syncDatabase:   (*bbolt.DB).Sync,
		commit:         (*bbolt.Tx).Commit,
	}
}

// syncDir makes the names in a folder durable.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	err = d.Sync()
	if closeErr := d.Close(); err == nil {
		err = closeErr
	}
	return err
}

// temporaryMark is in the name of every file that is not finished. What bears it when nothing is being written is left
// over from an interruption.
const temporaryMark = ".tmp-"

func temporaryName(path string) string { return path + temporaryMark + rand.Text() }
