//go:build !linux

package config

// availableMemory is a modest guess where there is no /proc to ask.
func availableMemory() int64 { return 4 << 30 }

// openFiles is a modest guess where there is no limit to ask for.
func openFiles() int { return 1024 }
