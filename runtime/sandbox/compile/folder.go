package compile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// PrivateDir makes sure that path is a folder that only this user may enter.
func PrivateDir(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fmt.Errorf("the folder for compiled code: %w", err)
	}
	info, err := os.Lstat(filepath.Clean(path)) // with a slash at its end it would be what a link points to
	if err != nil {
		return fmt.Errorf("the folder for compiled code: %w", err)
	}
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 || !ownedByUs(info) {
		return fmt.Errorf("the folder for compiled code, %s, must be a folder of this user's with mode 0700: whoever writes there runs code in this process", path)
	}
	return nil
}

// workshopPrefix begins the names of workshops: folders inside the cache, so that what is made there can be moved, in
// which one helper works.
const workshopPrefix = "workshop-"

func newWorkshop(cacheDir string) (string, error) { return os.MkdirTemp(cacheDir, workshopPrefix) }

// removeWorkshops removes what a server that was killed left behind.
func removeWorkshops(cacheDir string) error {
	entries, err := os.ReadDir(cacheDir)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), workshopPrefix) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(cacheDir, e.Name())))
		}
	}
	return err
}

// codePrefix begins the names of the folders in which the engine, in any of its versions, keeps code.
const codePrefix = "wazero-"

// onlyFile returns the one file that the engine left in a workshop, and the folder in it where that is.
func onlyFile(workshop string) (dir, name string, err error) {
	if dir, err = onlyEntry(workshop, fs.ModeDir); err != nil {
		return "", "", err
	}
	if name, err = onlyEntry(filepath.Join(workshop, dir), 0); err != nil {
		return "", "", err
	}
	if !strings.HasPrefix(dir, codePrefix) || !isDigest(name) {
		return "", "", errors.New("the files are not named as the engine names them")
	}
	return dir, name, nil
}

// onlyEntry returns the name of the one entry of a folder, which is of that type.
func onlyEntry(folder string, kind fs.FileMode) (string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return "", err
	}
	if len(entries) != 1 || entries[0].Type() != kind {
		return "", fmt.Errorf("there are %d files where one was to be", len(entries))
	}
	return entries[0].Name(), nil
}

// find returns the name of the one file that a helper left in its workshop. It was made by this compiler, or else the
// engine would not find it.
func (i identity) find(workshop string) (string, error) {
	dir, name, err := onlyFile(workshop)
	if err == nil && dir != i.dir {
		err = errors.New("the helper is of another version than the server")
	}
	return name, err
}

// sweep removes from the cache the code of other versions, and what is not named in keep. It leaves alone what is not
// named like something of the engine's.
func (i identity) sweep(cacheDir string, keep map[string]bool) (removed int, err error) {
	folders, err := os.ReadDir(cacheDir)
	if err != nil {
		return 0, err
	}
	for _, folder := range folders {
		if !strings.HasPrefix(folder.Name(), codePrefix) {
			continue
		}
		path := filepath.Join(cacheDir, folder.Name())
		if folder.Name() != i.dir {
			n, removeErr := removeCode(path, nil)
			removed += n
			err = errors.Join(err, removeErr, os.RemoveAll(path))
			continue
		}
		n, removeErr := removeCode(path, keep)
		removed += n
		err = errors.Join(err, removeErr)
	}
	return removed, err
}

// removeCode removes the files of a folder that are not named in keep. Something else than a folder has none.
func removeCode(path string, keep map[string]bool) (removed int, err error) {
	info, err := os.Lstat(path)
	if err != nil || !info.IsDir() {
		return 0, err
	}
	files, err := os.ReadDir(path)
	for _, f := range files {
		if keep[f.Name()] {
			continue
		}
		if removeErr := os.RemoveAll(filepath.Join(path, f.Name())); removeErr != nil {
			err = errors.Join(err, removeErr)
			continue
		}
		removed++
	}
	return removed, err
}
