//go:build !linux

package main

import "os"

// isTerminal says whether somebody sits at the other end of a file, as far as its mode tells.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
