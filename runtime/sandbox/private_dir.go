package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
)

// privateDir makes sure that path is a folder that only this user may enter.
func privateDir(path string) error {
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
